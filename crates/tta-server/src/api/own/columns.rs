//! A trace, by columns: what draws it reads them as they are, and 50,000 spans are small.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tta_model::TraceId;
use tta_model::name::attribute;
use utoipa::ToSchema;

use super::detail::{hex, text};
use super::params::{Named, no_trace};
use crate::analysis::Trace;
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, StoredTrace};

/// A trace. The arrays in `spans` have one entry for each span, by their start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceColumns {
    trace_id: String,
    /// The start of the earliest span, in nanoseconds since 1970.
    start_unix_nanos: String,
    /// From there to the end of the last span.
    duration_nanos: u64,
    /// The place of the span that stands for the whole.
    root: usize,
    /// The texts that numbers of services and names stand for.
    services: Vec<String>,
    names: Vec<String>,
    /// The texts that numbers of primitives and their types stand for; the first is empty, for a span that is of none.
    primitives: Vec<String>,
    spans: SpanColumns,
    /// The places of spans whose parent is not there.
    orphans: Vec<usize>,
    /// How many log records the trace has.
    logs: usize,
}

/// The spans, by columns.
#[derive(Debug, Default, Serialize, ToSchema)]
struct SpanColumns {
    span_id: Vec<String>,
    /// The place of the parent, or -1.
    parent: Vec<i64>,
    /// From the start of the trace.
    start_nanos: Vec<u64>,
    duration_nanos: Vec<u64>,
    service: Vec<u32>,
    name: Vec<u32>,
    primitive: Vec<u32>,
    primitive_type: Vec<u32>,
    /// 0 is unset, 1 ok, 2 an error.
    status: Vec<u8>,
    /// By OTLP's numbers from 0 to 5.
    kind: Vec<u8>,
}

/// Shows a trace by columns. What its spans tell of themselves is asked for span by span.
#[utoipa::path(get, path = "/traces/{trace_id}", tag = "traces", params(
    ("trace_id" = String, Path, description = "Its hexadecimal digits, 32 or fewer.", pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001"),
), responses(
    (status = 200, body = TraceColumns),
    (status = 400, description = "The id is none.", body = ErrorBody),
    (status = 404, description = "Nothing of it is stored.", body = ErrorBody),
))]
pub(super) async fn trace(
    State(state): State<ApiState>,
    Named(id): Named<TraceId>,
) -> Result<Response, ApiError> {
    state
        .json(move |reader| {
            let stored = read::trace(reader, id)?;
            let trace = Trace::of(&stored);
            let root = trace.root().ok_or_else(|| no_trace(&id.to_string()))?;
            Ok(columns(id, &stored, (trace, root)))
        })
        .await
}

fn columns(id: TraceId, stored: &StoredTrace, (trace, root): (Trace, usize)) -> TraceColumns {
    let (start, end) = trace.times();
    let mut primitives = Texts::default();
    let mut spans = SpanColumns::default();
    for (span, stored) in trace.spans.iter().zip(&stored.spans) {
        let attributes = &stored.span.attributes;
        spans.span_id.push(hex(&stored.span.span_id));
        spans.parent.push(span.parent.map_or(-1, |parent| parent as i64));
        spans.start_nanos.push(span.start - start);
        spans.duration_nanos.push(span.duration());
        spans.service.push(span.service);
        spans.name.push(span.name);
        spans.primitive.push(primitives.number(text(attributes, attribute::PRIMITIVE_NAME.key)));
        spans.primitive_type.push(primitives.number(text(attributes, attribute::PRIMITIVE_TYPE.key)));
        spans.status.push(span.status);
        spans.kind.push(span.kind);
    }
    let is_orphan = |at: &usize| trace.spans[*at].is_orphan;
    TraceColumns {
        trace_id: id.to_string(),
        start_unix_nanos: start.to_string(),
        duration_nanos: end - start,
        root,
        orphans: (0..trace.spans.len()).filter(is_orphan).collect(),
        logs: stored.logs.len(),
        primitives: primitives.texts,
        services: trace.services,
        names: trace.names,
        spans,
    }
}

/// Texts, each once; 0 is none.
struct Texts<'a> {
    texts: Vec<String>,
    numbers: HashMap<&'a str, u32>,
}

impl Default for Texts<'_> {
    fn default() -> Self {
        Self { texts: vec![String::new()], numbers: HashMap::new() }
    }
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: Option<&'a str>) -> u32 {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return 0 };
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text.to_owned());
            (self.texts.len() - 1) as u32
        })
    }
}
