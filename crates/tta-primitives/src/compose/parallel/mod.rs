//! Branches that run at once on the same input.

mod branch;
mod gather;
mod policy;
mod race;

use std::any::Any;
use std::marker::PhantomData;

use tta_model::name::attribute;

pub use gather::Gather;
pub use race::{first_success, quorum};

pub(crate) use branch::flatten;

use branch::Branch;
use gather::Outputs;
use policy::{Policy, Tally};

use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{Child, Flow, Many, NodeRef, PrimitiveNode, Role, node_of};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// Branches that run at once, each on a clone of the input; the results are in the order of the branches.
///
/// The first branch that fails cancels the others, unless the parallel [waits for all](Flow::wait_all).
/// Nothing of a branch runs on after the parallel has returned.
pub(crate) struct Parallel<I, T> {
    branches: Vec<NodeRef>,
    policy: Policy,
    spawned: bool,
    types: PhantomData<fn(I) -> T>,
}

/// Makes a flow of branches of one type, at least one, which run at once.
///
/// # Panics
/// If there are no branches.
///
/// # Examples
/// ```
/// use tta_primitives::{WorkflowContext, parallel, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let times = |n: i64| step(format!("times_{n}"), move |x: i64| async move { Ok(x * n) });
/// let flow = parallel([times(2), times(3)]);
/// assert_eq!(flow.run(5, &WorkflowContext::new()).await?, [10, 15]);
/// # Ok(()) }
/// ```
#[must_use]
pub fn parallel<I, O>(branches: impl IntoIterator<Item = Flow<I, O>>) -> Flow<I, Vec<O>, Many>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    Flow::of_node(node_of(Parallel::<I, Vec<O>>::of(nodes(branches))))
}

fn nodes<I, O>(branches: impl IntoIterator<Item = Flow<I, O>>) -> Vec<NodeRef> {
    let branches: Vec<NodeRef> = branches.into_iter().map(|branch| branch.node).collect();
    assert!(!branches.is_empty(), "a parallel needs at least one branch");
    branches
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
        self.with(|parallel| parallel.policy = Policy::WaitAll)
    }

    /// Lets every branch end, and gives the result of each: what succeeded is not lost when something fails.
    ///
    /// ```
    /// use tta_primitives::{Error, WorkflowContext, step};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
    /// let good = step("good", |n: i64| async move { Ok(n) });
    /// let bad = step("bad", |_: i64| async move { Err::<i64, _>(Error::failed("no")) });
    /// let (first, second) = (good | bad).settled().run(1, &WorkflowContext::new()).await?;
    /// assert!(first.is_ok() && second.is_err());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn settled(self) -> Flow<I, T::Settled> {
        let parallel = Parallel::<I, T>::in_node(&self.node).copy();
        Flow::new(Settled { parallel: Parallel { policy: Policy::WaitAll, ..parallel } })
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

impl<I: Clone + Send + Sync + 'static, T: Send + 'static> Parallel<I, T> {
    pub(crate) fn of(branches: Vec<NodeRef>) -> Self {
        Self { branches, policy: Policy::FailFast, spawned: false, types: PhantomData }
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

    /// Runs the branches until the policy has its answer, and makes something of what they left.
    async fn join<R>(
        &self,
        input: I,
        cx: &WorkflowContext,
        conclude: impl FnOnce(Vec<Branch<'_>>, Tally) -> Result<R>,
    ) -> Result<R> {
        let contexts: Vec<_> = self.branches.iter().map(|_| cx.branch()).collect();
        let total = self.branches.len();
        let mut tally = Tally::new(self.policy, total);
        let branches = if self.spawned {
            branch::spawn_all(&self.branches, input, (cx, &contexts), &mut tally).await
        } else {
            branch::poll_all(&self.branches, input, (cx, &contexts), &mut tally).await
        };
        report_failed(cx, tally.failed.len(), total);
        // The branches that are still under way are dropped inside, before the parallel ends.
        let result = conclude(branches, tally);
        contexts.iter().for_each(|branch| cx.shared.checkpoints.append(&branch.shared.checkpoints));
        result
    }

    fn description(&self) -> Description {
        let total = self.branches.len();
        let child = |(index, branch)| Child::of_node(Role::Branch { index, total }, branch);
        let children = self.branches.iter().enumerate().map(child).collect();
        self.policy.describe(Description { children, ..Description::new("parallel") })
    }
}

/// Says how many branches failed, if any did.
pub(crate) fn report_failed(cx: &WorkflowContext, failed: usize, total: usize) {
    if failed > 0 {
        cx.set_attribute(attribute::PARALLEL_FAILED.key(), failed);
        cx.emit(&Event::BranchesFailed { failed, total });
    }
}

/// The errors of branches, in the order in which they arose.
fn errors_of<'a>(branches: Vec<Branch<'_>>, tally: &'a Tally) -> impl Iterator<Item = Error> + use<'a> {
    let mut errors: Vec<_> = branches.into_iter().map(Branch::into_error).collect();
    tally.failed.iter().filter_map(move |index| errors[*index].take())
}

/// The first error that arose, with the others related to it.
fn all_of(branches: Vec<Branch<'_>>, tally: &Tally) -> Error {
    let mut errors = errors_of(branches, tally);
    let first = errors.next().expect("a parallel without an answer has a branch that failed");
    errors.fold(first, Error::with_related)
}

impl<I: Clone + Send + Sync + 'static, T: Gather> Primitive for Parallel<I, T> {
    type In = I;
    type Out = T;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<T> {
        self.join(input, cx, |mut branches, tally| match tally.failed.is_empty() {
            true => Ok(T::gather(&mut Outputs::of(&mut branches))),
            false => Err(all_of(branches, &tally)),
        })
        .await
    }

    fn describe(&self) -> Description {
        self.description()
    }
}

/// A parallel that gives the result of each branch.
struct Settled<I, T> {
    parallel: Parallel<I, T>,
}

impl<I: Clone + Send + Sync + 'static, T: Gather> Primitive for Settled<I, T> {
    type In = I;
    type Out = T::Settled;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<T::Settled> {
        let settle = |mut branches: Vec<Branch<'_>>, _| Ok(T::settle(&mut Outputs::of(&mut branches)));
        self.parallel.join(input, cx, settle).await
    }

    fn describe(&self) -> Description {
        self.parallel.description()
    }
}
