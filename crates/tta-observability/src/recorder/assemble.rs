//! Makes records of finished spans, on the drain thread.

use std::ops::Range;

use tta_model::name::{attribute, event};
use tta_model::{Attributes, EventRecord, ExecutionStatus, Key, SpanRecord, SpanStatus, Text, Value};
use tta_primitives::observe::{NodeInfo, NodeLevel};

use super::Core;
use super::buffer::{Batch, ErrorInfo, RawSpan};
use super::current::AddLimits;
use crate::clean;
use crate::config::SpanLimits;
use crate::logs::{self, Ended, LogSink};
use tta_redact::{self as redact, MAX_CHAIN_BYTES, MAX_MESSAGE_BYTES};

/// A finished span on its way from here to the exporters, while its trace is not decided.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) record: SpanRecord,
    /// The kind of execution for which the span is an example once it is exported; 0 if for none.
    pub(crate) kind: u32,
}

/// How much may be added to a span while it is open.
pub(super) fn while_open(limits: &SpanLimits) -> AddLimits {
    AddLimits { attributes: limits.attributes, events: limits.events, links: limits.links }
}

/// Finished spans, and beside each the kind of execution for which it is an example.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) spans: Vec<SpanRecord>,
    pub(super) kinds: Vec<u32>,
    shared: Shared,
}

/// What the spans of a batch have in common, without secrets: nothing where there are none. It is looked through once a
/// batch, and not once a span.
#[derive(Debug, Default)]
struct Shared {
    /// By run.
    runs: Vec<Option<Attributes>>,
    /// By node: the name of its spans, and their attributes.
    nodes: Vec<(Option<Text>, Option<Attributes>)>,
}

impl Shared {
    fn clean(&mut self, batch: &Batch) {
        self.runs.clear();
        self.nodes.clear();
        self.runs.extend(batch.runs.iter().map(|run| clean::attributes(&run.attributes)));
        let node = |node: &NodeInfo| (clean::text(&node.span_name), clean::attributes(&node.attributes));
        self.nodes.extend(batch.nodes.iter().map(|info| node(info)));
    }

    fn run<'a>(&'a self, batch: &'a Batch, raw: &RawSpan) -> &'a Attributes {
        let run = raw.run as usize;
        self.runs[run].as_ref().unwrap_or(&batch.runs[run].attributes)
    }

    fn node<'a>(&'a self, batch: &'a Batch, raw: &RawSpan) -> &'a Attributes {
        let node = raw.node as usize;
        self.nodes[node].1.as_ref().unwrap_or(&batch.nodes[node].attributes)
    }

    fn name(&self, batch: &Batch, raw: &RawSpan) -> Text {
        let node = raw.node as usize;
        self.nodes[node].0.as_ref().unwrap_or(&batch.nodes[node].span_name).clone()
    }
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.kinds.clear();
    }

    /// Makes records of all spans of a batch, and lines of them for whoever wants some.
    pub(super) fn add(&mut self, batch: &mut Batch, core: &Core, logs: Option<&LogSink>) {
        let spans = std::mem::take(&mut batch.spans);
        self.shared.clean(batch);
        clean::clean(&mut batch.attributes);
        batch.events.iter_mut().for_each(clean::event);
        // The number is looked up once for each node and class that follow one another.
        let mut last = None;
        let mut role: Option<u32> = None;
        for raw in &spans {
            let record = record((batch, &self.shared), raw, &core.limits);
            let (node, class) = (&batch.nodes[raw.node as usize], batch.runs[raw.run as usize].class);
            let kind = match last {
                Some((known, kind)) if known == (raw.node, class) => kind,
                _ => core.metrics.example_of(node, class),
            };
            last = Some(((raw.node, class), kind));
            if let Some(logs) = logs {
                // The span of a role comes right before that of its node.
                let role =
                    role.map(|role| &*batch.nodes[role as usize]).filter(|role| role.path == node.path);
                let ended = Ended { node, status: raw.status, span: &record, role };
                logs::line(&ended).into_iter().for_each(|line| logs(line));
            }
            role = (node.level == NodeLevel::Role).then_some(raw.node);
            self.kinds.push(kind);
            self.spans.push(record);
        }
        batch.spans = spans;
    }
}

fn record((batch, shared): (&mut Batch, &Shared), raw: &RawSpan, limits: &SpanLimits) -> SpanRecord {
    let mut rare = batch.take_rare(raw.rare);
    rare.links.iter_mut().for_each(|link| clean::clean(&mut link.attributes));
    let run = &batch.runs[raw.run as usize];
    let (attributes, over) = attributes((batch, shared), raw, rare.error.as_ref(), limits);
    let end_unix_nanos = run.anchor.unix_nanos_at(raw.end);
    let exception = rare.error.as_ref().and_then(|error| exception(error, end_unix_nanos));
    // The exception has its place, whatever happened before it.
    let room = limits.events.saturating_sub(usize::from(exception.is_some()));
    let mut events = batch.events[bounds(&raw.events)].to_vec();
    let too_many = events.len().saturating_sub(room);
    events.truncate(room);
    events.extend(exception);
    SpanRecord {
        trace_id: run.trace_id,
        span_id: raw.span_id,
        parent_span_id: raw.parent,
        parent_is_remote: raw.parent_is_remote,
        flags: run.flags,
        state: run.state.clone(),
        name: rare.name.map_or_else(|| shared.name(batch, raw), |name| clean::kept(&name)),
        kind: batch.nodes[raw.node as usize].span_kind,
        start_unix_nanos: run.anchor.unix_nanos_at(raw.start),
        end_unix_nanos,
        attributes,
        events,
        links: rare.links,
        status: rare.status.map_or_else(|| status(raw.status, rare.error.as_ref()), clean::status),
        dropped_attributes: rare.dropped_attributes + count(over),
        dropped_events: rare.dropped_events + count(too_many),
    }
}

/// The attributes of a span, and how many were left out.
fn attributes(
    (batch, shared): (&Batch, &Shared),
    raw: &RawSpan,
    error: Option<&ErrorInfo>,
    limits: &SpanLimits,
) -> (Attributes, usize) {
    let (run, node) = (shared.run(batch, raw), shared.node(batch, raw));
    let own = &batch.attributes[bounds(&raw.attributes)];
    let outcome = outcome(raw, error);
    let mut attributes: Attributes = Vec::with_capacity(node.len() + run.len() + own.len() + outcome.len());
    attributes.extend_from_slice(node);
    attributes.extend_from_slice(run);
    if !own.is_empty() {
        own.iter().for_each(|(key, value)| set(&mut attributes, key, value));
        attributes.retain(|(key, _)| outcome.iter().flatten().all(|(known, _)| known != key));
    }
    // The outcome has its place, whatever was set before it.
    let room = limits.attributes.saturating_sub(outcome.iter().flatten().count());
    let over = attributes.len().saturating_sub(room);
    attributes.truncate(room);
    attributes.extend(outcome.into_iter().flatten());
    if let Some(longest) = limits.value_length {
        attributes.iter_mut().for_each(|(_, value)| cut_value(value, longest));
    }
    (attributes, over)
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

/// What became of the execution.
fn outcome(raw: &RawSpan, error: Option<&ErrorInfo>) -> [Option<(Key, Value)>; 5] {
    let duration_ms = (raw.end - raw.start) as f64 / 1e6;
    let described = error.filter(|error| error.described.is_some());
    let message = error.and_then(|error| error.described.as_ref());
    [
        Some((attribute::EXECUTION_STATUS.key(), Text::Static(raw.status.as_str()).into())),
        Some((attribute::EXECUTION_DURATION_MS.key(), duration_ms.into())),
        error.map(|error| (attribute::ERROR_TYPE.key(), Text::Static(error.type_name).into())),
        message.map(|(message, _)| {
            (attribute::ERROR_MESSAGE.key(), redact::bounded(message, MAX_MESSAGE_BYTES).into())
        }),
        described.map(|error| (attribute::ERROR_RECOVERABLE.key(), error.recoverable.into())),
    ]
}

/// The exception event of the span in which an error arose.
fn exception(error: &ErrorInfo, time_unix_nanos: u64) -> Option<EventRecord> {
    let (message, chain) = error.described.as_ref()?;
    let text = |text: &str, longest| Value::from(redact::bounded(text, longest));
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
            Some((message, _)) => redact::bounded(message, MAX_MESSAGE_BYTES).into(),
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

fn count(left_out: usize) -> u32 {
    u32::try_from(left_out).unwrap_or(u32::MAX)
}
