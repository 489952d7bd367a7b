//! Traces as OTLP's JSON, which the server and other programs read again.
//!
//! The rules are those of protobuf's JSON with OTLP's exceptions: ids are in hexadecimal digits, numbers of 64 bits are texts, enums are
//! numbers, and what has its default is left out. It is written here, because the types' own serializer loses numbers such as
//! infinity.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, EntityRef, InstrumentationScope, KeyValue, any_value::Value as Any,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Map, Value, json};

use super::plain::number;
use super::trace::{Origin, StoredTrace};

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
    let groups = resource_spans(trace);
    (!groups.is_empty()).then(|| json!({ "resourceSpans": groups }).to_string())
}

/// The spans of a trace as OTLP's `ResourceSpans`, one for each origin.
pub(crate) fn resource_spans(trace: &StoredTrace) -> Vec<Value> {
    let mut stored: Vec<_> = trace.spans.iter().collect();
    stored.sort_by(|a, b| {
        let key = |span: &Span| (span.start_time_unix_nano, !span.parent_span_id.is_empty());
        key(&a.span).cmp(&key(&b.span)).then_with(|| a.span.span_id.cmp(&b.span.span_id))
    });
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut last: Option<(&Arc<Origin>, usize)> = None;
    for stored in stored {
        let at = match last {
            Some((origin, at)) if Arc::ptr_eq(origin, &stored.origin) => at,
            // The same origin is another value in each file of the store.
            _ => {
                let head = head(&stored.origin);
                *places.entry(head.to_string()).or_insert_with(|| {
                    groups.push((head, Vec::new()));
                    groups.len() - 1
                })
            }
        };
        last = Some((&stored.origin, at));
        groups[at].1.push(span(&stored.span));
    }
    let whole = |(mut head, spans): (Value, Vec<Value>)| {
        head["scopeSpans"][0]["spans"] = Value::Array(spans);
        head
    };
    groups.into_iter().map(whole).collect()
}

/// A `ResourceSpans` with one scope and no spans.
fn head(origin: &Origin) -> Value {
    let of_scope =
        Object::new().put("scope", scope(&origin.scope)).text("schemaUrl", &origin.scope_schema_url).done();
    let list = Value::Array(vec![of_scope]);
    let resource = resource(&origin.resource);
    Object::new()
        .put("resource", resource)
        .put("scopeSpans", list)
        .text("schemaUrl", &origin.resource_schema_url)
        .done()
}

fn resource(resource: &Resource) -> Value {
    Object::new()
        .list("attributes", &resource.attributes, pair)
        .number("droppedAttributesCount", resource.dropped_attributes_count)
        .list("entityRefs", &resource.entity_refs, entity)
        .done()
}

fn entity(entity: &EntityRef) -> Value {
    let text = |text: &String| Value::from(text.as_str());
    Object::new()
        .text("schemaUrl", &entity.schema_url)
        .text("type", &entity.r#type)
        .list("idKeys", &entity.id_keys, text)
        .list("descriptionKeys", &entity.description_keys, text)
        .done()
}

fn scope(scope: &InstrumentationScope) -> Value {
    Object::new()
        .text("name", &scope.name)
        .text("version", &scope.version)
        .list("attributes", &scope.attributes, pair)
        .number("droppedAttributesCount", scope.dropped_attributes_count)
        .done()
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

fn pair(pair: &KeyValue) -> Value {
    Object::new().put("key", pair.key.as_str()).maybe("value", pair.value.as_ref().map(value)).done()
}

/// A value, with its type as the name; one without any is an empty object.
fn value(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(bool)) => json!({ "boolValue": bool }),
        Some(Any::IntValue(int)) => json!({ "intValue": int.to_string() }),
        Some(Any::DoubleValue(float)) => json!({ "doubleValue": number(*float) }),
        Some(Any::BytesValue(bytes)) => json!({ "bytesValue": STANDARD.encode(bytes) }),
        Some(Any::ArrayValue(list)) => {
            json!({ "arrayValue": Object::new().list("values", &list.values, self::value).done() })
        }
        Some(Any::KvlistValue(list)) => {
            json!({ "kvlistValue": Object::new().list("values", &list.values, pair).done() })
        }
        // A place in a table of texts, which only profiles have.
        Some(Any::StringValueStrindex(_)) | None => json!({}),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from(b"0123456789abcdef"[usize::from(digit)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// An object without the fields that have their defaults.
struct Object(Map<String, Value>);

impl Object {
    fn new() -> Self {
        Self(Map::new())
    }

    fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn maybe(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.maybe(name, (!text.is_empty()).then(|| Value::from(text)))
    }

    fn number(self, name: &str, number: impl Into<i64>) -> Self {
        let number = number.into();
        self.maybe(name, (number != 0).then(|| Value::from(number)))
    }

    /// A number of 64 bits.
    fn long(self, name: &str, number: u64) -> Self {
        self.maybe(name, (number != 0).then(|| Value::from(number.to_string())))
    }

    fn list<T>(self, name: &str, list: &[T], each: impl Fn(&T) -> Value) -> Self {
        self.maybe(name, (!list.is_empty()).then(|| list.iter().map(each).collect()))
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}
