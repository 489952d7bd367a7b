//! The records that travel from a running workflow to a backend.
//!
//! They are plain data: every field is public, and what is done with them is a function elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{SpanContext, SpanId, TraceFlags, TraceId};
use crate::value::{Attributes, Text, Value};
use crate::w3c::TraceState;

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// It returned a value.
    Success,
    /// It returned an error.
    Error,
    /// Its time ran out.
    Timeout,
    /// It was dropped or told to stop before it ended.
    Cancelled,
}

impl ExecutionStatus {
    /// The word used in attributes and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The side of a call that a span describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Work inside the process.
    #[default]
    Internal,
    /// A request that was received.
    Server,
    /// A request that was sent.
    Client,
    /// A message that was sent.
    Producer,
    /// A message that was received.
    Consumer,
}

/// What a span says about its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanStatus {
    /// Nothing was said.
    #[default]
    Unset,
    /// It succeeded.
    Ok,
    /// It failed, with a description.
    Error(Text),
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// What happened.
    pub name: Text,
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time_unix_nanos: u64,
    /// The data of the event.
    pub attributes: Attributes,
}

/// A reference from one span to another that is not its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The other span.
    pub context: SpanContext,
    /// The data of the link.
    pub attributes: Attributes,
}

/// One finished span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanRecord {
    /// The trace that the span belongs to.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The span that this one is a child of; none for the root of a trace.
    pub parent_span_id: Option<SpanId>,
    /// Whether the parent is in another process.
    pub parent_is_remote: bool,
    /// The flags that children inherit.
    pub flags: TraceFlags,
    /// What other tracing systems added.
    pub state: TraceState,
    /// The name, of low cardinality.
    pub name: Text,
    /// The side of the call.
    pub kind: SpanKind,
    /// The start, in nanoseconds since 1970-01-01T00:00:00Z.
    pub start_unix_nanos: u64,
    /// The end, in nanoseconds since 1970-01-01T00:00:00Z; never before the start.
    pub end_unix_nanos: u64,
    /// The attributes, each key once.
    pub attributes: Attributes,
    /// What happened, in order of time.
    pub events: Vec<EventRecord>,
    /// References to other spans.
    pub links: Vec<LinkRecord>,
    /// The outcome.
    pub status: SpanStatus,
    /// How many attributes were left out because of a limit.
    pub dropped_attributes: u32,
    /// How many events were left out because of a limit.
    pub dropped_events: u32,
}

impl SpanRecord {
    /// The duration in nanoseconds.
    #[must_use]
    pub fn duration_nanos(&self) -> u64 {
        self.end_unix_nanos.saturating_sub(self.start_unix_nanos)
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time_unix_nanos: u64,
    /// The severity number of OpenTelemetry: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error.
    pub severity: u8,
    /// The name of the event.
    pub event: Text,
    /// The message.
    pub body: Value,
    /// The data of the line.
    pub attributes: Attributes,
    /// The span in which the line was written.
    pub span: Option<SpanContext>,
}
