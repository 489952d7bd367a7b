//! Carriers that need no library: the headers of messages, and environment variables.

use std::fmt;
use std::process::Command;

use tta_model::w3c::{BAGGAGE, Extract, Inject, TRACEPARENT, TRACESTATE, environment_name};

/// Stands for a value that is no text. No header may hold it, so whatever it is a part of is malformed; if the
/// value were left out instead, the rest would pass for all that was sent.
const NOT_TEXT: &str = "\u{fffd}";

/// The headers of a message, whose values are bytes, as most brokers have them.
///
/// # Examples
///
/// ```
/// use tta_observability::propagation::{MessageHeaders, extract_trace_context, inject_trace_context};
///
/// let received = vec![("traceparent".to_owned(), b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_vec())];
/// let cx = extract_trace_context(&MessageHeaders(&received)).build();
/// let mut sent = Vec::new();
/// inject_trace_context(&cx, &mut MessageHeaders(&mut sent));
/// assert_eq!(sent, received);
/// ```
pub struct MessageHeaders<T>(pub T);

impl<T> fmt::Debug for MessageHeaders<T> {
    /// Shows nothing of what is carried: there may be credentials beside the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageHeaders(..)")
    }
}

impl Extract for MessageHeaders<&Vec<(String, Vec<u8>)>> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        named(self.0, name)
    }
}

impl Extract for MessageHeaders<&[(String, Vec<u8>)]> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        named(self.0, name)
    }
}

impl Inject for MessageHeaders<&mut Vec<(String, Vec<u8>)>> {
    fn set(&mut self, name: &str, value: String) {
        self.unset(name);
        self.0.push((name.to_owned(), value.into_bytes()));
    }

    fn unset(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }
}

/// Reads the headers that the starter of this process left in its environment; give it to
/// [`extract_trace_context`](super::extract_trace_context).
///
/// # Examples
///
/// ```
/// use tta_observability::propagation::{environment, extract_trace_context};
///
/// let cx = extract_trace_context(&environment()).workflow_name("nightly").build();
/// ```
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let read = |header: &str| {
        let value = std::env::var_os(environment_name(header))?;
        Some((header.to_owned(), value.into_string().unwrap_or_else(|_| NOT_TEXT.to_owned())))
    };
    [TRACEPARENT, TRACESTATE, BAGGAGE].into_iter().filter_map(read).collect()
}

/// The environment of a process that is about to be started.
///
/// What is unset is not inherited either.
///
/// # Examples
///
/// ```
/// use tta_observability::propagation::{CommandEnvironment, inject_trace_context};
/// use tta_primitives::WorkflowContext;
///
/// let mut command = std::process::Command::new("convert");
/// inject_trace_context(&WorkflowContext::new(), &mut CommandEnvironment(&mut command));
/// ```
pub struct CommandEnvironment<'a>(pub &'a mut Command);

impl fmt::Debug for CommandEnvironment<'_> {
    /// Shows nothing of what is carried: there may be credentials beside the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommandEnvironment(..)")
    }
}

impl Inject for CommandEnvironment<'_> {
    fn set(&mut self, name: &str, value: String) {
        self.0.env(environment_name(name), value);
    }

    fn unset(&mut self, name: &str) {
        self.0.env_remove(environment_name(name));
    }
}

/// Reads a value as text.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or(NOT_TEXT)
}

fn named<'a>(headers: &'a [(String, Vec<u8>)], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| text(value))
}
