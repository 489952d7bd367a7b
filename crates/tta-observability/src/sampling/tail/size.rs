//! How much memory a waiting span takes, as an estimate.
//!
//! Counted are the room for the record, that of its lists, and every text and value in them. A text that several
//! spans share is counted for each; what the allocator adds to each piece is not counted.

use tta_model::{Attributes, EventRecord, Key, LinkRecord, SpanRecord, SpanStatus, Text, Value};

/// The bytes that a span holds beside its record.
pub(super) fn held_by(span: &SpanRecord) -> usize {
    let status = match &span.status {
        SpanStatus::Error(message) => text(message),
        SpanStatus::Unset | SpanStatus::Ok => 0,
    };
    let events = span.events.iter().map(|event| text(&event.name) + attributes(&event.attributes));
    let links =
        span.links.iter().map(|link| link.context.state.as_str().len() + attributes(&link.attributes));
    text(&span.name)
        + span.state.as_str().len()
        + attributes(&span.attributes)
        + span.events.capacity() * size_of::<EventRecord>()
        + events.sum::<usize>()
        + span.links.capacity() * size_of::<LinkRecord>()
        + links.sum::<usize>()
        + status
}

fn attributes(attributes: &Attributes) -> usize {
    attributes.capacity() * size_of::<(Key, Value)>() + pairs(attributes)
}

fn pairs(pairs: &[(Key, Value)]) -> usize {
    pairs.iter().map(|(key, held)| text(key) + value(held)).sum()
}

/// What a value holds beside itself.
fn value(held: &Value) -> usize {
    match held {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        Value::Text(held) => text(held),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(values) => size_of_val(&**values) + values.iter().map(value).sum::<usize>(),
        Value::Map(named) => size_of_val(&**named) + pairs(named),
    }
}

/// A text of the program takes no memory of its own.
fn text(text: &Text) -> usize {
    match text {
        Text::Static(_) => 0,
        Text::Shared(text) => text.len(),
    }
}
