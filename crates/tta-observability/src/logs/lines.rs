//! Writes lines as text for people or as JSON for machines, each with the ids of its run.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serializer;
use serde_json::{Number, json};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Clock};
use tracing_subscriber::layer::Context;
use tta_model::Value;
use tta_model::name::log::TARGET_PREFIX;

use super::fields::Fields;
use super::ids::{self, Ids};

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As text if standard error is a terminal, or else as JSON.
    #[default]
    Auto,
    /// As text for people.
    Pretty,
    /// As one JSON object a line.
    Json,
    /// Not at all.
    Off,
}

impl LogFormat {
    fn is_json(self) -> bool {
        match self {
            Self::Auto => !io::stderr().is_terminal(),
            other => other == Self::Json,
        }
    }
}

/// A layer that writes lines; see [`lines`].
pub struct Lines {
    is_json: bool,
    out: Mutex<Box<dyn Write + Send>>,
}

/// A layer that writes lines to standard error, with the ids of the run in which each was written: `trace_id`, `span_id`,
/// `workflow_id`, `correlation_id`. Secrets of known shapes are taken out.
#[must_use]
pub fn lines(format: LogFormat) -> Lines {
    Lines::to(format, io::stderr())
}

impl Lines {
    /// Writes to something else than standard error.
    #[must_use]
    pub fn to(format: LogFormat, out: impl Write + Send + 'static) -> Self {
        Self { is_json: format.is_json(), out: Mutex::new(Box::new(out)) }
    }

    fn format(&self, event: &Event<'_>) -> String {
        let mut fields = Fields::of(event);
        let ids = place(event.metadata().target(), &mut fields);
        let mut line =
            if self.is_json { json_line(event, &fields, &ids) } else { text_line(event, &fields, &ids) };
        line.push('\n');
        line
    }
}

/// The place that a line says it is about, or else the one where it is written.
fn place(target: &str, fields: &mut Fields) -> Vec<(&'static str, String)> {
    // Only our own lines say for themselves where they belong.
    let own = target.starts_with(TARGET_PREFIX).then(|| fields.take("trace_id")).flatten();
    if let Some(trace_id) = own {
        let mut own = vec![("trace_id", shown(&trace_id))];
        for name in ["span_id", "workflow_id", "correlation_id"] {
            own.extend(fields.take(name).map(|id| (name, shown(&id))));
        }
        return own;
    }
    let Ids { span, workflow_id, correlation_id } = ids::current(target);
    let mut ids = Vec::new();
    if let Some(span) = span {
        ids.push(("trace_id", span.trace_id.to_string()));
        ids.push(("span_id", span.span_id.to_string()));
    }
    ids.extend(workflow_id.map(|id| ("workflow_id", id.to_string())));
    ids.extend(correlation_id.map(|id| ("correlation_id", id.to_string())));
    ids
}

fn now() -> String {
    let mut time = String::new();
    if Clock.format_time(&mut Writer::new(&mut time)).is_err() {
        // A clock that cannot be read is shown as one.
        time = format!("{:?}", SystemTime::now());
    }
    time
}

fn json_line(event: &Event<'_>, fields: &Fields, ids: &[(&'static str, String)]) -> String {
    let metadata = event.metadata();
    let mut line: Vec<(Cow<'_, str>, serde_json::Value)> = vec![
        ("timestamp".into(), json!(now())),
        ("level".into(), json!(metadata.level().as_str())),
        ("target".into(), json!(metadata.target())),
        ("message".into(), json!(fields.message)),
    ];
    line.extend(ids.iter().map(|(name, id)| (Cow::from(*name), json!(id))));
    for (key, value) in &fields.attributes {
        // What a line is made of stays; a field of that name gets another one.
        let is_taken = line.iter().any(|(known, _)| known == &**key);
        let key = if is_taken { format!("field_{key}").into() } else { Cow::from(&**key) };
        line.push((key, json_value(value)));
    }
    let mut written = Vec::new();
    let mut json = serde_json::Serializer::new(&mut written);
    // Strings and numbers in memory can always be written.
    let _ = json.collect_map(line);
    String::from_utf8(written).unwrap_or_default()
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => Number::from_f64(*value).map_or_else(|| json!(value.to_string()), Into::into),
        other => json!(shown(other)),
    }
}

fn shown(value: &Value) -> String {
    value.as_text().map_or_else(|| value.to_string(), str::to_owned)
}

fn text_line(event: &Event<'_>, fields: &Fields, ids: &[(&'static str, String)]) -> String {
    let metadata = event.metadata();
    let mut line = format!("{} {:>5} {}", now(), level(*metadata.level()), metadata.target());
    if !fields.message.is_empty() {
        line.push_str(&format!(" {}", fields.message));
    }
    for (key, value) in &fields.attributes {
        line.push_str(&format!(" {key}={}", quoted(&shown(value))));
    }
    ids.iter().for_each(|(name, id)| line.push_str(&format!(" {name}={}", quoted(id))));
    one_line(&line)
}

/// A line is one line whatever is in it, and tells the terminal nothing but text: a message may have been written by a
/// stranger, to move the cursor or to hide what stands before it.
fn one_line(line: &str) -> String {
    let is_harmful =
        |char: char| (char.is_control() && char != '\t') || matches!(char, '\u{2028}' | '\u{2029}');
    let mut safe = String::with_capacity(line.len());
    for char in line.chars() {
        if is_harmful(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

fn level(level: Level) -> &'static str {
    level.as_str()
}

/// A value in quotes if it has more than one word.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains(|char: char| char.is_whitespace() || char == '"' || char == '=') {
        format!("{value:?}")
    } else {
        value.to_owned()
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = self.format(event);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Without somewhere to write to there is nobody to tell.
        let _ = out.write_all(line.as_bytes());
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("is_json", &self.is_json).finish_non_exhaustive()
    }
}
