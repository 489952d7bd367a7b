//! Makes our types out of those of OpenTelemetry.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace as otel;
use opentelemetry::{Array, KeyValue, StringValue, Value as OtelValue};
use tta_model::w3c::TraceState;
use tta_model::{Key, SpanContext, SpanId, Text, TraceFlags, TraceId, Value};

/// Makes a text.
pub(crate) fn text(text: Cow<'static, str>) -> Text {
    match text {
        Cow::Borrowed(text) => Text::Static(text),
        Cow::Owned(text) => Text::from(text),
    }
}

/// Makes an attribute.
pub(crate) fn attribute(attribute: KeyValue) -> (Key, Value) {
    (Key::from(attribute.key.as_str().to_owned()), value(attribute.value))
}

fn value(value: OtelValue) -> Value {
    let string = |text: StringValue| Value::Text(Text::from(String::from(text)));
    match value {
        OtelValue::Bool(value) => Value::Bool(value),
        OtelValue::I64(value) => Value::Int(value),
        OtelValue::F64(value) => Value::Float(value),
        OtelValue::String(value) => string(value),
        OtelValue::Array(Array::Bool(values)) => values.into(),
        OtelValue::Array(Array::I64(values)) => values.into(),
        OtelValue::Array(Array::F64(values)) => values.into(),
        OtelValue::Array(Array::String(values)) => Value::List(values.into_iter().map(string).collect()),
        other => Value::from(other.to_string()),
    }
}

/// Makes nanoseconds since 1970.
pub(crate) fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Makes a position in a trace; none if it is not valid.
pub(crate) fn span_context(context: &otel::SpanContext) -> Option<SpanContext> {
    Some(SpanContext {
        trace_id: TraceId::from_bytes(context.trace_id().to_bytes())?,
        span_id: SpanId::from_bytes(context.span_id().to_bytes())?,
        flags: TraceFlags(context.trace_flags().to_u8()),
        state: TraceState::parse(&context.trace_state().header()).unwrap_or_default(),
    })
}
