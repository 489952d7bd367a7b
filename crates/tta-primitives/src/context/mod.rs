//! The context of a run: who runs, on whose behalf, within which trace, and what is shared.
//!
//! A context is an immutable value. Every step gets one of its own, whose scope is the step's span;
//! what flows down (tags, metadata, baggage, deadline) is copied when it is changed, and what belongs
//! to the whole run (state, ledger, start time, cancellation) is shared.

mod builder;
mod checkpoints;
mod child;
mod held;
mod ledger;
mod life;
mod spending;
mod state;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tta_model::w3c::{Baggage, TraceState};
use tta_model::{Attributes, Key, SpanContext, SpanId, Text, TraceFlags, TraceId, Value, name::attribute};

pub use builder::WorkflowContextBuilder;
pub use checkpoints::{CHECKPOINT_LIMIT, Checkpoint};
pub use ledger::MicroUsd;
pub use spending::{Reservation, Spend};
pub use state::State;
pub use wire::ModelTier;

pub(crate) use checkpoints::Checkpoints;
pub(crate) use child::run_attributes;
pub(crate) use life::{Life, Shield, outliving};

use crate::clock::{self, Instant};
use crate::error::Error;
use crate::flow::Plan;
use crate::observe::{Event, Observation, Observer, RunInfo};
use crate::random;
use life::Named;

/// The context in which a workflow runs.
///
/// Cloning it costs one or two reference counts.
///
/// ```
/// use tta_primitives::WorkflowContext;
///
/// let cx = WorkflowContext::builder().workflow_name("report").session_id("s-1").tag("tier", "gold").build();
/// assert_eq!(cx.session_id(), Some("s-1"));
/// assert_eq!(cx.workflow_id().len(), 36);
/// ```
#[derive(Clone)]
pub struct WorkflowContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scope: Scope,
    pub(crate) deadline: Option<Instant>,
}

/// Where in the run a context stands.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    /// The position in the plan of the run.
    pub(crate) at: u32,
    pub(crate) span: Option<SpanId>,
    pub(crate) parent: Option<SpanId>,
    /// The observation of the step, if it is recorded.
    pub(crate) observation: Option<Arc<dyn Observation>>,
}

/// What flows down from a context to its children; replaced as a whole when it is changed.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) identity: Arc<Identity>,
    pub(crate) causation_id: Option<Text>,
    pub(crate) remote: Option<SpanContext>,
    pub(crate) baggage: Baggage,
    pub(crate) tags: Named,
    pub(crate) metadata: Named,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) life: Arc<Life>,
    pub(crate) run: Option<RunScope>,
    /// Whether the work goes on when the run is cancelled, as the undoing of a saga does.
    pub(crate) is_shielded: bool,
    /// What the callers are in the middle of making.
    pub(crate) held: Option<Arc<held::Held>>,
}

/// The run that a context is inside of.
#[derive(Clone)]
pub(crate) struct RunScope {
    pub(crate) info: Arc<RunInfo>,
    pub(crate) plan: Arc<Plan>,
    /// Present if the run is observed, recorded or not.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Keeps the decision not to record current while the run is polled.
    pub(crate) ambient: Option<Arc<dyn Observation>>,
}

/// Who runs, and on whose behalf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) workflow_id: GeneratedId,
    pub(crate) workflow_name: Option<Text>,
    pub(crate) session_id: Option<Text>,
    pub(crate) agent_id: Option<Text>,
    pub(crate) agent_type: Option<Text>,
    pub(crate) llm_provider: Option<Text>,
    pub(crate) llm_model_name: Option<Text>,
    pub(crate) llm_model_tier: Option<ModelTier>,
    pub(crate) correlation_id: GeneratedId,
}

/// An identifier that is given, or generated when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratedId(OnceLock<Text>);

impl GeneratedId {
    pub(crate) fn given(id: Text) -> Self {
        Self(OnceLock::from(id))
    }

    pub(crate) fn get(&self) -> &Text {
        self.0.get_or_init(|| random::uuid().to_string().into())
    }
}

impl WorkflowContext {
    /// Makes a context with nothing but generated identifiers.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Makes a context with the given properties.
    pub fn builder() -> WorkflowContextBuilder {
        WorkflowContextBuilder::default()
    }

    /// The identifier of the workflow's execution, a UUID unless one was given.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        self.shared.identity.workflow_id.get()
    }

    /// The name of the workflow.
    #[must_use]
    pub fn workflow_name(&self) -> Option<&str> {
        self.shared.identity.workflow_name.as_deref()
    }

    /// The session that the run belongs to.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.shared.identity.session_id.as_deref()
    }

    /// The agent that runs the workflow.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.shared.identity.agent_id.as_deref()
    }

    /// The kind of the agent, for example `coordinator`.
    #[must_use]
    pub fn agent_type(&self) -> Option<&str> {
        self.shared.identity.agent_type.as_deref()
    }

    /// The provider of the language model.
    #[must_use]
    pub fn llm_provider(&self) -> Option<&str> {
        self.shared.identity.llm_provider.as_deref()
    }

    /// The name of the language model.
    #[must_use]
    pub fn llm_model_name(&self) -> Option<&str> {
        self.shared.identity.llm_model_name.as_deref()
    }

    /// The tier of the language model.
    #[must_use]
    pub fn llm_model_tier(&self) -> Option<ModelTier> {
        self.shared.identity.llm_model_tier
    }

    /// The identifier that joins everything done for one request; inherited by children.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        self.shared.identity.correlation_id.get()
    }

    /// The correlation id of the context that caused this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.shared.causation_id.as_deref()
    }

    /// The trace: of the run inside which this context is, else the one that was given, else the one of
    /// the latest run that was started with this context.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        match (&self.shared.run, &self.shared.remote) {
            (Some(run), _) => Some(run.info.trace_id),
            (None, Some(remote)) => Some(remote.trace_id),
            (None, None) => self.shared.life.trace(),
        }
    }

    /// The current span: of the step inside which this context is, or the one that was given.
    #[must_use]
    pub fn span_id(&self) -> Option<SpanId> {
        self.scope.span.or_else(|| self.shared.remote.as_ref().map(|remote| remote.span_id))
    }

    /// The parent of the current span.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.scope.parent
    }

    /// Whether the trace is recorded, and whether its id is random; sampled unless something said otherwise.
    #[must_use]
    pub fn trace_flags(&self) -> TraceFlags {
        match (&self.shared.run, &self.shared.remote) {
            (Some(run), _) => run.info.flags,
            (None, Some(remote)) => remote.flags,
            (None, None) => TraceFlags::SAMPLED,
        }
    }

    /// What other tracing systems added to the trace.
    #[must_use]
    pub fn trace_state(&self) -> TraceState {
        match (&self.shared.run, &self.shared.remote) {
            (Some(run), _) => run.info.state.clone(),
            (None, Some(remote)) => remote.state.clone(),
            (None, None) => TraceState::default(),
        }
    }

    /// The position in the trace that a callee, here or elsewhere, takes as its parent.
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        let (trace_id, span_id) = (self.trace_id()?, self.span_id()?);
        Some(SpanContext { trace_id, span_id, flags: self.trace_flags(), state: self.trace_state() })
    }

    /// The W3C baggage.
    #[must_use]
    pub fn baggage(&self) -> &Baggage {
        &self.shared.baggage
    }

    /// The tags, which become attributes `tag.*` of every span of the run.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<Text, Value> {
        &self.shared.tags
    }

    /// The metadata, which steps can read and which is not recorded.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<Text, Value> {
        &self.shared.metadata
    }

    /// The store that all steps of the run and its caller share.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.shared.life.state
    }

    /// When the context was made, by the time of day.
    #[must_use]
    pub fn start_time(&self) -> SystemTime {
        self.shared.life.started_wall
    }

    /// The time since the context was made, by the monotonic clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.shared.life.started)
    }

    /// The moment at which the work must have ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time that is left until the deadline; zero once it has passed, none if there is no deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(clock::now()))
    }

    /// Records that something has just happened.
    ///
    /// A run keeps the first [`CHECKPOINT_LIMIT`] checkpoints. Those of parallel branches are put
    /// in the order of the branches.
    pub fn checkpoint(&self, name: impl Into<Text>) {
        let name = name.into();
        self.emit(&Event::CheckpointReached { name: &name });
        self.shared.checkpoints.add(name, clock::ticks());
    }

    /// The checkpoints so far, those of every sequential step included.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        self.shared.checkpoints.since(self.shared.life.started_ticks)
    }

    /// How many checkpoints were left out because of the limit.
    #[must_use]
    pub fn dropped_checkpoints(&self) -> u64 {
        self.shared.checkpoints.dropped()
    }

    /// Cancels every run of this context: each ends with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled) at its next suspension.
    pub fn cancel(&self) {
        self.shared.life.cancel();
    }

    /// Whether the run was cancelled; never so in work that a cancellation does not end, as the undoing of a saga.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        !self.shared.is_shielded && self.shared.life.is_cancelled()
    }

    /// Waits until the work that outlives its callers has ended: the compensation of sagas that were
    /// cancelled, and the renewal of what a cache gave out stale.
    pub async fn settled(&self) {
        self.shared.life.settled().await;
    }

    /// What could not be undone of sagas that were cancelled. Wait until the run has [settled](Self::settled)
    /// before looking. What could not be undone after a step failed is [related](crate::Error::related) to
    /// the error of the run instead.
    #[must_use]
    pub fn compensation_failures(&self) -> Vec<Arc<Error>> {
        self.shared.life.failures()
    }

    /// Whether the current step has a span, so that attributes which take work to make are worth making.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.scope.observation.is_some()
    }

    /// Adds an attribute to the span of the current step; does nothing if it is not recorded.
    pub fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>) {
        if let Some(observation) = &self.scope.observation {
            observation.set_attributes(&mut [Some((key.into(), value.into()))]);
        }
    }

    /// Adds attributes to the span of the current step, for less than one at a time costs; does nothing if the
    /// span is not recorded.
    pub fn set_attributes<const N: usize>(&self, attributes: [(Key, Value); N]) {
        if let Some(observation) = &self.scope.observation {
            observation.set_attributes(&mut attributes.map(Some));
        }
    }

    /// Tells the observer that something happened in the current step.
    pub fn emit(&self, event: &Event<'_>) {
        let Some(run) = &self.shared.run else { return };
        let Some(observer) = &run.observer else { return };
        observer.event(&run.info, &run.plan.position(self.scope.at).node, event);
        if let Some(observation) = &self.scope.observation {
            observation.event(event);
        }
    }

    /// The attributes that describe this context on a span; those that are absent are left out.
    #[must_use]
    pub fn to_otel_context(&self) -> Attributes {
        let identity = &self.shared.identity;
        let mut attributes: Attributes = vec![
            (attribute::WORKFLOW_ID.key(), identity.workflow_id.get().clone().into()),
            (attribute::WORKFLOW_CORRELATION_ID.key(), identity.correlation_id.get().clone().into()),
            (attribute::WORKFLOW_ELAPSED_MS.key(), (self.elapsed().as_secs_f64() * 1e3).into()),
        ];
        let tier = identity.llm_model_tier.map(|tier| Text::Static(tier.as_str()));
        let optional = [
            (attribute::WORKFLOW_NAME.key(), &identity.workflow_name),
            (attribute::WORKFLOW_SESSION_ID.key(), &identity.session_id),
            (attribute::AGENT_ID.key(), &identity.agent_id),
            (attribute::AGENT_TYPE.key(), &identity.agent_type),
            (attribute::LLM_PROVIDER.key(), &identity.llm_provider),
            (attribute::LLM_MODEL_NAME.key(), &identity.llm_model_name),
            (attribute::LLM_MODEL_TIER.key(), &tier),
        ];
        attributes.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?.into()))));
        attributes
    }
}

impl Default for WorkflowContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WorkflowContext {
    /// Shows where the context is, and no value that came with data: names and ids may be anybody's words, and debug
    /// output ends up in logs. The trace leads to the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowContext")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("baggage", self.baggage())
            .field("tags", &self.tags().keys())
            .field("metadata", &self.metadata().keys())
            .field("state", self.state())
            .finish_non_exhaustive()
    }
}
