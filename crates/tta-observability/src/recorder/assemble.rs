//! Makes records of finished spans, on the drain thread.

use std::ops::Range;

use tta_model::name::{attribute, event};
use tta_model::{
    Attributes, EventRecord, ExecutionStatus, Key, SpanKind, SpanRecord, SpanStatus, Text, Value,
};

use super::buffer::{Batch, ErrorInfo, Rare, RawSpan};
use super::current::AddLimits;
use crate::config::SpanLimits;
use crate::redact;

/// How long the message of an error is at most, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 1_024;
/// How long the chain of causes is at most, in bytes.
pub(super) const MAX_CHAIN_BYTES: usize = 8_192;

/// How much may be added to a span while it is open.
pub(super) fn while_open(limits: &SpanLimits) -> AddLimits {
    AddLimits { attributes: limits.attributes, events: limits.events, links: limits.links }
}

/// Makes records of all spans of a batch.
pub(super) fn records(batch: &mut Batch, limits: &SpanLimits, records: &mut Vec<SpanRecord>) {
    let spans = std::mem::take(&mut batch.spans);
    records.extend(spans.iter().map(|raw| record(batch, raw, limits)));
    batch.spans = spans;
}

fn record(batch: &mut Batch, raw: &RawSpan, limits: &SpanLimits) -> SpanRecord {
    let rare = match raw.rare {
        Some(index) => std::mem::take(&mut batch.rare[index as usize]),
        None => Rare::default(),
    };
    let (run, node) = (&batch.runs[raw.run as usize], &batch.nodes[raw.node as usize]);
    let own = &batch.attributes[bounds(&raw.attributes)];
    let mut attributes: Attributes =
        Vec::with_capacity(node.attributes.len() + run.attributes.len() + own.len() + 5);
    attributes.extend_from_slice(&node.attributes);
    attributes.extend_from_slice(&run.attributes);
    own.iter().for_each(|(key, value)| set(&mut attributes, key, value));
    let over = add_outcome(&mut attributes, outcome(raw, rare.error.as_ref()), limits.attributes);
    if let Some(longest) = limits.value_length {
        attributes.iter_mut().for_each(|(_, value)| cut_value(value, longest));
    }
    let end_unix_nanos = run.anchor.unix_nanos_at(raw.end);
    let mut events = batch.events[bounds(&raw.events)].to_vec();
    events.extend(rare.error.as_ref().and_then(|error| exception(error, end_unix_nanos)));
    SpanRecord {
        trace_id: run.trace_id,
        span_id: raw.span_id,
        parent_span_id: raw.parent,
        parent_is_remote: raw.parent_is_remote,
        flags: run.flags,
        state: run.state.clone(),
        name: rare.name.unwrap_or_else(|| node.span_name.clone()),
        kind: SpanKind::Internal,
        start_unix_nanos: run.anchor.unix_nanos_at(raw.start),
        end_unix_nanos,
        attributes,
        events,
        links: rare.links,
        status: rare.status.unwrap_or_else(|| status(raw.status, rare.error.as_ref())),
        dropped_attributes: rare.dropped_attributes + u32::try_from(over).unwrap_or(u32::MAX),
        dropped_events: rare.dropped_events,
    }
}

fn bounds(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Sets an attribute, again if it is there.
fn set(attributes: &mut Attributes, key: &Key, value: &Value) {
    match attributes.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value.clone(),
        None => attributes.push((key.clone(), value.clone())),
    }
}

/// Adds the outcome, which no span goes without: what there is no room for is left out of the rest, and counted.
fn add_outcome(attributes: &mut Attributes, outcome: Attributes, limit: usize) -> usize {
    attributes.retain(|(key, _)| outcome.iter().all(|(known, _)| known != key));
    let room = limit.saturating_sub(outcome.len());
    let over = attributes.len().saturating_sub(room);
    attributes.truncate(room);
    attributes.extend(outcome);
    over
}

fn outcome(raw: &RawSpan, error: Option<&ErrorInfo>) -> Attributes {
    let mut attributes = Attributes::with_capacity(5);
    let duration_ms = (raw.end - raw.start) as f64 / 1e6;
    attributes.push((attribute::EXECUTION_STATUS.key(), Text::Static(raw.status.as_str()).into()));
    attributes.push((attribute::EXECUTION_DURATION_MS.key(), duration_ms.into()));
    let Some(error) = error else { return attributes };
    attributes.push((attribute::ERROR_TYPE.key(), Text::Static(error.type_name).into()));
    if let Some((message, _)) = &error.described {
        let message = public(message, MAX_MESSAGE_BYTES);
        attributes.push((attribute::ERROR_MESSAGE.key(), message.into()));
        attributes.push((attribute::ERROR_RECOVERABLE.key(), error.recoverable.into()));
    }
    attributes
}

/// The exception event of the span in which an error arose.
fn exception(error: &ErrorInfo, time_unix_nanos: u64) -> Option<EventRecord> {
    let (message, chain) = error.described.as_ref()?;
    let text = |text: &str, longest| Value::from(public(text, longest));
    Some(EventRecord {
        name: event::EXCEPTION.name(),
        time_unix_nanos,
        attributes: vec![
            (attribute::EXCEPTION_TYPE.key(), Text::Static(error.type_name).into()),
            (attribute::EXCEPTION_MESSAGE.key(), text(message, MAX_MESSAGE_BYTES)),
            (attribute::EXCEPTION_STACKTRACE.key(), text(chain, MAX_CHAIN_BYTES)),
        ],
    })
}

fn status(status: ExecutionStatus, error: Option<&ErrorInfo>) -> SpanStatus {
    match status {
        ExecutionStatus::Success => SpanStatus::Ok,
        other => SpanStatus::Error(match error.and_then(|error| error.described.as_ref()) {
            Some((message, _)) => public(message, MAX_MESSAGE_BYTES).into(),
            None => Text::Static(other.as_str()),
        }),
    }
}

/// Cuts a text after that many characters.
fn cut_value(value: &mut Value, longest: usize) {
    if let Value::Text(text) = value
        && let Some((end, _)) = text.char_indices().nth(longest)
    {
        *value = Value::from(text[..end].to_owned());
    }
}

/// The text without secrets, and with at most that many bytes.
pub(super) fn public(text: &str, longest: usize) -> String {
    bounded(redact::secrets(text).into_owned(), longest)
}

/// The text, cut at a character so that it has at most that many bytes.
fn bounded(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
    }
    text
}
