//! One step after the other.

use std::any::Any;
use std::future::poll_fn;
use std::marker::PhantomData;

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::{Call, Child, Flow, NodeRef, PrimitiveNode, Role, RoleCall, Running, Slot, take};
use crate::primitive::{Description, Primitive};

/// Steps that run one after the other, each with the output of the one before.
pub(crate) struct Sequential<I, O> {
    steps: Vec<NodeRef>,
    types: PhantomData<fn(I) -> O>,
}

impl<I: Send + 'static, O: Send + 'static> Sequential<I, O> {
    /// Joins two flows. One that is itself a sequential without a name contributes its steps.
    pub(crate) fn chain<M: Send + 'static, S, T>(first: &Flow<I, M, S>, next: &Flow<M, O, T>) -> Self {
        let mut steps = steps_of::<I, M>(&first.node);
        steps.extend(steps_of::<M, O>(&next.node));
        Self { steps, types: PhantomData }
    }
}

fn steps_of<I: Send + 'static, O: Send + 'static>(node: &NodeRef) -> Vec<NodeRef> {
    let any: &dyn Any = &**node;
    match any.downcast_ref::<PrimitiveNode<Sequential<I, O>>>() {
        Some(sequential) => sequential.primitive.steps.clone(),
        None => vec![NodeRef::clone(node)],
    }
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Sequential<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let mut input = Some(input);
        let mut last: Option<Running<'_>> = None;
        for (index, step) in self.steps.iter().enumerate() {
            let at = cx.child_at(index);
            let mut running = {
                let slot: &mut Slot = match &mut last {
                    None => &mut input,
                    Some(last) => last.as_mut().output(),
                };
                step.start(slot, cx, Call { at, role: RoleCall::Planned(&[]) })
            };
            poll_fn(|task| running.as_mut().poll(task)).await?;
            let name = cx.run_scope().plan.position(at).node.name.clone();
            cx.shared.checkpoints.add(name, clock::ticks());
            last = Some(running);
        }
        let mut last = last.expect("a sequential has at least two steps");
        Ok(take(last.as_mut().output()))
    }

    fn describe(&self) -> Description {
        let total = self.steps.len();
        let child = |(index, step)| Child::of_node(Role::Step { index, total }, step);
        let children = self.steps.iter().enumerate().map(child).collect();
        Description { children, ..Description::new("sequential") }
    }
}
