//! Spans that the recorder makes itself.
//!
//! A span in the making costs no allocation of its own after a thread's first few: it goes back to a pool
//! of its thread when the node ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use opentelemetry::Context;
use opentelemetry::trace::{self as otel, TraceContextExt};
use tta_model::{Attributes, ExecutionStatus, Key, SpanId, Value};
use tta_primitives::clock::{self, Anchor};
use tta_primitives::observe::{Event, NodeFinished, NodeStarted, Observation, RunDecision, RunIds};
use tta_primitives::random;

use super::ambient::Ambient;
use super::buffer::{Batch, ErrorInfo, Rare, RawSpan, ThreadBuffer, index};
use super::current::{Added, CurrentSpan, Extras};
use super::usage::Usage;
use super::{Core, assemble, ended, events, said};
use crate::convert::to_otel;
use crate::logs;

/// How many spans in the making a thread keeps for use again.
const POOLED_SPANS: usize = 256;

/// The span of a node in the making, and that of its role.
#[derive(Debug)]
struct DirectSpan {
    core: Arc<Core>,
    start: Start,
    /// The node's span as OpenTelemetry's current one; empty once the node has ended.
    context: Context,
    extras: Arc<Extras>,
}

/// What is known of a span when it starts.
#[derive(Debug)]
struct Start {
    span_id: SpanId,
    role_id: Option<SpanId>,
    parent: Option<SpanId>,
    parent_is_remote: bool,
    ticks: u64,
    anchor: Anchor,
    role_attributes: Attributes,
}

/// How a node ended, and what its error says, if that is to be recorded here.
type Ending<'a> = (&'a NodeFinished<'a>, Option<(String, String)>);

/// What a thread keeps for a recorder.
struct Local {
    core: Arc<Core>,
    buffer: Arc<ThreadBuffer>,
    pool: Vec<Arc<DirectSpan>>,
}

thread_local! {
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// What this thread keeps for a recorder; none while the thread ends.
fn with_local<T>(core: &Arc<Core>, with: impl FnOnce(&mut Local) -> T) -> Option<T> {
    LOCALS
        .try_with(|locals| {
            let mut locals = locals.try_borrow_mut().ok()?;
            let position = locals.iter().position(|local| Arc::ptr_eq(&local.core, core));
            let position = position.unwrap_or_else(|| {
                locals.retain(|local| local.core.recorder.strong_count() > 0);
                let buffer = core.buffers.register();
                locals.push(Local { core: Arc::clone(core), buffer, pool: Vec::new() });
                locals.len() - 1
            });
            Some(with(&mut locals[position]))
        })
        .ok()
        .flatten()
}

pub(super) fn start(core: &Arc<Core>, node: &NodeStarted<'_>) -> Option<Arc<dyn Observation>> {
    let mut span = with_local(core, |local| local.pool.pop())
        .flatten()
        .unwrap_or_else(|| Arc::new(DirectSpan::new(core)));
    Arc::get_mut(&mut span)?.begin(node);
    Some(span)
}

/// Keeps the decision not to record a run current while the run is polled.
pub(super) fn not_recorded(run: &RunDecision, ids: &RunIds) -> Option<Arc<dyn Observation>> {
    let context = otel::SpanContext::new(
        otel::TraceId::from(run.trace_id.get()),
        otel::SpanId::from(random::span_id().get()),
        otel::TraceFlags::new(run.flags.0),
        false,
        to_otel::trace_state(&run.state),
    );
    Ambient::of(logs::with_ids(Context::current().with_remote_span_context(context), ids))
}

impl DirectSpan {
    fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            start: Start {
                span_id: random::span_id(),
                role_id: None,
                parent: None,
                parent_is_remote: false,
                ticks: 0,
                anchor: Anchor { ticks: 0, unix_nanos: 0 },
                role_attributes: Vec::new(),
            },
            context: Context::new(),
            extras: Arc::default(),
        }
    }

    fn begin(&mut self, node: &NodeStarted<'_>) {
        let (run, start) = (node.run, &mut self.start);
        let trace_id = otel::TraceId::from(run.trace_id.get());
        start.span_id = random::span_id();
        start.role_id = node.role.map(|_| random::span_id());
        start.parent_is_remote = node.is_root && run.parent_is_remote;
        start.ticks = node.ticks;
        start.anchor = run.anchor;
        start.role_attributes.clear();
        if let Some(role) = node.role {
            start.role_attributes.extend_from_slice(role.attributes);
        }
        let context = otel::SpanContext::new(
            trace_id,
            otel::SpanId::from(start.span_id.get()),
            otel::TraceFlags::new(run.flags.0),
            false,
            to_otel::trace_state(&run.state),
        );
        let span = CurrentSpan {
            context,
            extras: Arc::clone(&self.extras),
            limits: assemble::while_open(&self.core.limits),
        };
        (start.parent, self.context) = Context::map_current(|current| {
            let parent = if node.is_root { node.parent } else { nearest(current, trace_id).or(node.parent) };
            let context = current.with_span(span);
            (parent, if node.is_root { logs::with_ids(context, &run.ids) } else { context })
        });
    }

    /// Hands over a span that nobody else holds, and makes it ready for another node; says whether it is.
    fn end(&mut self, ending: Ending<'_>) -> bool {
        // Dropped before anything is locked or borrowed, since it may hold values of the application.
        drop(std::mem::take(&mut self.context));
        // Nobody makes a weak reference, so nobody can come to hold what only we hold.
        if Arc::strong_count(&self.extras) > 1 {
            self.end_shared(ending);
            return false;
        }
        fence(Ordering::Acquire);
        if !self.extras.touched() {
            self.start.hand_over(&self.core, ending, None);
            return true;
        }
        let Some(extras) = Arc::get_mut(&mut self.extras) else { return false };
        self.start.hand_over(&self.core, ending, Some(extras.added()));
        extras.reset();
        true
    }

    /// Hands over a span of which somebody else holds a part, who may be adding to it.
    fn end_shared(&self, ending: Ending<'_>) {
        let mut added = self.extras.lock();
        added.closed = true;
        self.start.hand_over(&self.core, ending, Some(&mut added));
    }
}

impl Start {
    /// Writes the spans into the batch of this thread.
    fn hand_over(&self, core: &Arc<Core>, ending: Ending<'_>, mut added: Option<&mut Added>) {
        let mut ending = Some(ending);
        let mut write = |buffer: &ThreadBuffer| {
            core.buffers.write(buffer, |batch| {
                if let Some(ending) = ending.take() {
                    self.write(batch, ending, added.take());
                }
            });
        };
        // A thread that ends has no buffer any more; its last spans get one of their own.
        if with_local(core, |local| write(&local.buffer)).is_none() {
            write(&core.buffers.register());
        }
    }

    /// Writes the spans of the role and of the node.
    fn write(&self, batch: &mut Batch, (finished, described): Ending<'_>, added: Option<&mut Added>) {
        let mut raw = RawSpan {
            run: batch.intern_run(finished.run),
            node: batch.intern_node(finished.node),
            span_id: self.span_id,
            parent: self.role_id.or(self.parent),
            parent_is_remote: self.role_id.is_none() && self.parent_is_remote,
            status: finished.status,
            start: self.ticks,
            end: finished.ticks.max(self.ticks),
            attributes: 0..0,
            events: 0..0,
            rare: None,
        };
        if let (Some(role_id), Some(role)) = (self.role_id, finished.role) {
            let node = batch.intern_node(role);
            self.write_role(batch, finished, RawSpan { span_id: role_id, node, ..raw.clone() });
        }
        let mut rare = error_info(finished, described);
        if let Some(added) = added {
            let first = index(batch.attributes.len());
            // Before what the application has set, which is the last word.
            if let Some(usage) = added.usage.take() {
                batch.attributes.extend(usage.attributes());
            }
            batch.attributes.append(&mut added.attributes);
            raw.attributes = first..index(batch.attributes.len());
            let first = index(batch.events.len());
            batch.events.append(&mut added.events);
            raw.events = first..index(batch.events.len());
            take_rare(added, &mut rare);
        }
        raw.rare = rare.map(|rare| batch.add_rare(rare));
        batch.spans.push(raw);
    }

    fn write_role(&self, batch: &mut Batch, finished: &NodeFinished<'_>, raw: RawSpan) {
        let first = index(batch.attributes.len());
        batch.attributes.extend_from_slice(&self.role_attributes);
        let rare = error_info(finished, None).map(|error| batch.add_rare(error));
        batch.spans.push(RawSpan {
            parent: self.parent,
            parent_is_remote: self.parent_is_remote,
            attributes: first..index(batch.attributes.len()),
            rare,
            ..raw
        });
    }
}

/// The current span, if it belongs to the run's trace: the application may have put its own between two nodes.
fn nearest(current: &Context, trace_id: otel::TraceId) -> Option<SpanId> {
    let span = current.span();
    let context = span.span_context();
    if context.trace_id() != trace_id {
        return None;
    }
    SpanId::from_bytes(context.span_id().to_bytes())
}

/// The message of the error and the chain of its causes, if it arose in the node.
fn describe(finished: &NodeFinished<'_>) -> Option<(String, String)> {
    let error = finished.error.filter(|_| finished.error_arose_here)?;
    Some((said(|| error.message()), said(|| format!("{error:?}"))))
}

fn error_info(finished: &NodeFinished<'_>, described: Option<(String, String)>) -> Option<Rare> {
    let error = match (finished.error, finished.status) {
        (Some(error), _) => {
            ErrorInfo { type_name: error.type_name(), recoverable: error.is_retryable(), described }
        }
        (None, ExecutionStatus::Cancelled) => {
            ErrorInfo { type_name: finished.status.as_str(), recoverable: false, described: None }
        }
        (None, _) => return None,
    };
    Some(Rare { error: Some(error), ..Rare::default() })
}

fn take_rare(added: &mut Added, rare: &mut Option<Rare>) {
    let is_plain = added.links.is_empty()
        && added.status.is_none()
        && added.name.is_none()
        && added.dropped_attributes == 0
        && added.dropped_events == 0;
    if is_plain {
        return;
    }
    let rare = rare.get_or_insert_default();
    rare.name = added.name.take();
    rare.status = added.status.take();
    rare.links = std::mem::take(&mut added.links);
    rare.dropped_attributes = added.dropped_attributes;
    rare.dropped_events = added.dropped_events;
}

impl Observation for DirectSpan {
    fn span_id(&self) -> SpanId {
        self.start.span_id
    }

    fn parent_span_id(&self) -> Option<SpanId> {
        self.start.role_id.or(self.start.parent)
    }

    fn within(&self, poll: &mut dyn FnMut()) {
        let _current = self.context.clone().attach();
        poll();
    }

    fn event(&self, event: &Event<'_>) {
        if Usage::is_told_by(event) {
            return self.extras.add_usage(event);
        }
        let limits = assemble::while_open(&self.core.limits);
        let mut set = |key, value| self.extras.set_attributes(&mut [Some((key, value))], limits);
        let record = events::record(event, self.start.anchor.unix_nanos_at(clock::ticks()), &mut set);
        if let Some(record) = record {
            self.extras.add_event(record, limits);
        }
    }

    fn set_attributes(&self, attributes: &mut [Option<(Key, Value)>]) {
        self.extras.set_attributes(attributes, assemble::while_open(&self.core.limits));
    }

    fn finished(self: Arc<Self>, finished: &NodeFinished<'_>) {
        ended(&self.core.metrics, finished, Some(self.start.span_id));
        let mut span = self;
        // Before anything is locked or borrowed, since the application describes its errors.
        let ending = (finished, describe(finished));
        match Arc::get_mut(&mut span) {
            None => span.end_shared(ending),
            Some(unshared) => {
                if unshared.end(ending) {
                    keep(span);
                }
            }
        }
    }
}

/// Keeps a span for use again by this thread.
fn keep(span: Arc<DirectSpan>) {
    let _ = LOCALS.try_with(|locals| {
        let Ok(mut locals) = locals.try_borrow_mut() else { return };
        let local = locals.iter_mut().find(|local| Arc::ptr_eq(&local.core, &span.core));
        if let Some(local) = local.filter(|local| local.pool.len() < POOLED_SPANS) {
            local.pool.push(span);
        }
    });
}
