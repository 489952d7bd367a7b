//! The seam between the work and those who watch it.
//!
//! Steps run; an [`Observer`] is told. It gets typed facts (a node started, an attempt failed, a node
//! finished with this outcome) and decides alone what becomes of them. Nothing here knows spans,
//! metrics or logs as any telemetry system defines them, and nothing a step does waits for an observer.

mod event;
mod ids;
mod install;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tta_model::w3c::TraceState;
use tta_model::{
    Attributes, ExecutionStatus, Key, SpanContext, SpanId, SpanKind, Text, TraceFlags, TraceId, Value,
};

pub use event::{CacheOutcome, Event};
pub use ids::RunIds;
pub use install::{AlreadyInstalled, Installed, install};

pub(crate) use install::installed;

use crate::clock::Anchor;
use crate::error::Error;

/// Watches runs. Implementations never block, never fail and never panic.
pub trait Observer: Send + Sync + 'static {
    /// A run is about to start: decides to which trace it belongs and whether it is recorded.
    fn run_started(&self, run: &RunStarted<'_>) -> RunDecision;

    /// The class of the runs of a workflow on behalf of a kind of agent: a number of the observer's own, which
    /// comes back with everything that happens in them.
    fn run_class(&self, workflow_name: &Text, agent_type: Option<&Text>) -> u32 {
        let _ = (workflow_name, agent_type);
        0
    }

    /// A node of a recorded run starts, or the first node of any run. If the run is recorded, the observation
    /// that is returned is told of the rest.
    fn node_started(&self, node: &NodeStarted<'_>) -> Option<Arc<dyn Observation>>;

    /// A node of a run that is not recorded starts, other than its first.
    fn unrecorded_started(&self, run: &Arc<RunInfo>, node: &Arc<NodeInfo>, role: Option<&Arc<NodeInfo>>) {
        let _ = (run, node, role);
    }

    /// A node without an observation has ended. Called once, also when the node was dropped.
    fn unrecorded_finished(&self, finished: &NodeFinished<'_>) {
        let _ = finished;
    }

    /// Something happened in a node, whether its run is recorded or not. An observation is told of it too.
    fn event(&self, run: &Arc<RunInfo>, node: &Arc<NodeInfo>, event: &Event<'_>) {
        let _ = (run, node, event);
    }
}

/// Watches one execution of one node.
pub trait Observation: Any + Send + Sync {
    /// The span of the node, which is the parent of the spans of its children.
    fn span_id(&self) -> SpanId;

    /// The parent of that span.
    fn parent_span_id(&self) -> Option<SpanId>;

    /// Calls `poll` while the node's span is the current one of this thread.
    fn within(&self, poll: &mut dyn FnMut());

    /// Something happened in the node.
    fn event(&self, event: &Event<'_>);

    /// Attributes of the span were set, perhaps again. They are taken out of the slice.
    fn set_attributes(&self, attributes: &mut [Option<(Key, Value)>]);

    /// The node has ended. Called once, also when the node was dropped.
    fn finished(self: Arc<Self>, finished: &NodeFinished<'_>);
}

/// A run that is about to start.
#[derive(Debug)]
pub struct RunStarted<'a> {
    /// The parent that the caller gave, which wins over the application's current span.
    pub parent: Option<&'a SpanContext>,
    /// What all runs of the workflow have in common; its name is the name of the workflow.
    pub info: &'a Arc<NodeInfo>,
    /// Who runs, and on whose behalf.
    pub ids: &'a RunIds,
}

/// To which trace a run belongs, and whether it is recorded.
#[derive(Clone)]
pub struct RunDecision {
    /// The trace.
    pub trace_id: TraceId,
    /// The flags that every span of the run has.
    pub flags: TraceFlags,
    /// The trace state that every span of the run has.
    pub state: TraceState,
    /// The parent of the run's first span.
    pub parent: Option<SpanId>,
    /// Whether that parent is in another process.
    pub parent_is_remote: bool,
    /// Whether the nodes of the run get observations. One that is not recorded is still told of.
    pub recording: bool,
    /// For a run that is not recorded: keeps the decision current while the run is polled, so that spans
    /// which the application makes inside it are not recorded either. For one that is recorded: handed back
    /// with the first node.
    pub ambient: Option<Arc<dyn Observation>>,
}

/// What all nodes of a run have in common.
#[derive(Clone)]
pub struct RunInfo {
    /// The name of the workflow.
    pub workflow_name: Text,
    /// The trace.
    pub trace_id: TraceId,
    /// The flags of every span.
    pub flags: TraceFlags,
    /// The trace state of every span.
    pub state: TraceState,
    /// Whether the parent of the run's first span is in another process.
    pub parent_is_remote: bool,
    /// Whether the nodes of the run get observations.
    pub recording: bool,
    /// The [class](Observer::run_class) of the run.
    pub class: u32,
    /// Who runs, and on whose behalf.
    pub ids: RunIds,
    /// The attributes of every span; empty if the run is not recorded.
    pub attributes: Attributes,
    /// Turns ticks into the time of day, in the same way for every span of the run.
    pub anchor: Anchor,
}

/// What all executions of a node at one position of a flow have in common.
#[derive(Default)]
pub struct NodeInfo {
    /// Tells this from every other one of the process.
    pub id: NodeId,
    /// What it describes.
    pub level: NodeLevel,
    /// The name of its spans.
    pub span_name: Text,
    /// The address: the names from the root of the flow down to the node, unique in the flow.
    pub path: Text,
    /// The name of the primitive.
    pub name: Text,
    /// The type of the primitive.
    pub kind: Text,
    /// Which side of a call its spans describe.
    pub span_kind: SpanKind,
    /// Who hands on to the node, where the flow says so.
    pub connection: Option<Connection>,
    /// The attributes that every span of the node has, name, type and path included.
    pub attributes: Attributes,
}

/// The number of a [`NodeInfo`], never given twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u64);

impl Default for NodeId {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a [`NodeInfo`] describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NodeLevel {
    /// The runs of a workflow.
    Run,
    /// A primitive at a position of a flow.
    Node,
    /// The role that a primitive plays in another one.
    Role,
    /// A part of a primitive's work, such as the look-up of a cache.
    #[default]
    Leaf,
}

/// An arrow of a flow: who hands on to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The name of the primitive that hands on.
    pub source: Text,
    /// Its type.
    pub source_kind: Text,
    /// How the two are joined: `sequential`, `parallel`, `conditional`, `router` or `fallback`.
    pub kind: &'static str,
}

/// A span around a node that says which role the node plays in its parent: a step, a branch, an attempt.
#[derive(Clone, Copy)]
pub struct RoleStarted<'a> {
    /// What all executions in this role have in common.
    pub info: &'a Arc<NodeInfo>,
    /// The attributes of this execution, such as the number of an attempt.
    pub attributes: &'a [(Key, Value)],
}

/// A node that starts.
#[derive(Debug)]
pub struct NodeStarted<'a> {
    /// The run.
    pub run: &'a Arc<RunInfo>,
    /// The node.
    pub node: &'a Arc<NodeInfo>,
    /// The role that it plays, if that has a span of its own.
    pub role: Option<RoleStarted<'a>>,
    /// The span of the enclosing node.
    pub parent: Option<SpanId>,
    /// Whether the node is the first of its run.
    pub is_root: bool,
    /// For the first node of a run: what the [decision](RunDecision::ambient) held.
    pub ambient: Option<&'a Arc<dyn Observation>>,
    /// When it started.
    pub ticks: u64,
}

/// A node that has ended.
#[derive(Debug)]
pub struct NodeFinished<'a> {
    /// The run.
    pub run: &'a Arc<RunInfo>,
    /// The node.
    pub node: &'a Arc<NodeInfo>,
    /// What all executions in the role that it played have in common, if that has a span of its own.
    pub role: Option<&'a Arc<NodeInfo>>,
    /// Whether the node was the first of its run.
    pub is_root: bool,
    /// When it started.
    pub started: u64,
    /// When it ended.
    pub ticks: u64,
    /// How it ended.
    pub status: ExecutionStatus,
    /// The error with which it ended.
    pub error: Option<&'a Error>,
    /// Whether the error arose here, so that it is to be described here and nowhere above.
    pub error_arose_here: bool,
}

impl fmt::Debug for dyn Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observation({})", self.span_id())
    }
}

impl fmt::Debug for RunInfo {
    /// Shows the trace, and nothing that came with data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunInfo")
            .field("trace_id", &self.trace_id)
            .field("flags", &self.flags)
            .field("recording", &self.recording)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeInfo {
    /// Shows the number and the level, and no name: that of a workflow may have come with data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeInfo").field("id", &self.id).field("level", &self.level).finish_non_exhaustive()
    }
}

impl fmt::Debug for RoleStarted<'_> {
    /// Shows what the attributes are called, and none of their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.attributes.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("RoleStarted").field("info", &self.info).field("attributes", &names).finish()
    }
}

impl fmt::Debug for RunDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunDecision")
            .field("trace_id", &self.trace_id)
            .field("flags", &self.flags)
            .field("parent", &self.parent)
            .field("recording", &self.recording)
            .finish_non_exhaustive()
    }
}
