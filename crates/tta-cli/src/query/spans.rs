//! OTLP's JSON as spans that can be drawn.

use serde_json::Value as Json;
use tta_model::{Key, SpanId, SpanKind, SpanRecord, SpanStatus, TraceFlags, TraceId, Value};

/// The spans of `{"resourceSpans": [...]}`; what has no id is left out.
pub(super) fn of(traces: &Json) -> Vec<SpanRecord> {
    let groups = list(&traces["resourceSpans"]).iter().flat_map(|group| list(&group["scopeSpans"]));
    groups.flat_map(|group| list(&group["spans"])).filter_map(span).collect()
}

fn span(json: &Json) -> Option<SpanRecord> {
    let start_unix_nanos = nanos(&json["startTimeUnixNano"]);
    let parent = json["parentSpanId"].as_str().and_then(|id| u64::from_str_radix(id, 16).ok());
    Some(SpanRecord {
        trace_id: TraceId::new(u128::from_str_radix(json["traceId"].as_str()?, 16).ok()?)?,
        span_id: SpanId::new(u64::from_str_radix(json["spanId"].as_str()?, 16).ok()?)?,
        parent_span_id: parent.and_then(SpanId::new),
        parent_is_remote: false,
        flags: TraceFlags::SAMPLED,
        state: Default::default(),
        name: json["name"].as_str().unwrap_or("").to_owned().into(),
        kind: kind(&json["kind"]),
        start_unix_nanos,
        end_unix_nanos: nanos(&json["endTimeUnixNano"]).max(start_unix_nanos),
        attributes: list(&json["attributes"]).iter().filter_map(attribute).collect(),
        events: Vec::new(),
        links: Vec::new(),
        status: match json["status"]["code"].as_u64() {
            Some(1) => SpanStatus::Ok,
            Some(2) => SpanStatus::Error(json["status"]["message"].as_str().unwrap_or("").to_owned().into()),
            _ => SpanStatus::Unset,
        },
        dropped_attributes: 0,
        dropped_events: 0,
    })
}

/// An attribute with a single value; what is drawn has no other.
fn attribute(json: &Json) -> Option<(Key, Value)> {
    let value = &json["value"];
    let int = || value["intValue"].as_i64().or_else(|| value["intValue"].as_str()?.parse().ok());
    let value = match (value["stringValue"].as_str(), value["boolValue"].as_bool()) {
        (Some(text), _) => Value::Text(text.to_owned().into()),
        (_, Some(bool)) => Value::Bool(bool),
        _ => int().map(Value::Int).or_else(|| value["doubleValue"].as_f64().map(Value::Float))?,
    };
    Some((json["key"].as_str()?.to_owned().into(), value))
}

fn kind(json: &Json) -> SpanKind {
    match json.as_u64() {
        Some(2) => SpanKind::Server,
        Some(3) => SpanKind::Client,
        Some(4) => SpanKind::Producer,
        Some(5) => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// OTLP writes large integers as texts.
fn nanos(json: &Json) -> u64 {
    json.as_str().and_then(|text| text.parse().ok()).or_else(|| json.as_u64()).unwrap_or(0)
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}
