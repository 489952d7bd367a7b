//! What can be asked of spans, and what the answer is.

use std::cmp::Ordering;
use std::sync::Arc;

use tta_model::{SpanId, TraceId};

use super::{ALWAYS, Times};
use crate::wire::span::ERROR;

/// Which spans are wanted: those that fit all that is given.
#[derive(Clone, Debug)]
pub struct SpanQuery {
    /// The service.
    pub service: Option<String>,
    /// The name of the span.
    pub name: Option<String>,
    /// The name of the primitive.
    pub primitive: Option<String>,
    /// The type of the primitive.
    pub primitive_type: Option<String>,
    /// The workflow.
    pub workflow: Option<String>,
    /// The instance of the agent.
    pub agent: Option<String>,
    /// The kind of agent.
    pub agent_type: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The provider of the model.
    pub provider: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The kind, by OTLP's numbers from 0 to 5.
    pub kind: Option<u8>,
    /// The status, by OTLP's numbers: 0 is unset, 1 ok, 2 an error.
    pub status: Option<u8>,
    /// Whether its status is an error.
    pub is_error: Option<bool>,
    /// Whether it has no parent.
    pub roots_only: bool,
    /// At least this long, in nanoseconds.
    pub min_duration_nanos: i64,
    /// At most this long, in nanoseconds.
    pub max_duration_nanos: i64,
    /// Started in this time.
    pub times: Times,
    /// With these attributes, of the span or else of its resource; a value that is no text is compared as it is printed.
    pub attributes: Vec<(String, String)>,
    /// With these tags, as Jaeger looks for them: an attribute of the span, its scope, its resource, one of its events or links, or
    /// a field that Jaeger shows as a tag, such as the name of the scope or of an event.
    pub tags: Vec<(String, String)>,
    /// With a text that holds this one, in whatever case of ASCII's letters: its name, an attribute, an event or the status.
    pub text: Option<String>,
    /// How many, at most; 0 counts as 1.
    pub limit: usize,
    /// How many records may be opened to look for attributes and texts, about, before the page ends with fewer spans. Its `next`
    /// goes on from there.
    pub most_records: usize,
    /// Those behind this one.
    pub after: Option<Cursor>,
    /// Of this trace. Where it lies in time is not known: without [`times`](Self::times) everything is passed by.
    pub trace: Option<TraceId>,
    /// As of this moment: what was committed later is not there.
    pub as_of: Option<Mark>,
}

impl Default for SpanQuery {
    /// The latest 100 of all.
    fn default() -> Self {
        Self {
            service: None,
            name: None,
            primitive: None,
            primitive_type: None,
            workflow: None,
            agent: None,
            agent_type: None,
            session: None,
            provider: None,
            model: None,
            kind: None,
            status: None,
            is_error: None,
            roots_only: false,
            min_duration_nanos: 0,
            max_duration_nanos: i64::MAX,
            times: ALWAYS,
            attributes: Vec::new(),
            tags: Vec::new(),
            text: None,
            limit: 100,
            most_records: usize::MAX,
            after: None,
            trace: None,
            as_of: None,
        }
    }
}

/// A moment in the life of a store, between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The file that was written to.
    pub file: String,
    /// The last part of a trace in it.
    pub part: i64,
}

impl Mark {
    /// The last part of a file that was there; greater than all if the file was complete, less than all if it is later.
    pub(super) fn last_part(&self, file: &str) -> i64 {
        match file.cmp(&self.file) {
            Ordering::Less => i64::MAX,
            Ordering::Equal => self.part,
            Ordering::Greater => i64::MIN,
        }
    }
}

impl SpanQuery {
    /// Whether only what failed fits.
    pub(super) fn wants_errors(&self) -> bool {
        self.status == Some(ERROR) || self.is_error == Some(true)
    }

    /// The latest start that can be asked for.
    pub(super) fn latest(&self) -> i64 {
        self.after.map_or(i64::MAX, |after| after.start_unix_nanos).min(*self.times.end())
    }
}

/// Where a page ended. Spans are in the order of their start, and then of their ids, which is the same in every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The start of the last span of the page.
    pub start_unix_nanos: i64,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
}

impl Cursor {
    /// The place before every span that starts at a time.
    pub(super) fn before_all_at(start_unix_nanos: i64) -> Option<Self> {
        let (trace_id, span_id) = (TraceId::new(u128::MAX)?, SpanId::new(u64::MAX)?);
        Some(Self { start_unix_nanos, trace_id, span_id })
    }
}

/// A span that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanHit {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// The service.
    pub service: Arc<str>,
    /// The name of the span.
    pub name: Arc<str>,
    /// The name of the primitive; empty if the span does not say, as with the following ones.
    pub primitive: Arc<str>,
    /// The type of the primitive.
    pub primitive_type: Arc<str>,
    /// The workflow.
    pub workflow: Arc<str>,
    /// The model.
    pub model: Arc<str>,
    /// The instance of the agent.
    pub agent: Arc<str>,
    /// The session.
    pub session: Arc<str>,
    /// The kind, by OTLP's numbers.
    pub kind: u8,
    /// The status, by OTLP's numbers.
    pub status: u8,
    /// Whether it has no parent.
    pub is_root: bool,
    /// When it started, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// How long it took, in nanoseconds.
    pub duration_nanos: i64,
}

/// Spans, latest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanPage {
    /// The spans, each once.
    pub hits: Vec<SpanHit>,
    /// Where the next page begins; none says that there are no more. A page may be shorter than asked for, or empty, and have a
    /// next one, if [`most_records`](SpanQuery::most_records) were opened.
    pub next: Option<Cursor>,
}
