//! Contexts derived from contexts.

use std::sync::Arc;

use tta_model::w3c::Baggage;
use tta_model::{Attributes, Text, Value, name::attribute};

use super::{Checkpoints, RunScope, Scope, Shared, WorkflowContext};
use crate::clock::Instant;
use crate::observe::{Observation, RunIds, RunInfo};

impl WorkflowContext {
    /// Makes the context of a workflow that this one causes: the same run-wide state, trace, session and
    /// correlation, with this correlation as its cause.
    #[must_use]
    pub fn create_child_context(&self) -> Self {
        let cause = self.shared.identity.correlation_id.get().clone();
        self.changed(|shared| shared.causation_id = Some(cause))
    }

    /// The same on behalf of another agent, which is of its own kind or of none, whatever kind the caller is of.
    pub(crate) fn create_agent_context(&self, agent_id: &Text, agent_type: Option<&Text>) -> Self {
        let cause = self.shared.identity.correlation_id.get().clone();
        self.changed(|shared| {
            shared.causation_id = Some(cause);
            let identity = Arc::make_mut(&mut shared.identity);
            identity.agent_id = Some(agent_id.clone());
            identity.agent_type = agent_type.cloned();
        })
    }

    /// The same context with a tag more, which becomes the attribute `tag.<key>` of the spans below.
    #[must_use]
    pub fn with_tag(&self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.changed(|shared| {
            Arc::make_mut(&mut shared.tags).insert(key.into(), value.into());
        })
    }

    /// The same context with metadata more.
    #[must_use]
    pub fn with_metadata(&self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.changed(|shared| {
            Arc::make_mut(&mut shared.metadata).insert(key.into(), value.into());
        })
    }

    /// The same context with other baggage.
    #[must_use]
    pub fn with_baggage(&self, baggage: Baggage) -> Self {
        self.changed(|shared| shared.baggage = baggage)
    }

    /// The same context on behalf of another agent.
    #[must_use]
    pub fn with_agent(&self, agent_id: impl Into<Text>, agent_type: Option<Text>) -> Self {
        self.changed(|shared| {
            let identity = Arc::make_mut(&mut shared.identity);
            identity.agent_id = Some(agent_id.into());
            identity.agent_type = agent_type.or_else(|| identity.agent_type.take());
        })
    }

    /// The same context with a deadline, unless its own is earlier.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let earlier = self.deadline.map_or(deadline, |own| own.min(deadline));
        Self { deadline: Some(earlier), ..self.clone() }
    }

    /// The same context for work that neither the cancellation of the run nor its deadline ends.
    pub(crate) fn shielded(&self) -> Self {
        let shared = Shared { is_shielded: true, ..Shared::clone(&self.shared) };
        Self { shared: Arc::new(shared), scope: self.scope.clone(), deadline: None }
    }

    /// The same context with a list of checkpoints of its own, to be merged when the branch has ended.
    pub(crate) fn branch(&self) -> Self {
        let mut shared = Shared::clone(&self.shared);
        shared.checkpoints = Arc::new(Checkpoints::default());
        Self { shared: Arc::new(shared), ..self.clone() }
    }

    /// The context of a step at a position, with the step's observation.
    #[inline]
    pub(crate) fn at(&self, at: u32, observation: Option<Arc<dyn Observation>>) -> Self {
        let (span, parent) = match &observation {
            Some(observation) => (Some(observation.span_id()), observation.parent_span_id()),
            None => (self.scope.span, self.scope.parent),
        };
        Self {
            shared: Arc::clone(&self.shared),
            scope: Scope { at, span, parent, observation },
            deadline: self.deadline,
        }
    }

    /// The same context inside a run.
    pub(crate) fn inside(&self, run: RunScope, scope: Scope) -> Self {
        let shared = Shared { run: Some(run), ..Shared::clone(&self.shared) };
        Self { shared: Arc::new(shared), scope, deadline: self.deadline }
    }

    fn changed(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared::clone(&self.shared);
        change(&mut shared);
        let attributes = self.run_attributes_of(&shared);
        let ids = RunIds(Arc::clone(&shared.identity));
        if let Some(run) = &mut shared.run
            && let Some(observer) = &run.observer
        {
            let class = observer.run_class(&run.info.workflow_name, ids.0.agent_type.as_ref());
            let attributes = attributes.unwrap_or_default();
            run.info = Arc::new(RunInfo { attributes, class, ids, ..RunInfo::clone(&run.info) });
        }
        Self { shared: Arc::new(shared), ..self.clone() }
    }

    /// The attributes that every span of the run carries, if the run is recorded.
    fn run_attributes_of(&self, shared: &Shared) -> Option<Attributes> {
        let run = shared.run.as_ref().filter(|run| run.info.recording)?;
        Some(run_attributes(shared, &run.info.workflow_name))
    }
}

/// The attributes that every span of a run carries.
pub(crate) fn run_attributes(shared: &Shared, workflow_name: &Text) -> Attributes {
    let identity = &shared.identity;
    let mut attributes: Attributes = Vec::with_capacity(6 + shared.tags.len());
    attributes.push((attribute::WORKFLOW_ID.key(), identity.workflow_id.get().clone().into()));
    attributes.push((attribute::WORKFLOW_NAME.key(), workflow_name.clone().into()));
    attributes.push((attribute::CORRELATION_ID.key(), identity.correlation_id.get().clone().into()));
    let optional = [
        (attribute::SESSION_ID.key(), &identity.session_id),
        (attribute::AGENT_ID.key(), &identity.agent_id),
        (attribute::AGENT_TYPE.key(), &identity.agent_type),
    ];
    attributes.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?.into()))));
    let tags = shared.tags.iter().map(|(key, value)| (attribute::tag(key), value.clone()));
    attributes.extend(tags);
    attributes
}
