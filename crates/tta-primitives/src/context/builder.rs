//! Makes contexts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tta_model::w3c::Baggage;
use tta_model::{SpanContext, Text, Value};

use super::ledger::Ledger;
use super::{
    Checkpoints, GeneratedId, Identity, Life, MicroUsd, ModelTier, Scope, Shared, State, WorkflowContext,
};
use crate::clock;
use crate::observe::Observer;

/// Makes a [`WorkflowContext`] with given properties; what is not given is generated or absent.
#[derive(Default)]
#[must_use]
pub struct WorkflowContextBuilder {
    identity: Identity,
    causation_id: Option<Text>,
    remote: Option<SpanContext>,
    baggage: Baggage,
    tags: BTreeMap<Text, Value>,
    metadata: BTreeMap<Text, Value>,
    state: State,
    budget: Option<MicroUsd>,
    timeout: Option<Duration>,
    observer: Option<Arc<dyn Observer>>,
}

macro_rules! identity_setters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(mut self, value: impl Into<Text>) -> Self {
            self.identity.$name = Some(value.into());
            self
        })*
    };
}

impl WorkflowContextBuilder {
    identity_setters!(
        /// Names the workflow; the name should be one of few, since it is a label.
        workflow_name,
        /// Names the session that the run belongs to.
        session_id,
        /// Identifies the agent that runs the workflow.
        agent_id,
        /// Says what kind of agent runs the workflow; one of few, since it is a label.
        agent_type,
        /// Names the provider of the language model.
        llm_provider,
        /// Names the language model.
        llm_model_name,
    );

    /// Identifies the execution; a UUID is generated otherwise.
    pub fn workflow_id(mut self, id: impl Into<Text>) -> Self {
        self.identity.workflow_id = GeneratedId::given(id.into());
        self
    }

    /// Joins the run to everything else that has this correlation id; a UUID is generated otherwise.
    pub fn correlation_id(mut self, id: impl Into<Text>) -> Self {
        self.identity.correlation_id = GeneratedId::given(id.into());
        self
    }

    /// Says what caused the run.
    pub fn causation_id(mut self, id: impl Into<Text>) -> Self {
        self.causation_id = Some(id.into());
        self
    }

    /// Sets the tier of the language model.
    pub fn llm_model_tier(mut self, tier: ModelTier) -> Self {
        self.identity.llm_model_tier = Some(tier);
        self
    }

    /// Makes runs children of a span, usually one of another process. It wins over the application's current span.
    pub fn parent(mut self, parent: SpanContext) -> Self {
        self.remote = Some(parent);
        self
    }

    /// Sets the W3C baggage.
    pub fn baggage(mut self, baggage: Baggage) -> Self {
        self.baggage = baggage;
        self
    }

    /// Adds a tag, which becomes the attribute `tag.<key>` of every span of the run.
    pub fn tag(mut self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Adds metadata, which steps can read and which is not recorded.
    pub fn metadata(mut self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Shares a store with the run; a new one is made otherwise.
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Bounds what the run may spend.
    pub fn budget(mut self, budget: MicroUsd) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets the deadline: this long after the context is made.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has runs observed by this observer instead of the installed one.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Makes the context.
    #[must_use]
    pub fn build(self) -> WorkflowContext {
        let life = Life::new(self.state, Ledger::new(MicroUsd(0), self.budget));
        WorkflowContext {
            deadline: self.timeout.and_then(|timeout| clock::now().checked_add(timeout)),
            scope: Scope::default(),
            shared: Arc::new(Shared {
                identity: Arc::new(self.identity),
                causation_id: self.causation_id,
                remote: self.remote,
                baggage: self.baggage,
                tags: Arc::new(self.tags),
                metadata: Arc::new(self.metadata),
                observer: self.observer,
                checkpoints: Arc::new(Checkpoints::default()),
                life: Arc::new(life),
                run: None,
                is_shielded: false,
                held: None,
            }),
        }
    }
}
