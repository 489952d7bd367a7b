//! The branches of a parallel while it runs.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinSet;

use super::policy::Tally;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{Call, NodeRef, RoleCall, Running, Slot, panicked, take, within};

/// Up to how many branches are all polled whenever one of them can go on. It costs nothing to set up; beyond
/// it each branch has a waker of its own, so that many branches are not polled for one.
const POLLED_TOGETHER: usize = 16;

/// The context of a parallel and those of its branches.
type Contexts<'a> = (&'a WorkflowContext, &'a [WorkflowContext]);

/// A branch of a parallel.
pub(super) enum Branch<'a> {
    Running(Running<'a>),
    /// Ended, with the output still in its place.
    Done(Running<'a>),
    /// Ended in a task of its own.
    Detached(Box<Slot>),
    Failed(Error),
    /// Ended without an output, or with one that was taken.
    Ended,
}

impl Branch<'_> {
    pub(super) fn take_output<O: 'static>(&mut self) -> Option<O> {
        match self {
            Self::Done(running) => Some(take(running.as_mut().output())),
            Self::Detached(output) => Some(take(&mut **output)),
            Self::Running(_) | Self::Failed(_) | Self::Ended => None,
        }
    }

    pub(super) fn into_error(self) -> Option<Error> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// Polls the branches in the caller's task until they are done.
pub(super) async fn poll_all<'a, I: Clone + Send + 'static>(
    nodes: &'a [NodeRef],
    input: I,
    (cx, contexts): Contexts<'a>,
    tally: &mut Tally,
) -> Vec<Branch<'a>> {
    let start = |(index, node): (usize, &'a NodeRef)| {
        let call = Call { at: cx.child_at(index), role: RoleCall::Planned(&[]) };
        node.start(&mut Some(input.clone()), &contexts[index], call)
    };
    let started = nodes.iter().enumerate().map(start);
    if nodes.len() <= POLLED_TOGETHER {
        poll_together(started.map(Branch::Running).collect(), tally).await
    } else {
        poll_apart(started, tally).await
    }
}

async fn poll_together<'a>(mut branches: Vec<Branch<'a>>, tally: &mut Tally) -> Vec<Branch<'a>> {
    poll_fn(|task| {
        for (index, branch) in branches.iter_mut().enumerate() {
            let Branch::Running(running) = branch else { continue };
            let Poll::Ready(result) = running.as_mut().poll(task) else { continue };
            let succeeded = result.is_ok();
            *branch = match (result, std::mem::replace(branch, Branch::Ended)) {
                (Ok(()), Branch::Running(running)) => Branch::Done(running),
                (Ok(()), other) => other,
                (Err(error), _) => Branch::Failed(error),
            };
            if tally.count(index, succeeded) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
    branches
}

async fn poll_apart<'a>(
    started: impl ExactSizeIterator<Item = Running<'a>>,
    tally: &mut Tally,
) -> Vec<Branch<'a>> {
    let mut branches: Vec<_> = (0..started.len()).map(|_| Branch::Ended).collect();
    let mut running: FuturesUnordered<_> =
        started.enumerate().map(|(index, running)| Apart { index, running: Some(running) }).collect();
    while let Some((index, ended)) = running.next().await {
        let succeeded = !matches!(ended, Branch::Failed(_));
        branches[index] = ended;
        if tally.count(index, succeeded) {
            break;
        }
    }
    branches
}

/// One of many branches, with a waker of its own.
struct Apart<'a> {
    index: usize,
    running: Option<Running<'a>>,
}

impl<'a> Future for Apart<'a> {
    type Output = (usize, Branch<'a>);

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        let running = self.running.as_mut().expect("a branch is not polled after it has ended");
        running.as_mut().poll(task).map(|result| {
            let ended = match (result, self.running.take()) {
                (Err(error), _) => Branch::Failed(error),
                (Ok(()), running) => running.map_or(Branch::Ended, Branch::Done),
            };
            (index, ended)
        })
    }
}

/// Runs every branch as a task until they are done. No task is left when it returns.
pub(super) async fn spawn_all<'a, I: Clone + Send + 'static>(
    nodes: &'a [NodeRef],
    input: I,
    (cx, contexts): Contexts<'a>,
    tally: &mut Tally,
) -> Vec<Branch<'a>> {
    let mut tasks = JoinSet::new();
    let mut indices = std::collections::HashMap::with_capacity(nodes.len());
    for (index, (node, branch_cx)) in nodes.iter().zip(contexts).enumerate() {
        let (node, branch_cx, input) = (NodeRef::clone(node), branch_cx.clone(), input.clone());
        let at = cx.child_at(index);
        let task = async move {
            let call = Call { at, role: RoleCall::Planned(&[]) };
            let mut running = node.start(&mut Some(input), &branch_cx, call);
            poll_fn(|task| running.as_mut().poll(task)).await?;
            Ok(running.as_mut().detach_output())
        };
        indices.insert(tasks.spawn(within(cx, task)).id(), index);
    }
    let mut branches: Vec<_> = nodes.iter().map(|_| Branch::Ended).collect();
    while let Some(joined) = tasks.join_next_with_id().await {
        let (id, result) = flatten(joined);
        let index = indices[&id];
        let succeeded = result.is_ok();
        branches[index] = result.map_or_else(Branch::Failed, Branch::Detached);
        if tally.count(index, succeeded) {
            tasks.shutdown().await;
            break;
        }
    }
    branches
}

type Joined<T> = Result<(tokio::task::Id, Result<T>), tokio::task::JoinError>;

/// The result of a task that has ended, in whatever way.
pub(crate) fn flatten<T>(joined: Joined<T>) -> (tokio::task::Id, Result<T>) {
    match joined {
        Ok(ended) => ended,
        Err(join) => {
            let id = join.id();
            let error = match join.try_into_panic() {
                Ok(payload) => panicked(&*payload),
                Err(join) => join.into(),
            };
            (id, Err(error))
        }
    }
}
