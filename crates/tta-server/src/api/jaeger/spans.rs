//! A stored trace as Jaeger shows it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, span};
use serde_json::Value;
use tta_model::name::attribute as a;

use super::params::print;
use super::shape;
use crate::read::{Origin, StoredSpan, StoredTrace, number, plain};

/// The tag of a span that failed.
pub(super) const ERROR_TAG: &str = "error";
/// The field of a log that says what happened.
const EVENT_FIELD: &str = "event";
/// The kinds of spans by OTLP's numbers.
pub(super) const KIND_NAMES: [&str; 6] = ["", "internal", "server", "client", "producer", "consumer"];
/// The greatest integer that JavaScript can tell from the next one.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Makes Jaeger's trace of ours.
pub(super) fn trace(stored: &StoredTrace) -> shape::Trace {
    let first = stored.spans.first().map_or(0, |stored| trace_number(&stored.span.trace_id));
    let mut processes: Vec<&Origin> = Vec::new();
    let spans = stored.spans.iter().map(|stored| {
        let known = processes.iter().position(|origin| origin.resource == stored.origin.resource);
        let number = known.unwrap_or_else(|| {
            processes.push(&stored.origin);
            processes.len() - 1
        });
        span(stored, format!("p{}", number + 1))
    });
    let spans = spans.collect();
    let process = |(at, origin): (usize, &&Origin)| (format!("p{}", at + 1), process(origin));
    let processes: BTreeMap<_, _> = processes.iter().enumerate().map(process).collect();
    shape::Trace { trace_id: print(first), spans, processes, warnings: None }
}

fn process(origin: &Origin) -> shape::Process {
    let mut attributes: Vec<&KeyValue> = origin.resource.attributes.iter().collect();
    attributes.retain(|attribute| attribute.key != a::SERVICE_NAME.key);
    shape::Process { service_name: origin.service().to_owned(), tags: tags(attributes) }
}

fn span(stored: &StoredSpan, process_id: String) -> shape::Span {
    let span = &stored.span;
    let (references, warnings) = references(span);
    let start = span.start_time_unix_nano / 1_000;
    shape::Span {
        trace_id: print(trace_number(&span.trace_id)),
        span_id: span_id(&span.span_id),
        operation_name: span.name.clone(),
        references,
        start_time: start,
        duration: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) / 1_000,
        tags: span_tags(stored),
        logs: span.events.iter().map(log).collect(),
        process_id,
        warnings,
    }
}

/// The parent first, then the links; one without a trace is left out with a warning.
fn references(span: &Span) -> (Vec<shape::Reference>, Option<Vec<String>>) {
    let mut references = Vec::new();
    let mut warnings = None;
    if !span.parent_span_id.is_empty() {
        let (trace_id, span_id) = (print(trace_number(&span.trace_id)), span_id(&span.parent_span_id));
        references.push(shape::Reference { ref_type: "CHILD_OF", trace_id, span_id });
    }
    for link in &span.links {
        let number = trace_number(&link.trace_id);
        if number == 0 {
            warnings.get_or_insert_with(Vec::new).push(String::from("Invalid span link removed"));
            continue;
        }
        let (trace_id, span_id) = (print(number), span_id(&link.span_id));
        references.push(shape::Reference { ref_type: "FOLLOWS_FROM", trace_id, span_id });
    }
    (references, warnings)
}

fn span_tags(stored: &StoredSpan) -> Vec<shape::Tag> {
    let (span, scope) = (&stored.span, &stored.origin.scope);
    let kind = usize::try_from(span.kind).ok().and_then(|kind| KIND_NAMES.get(kind)).copied();
    let (code, message) = span.status.as_ref().map_or((0, ""), |status| (status.code, &status.message));
    let code_name = usize::try_from(code).ok().and_then(|code| ["", "OK", "ERROR"].get(code)).copied();
    let is_error =
        (code == 2).then(|| shape::Tag { key: ERROR_TAG.to_owned(), kind: "bool", value: true.into() });
    let mut found = Vec::with_capacity(span.attributes.len() + 4);
    found.extend(text(a::OTEL_SCOPE_NAME.key, &scope.name));
    found.extend(text(a::OTEL_SCOPE_VERSION.key, &scope.version));
    found.extend(tags(span.attributes.iter().collect()));
    found.extend(text(a::SPAN_KIND.key, kind.unwrap_or("")));
    found.extend(text(a::OTEL_STATUS_CODE.key, code_name.unwrap_or("")));
    found.extend(is_error);
    found.extend(text(a::OTEL_STATUS_DESCRIPTION.key, message));
    found.extend(text(a::W3C_TRACESTATE.key, &span.trace_state));
    found
}

/// A tag, unless its text is empty.
fn text(key: &str, text: &str) -> Option<shape::Tag> {
    let is_there = !text.is_empty();
    is_there.then(|| shape::Tag { key: key.to_owned(), kind: "string", value: text.to_owned().into() })
}

fn log(event: &span::Event) -> shape::Log {
    let mut fields = Vec::with_capacity(event.attributes.len() + 1);
    let says_itself = event.attributes.iter().any(|attribute| attribute.key == EVENT_FIELD);
    if !event.name.is_empty() && !says_itself {
        let value = Value::from(event.name.clone());
        fields.push(shape::Tag { key: EVENT_FIELD.to_owned(), kind: "string", value });
    }
    fields.extend(tags(event.attributes.iter().collect()));
    shape::Log { timestamp: event.time_unix_nano / 1_000, fields }
}

/// Attributes by their keys, as Jaeger sorts them.
fn tags(mut attributes: Vec<&KeyValue>) -> Vec<shape::Tag> {
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    attributes.into_iter().map(|attribute| tag(&attribute.key, attribute.value.as_ref())).collect()
}

fn tag(key: &str, value: Option<&AnyValue>) -> shape::Tag {
    use any_value::Value as Any;
    let (kind, value) = match value.and_then(|value| value.value.as_ref()) {
        None => ("string", Value::from("")),
        Some(Any::StringValue(text)) => ("string", text.clone().into()),
        Some(Any::BoolValue(bool)) => ("bool", (*bool).into()),
        Some(Any::IntValue(int)) if int.unsigned_abs() > MAX_SAFE => ("int64", int.to_string().into()),
        Some(Any::IntValue(int)) => ("int64", (*int).into()),
        Some(Any::DoubleValue(float)) => ("float64", number(*float)),
        Some(Any::BytesValue(bytes)) => ("binary", BASE64_STANDARD.encode(bytes).into()),
        Some(nested) => ("string", plain(nested).to_string().into()),
    };
    shape::Tag { key: key.to_owned(), kind, value }
}

fn trace_number(id: &[u8]) -> u128 {
    id.try_into().map_or(0, u128::from_be_bytes)
}

fn span_id(id: &[u8]) -> String {
    format!("{:016x}", id.try_into().map_or(0, u64::from_be_bytes))
}
