//! A row for each span.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};
use tta::server::read::{StoredSpan, facts};

use super::json::{attributes, hex, list, object, resource, scope};
use super::table::{Cell, Kind};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("trace_id", Kind::Text),
    ("span_id", Kind::Text),
    ("parent_span_id", Kind::Text),
    ("service", Kind::Text),
    ("name", Kind::Text),
    ("kind", Kind::Text),
    ("status", Kind::Text),
    ("status_message", Kind::Text),
    ("start", Kind::Time),
    ("duration_ns", Kind::Long),
    ("primitive", Kind::Text),
    ("primitive_type", Kind::Text),
    ("workflow", Kind::Text),
    ("agent", Kind::Text),
    ("agent_type", Kind::Text),
    ("session", Kind::Text),
    ("provider", Kind::Text),
    ("model", Kind::Text),
    ("prompt_tokens", Kind::Long),
    ("completion_tokens", Kind::Long),
    ("cost_usd", Kind::Double),
    ("attributes", Kind::Text),
    ("resource", Kind::Text),
    ("scope", Kind::Text),
    ("events", Kind::Text),
    ("links", Kind::Text),
];

pub(super) fn row(stored: &StoredSpan) -> [Cell; COLUMNS.len()] {
    let (span, origin) = (&stored.span, &stored.origin);
    let status = span.status.clone().unwrap_or_default();
    let facts = facts(span);
    [
        Cell::Text(hex(&span.trace_id)),
        Cell::Text(hex(&span.span_id)),
        Cell::text(&hex(&span.parent_span_id)),
        Cell::Text(origin.service().to_owned()),
        Cell::Text(span.name.clone()),
        Cell::Text(kind(span).into()),
        Cell::Text(status_word(status.code).into()),
        Cell::text(&status.message),
        Cell::time(span.start_time_unix_nano),
        Cell::long(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano)),
        Cell::text(&facts.primitive),
        Cell::text(&facts.primitive_type),
        Cell::text(&facts.workflow),
        Cell::text(&facts.agent),
        Cell::text(&facts.agent_type),
        Cell::text(&facts.session),
        Cell::text(&facts.provider),
        Cell::text(&facts.model),
        facts.usage.map_or(Cell::None, |usage| Cell::long(usage.prompt_tokens)),
        facts.usage.map_or(Cell::None, |usage| Cell::long(usage.completion_tokens)),
        Cell::double(facts.usage.filter(|usage| !usage.is_unpriced).map(|usage| usage.cost_usd)),
        attributes(&span.attributes),
        resource(origin),
        scope(origin),
        list(&span.events, event),
        list(&span.links, link),
    ]
}

/// As OpenTelemetry's own words for it, in lower case.
fn kind(span: &Span) -> &'static str {
    match SpanKind::try_from(span.kind) {
        Ok(SpanKind::Internal) => "internal",
        Ok(SpanKind::Server) => "server",
        Ok(SpanKind::Client) => "client",
        Ok(SpanKind::Producer) => "producer",
        Ok(SpanKind::Consumer) => "consumer",
        Ok(SpanKind::Unspecified) | Err(_) => "unspecified",
    }
}

fn status_word(code: i32) -> &'static str {
    match StatusCode::try_from(code) {
        Ok(StatusCode::Ok) => "ok",
        Ok(StatusCode::Error) => "error",
        Ok(StatusCode::Unset) | Err(_) => "unset",
    }
}

fn event(event: &Event) -> Value {
    let attributes = object(&event.attributes);
    json!({ "name": event.name, "time_unix_nanos": event.time_unix_nano, "attributes": attributes })
}

fn link(link: &Link) -> Value {
    let attributes = object(&link.attributes);
    json!({ "trace_id": hex(&link.trace_id), "span_id": hex(&link.span_id), "attributes": attributes })
}
