//! Branches of which not all are needed.

use super::branch::Branch;
use super::policy::{Policy, Tally};
use super::{Parallel, all_of, errors_of, nodes};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Flow;
use crate::primitive::{Description, Primitive};

/// Makes a flow of branches that race: the first one that succeeds wins, and the others are cancelled before
/// the flow returns.
///
/// # Errors
/// If all branches fail: the error of the one that failed first, with the others [related](Error::related).
///
/// # Panics
/// If there are no branches.
///
/// # Examples
/// ```
/// use tta_primitives::{Error, WorkflowContext, first_success, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let down = step("down", |_: ()| async { Err(Error::failed("down")) });
/// let up = step("up", |_: ()| async { Ok("answer") });
/// assert_eq!(first_success([down, up]).run((), &WorkflowContext::new()).await?, "answer");
/// # Ok(()) }
/// ```
#[must_use]
pub fn first_success<I, O>(branches: impl IntoIterator<Item = Flow<I, O>>) -> Flow<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let parallel = Parallel::of(nodes(branches));
    Flow::new(FirstSuccess { parallel: Parallel { policy: Policy::FirstSuccess, ..parallel } })
}

/// Makes a flow of branches of which some number must succeed. It returns their outputs, in the order of the
/// branches, as soon as there are enough, and cancels the others before.
///
/// # Errors
/// As soon as so many branches have failed that there cannot be enough: an error that says so, of the kind of
/// the first failure, with all errors so far [related](Error::related).
///
/// # Panics
/// If there are fewer branches than are needed, or none are needed.
#[must_use]
pub fn quorum<I, O>(needed: usize, branches: impl IntoIterator<Item = Flow<I, O>>) -> Flow<I, Vec<O>>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    let parallel = Parallel::of(nodes(branches));
    let enough = (1..=parallel.branches.len()).contains(&needed);
    assert!(enough, "a quorum needs at least one branch and no more than there are");
    Flow::new(Quorum { needed, parallel: Parallel { policy: Policy::Quorum(needed), ..parallel } })
}

/// The outputs of those that succeeded, in the order of the branches.
fn outputs<'a, O: 'static>(branches: &'a mut [Branch<'_>]) -> impl Iterator<Item = O> + 'a {
    branches.iter_mut().filter_map(Branch::take_output)
}

struct FirstSuccess<I, O> {
    parallel: Parallel<I, O>,
}

impl<I: Clone + Send + Sync + 'static, O: Send + 'static> Primitive for FirstSuccess<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let conclude = |mut branches: Vec<Branch<'_>>, tally: Tally| {
            let first = outputs(&mut branches).next();
            first.ok_or_else(|| all_of(branches, &tally))
        };
        self.parallel.join(input, cx, conclude).await
    }

    fn describe(&self) -> Description {
        self.parallel.description()
    }
}

struct Quorum<I, O> {
    needed: usize,
    parallel: Parallel<I, Vec<O>>,
}

impl<I: Clone + Send + Sync + 'static, O: Send + 'static> Quorum<I, O> {
    fn too_few(&self, branches: Vec<Branch<'_>>, tally: &Tally) -> Error {
        let mut errors = errors_of(branches, tally).peekable();
        let kind = errors.peek().map_or(ErrorKind::Failed, Error::kind);
        let (needed, total, failed) = (self.needed, self.parallel.branches.len(), tally.failed.len());
        let error =
            Error::new(kind, format!("{needed} of {total} branches had to succeed, and {failed} failed"));
        errors.fold(error, Error::with_related)
    }
}

impl<I: Clone + Send + Sync + 'static, O: Send + 'static> Primitive for Quorum<I, O> {
    type In = I;
    type Out = Vec<O>;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<Vec<O>> {
        let conclude = |mut branches: Vec<Branch<'_>>, tally: Tally| match tally.is_success() {
            true => Ok(outputs(&mut branches).collect()),
            false => Err(self.too_few(branches, &tally)),
        };
        self.parallel.join(input, cx, conclude).await
    }

    fn describe(&self) -> Description {
        self.parallel.description()
    }
}
