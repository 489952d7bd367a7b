//! Attributes and events as plain JSON, and single values of them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::table::Cell;

/// Attributes as an object; the last one counts of those with the same key.
pub(super) fn object(attributes: &[KeyValue]) -> String {
    Value::Object(map(attributes)).to_string()
}

/// By their keys, whatever order the maps of JSON are built to have.
fn map(attributes: &[KeyValue]) -> Map<String, Value> {
    let pairs = attributes.iter().map(|attribute| (attribute.key.clone(), plain(attribute.value.as_ref())));
    pairs.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// Events as an array of their names, times and attributes.
pub(super) fn events(events: &[Event]) -> String {
    let event = |event: &Event| {
        let attributes = Value::Object(map(&event.attributes));
        json!({ "attributes": attributes, "name": event.name, "time_unix_ns": event.time_unix_nano })
    };
    events.iter().map(event).collect::<Value>().to_string()
}

/// A value as JSON. Bytes are a text in base64, and what is no finite number is a text as well.
fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone().into(),
        Some(Any::BoolValue(bool)) => (*bool).into(),
        Some(Any::IntValue(int)) => (*int).into(),
        Some(Any::DoubleValue(float)) if float.is_finite() => (*float).into(),
        Some(Any::DoubleValue(float)) => float.to_string().into(),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(|value| plain(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => Value::Object(map(&list.values)),
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

/// A single value as SQLite has it: truth is 1 or 0, and lists and objects are JSON.
pub(super) fn cell(value: Option<&AnyValue>) -> Cell {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::BytesValue(bytes)) => Cell::Blob(bytes.clone()),
        _ => of_json(plain(value)),
    }
}

/// A text as it is, and any other value as JSON.
pub(super) fn text(value: Option<&AnyValue>) -> Cell {
    match plain(value) {
        Value::Null => Cell::Null,
        Value::String(text) => Cell::Text(text),
        other => Cell::Text(other.to_string()),
    }
}

fn of_json(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(bool) => Cell::Int(bool.into()),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Cell::Int(int),
            None => Cell::from(number.as_f64()),
        },
        Value::String(text) => Cell::Text(text),
        nested => Cell::Text(nested.to_string()),
    }
}

/// The value of one key of an object; null if it has none.
///
/// # Errors
///
/// When the text is no JSON object.
pub(super) fn member(text: &str, key: &str) -> Result<Cell, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = Member(key).deserialize(&mut reader)?;
    reader.end()?;
    Ok(found.map_or(Cell::Null, of_json))
}

/// Reads one key of an object, and passes by the others.
struct Member<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Numbers that are named, as an object; those that are not there are left out.
pub(super) fn numbers<const N: usize>(named: [(&str, Option<Value>); N]) -> String {
    let there = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    json!(there.collect::<BTreeMap<_, _>>()).to_string()
}
