//! All of one span.

use axum::extract::State;
use axum::response::Response;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span;
use serde::Serialize;
use serde_json::Value;
use tta_model::{SpanId, TraceId};
use utoipa::ToSchema;

use super::params::{Named, no_span, no_trace, status_word};
use crate::api::ApiState;
use crate::api::jaeger::plain;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, StoredSpan};

/// A span as it was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpanDetail {
    trace_id: String,
    span_id: String,
    /// Empty if it has no parent.
    parent_span_id: String,
    name: String,
    service: String,
    /// By OTLP's numbers from 0 to 5.
    kind: i32,
    #[schema(pattern = "^(unset|ok|error)$")]
    status: String,
    /// What the status says.
    status_message: String,
    start_unix_nanos: String,
    duration_nanos: u64,
    attributes: Vec<Attribute>,
    events: Vec<Event>,
    links: Vec<Link>,
    /// The attributes of what sent it.
    resource: Vec<Attribute>,
    /// The library that made it.
    scope: String,
    scope_version: String,
    trace_state: String,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

/// A fact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attribute {
    key: String,
    /// A text, a number, a truth, a list or an object; bytes are a text in base64.
    #[schema(value_type = Value)]
    value: Value,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    name: String,
    time_unix_nanos: String,
    attributes: Vec<Attribute>,
}

/// Another span that has to do with it.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    trace_id: String,
    span_id: String,
    attributes: Vec<Attribute>,
}

/// Shows all of a span: attributes, events, links and where it comes from.
#[utoipa::path(get, path = "/traces/{trace_id}/spans/{span_id}", tag = "traces", params(
    ("trace_id" = String, Path, description = "Its hexadecimal digits, 32 or fewer.", pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001"),
    ("span_id" = String, Path, description = "Its 16 hexadecimal digits.", pattern = "^[0-9a-fA-F]{16}$", example = "0000000000000001"),
), responses(
    (status = 200, body = SpanDetail),
    (status = 400, description = "An id is none.", body = ErrorBody),
    (status = 404, description = "Nothing of it is stored.", body = ErrorBody),
))]
pub(super) async fn span_detail(
    State(state): State<ApiState>,
    Named((trace, span)): Named<(TraceId, SpanId)>,
) -> Result<Response, ApiError> {
    state
        .json(move |reader| {
            if let Some(found) = read::span(reader, trace, span)? {
                return Ok(detail(&found));
            }
            Err(match read::is_stored(reader, trace)? {
                true => no_span(trace, &span.to_string()),
                false => no_trace(&trace.to_string()),
            })
        })
        .await
}

fn detail(stored: &StoredSpan) -> SpanDetail {
    let (span, origin) = (&stored.span, &stored.origin);
    let status = span.status.clone().unwrap_or_default();
    SpanDetail {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        name: span.name.clone(),
        service: origin.service().to_owned(),
        kind: span.kind,
        status: status_word(u8::try_from(status.code).unwrap_or(0)).to_owned(),
        status_message: status.message,
        start_unix_nanos: span.start_time_unix_nano.to_string(),
        duration_nanos: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().map(link).collect(),
        resource: attributes(&origin.resource.attributes),
        scope: origin.scope.name.clone(),
        scope_version: origin.scope.version.clone(),
        trace_state: span.trace_state.clone(),
        dropped_attributes: span.dropped_attributes_count,
        dropped_events: span.dropped_events_count,
        dropped_links: span.dropped_links_count,
    }
}

fn event(event: &span::Event) -> Event {
    Event {
        name: event.name.clone(),
        time_unix_nanos: event.time_unix_nano.to_string(),
        attributes: attributes(&event.attributes),
    }
}

fn link(link: &span::Link) -> Link {
    Link {
        trace_id: hex(&link.trace_id),
        span_id: hex(&link.span_id),
        attributes: attributes(&link.attributes),
    }
}

pub(super) fn attributes(all: &[KeyValue]) -> Vec<Attribute> {
    let attribute = |pair: &KeyValue| Attribute {
        key: pair.key.clone(),
        value: pair.value.as_ref().and_then(|value| value.value.as_ref()).map_or(Value::Null, plain),
    };
    all.iter().map(attribute).collect()
}

/// The text of an attribute, the last one if it is there more than once.
pub(super) fn text<'a>(all: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = all.iter().rfind(|pair| pair.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string holds every write.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
