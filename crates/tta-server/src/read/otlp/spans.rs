//! Spans.

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Map, Value};

use super::{Lists, Object, grouped, groups, hex, pair};
use crate::read::trace::{StoredSpan, StoredTrace};

const LISTS: Lists = Lists { resources: "resourceSpans", scopes: "scopeSpans", records: "spans" };

/// Writes the spans of a trace as one `ExportTraceServiceRequest` in OTLP's JSON, without a line break; none if it has no spans.
///
/// The same spans give the same text, in whatever order they came and in however many files they lie.
///
/// # Examples
///
/// ```
/// use tta_server::read::{StoredTrace, otlp_json};
/// assert_eq!(otlp_json(&StoredTrace::default()), None);
/// ```
#[must_use]
pub fn otlp_json(trace: &StoredTrace) -> Option<String> {
    grouped(&LISTS, sorted(trace).into_iter().map(|stored| (&stored.origin, span(&stored.span))))
}

/// The spans of a trace as OTLP's `ResourceSpans`, one for each origin, in the way in which Jaeger writes them: each span has a
/// status, be it empty.
pub(crate) fn resource_spans(trace: &StoredTrace) -> Vec<String> {
    let with_status = |stored: &'_ StoredSpan| {
        let mut span = span(&stored.span);
        if stored.span.status.is_none() {
            span["status"] = Value::Object(Map::new());
        }
        span
    };
    groups(&LISTS, sorted(trace).into_iter().map(|stored| (&stored.origin, with_status(stored))))
}

fn sorted(trace: &StoredTrace) -> Vec<&StoredSpan> {
    let mut stored: Vec<_> = trace.spans.iter().collect();
    stored.sort_by(|a, b| {
        let key = |span: &Span| (span.start_time_unix_nano, !span.parent_span_id.is_empty());
        key(&a.span).cmp(&key(&b.span)).then_with(|| a.span.span_id.cmp(&b.span.span_id))
    });
    stored
}

fn span(span: &Span) -> Value {
    Object::new()
        .text("traceId", &hex(&span.trace_id))
        .text("spanId", &hex(&span.span_id))
        .text("traceState", &span.trace_state)
        .text("parentSpanId", &hex(&span.parent_span_id))
        .number("flags", span.flags)
        .text("name", &span.name)
        .number("kind", span.kind)
        .long("startTimeUnixNano", span.start_time_unix_nano)
        .long("endTimeUnixNano", span.end_time_unix_nano)
        .list("attributes", &span.attributes, pair)
        .number("droppedAttributesCount", span.dropped_attributes_count)
        .list("events", &span.events, event)
        .number("droppedEventsCount", span.dropped_events_count)
        .list("links", &span.links, link)
        .number("droppedLinksCount", span.dropped_links_count)
        .maybe("status", span.status.as_ref().map(status))
        .done()
}

fn event(event: &Event) -> Value {
    Object::new()
        .long("timeUnixNano", event.time_unix_nano)
        .text("name", &event.name)
        .list("attributes", &event.attributes, pair)
        .number("droppedAttributesCount", event.dropped_attributes_count)
        .done()
}

fn link(link: &Link) -> Value {
    Object::new()
        .text("traceId", &hex(&link.trace_id))
        .text("spanId", &hex(&link.span_id))
        .text("traceState", &link.trace_state)
        .list("attributes", &link.attributes, pair)
        .number("droppedAttributesCount", link.dropped_attributes_count)
        .number("flags", link.flags)
        .done()
}

fn status(status: &Status) -> Value {
    Object::new().text("message", &status.message).number("code", status.code).done()
}
