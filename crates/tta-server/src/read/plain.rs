//! Values of attributes as plain JSON, without their types.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use serde_json::{Map, Value};

/// A float as a number, or as a text where JSON has no number for it.
pub(crate) fn number(float: f64) -> Value {
    match float {
        _ if float.is_nan() => Value::from("NaN"),
        f64::INFINITY => Value::from("Infinity"),
        f64::NEG_INFINITY => Value::from("-Infinity"),
        _ => Value::from(float),
    }
}

/// A value as plain JSON.
pub(crate) fn plain(value: &any_value::Value) -> Value {
    use any_value::Value as Any;
    let of = |value: &Option<AnyValue>| {
        value.as_ref().and_then(|value| value.value.as_ref()).map_or(Value::Null, plain)
    };
    match value {
        Any::StringValue(text) => text.clone().into(),
        Any::BoolValue(bool) => (*bool).into(),
        Any::IntValue(int) => (*int).into(),
        Any::DoubleValue(float) => number(*float),
        Any::BytesValue(bytes) => BASE64_STANDARD.encode(bytes).into(),
        Any::ArrayValue(array) => {
            array.values.iter().map(|value| value.value.as_ref().map_or(Value::Null, plain)).collect()
        }
        Any::KvlistValue(list) => {
            let pairs = list.values.iter().map(|pair| (pair.key.clone(), of(&pair.value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}
