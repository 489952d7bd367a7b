//! Makes the types of OpenTelemetry's SDK out of records.
//!
//! Types survive: an integer stays an integer, and a list of one type stays a list of it. What the SDK has
//! no type for becomes text: bytes as hex digits, a map as it is shown, and each member of a list of
//! several types.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use opentelemetry::trace as otel;
use opentelemetry::{Array, KeyValue, StringValue};
use tta_model::w3c::TraceState;
use tta_model::{Key, SpanContext, SpanKind, Text, Value};

/// Makes the SDK's attributes.
pub(crate) fn attributes(attributes: &[(Key, Value)]) -> Vec<KeyValue> {
    attributes.iter().map(|(key, content)| attribute(key, content)).collect()
}

/// The side of a call that a span describes.
pub(crate) fn kind(kind: SpanKind) -> otel::SpanKind {
    match kind {
        SpanKind::Internal => otel::SpanKind::Internal,
        SpanKind::Server => otel::SpanKind::Server,
        SpanKind::Client => otel::SpanKind::Client,
        SpanKind::Producer => otel::SpanKind::Producer,
        SpanKind::Consumer => otel::SpanKind::Consumer,
    }
}

/// Makes one of the SDK's attributes.
pub(crate) fn attribute(key: &Key, content: &Value) -> KeyValue {
    KeyValue::new(otel_key(key), value(content))
}

/// Makes the SDK's value.
pub(crate) fn value(content: &Value) -> opentelemetry::Value {
    match content {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => string(value).into(),
        Value::Bytes(bytes) => hex(bytes).into(),
        Value::List(values) => opentelemetry::Value::Array(array(values)),
        Value::Map(_) => content.to_string().into(),
    }
}

fn array(values: &[Value]) -> Array {
    match values.first() {
        Some(Value::Bool(_)) => of_one_type(values, Value::as_bool).map(Array::Bool),
        Some(Value::Int(_)) => of_one_type(values, Value::as_int).map(Array::I64),
        Some(Value::Float(_)) => {
            let float = |value: &Value| if let Value::Float(value) = value { Some(*value) } else { None };
            of_one_type(values, float).map(Array::F64)
        }
        _ => None,
    }
    .unwrap_or_else(|| Array::String(values.iter().map(as_string).collect()))
}

fn of_one_type<T>(values: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(read).collect()
}

fn as_string(content: &Value) -> StringValue {
    match content {
        Value::Text(value) => string(value),
        Value::Bytes(bytes) => hex(bytes).into(),
        other => other.to_string().into(),
    }
}

fn string(text: &Text) -> StringValue {
    match text {
        Text::Static(text) => (*text).into(),
        Text::Shared(text) => text.clone().into(),
    }
}

fn otel_key(key: &Key) -> opentelemetry::Key {
    match key {
        Text::Static(key) => opentelemetry::Key::from_static_str(key),
        Text::Shared(key) => key.clone().into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Makes the SDK's position in a trace.
pub(crate) fn span_context(context: &SpanContext, is_remote: bool) -> otel::SpanContext {
    let SpanContext { trace_id, span_id, flags, state } = context;
    otel::SpanContext::new(
        otel::TraceId::from(trace_id.get()),
        otel::SpanId::from(span_id.get()),
        otel::TraceFlags::new(flags.0),
        is_remote,
        trace_state(state),
    )
}

/// Makes the SDK's trace state.
pub(crate) fn trace_state(state: &TraceState) -> otel::TraceState {
    if state.is_empty() {
        return otel::TraceState::default();
    }
    // Both sides read the grammar of the same standard; should they differ, the span matters more.
    state.as_str().parse().unwrap_or_default()
}

/// Makes a time of day.
pub(crate) fn time(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn check(content: impl Into<Value>, expect: impl Into<opentelemetry::Value>) {
        assert_eq!(value(&content.into()), expect.into());
    }

    #[test]
    fn keeps_types() {
        check(true, true);
        check(i64::MAX, i64::MAX);
        check(0.5, 0.5);
        check("text", "text");
        check(String::from("made"), "made");
    }

    #[test]
    fn keeps_lists_of_one_type() {
        let array = opentelemetry::Value::Array;
        check(vec![1i64, 2], array(Array::I64(vec![1, 2])));
        check(vec![0.5, 1.0], array(Array::F64(vec![0.5, 1.0])));
        check(vec![true], array(Array::Bool(vec![true])));
        check(vec!["a", "b"], array(Array::String(vec!["a".into(), "b".into()])));
        check(Vec::<i64>::new(), array(Array::String(Vec::new())));
    }

    #[test]
    fn writes_what_has_no_type_as_text() {
        check(Value::Bytes(Arc::from([0x00, 0xff])), "00ff");
        check(Value::Map(Arc::from([(Key::from("k"), Value::Int(1))])), r#"{"k": 1}"#);
        let mixed = vec![Value::Int(1), Value::Float(0.5), Value::from("x"), Value::Bytes(Arc::from([1]))];
        let texts = ["1", "0.5", "x", "01"].map(StringValue::from).to_vec();
        check(mixed, opentelemetry::Value::Array(Array::String(texts)));
    }
}
