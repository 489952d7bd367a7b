//! Values as plain JSON, without their types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use serde_json::{Map, Value, json};
use tta::server::read::Origin;

use super::table::Cell;

/// A list, unless it is empty.
pub(super) fn list<T>(all: &[T], each: impl Fn(&T) -> Value) -> Cell {
    if all.is_empty() { Cell::None } else { Cell::Text(Value::from_iter(all.iter().map(each)).to_string()) }
}

/// Attributes as an object, in which the last of a key counts; also if there are none, so that it can always be asked.
pub(super) fn attributes(all: &[KeyValue]) -> Cell {
    Cell::Text(object(all).to_string())
}

/// The attributes of the resource.
pub(super) fn resource(origin: &Origin) -> Cell {
    attributes(&origin.resource.attributes)
}

/// Name, version and attributes of the library.
pub(super) fn scope(origin: &Origin) -> Cell {
    let InstrumentationScope { name, version, attributes, .. } = &origin.scope;
    Cell::Text(json!({ "name": name, "version": version, "attributes": object(attributes) }).to_string())
}

pub(super) fn object(all: &[KeyValue]) -> Value {
    all.iter().map(|pair| (pair.key.clone(), any(pair.value.as_ref()))).collect::<Map<_, _>>().into()
}

/// A value; bytes are in base64.
pub(super) fn any(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(bool)) => (*bool).into(),
        Some(Any::IntValue(int)) => (*int).into(),
        Some(Any::DoubleValue(float)) => double(*float),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(|value| any(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => object(&list.values),
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

/// A text where JSON has no number.
pub(super) fn double(float: f64) -> Value {
    match float {
        _ if float.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ => float.into(),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from(b"0123456789abcdef"[usize::from(digit)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
