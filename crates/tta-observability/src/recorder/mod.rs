//! Turns what happens in runs into spans.
//!
//! Two ways lead from a node to its span. On the *direct* way the recorder makes the spans itself: what is
//! known lies in the node's observation, is written once at the end into a batch of the thread, and a drain
//! thread does the rest. On the *sdk* way every span is made by the application's own tracer provider,
//! with its samplers and processors. On both ways the span of a node is OpenTelemetry's current span
//! while the node is polled, so that the application's spans and ours nest in both directions.

mod ambient;
mod assemble;
mod buffer;
#[cfg(test)]
mod buffer_schedules;
mod current;
mod direct;
mod drain;
mod events;
mod overhead;
mod sdk;
mod sync;
mod usage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tta_model::{SpanContext, SpanId, Text, TraceFlags};
use tta_primitives::observe::{
    Event, NodeFinished, NodeInfo, NodeLevel, NodeStarted, Observation, Observer, RunDecision, RunIds,
    RunInfo, RunStarted,
};
use tta_primitives::random;

pub(crate) use assemble::Assembled;
pub use drain::{Drain, Outlets};
pub use sdk::ApplicationTracer;

use crate::config::SpanLimits;
use crate::convert::from_otel;
use crate::cost::CostBook;
use crate::counts::{DropReason, SpanCounts};
use crate::logs;
use crate::metrics::Metrics;
use crate::sampling::Sampler;
use buffer::{Batch, Buffers};

/// Records runs as spans; see [`crate::init`] for the usual way to make one.
#[derive(Debug)]
pub struct Recorder {
    way: Way,
    metrics: Metrics,
    costs: CostBook,
    troubles: logs::Troubles,
}

#[derive(Debug)]
enum Way {
    Direct { core: Arc<Core>, sampler: Sampler, _alive: Arc<()> },
    Sdk(ApplicationTracer),
}

/// What all spans of the direct way share.
#[derive(Debug)]
struct Core {
    buffers: Buffers,
    limits: SpanLimits,
    metrics: Metrics,
    /// Gone with the recorder, although threads may still keep the core for it.
    recorder: Weak<()>,
}

/// The other end of a recorder: where its finished spans come out.
#[derive(Debug)]
pub struct Finished {
    core: Arc<Core>,
    receiver: Receiver<Batch>,
    /// What decided about them.
    sampler: Sampler,
}

impl Drop for Finished {
    /// Counts what is left: from now on nobody takes spans over.
    fn drop(&mut self) {
        self.core.buffers.close();
        while let Ok(batch) = self.receiver.try_recv() {
            self.core.buffers.counts().add_dropped(DropReason::Shutdown, batch.spans.len());
        }
    }
}

impl Recorder {
    /// Makes a recorder of the direct way, and the end where its finished spans come out.
    #[must_use]
    pub fn direct(
        sampler: Sampler,
        limits: SpanLimits,
        counts: Arc<SpanCounts>,
        metrics: Metrics,
    ) -> (Self, Finished) {
        let (buffers, receiver) = Buffers::new(counts);
        let alive = Arc::new(());
        let core =
            Arc::new(Core { buffers, limits, metrics: metrics.clone(), recorder: Arc::downgrade(&alive) });
        let finished = Finished { core: Arc::clone(&core), receiver, sampler: sampler.clone() };
        let way = Way::Direct { core, sampler, _alive: alive };
        (Self::of(way, metrics), finished)
    }

    /// Makes a recorder whose spans are made by the application's own tracer provider.
    #[must_use]
    pub fn sdk(tracer: ApplicationTracer, metrics: Metrics) -> Self {
        Self::of(Way::Sdk(tracer), metrics)
    }

    fn of(way: Way, metrics: Metrics) -> Self {
        Self { way, metrics, costs: CostBook::default(), troubles: logs::Troubles::default() }
    }

    /// Enters what runs cost into a book that others read.
    #[must_use]
    pub fn with_costs(self, costs: &CostBook) -> Self {
        Self { costs: costs.clone(), ..self }
    }
}

impl Observer for Recorder {
    fn run_started(&self, run: &RunStarted<'_>) -> RunDecision {
        let parent = Parent::of(run);
        match &self.way {
            Way::Direct { sampler, .. } => decide(&parent, sampler, run.ids),
            Way::Sdk(tracer) => tracer.start_run(run, &parent),
        }
    }

    fn run_class(&self, workflow_name: &Text, agent_type: Option<&Text>) -> u32 {
        self.metrics.run_class(workflow_name, agent_type)
    }

    fn node_started(&self, node: &NodeStarted<'_>) -> Option<Arc<dyn Observation>> {
        self.count_start(node);
        let observation = match &self.way {
            _ if !node.run.recording => None,
            Way::Direct { core, .. } => direct::start(core, node),
            Way::Sdk(tracer) => tracer.start_node(node, &self.metrics),
        };
        let span_id = observation.as_ref().map(|observation| observation.span_id());
        logs::node_started(node.run, node.node, node.role.map(|role| &**role.info), span_id);
        observation
    }

    #[inline]
    fn unrecorded_started(&self, run: &Arc<RunInfo>, node: &Arc<NodeInfo>, role: Option<&Arc<NodeInfo>>) {
        self.metrics.node_started(run, node);
        logs::node_started(run, node, role.map(|role| &**role), None);
    }

    #[inline]
    fn unrecorded_finished(&self, finished: &NodeFinished<'_>) {
        ended(&self.metrics, finished, None);
    }

    fn event(&self, run: &Arc<RunInfo>, node: &Arc<NodeInfo>, event: &Event<'_>) {
        self.metrics.event(run, node, event);
        self.costs.event(run, node, event);
        logs::event(&self.troubles, run, node, event);
    }
}

impl Recorder {
    fn count_start(&self, node: &NodeStarted<'_>) {
        if node.node.level == NodeLevel::Node {
            self.metrics.node_started(node.run, node.node);
            if let Some(role) = node.role.filter(|_| node.is_root) {
                self.metrics.node_started(node.run, role.info);
            }
        }
    }
}

/// Counts the end of a node, and of its run if it was the first, and tells of it.
#[inline]
fn ended(metrics: &Metrics, finished: &NodeFinished<'_>, span_id: Option<SpanId>) {
    logs::node_finished(finished, span_id);
    if finished.node.level == NodeLevel::Node {
        metrics.node_finished(finished);
        if finished.is_root {
            metrics.run_finished(finished);
        }
    }
}

/// The parent of a run.
struct Parent {
    context: Option<SpanContext>,
    is_remote: bool,
}

impl Parent {
    /// The parent that the caller gave, or else the application's current span. Of two in the same trace the
    /// current span is the nearer one: a server's span whose parent is the caller's.
    fn of(run: &RunStarted<'_>) -> Self {
        let (current, is_remote) = Context::map_current(|cx| {
            let span = cx.span();
            let span = span.span_context();
            (from_otel::span_context(span), span.is_remote())
        });
        match (run.parent, current) {
            (Some(given), Some(current)) if given.trace_id == current.trace_id && !is_remote => {
                Self { context: Some(current), is_remote: false }
            }
            (Some(given), _) => Self { context: Some(given.clone()), is_remote: true },
            (None, current) => Self { context: current, is_remote },
        }
    }
}

/// What an error of the application says of itself. What it says is the application's code, so no lock is held
/// while it speaks, and if it panics it has said nothing.
pub(crate) fn said(words: impl FnOnce() -> String) -> String {
    let said = catch_unwind(AssertUnwindSafe(words));
    said.unwrap_or_else(|_| "the error panicked when it was asked what it is".to_owned())
}

/// Decides on a run of the direct way.
fn decide(parent: &Parent, sampler: &Sampler, ids: &RunIds) -> RunDecision {
    let context = parent.context.as_ref();
    let trace_id = context.map_or_else(random::trace_id, |parent| parent.trace_id);
    let decision = sampler.decide(context, trace_id);
    let flags = context.map_or(TraceFlags::RANDOM, |parent| parent.flags).with_sampled(decision.sampled);
    let mut state = context.map(|parent| parent.state.clone()).unwrap_or_default();
    decision.mark(&mut state);
    let mut run = RunDecision {
        trace_id,
        flags,
        state,
        parent: context.map(|parent| parent.span_id),
        parent_is_remote: parent.is_remote,
        recording: decision.sampled,
        ambient: None,
    };
    if !decision.sampled {
        run.ambient = direct::not_recorded(&run, ids);
    }
    run
}
