//! Contexts as data, for another process or a later time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tta_model::w3c::{Baggage, TraceState};
use tta_model::{SpanContext, SpanId, Text, TraceFlags, TraceId, Value};

use super::ledger::Ledger;
use super::{
    Checkpoint, Checkpoints, GeneratedId, Identity, Life, MicroUsd, Scope, Shared, State, WorkflowContext,
};
use crate::clock;

/// How good, and how dear, a language model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelTier {
    /// Quick and cheap.
    Fast,
    /// Between the two.
    Balanced,
    /// The best answers; also written `premium`.
    #[serde(alias = "premium")]
    Quality,
}

impl ModelTier {
    /// The word for this tier in attributes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Quality => "quality",
        }
    }
}

impl fmt::Display for ModelTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ModelTier {
    type Err = crate::Error;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "fast" => Ok(Self::Fast),
            "balanced" => Ok(Self::Balanced),
            "quality" | "premium" => Ok(Self::Quality),
            other => Err(crate::Error::invalid(format!(
                "unknown model tier `{other}`; use fast, balanced or quality"
            ))),
        }
    }
}

/// The serialised form. Absent fields are left out and read as their defaults.
#[derive(Serialize, Deserialize)]
struct Wire {
    workflow_id: Text,
    correlation_id: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow_name: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent_type: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm_provider: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm_model_name: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm_model_tier: Option<ModelTier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span_id: Option<SpanId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    #[serde(default = "sampled")]
    trace_flags: TraceFlags,
    #[serde(default, skip_serializing_if = "TraceState::is_empty")]
    tracestate: TraceState,
    #[serde(default, skip_serializing_if = "Baggage::is_empty")]
    baggage: Baggage,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<Text, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<Text, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    state: BTreeMap<Text, Value>,
    start_unix_nanos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_unix_nanos: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checkpoints: Vec<Checkpoint>,
    #[serde(default)]
    spent_micro_usd: MicroUsd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget_micro_usd: Option<MicroUsd>,
}

fn sampled() -> TraceFlags {
    TraceFlags::SAMPLED
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Serialize for WorkflowContext {
    /// Writes everything but the observer and the extensions of the state.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (shared, identity) = (&*self.shared, &*self.shared.identity);
        let start_unix_nanos = clock::unix_nanos(shared.life.started_wall);
        let until = |deadline: clock::Instant| {
            start_unix_nanos.saturating_add(nanos(deadline.saturating_duration_since(shared.life.started)))
        };
        Wire {
            workflow_id: identity.workflow_id.get().clone(),
            correlation_id: identity.correlation_id.get().clone(),
            workflow_name: identity.workflow_name.clone(),
            session_id: identity.session_id.clone(),
            agent_id: identity.agent_id.clone(),
            agent_type: identity.agent_type.clone(),
            llm_provider: identity.llm_provider.clone(),
            llm_model_name: identity.llm_model_name.clone(),
            llm_model_tier: identity.llm_model_tier,
            causation_id: shared.causation_id.clone(),
            trace_id: self.trace_id(),
            span_id: self.span_id(),
            parent_span_id: self.parent_span_id(),
            trace_flags: self.trace_flags(),
            tracestate: self.trace_state(),
            baggage: shared.baggage.clone(),
            tags: BTreeMap::clone(&shared.tags),
            metadata: BTreeMap::clone(&shared.metadata),
            state: shared.life.state.snapshot(),
            start_unix_nanos,
            deadline_unix_nanos: self.deadline.map(until),
            checkpoints: self.checkpoints(),
            spent_micro_usd: self.spent(),
            budget_micro_usd: self.budget(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WorkflowContext {
    /// Reads a context that is not inside a run: a run of it becomes a child of the span in which it was written.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let deadline = wire.deadline_unix_nanos.map(|at| at.saturating_sub(wire.start_unix_nanos));
        let scope = Scope { parent: wire.parent_span_id, ..Scope::default() };
        let shared = wire.into_shared();
        let moment = |after| shared.life.started.checked_add(Duration::from_nanos(after));
        let deadline = match deadline {
            None => None,
            Some(after) => {
                Some(moment(after).ok_or_else(|| de::Error::custom("deadline_unix_nanos is too far away"))?)
            }
        };
        Ok(Self { deadline, scope, shared: Arc::new(shared) })
    }
}

impl Wire {
    fn into_shared(self) -> Shared {
        let life = self.life();
        let remote = self.trace_id.zip(self.span_id).map(|(trace_id, span_id)| SpanContext {
            trace_id,
            span_id,
            flags: self.trace_flags,
            state: self.tracestate,
        });
        Shared {
            identity: Arc::new(Identity {
                workflow_id: GeneratedId::given(self.workflow_id),
                workflow_name: self.workflow_name,
                session_id: self.session_id,
                agent_id: self.agent_id,
                agent_type: self.agent_type,
                llm_provider: self.llm_provider,
                llm_model_name: self.llm_model_name,
                llm_model_tier: self.llm_model_tier,
                correlation_id: GeneratedId::given(self.correlation_id),
            }),
            causation_id: self.causation_id,
            remote,
            baggage: self.baggage,
            tags: Arc::new(self.tags),
            metadata: Arc::new(self.metadata),
            observer: None,
            checkpoints: Arc::new(Checkpoints::restore(self.checkpoints, life.started_ticks)),
            life: Arc::new(life),
            run: None,
            is_shielded: false,
            held: None,
        }
    }

    /// The run-wide part, whose monotonic clocks are set back by the time of day that has passed since then.
    fn life(&self) -> Life {
        let started_wall = UNIX_EPOCH + Duration::from_nanos(self.start_unix_nanos);
        let age = clock::wall().duration_since(started_wall).unwrap_or_default();
        let (now, ticks) = (clock::now(), clock::ticks());
        let started = now.checked_sub(age).unwrap_or(now);
        let ledger = Ledger::new(self.spent_micro_usd, self.budget_micro_usd);
        let state = State::from_values(self.state.clone());
        let life = Life::started_at(started_wall, started, ticks.saturating_sub(nanos(age)), state, ledger);
        if let Some(trace_id) = self.trace_id {
            life.set_trace(trace_id);
        }
        life
    }
}
