//! Between the words of TTA and those of OpenTelemetry.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{self as otel, TraceState as OtelTraceState};
use opentelemetry::{Array, KeyValue, StringValue, Value as OtelValue};
use tta_model::w3c::TraceState;
use tta_model::{Key, SpanContext, SpanId, Text, TraceFlags, TraceId, Value};

pub(crate) fn text_of(text: Cow<'static, str>) -> Text {
    match text {
        Cow::Borrowed(text) => Text::Static(text),
        Cow::Owned(text) => Text::from(text),
    }
}

pub(crate) fn attribute_of(attribute: KeyValue) -> (Key, Value) {
    (Key::from(attribute.key.as_str().to_owned()), value_of(attribute.value))
}

fn value_of(value: OtelValue) -> Value {
    let text = |text: StringValue| Value::Text(Text::from(String::from(text)));
    match value {
        OtelValue::Bool(value) => Value::Bool(value),
        OtelValue::I64(value) => Value::Int(value),
        OtelValue::F64(value) => Value::Float(value),
        OtelValue::String(value) => text(value),
        OtelValue::Array(Array::Bool(values)) => values.into(),
        OtelValue::Array(Array::I64(values)) => values.into(),
        OtelValue::Array(Array::F64(values)) => values.into(),
        OtelValue::Array(Array::String(values)) => Value::List(values.into_iter().map(text).collect()),
        other => Value::from(other.to_string()),
    }
}

/// The attribute in OpenTelemetry's words; texts are shared, not copied.
pub(crate) fn key_value(key: &Key, value: &Value) -> KeyValue {
    KeyValue::new(otel_key(key), otel_value(value))
}

fn otel_key(key: &Key) -> opentelemetry::Key {
    match key {
        Text::Static(key) => opentelemetry::Key::from_static_str(key),
        Text::Shared(key) => opentelemetry::Key::from(Arc::clone(key)),
    }
}

fn string_value(text: &Text) -> StringValue {
    match text {
        Text::Static(text) => StringValue::from(*text),
        Text::Shared(text) => StringValue::from(Arc::clone(text)),
    }
}

/// The value in OpenTelemetry's words. Lists of one type stay lists; bytes, maps and mixed lists, for which
/// its API has no word, become text.
pub(crate) fn otel_value(value: &Value) -> OtelValue {
    match value {
        Value::Bool(value) => OtelValue::Bool(*value),
        Value::Int(value) => OtelValue::I64(*value),
        Value::Float(value) => OtelValue::F64(*value),
        Value::Text(value) => OtelValue::String(string_value(value)),
        Value::List(values) => list(values).unwrap_or_else(|| OtelValue::from(value.to_string())),
        Value::Bytes(_) | Value::Map(_) => OtelValue::from(value.to_string()),
    }
}

fn list(values: &[Value]) -> Option<OtelValue> {
    let array = match values.first()? {
        Value::Bool(_) => Array::Bool(values.iter().map(Value::as_bool).collect::<Option<_>>()?),
        Value::Int(_) => Array::I64(values.iter().map(Value::as_int).collect::<Option<_>>()?),
        Value::Float(_) => Array::F64(values.iter().map(Value::as_float).collect::<Option<_>>()?),
        Value::Text(_) => {
            let texts = values.iter().map(|value| match value {
                Value::Text(text) => Some(string_value(text)),
                _ => None,
            });
            Array::String(texts.collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(OtelValue::Array(array))
}

pub(crate) fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn otel_trace_state(state: &TraceState) -> OtelTraceState {
    if state.is_empty() {
        return OtelTraceState::default();
    }
    OtelTraceState::from_key_value(state.iter()).unwrap_or_default()
}

pub(crate) fn otel_span_context(context: &SpanContext, is_remote: bool) -> otel::SpanContext {
    otel::SpanContext::new(
        otel::TraceId::from(context.trace_id.get()),
        otel::SpanId::from(context.span_id.get()),
        otel::TraceFlags::new(context.flags.0),
        is_remote,
        otel_trace_state(&context.state),
    )
}

/// The span context in our words; none if it is not valid.
pub(crate) fn span_context_of(context: &otel::SpanContext) -> Option<SpanContext> {
    Some(SpanContext {
        trace_id: TraceId::from_bytes(context.trace_id().to_bytes())?,
        span_id: SpanId::from_bytes(context.span_id().to_bytes())?,
        flags: TraceFlags(context.trace_flags().to_u8()),
        state: TraceState::parse(&context.trace_state().header()).unwrap_or_default(),
    })
}
