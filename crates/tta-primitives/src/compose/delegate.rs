//! Another workflow as a step of this one, perhaps that of another agent.

use tta_model::Text;
use tta_model::name::attribute::{self, INVOKE_AGENT};

use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::{Flow, Role};
use crate::primitive::{Description, Primitive};

/// Makes a flow that runs another workflow, in a [child context](WorkflowContext::create_child_context): caused
/// by this one, in the same trace, with the same state, budget and deadline.
///
/// What the other workflow adds to its context (tags, metadata, baggage) does not come back.
///
/// ```
/// use tta_primitives::{WorkflowContext, delegate, step_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let research = step_with("search", |_: (), cx: WorkflowContext| async move {
///     Ok(cx.causation_id().map(str::to_owned))
/// });
/// let cx = WorkflowContext::builder().correlation_id("order-7").build();
/// assert_eq!(delegate(research.named("research")).run((), &cx).await?.as_deref(), Some("order-7"));
/// # Ok(()) }
/// ```
#[must_use]
pub fn delegate<I: Send + 'static, O: Send + 'static>(workflow: Flow<I, O>) -> Flow<I, O> {
    Flow::new(Delegate { workflow })
}

/// Makes a flow that runs another workflow on behalf of another agent: as [`delegate`] does, with the agent's own
/// id and kind on every span below, in metrics by kind of agent, and in what it costs. The caller's own spans keep
/// theirs.
///
/// The work of the agent is a span `agent.<name>.execute`, which the GenAI conventions of OpenTelemetry know as the
/// operation `invoke_agent`.
///
/// ```
/// use tta_primitives::{Agent, WorkflowContext, delegate_to, step_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let search = step_with("search", |_: (), cx: WorkflowContext| async move {
///     Ok(cx.agent_id().map(str::to_owned))
/// });
/// let plan = delegate_to(Agent::new("researcher-7").kind("researcher"), search);
/// let cx = WorkflowContext::builder().agent_id("coordinator-1").agent_type("coordinator").build();
/// assert_eq!(plan.run((), &cx).await?.as_deref(), Some("researcher-7"));
/// # Ok(()) }
/// ```
#[must_use]
pub fn delegate_to<I: Send + 'static, O: Send + 'static>(agent: Agent, workflow: Flow<I, O>) -> Flow<I, O> {
    Flow::new(DelegateTo { name: agent.label(&workflow.name()), agent, workflow })
}

/// An agent on whose behalf a workflow [runs](delegate_to).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    id: Text,
    kind: Option<Text>,
    name: Option<Text>,
}

impl Agent {
    /// Names the instance of an agent, as in `researcher-7`. It is of no kind unless one is given.
    #[must_use]
    pub fn new(id: impl Into<Text>) -> Self {
        Self { id: id.into(), kind: None, name: None }
    }

    /// Says what kind of agent it is, as in `researcher`; one of few, since it is a label.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Text>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Names the agent in the name of its span; one of few. Unless set it is the kind, or else the name of the
    /// workflow.
    #[must_use]
    pub fn named(mut self, name: impl Into<Text>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn label(&self, workflow: &Text) -> Text {
        self.name.as_ref().or(self.kind.as_ref()).unwrap_or(workflow).clone()
    }
}

struct DelegateTo<I, O> {
    agent: Agent,
    name: Text,
    workflow: Flow<I, O>,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for DelegateTo<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let Agent { id, kind, .. } = &self.agent;
        let attributes = [
            (attribute::GEN_AI_OPERATION_NAME.key(), INVOKE_AGENT.into()),
            (attribute::GEN_AI_AGENT_ID.key(), id.clone().into()),
            (attribute::GEN_AI_AGENT_NAME.key(), self.name.clone().into()),
        ];
        self.workflow.call(0, input, &cx.create_agent_context(id, kind.as_ref()), &attributes).await
    }

    fn describe(&self) -> Description {
        Description::new("delegate")
            .attribute(attribute::DELEGATE_WORKFLOW.key(), self.workflow.name())
            .child(Role::Agent(self.name.clone()), &self.workflow)
    }
}

struct Delegate<I, O> {
    workflow: Flow<I, O>,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Delegate<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        self.workflow.call(0, input, &cx.create_child_context(), &[]).await
    }

    fn describe(&self) -> Description {
        let name = self.workflow.name();
        Description::new("delegate")
            .attribute(attribute::DELEGATE_WORKFLOW.key(), name.clone())
            .child(Role::Workflow(name), &self.workflow)
    }
}
