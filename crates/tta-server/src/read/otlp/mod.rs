//! Telemetry as OTLP's JSON, which the server and other programs read again.
//!
//! The rules are those of protobuf's JSON with OTLP's exceptions: ids are in hexadecimal digits, numbers of 64 bits are texts, enums are
//! numbers, and what has its default is left out. It is written here, because the types' own serializer loses numbers such as
//! infinity.

mod logs;
mod metrics;
mod spans;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, EntityRef, InstrumentationScope, KeyValue, any_value::Value as Any,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value, json};

pub use logs::logs_json;
pub use metrics::metrics_json;
pub use spans::otlp_json;
pub(crate) use spans::resource_spans;

use super::plain::number as double;
use super::trace::Origin;

/// What the lists of a signal are called.
struct Lists {
    resources: &'static str,
    scopes: &'static str,
    records: &'static str,
}

/// A request with records; none if there are none.
fn grouped<'a>(lists: &Lists, records: impl Iterator<Item = (&'a Arc<Origin>, Value)>) -> Option<String> {
    let groups = groups(lists, records);
    (!groups.is_empty()).then(|| format!("{{\"{}\":[{}]}}", lists.resources, groups.join(",")))
}

/// Puts records together that have the same origin, in the order in which the origins come.
///
/// Each record is text before the next one is looked at: a trace may have so many that their values would fill the memory.
fn groups<'a>(lists: &Lists, records: impl Iterator<Item = (&'a Arc<Origin>, Value)>) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut last: Option<(&Arc<Origin>, usize)> = None;
    for (origin, record) in records {
        let (at, is_new) = match last {
            Some((of, at)) if Arc::ptr_eq(of, origin) => (at, false),
            // The same origin is another value in each file of the store.
            _ => {
                let begin = begin(lists, origin);
                let at = *places.entry(begin.clone()).or_insert(groups.len());
                let is_new = at == groups.len();
                if is_new {
                    groups.push(begin);
                }
                (at, is_new)
            }
        };
        last = Some((origin, at));
        let group = &mut groups[at];
        if !is_new {
            group.push(',');
        }
        // A string holds every write.
        let _ = write!(group, "{record}");
    }
    groups.iter_mut().for_each(|group| group.push_str("]}]}"));
    groups
}

/// A resource with one scope, as far as to its records.
fn begin(lists: &Lists, origin: &Origin) -> String {
    let address = |of: &str| match of {
        "" => String::new(),
        url => format!("\"schemaUrl\":{},", Value::from(url)),
    };
    format!(
        "{{\"resource\":{},{}\"{}\":[{{\"scope\":{},{}\"{}\":[",
        resource(&origin.resource),
        address(&origin.resource_schema_url),
        lists.scopes,
        scope(&origin.scope),
        address(&origin.scope_schema_url),
        lists.records,
    )
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

fn pair(pair: &KeyValue) -> Value {
    Object::new().put("key", pair.key.as_str()).maybe("value", pair.value.as_ref().map(value)).done()
}

/// A value, with its type as the name; one without any is an empty object.
fn value(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(bool)) => json!({ "boolValue": bool }),
        Some(Any::IntValue(int)) => json!({ "intValue": int.to_string() }),
        Some(Any::DoubleValue(float)) => json!({ "doubleValue": double(*float) }),
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

    /// A number that is there or not, unlike one with a default.
    fn maybe_double(self, name: &str, number: Option<f64>) -> Self {
        self.maybe(name, number.map(double))
    }

    /// A floating number whose default is 0, but not -0.
    fn double(self, name: &str, number: f64) -> Self {
        self.maybe_double(name, (number.to_bits() != 0).then_some(number))
    }

    fn list<T>(self, name: &str, list: &[T], each: impl Fn(&T) -> Value) -> Self {
        self.maybe(name, (!list.is_empty()).then(|| list.iter().map(each).collect()))
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}
