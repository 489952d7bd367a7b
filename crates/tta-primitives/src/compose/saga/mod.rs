//! Steps that are undone if one fails.

mod undo;

use std::any::Any;
use std::future::poll_fn;
use std::marker::PhantomData;

use tta_model::name::attribute;
use tta_model::{Key, Text, Value};

use undo::{Done, Journal};

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::Result;
use crate::flow::{
    Call, Child, Flow, NodeRef, PrimitiveNode, Role, RoleCall, Running, Slot, Steps, node_of, take,
};
use crate::primitive::{Description, Primitive};
use crate::step::Step;

/// Begins a saga: steps one after the other, each perhaps with an undo, which are undone in reverse order if a
/// later one fails.
///
/// An undo gets the output of its step. The error of the saga is that of the step that failed; an undo that
/// fails does not keep the others from running, and its error is [related](crate::Error::related) to it.
///
/// ```
/// use tta_primitives::{Error, WorkflowContext, saga, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let reserve = step("reserve", |order: u32| async move { Ok(format!("reservation {order}")) });
/// let charge = step("charge", |_: String| async { Err::<(), _>(Error::failed("card refused")) });
/// let order = saga("order")
///     .step(reserve)
///     .undo("release", |reservation| async move {
///         assert_eq!(reservation, "reservation 7");
///         Ok(())
///     })
///     .step(charge);
/// let error = order.run(7, &WorkflowContext::new()).await.unwrap_err();
/// assert_eq!(error.message(), "card refused");
/// # }
/// ```
///
/// # Cancellation
/// A saga that is dropped (its run was cancelled, a time limit passed, another branch failed) is undone as well.
/// Its undos then run in a task of the runtime that the saga ran on, without the run's deadline;
/// [`WorkflowContext::settled`] waits for them, and what could not be undone is in
/// [`WorkflowContext::compensation_failures`]. Their spans lie below the span of the saga and end after it.
/// The step that was under way is not undone, for there is no output to undo it with: a step should either
/// have its effect in one place, or be able to be repeated.
pub fn saga(name: impl Into<Text>) -> Saga {
    Saga { name: name.into() }
}

/// A saga without steps.
#[must_use = "add a step"]
pub struct Saga {
    name: Text,
}

impl Saga {
    /// Adds the first step.
    #[must_use]
    pub fn step<I, O, S>(self, forward: Flow<I, O, S>) -> Flow<I, O, Steps>
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        let steps = SagaSteps::<I, O> { name: self.name, steps: Vec::new(), types: PhantomData };
        Flow::of_node(node_of(steps.with(forward.node)))
    }
}

impl<I: Send + 'static, O: Send + 'static> Flow<I, O, Steps> {
    /// Adds a step to the saga.
    #[must_use]
    pub fn step<N: Send + 'static, S>(self, forward: Flow<O, N, S>) -> Flow<I, N, Steps> {
        let SagaSteps { name, steps, .. } = SagaSteps::<I, O>::in_node(&self.node).copy();
        let steps = SagaSteps::<I, N> { name, steps, types: PhantomData };
        Flow::of_node(node_of(steps.with(forward.node)))
    }

    /// Says how the latest step is undone: with a closure, which gets the output of the step.
    #[must_use]
    pub fn undo<F, Fut>(self, name: impl Into<Text>, undo: F) -> Self
    where
        O: Clone,
        F: Fn(O) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.undo_flow(Flow::new(Step::new(name, undo)))
    }

    /// Says how the latest step is undone: with a flow, which gets the output of the step.
    #[must_use]
    pub fn undo_flow<S>(self, undo: Flow<O, (), S>) -> Self
    where
        O: Clone,
    {
        let mut saga = SagaSteps::<I, O>::in_node(&self.node).copy();
        if let Some(latest) = saga.steps.last_mut() {
            latest.undo = Some(Undo { node: undo.node, copy: copy::<O> });
        }
        Flow::of_node(node_of(saga))
    }
}

/// Copies the output in a slot into a slot of its own.
fn copy<O: Clone + Send + 'static>(output: &mut Slot) -> Box<Slot> {
    Box::new(output.downcast_ref::<Option<O>>().cloned().flatten())
}

struct SagaSteps<I, O> {
    name: Text,
    steps: Vec<SagaStep>,
    types: PhantomData<fn(I) -> O>,
}

#[derive(Clone)]
struct SagaStep {
    forward: NodeRef,
    undo: Option<Undo>,
    /// The position among the children; the undo comes after it.
    child: usize,
    /// The name of the step, on the spans of its doing and undoing.
    attributes: [(Key, Value); 1],
}

#[derive(Clone)]
struct Undo {
    node: NodeRef,
    copy: fn(&mut Slot) -> Box<Slot>,
}

impl SagaStep {
    /// What has to be done to undo the step that has this output.
    fn done(&self, output: &mut Slot) -> Option<Done> {
        let undo = self.undo.as_ref()?;
        Some(Done {
            node: NodeRef::clone(&undo.node),
            child: self.child + 1,
            output: (undo.copy)(output),
            attributes: self.attributes.clone(),
        })
    }
}

impl<I: Send + 'static, O: Send + 'static> SagaSteps<I, O> {
    fn in_node(node: &NodeRef) -> &Self {
        let any: &dyn Any = &**node;
        let node = any.downcast_ref::<PrimitiveNode<Self>>();
        &node.expect("a flow marked `Steps` holds a saga").primitive
    }

    fn copy(&self) -> Self {
        Self { name: self.name.clone(), steps: self.steps.clone(), types: PhantomData }
    }

    fn with(mut self, forward: NodeRef) -> Self {
        let child = self.steps.last().map_or(0, |last| last.child + 1 + usize::from(last.undo.is_some()));
        let attributes = [(attribute::SAGA_STEP.key(), forward.describe().name.into())];
        self.steps.push(SagaStep { forward, undo: None, child, attributes });
        self
    }
}

fn name_at(cx: &WorkflowContext, at: u32) -> &Text {
    &cx.run_scope().plan.position(at).node.name
}

impl<I: Send + 'static, O: Send + 'static> Primitive for SagaSteps<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let mut input = Some(input);
        let mut last: Option<Running<'_>> = None;
        let mut journal = Journal::open(cx);
        for step in &self.steps {
            let at = cx.child_at(step.child);
            let mut running = {
                let slot: &mut Slot = match &mut last {
                    None => &mut input,
                    Some(last) => last.as_mut().output(),
                };
                let call = Call { at, role: RoleCall::Planned(&step.attributes) };
                step.forward.start(slot, cx, call)
            };
            if let Err(error) = poll_fn(|task| running.as_mut().poll(task)).await {
                return Err(journal.undo_after(name_at(cx, at), error).await);
            }
            journal.add(step.done(running.as_mut().output()));
            cx.shared.checkpoints.add(name_at(cx, at).clone(), clock::ticks());
            last = Some(running);
        }
        journal.close();
        let mut last = last.expect("a saga has at least one step");
        Ok(take(last.as_mut().output()))
    }

    fn describe(&self) -> Description {
        let mut description = Description::new("saga").named(self.name.clone());
        for step in &self.steps {
            description.children.push(Child::of_node(Role::Forward, &step.forward));
            let undo = step.undo.as_ref().map(|undo| Child::of_node(Role::Compensate, &undo.node));
            description.children.extend(undo);
        }
        description
    }
}
