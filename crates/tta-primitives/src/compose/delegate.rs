//! Another workflow as a step of this one.

use tta_model::name::attribute;

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
