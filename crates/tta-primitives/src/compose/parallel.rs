//! Branches that run at once on the same input.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinSet;

use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{
    Call, Child, Flow, Many, NodeRef, PrimitiveNode, Role, RoleCall, Running, Slot, node_of, panicked, take,
};
use crate::observe::{Event, Observation};
use crate::primitive::{Description, Primitive};

/// Branches that run at once, each on a clone of the input; the results are in the order of the branches.
///
/// The first branch that fails cancels the others, unless the parallel [waits for all](Flow::wait_all).
/// Nothing of a branch runs on after the parallel has returned.
pub(crate) struct Parallel<I, T> {
    branches: Vec<NodeRef>,
    wait_all: bool,
    spawned: bool,
    types: PhantomData<fn(I) -> T>,
}

/// Makes a flow of branches of one type, at least one, which run at once.
///
/// # Panics
/// If there are no branches.
#[must_use]
pub fn parallel<I, O>(branches: impl IntoIterator<Item = Flow<I, O>>) -> Flow<I, Vec<O>, Many>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let branches: Vec<NodeRef> = branches.into_iter().map(|branch| branch.node).collect();
    assert!(!branches.is_empty(), "a parallel needs at least one branch");
    Flow::of_node(node_of(Parallel::<I, Vec<O>>::of(branches)))
}

impl<I, T> Flow<I, T, Many>
where
    I: Clone + Send + Sync + 'static,
    T: Gather,
{
    /// Lets every branch end, whatever becomes of the others. If some fail, the error is that of the first
    /// branch that failed, with those of the others as [related](Error::related) errors.
    #[must_use]
    pub fn wait_all(self) -> Self {
        self.with(|parallel| parallel.wait_all = true)
    }

    /// Runs each branch as a task of its own, so that branches use several cores.
    ///
    /// # Cost
    /// About 2 us a branch; without it branches share the caller's task and cost a tenth of that.
    ///
    /// # Cancellation
    /// When a branch fails, the parallel returns after the other tasks have ended. When the parallel itself
    /// is dropped, a branch that another thread polls at that moment ends that poll first.
    #[must_use]
    pub fn spawned(self) -> Self {
        self.with(|parallel| parallel.spawned = true)
    }

    fn with(self, change: impl FnOnce(&mut Parallel<I, T>)) -> Self {
        let mut parallel = Parallel::<I, T>::in_node(&self.node).copy();
        change(&mut parallel);
        Flow::of_node(node_of(parallel))
    }
}

impl<I: Clone + Send + Sync + 'static, T: Gather> Parallel<I, T> {
    pub(crate) fn of(branches: Vec<NodeRef>) -> Self {
        Self { branches, wait_all: false, spawned: false, types: PhantomData }
    }

    /// The branches of a parallel and one more.
    pub(crate) fn with_branch(node: &NodeRef, branch: NodeRef) -> Vec<NodeRef> {
        let mut branches = Self::in_node(node).branches.clone();
        branches.push(branch);
        branches
    }

    fn in_node(node: &NodeRef) -> &Self {
        let any: &dyn Any = &**node;
        let node = any.downcast_ref::<PrimitiveNode<Self>>();
        &node.expect("a flow marked `Many` holds a parallel").primitive
    }

    fn copy(&self) -> Self {
        Self { branches: self.branches.clone(), ..*self }
    }

    /// Polls all branches in the caller's task.
    async fn join_here(&self, input: I, cx: &WorkflowContext, contexts: &[WorkflowContext]) -> Result<T> {
        let mut branches: Vec<Branch<'_>> = Vec::with_capacity(self.branches.len());
        for (index, (node, branch_cx)) in self.branches.iter().zip(contexts).enumerate() {
            let call = Call { at: cx.child_at(index), role: RoleCall::Planned(&[]) };
            branches.push(Branch::Running(node.start(&mut Some(input.clone()), branch_cx, call)));
        }
        let mut failures = Vec::new();
        poll_fn(|task| {
            let mut pending = false;
            for branch in &mut branches {
                match branch.poll(task) {
                    Poll::Pending => pending = true,
                    Poll::Ready(None) => {}
                    Poll::Ready(Some(error)) => {
                        failures.push(error);
                        if !self.wait_all {
                            return Poll::Ready(());
                        }
                    }
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.conclude(cx, branches, failures)
    }

    /// Runs every branch as a task.
    async fn join_spawned(&self, input: I, cx: &WorkflowContext, contexts: &[WorkflowContext]) -> Result<T> {
        let mut tasks = JoinSet::new();
        let current = cx.scope.observation.clone().or_else(|| cx.run_scope().ambient.clone());
        for (index, (node, branch_cx)) in self.branches.iter().zip(contexts).enumerate() {
            let (node, branch_cx, input) = (NodeRef::clone(node), branch_cx.clone(), input.clone());
            let at = cx.child_at(index);
            let task = async move {
                let call = Call { at, role: RoleCall::Planned(&[]) };
                let mut running = node.start(&mut Some(input), &branch_cx, call);
                poll_fn(|task| running.as_mut().poll(task)).await?;
                Ok(running.as_mut().detach_output())
            };
            let current = current.clone();
            tasks.spawn(async move { (index, within(current, task).await) });
        }
        let mut branches: Vec<Branch<'_>> = contexts.iter().map(|_| Branch::Ended).collect();
        let mut failures = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((index, Ok(output))) => branches[index] = Branch::Detached(output),
                Ok((_, Err(error))) => failures.push(error),
                Err(join) if join.is_panic() => failures.push(panicked(&*join.into_panic())),
                Err(join) => failures.push(join.into()),
            }
            if !failures.is_empty() && !self.wait_all {
                tasks.shutdown().await;
            }
        }
        self.conclude(cx, branches, failures)
    }

    fn conclude(
        &self,
        cx: &WorkflowContext,
        mut branches: Vec<Branch<'_>>,
        failures: Vec<Error>,
    ) -> Result<T> {
        let failed = failures.len();
        let mut failures = failures.into_iter();
        let Some(first) = failures.next() else {
            return Ok(T::gather(&mut Outputs { branches: branches.iter_mut() }));
        };
        // The branches that are still under way are cancelled before the parallel ends.
        drop(branches);
        cx.emit(&Event::BranchesFailed { failed, total: self.branches.len() });
        Err(failures.fold(first, Error::with_related))
    }
}

impl<I: Clone + Send + Sync + 'static, T: Gather> Primitive for Parallel<I, T> {
    type In = I;
    type Out = T;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<T> {
        let contexts: Vec<_> = self.branches.iter().map(|_| cx.branch()).collect();
        let result = if self.spawned {
            self.join_spawned(input, cx, &contexts).await
        } else {
            self.join_here(input, cx, &contexts).await
        };
        contexts.iter().for_each(|branch| cx.shared.checkpoints.append(&branch.shared.checkpoints));
        result
    }

    fn describe(&self) -> Description {
        let total = self.branches.len();
        let child = |(index, branch)| Child::of_node(Role::Branch { index, total }, branch);
        let children = self.branches.iter().enumerate().map(child).collect();
        Description { children, ..Description::new("parallel") }
    }
}

enum Branch<'a> {
    Running(Running<'a>),
    /// Ended, with the output still in its place.
    Done(Running<'a>),
    /// Ended in a task of its own.
    Detached(Box<Slot>),
    /// Ended without an output.
    Ended,
}

impl Branch<'_> {
    /// Ready once the branch has ended; with its error, the first time, if it failed.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<Error>> {
        let Self::Running(running) = self else { return Poll::Ready(None) };
        let Poll::Ready(result) = running.as_mut().poll(task) else { return Poll::Pending };
        let Self::Running(running) = std::mem::replace(self, Self::Ended) else {
            return Poll::Ready(None);
        };
        match result {
            Ok(()) => {
                *self = Self::Done(running);
                Poll::Ready(None)
            }
            Err(error) => Poll::Ready(Some(error)),
        }
    }
}

/// The outputs of branches, in order.
pub struct Outputs<'a, 'b> {
    branches: std::slice::IterMut<'a, Branch<'b>>,
}

impl Outputs<'_, '_> {
    fn next<O: 'static>(&mut self) -> Option<O> {
        match self.branches.next()? {
            Branch::Done(running) => Some(take(running.as_mut().output())),
            Branch::Detached(output) => Some(take(&mut **output)),
            Branch::Running(_) | Branch::Ended => None,
        }
    }
}

/// A type into which the outputs of branches are put: a tuple of two to twelve, or a vector.
#[diagnostic::on_unimplemented(message = "the outputs of parallel branches cannot be put into `{Self}`")]
pub trait Gather: Send + 'static {
    #[doc(hidden)]
    fn gather(outputs: &mut Outputs<'_, '_>) -> Self;
}

impl<O: Send + 'static> Gather for Vec<O> {
    fn gather(outputs: &mut Outputs<'_, '_>) -> Self {
        std::iter::from_fn(|| outputs.next()).collect()
    }
}

macro_rules! gather_tuple {
    ($($output:ident)*) => {
        impl<$($output: Send + 'static),*> Gather for ($($output,)*) {
            fn gather(outputs: &mut Outputs<'_, '_>) -> Self {
                ($(outputs.next::<$output>().expect("every branch has ended with an output"),)*)
            }
        }
    };
}

gather_tuple!(A B);
gather_tuple!(A B C);
gather_tuple!(A B C D);
gather_tuple!(A B C D E);
gather_tuple!(A B C D E F);
gather_tuple!(A B C D E F G);
gather_tuple!(A B C D E F G H);
gather_tuple!(A B C D E F G H J);
gather_tuple!(A B C D E F G H J K);
gather_tuple!(A B C D E F G H J K L);
gather_tuple!(A B C D E F G H J K L M);

/// Polls a task while a span that was made elsewhere is current.
async fn within<F: Future>(current: Option<Arc<dyn Observation>>, task: F) -> F::Output {
    let mut task = pin!(task);
    poll_fn(|cx| match &current {
        None => task.as_mut().poll(cx),
        Some(current) => {
            let mut polled = Poll::Pending;
            current.within(&mut || polled = task.as_mut().poll(cx));
            polled
        }
    })
    .await
}
