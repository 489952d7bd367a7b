//! One flow for every item of a list.

use std::any::Any;
use std::collections::HashMap;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinSet;
use tta_model::name::attribute;
use tta_model::{Key, Value};

use super::parallel::{flatten, report_failed};
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{Each, Flow, PrimitiveNode, Role, node_of, within};
use crate::primitive::{Description, Primitive};

/// Makes a flow that runs another flow for every item of a list, all at once unless
/// [limited](Flow::concurrency); the outputs are in the order of the items.
///
/// The first item that fails cancels the others, unless the flow [waits for all](Flow::wait_all) or gives the
/// result of each ([`settled`](Flow::settled)). Nothing of an item runs on after the flow has returned.
///
/// ```
/// use tta_primitives::{WorkflowContext, fan_out, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let lengths = fan_out(step("length", |word: &str| async move { Ok(word.len()) })).concurrency(2);
/// assert_eq!(lengths.run(vec!["a", "list", "of", "words"], &WorkflowContext::new()).await?, [1, 4, 2, 5]);
/// # Ok(()) }
/// ```
#[must_use]
pub fn fan_out<I: Send + 'static, O: Send + 'static>(flow: Flow<I, O>) -> Flow<Vec<I>, Vec<O>, Each> {
    Flow::of_node(node_of(FanOut { flow, limit: None, wait_all: false, spawned: false }))
}

/// A flow that runs for every item.
struct FanOut<I, O> {
    flow: Flow<I, O>,
    /// How many items are worked on at once.
    limit: Option<usize>,
    wait_all: bool,
    spawned: bool,
}

impl<I: Send + 'static, O: Send + 'static> Flow<Vec<I>, Vec<O>, Each> {
    /// Works on at most so many items at once; at least on one.
    #[must_use]
    pub fn concurrency(self, limit: usize) -> Self {
        self.with(|fan| fan.limit = Some(limit.max(1)))
    }

    /// Lets every item end, whatever becomes of the others. If some fail, the error is that of the item that
    /// failed first, with those of the others as [related](Error::related) errors.
    #[must_use]
    pub fn wait_all(self) -> Self {
        self.with(|fan| fan.wait_all = true)
    }

    /// Lets every item end, and gives the result of each, in the order of the items.
    #[must_use]
    pub fn settled(self) -> Flow<Vec<I>, Vec<Result<O>>> {
        let fan = FanOut::<I, O>::in_node(&self).copy();
        Flow::new(Settled { fan: FanOut { wait_all: true, ..fan } })
    }

    /// Works on each item in a task of its own, so that items use several cores.
    #[must_use]
    pub fn spawned(self) -> Self {
        self.with(|fan| fan.spawned = true)
    }

    fn with(self, change: impl FnOnce(&mut FanOut<I, O>)) -> Self {
        let mut fan = FanOut::in_node(&self).copy();
        change(&mut fan);
        Flow::of_node(node_of(fan))
    }
}

/// What became of the items, in their order, and which failed, in the order in which they did.
struct Ended<O> {
    results: Vec<Option<Result<O>>>,
    failed: Vec<usize>,
}

impl<O> Ended<O> {
    /// An item has ended. Whether it failed.
    fn add(&mut self, index: usize, result: Result<O>) -> bool {
        let is_failure = result.is_err();
        if is_failure {
            self.failed.push(index);
        }
        self.results[index] = Some(result);
        is_failure
    }

    fn all(mut self) -> Result<Vec<O>> {
        let mut errors = self.failed.iter().filter_map(|index| self.results[*index].take()?.err());
        match errors.next() {
            Some(first) => Err(errors.fold(first, Error::with_related)),
            None => self.results.into_iter().flatten().collect(),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> FanOut<I, O> {
    fn in_node<S>(flow: &Flow<Vec<I>, Vec<O>, S>) -> &Self {
        let any: &dyn Any = &*flow.node;
        let node = any.downcast_ref::<PrimitiveNode<Self>>();
        &node.expect("a flow marked `Each` holds a fan-out").primitive
    }

    fn copy(&self) -> Self {
        Self { flow: self.flow.clone(), ..*self }
    }

    async fn all(&self, items: Vec<I>, cx: &WorkflowContext) -> Ended<O> {
        let total = items.len();
        cx.set_attribute(attribute::MAP_ITEMS.key(), total);
        let contexts: Vec<_> = items.iter().map(|_| cx.branch()).collect();
        let mut ended = Ended { results: (0..total).map(|_| None).collect(), failed: Vec::new() };
        let items = items.into_iter().zip(contexts.iter().cloned()).enumerate();
        if self.spawned {
            self.spawn(items, cx, &mut ended).await;
        } else {
            self.poll(items, &mut ended).await;
        }
        report_failed(cx, ended.failed.len(), total);
        contexts.iter().for_each(|item| cx.shared.checkpoints.append(&item.shared.checkpoints));
        ended
    }

    /// Polls the items in the caller's task.
    async fn poll(&self, mut items: impl Items<I>, ended: &mut Ended<O>) {
        let total = items.len();
        let work = |(index, (item, cx))| async move {
            (index, self.flow.call(0, item, &cx, &role_attributes(index, total)).await)
        };
        let limit = self.limit.unwrap_or(total);
        let mut running: FuturesUnordered<_> = items.by_ref().take(limit).map(work).collect();
        while let Some((index, result)) = running.next().await {
            if ended.add(index, result) && !self.wait_all {
                return;
            }
            running.extend(items.next().map(work));
        }
    }

    /// Works on every item in a task of its own. No task is left when it returns.
    async fn spawn(&self, mut items: impl Items<I>, cx: &WorkflowContext, ended: &mut Ended<O>) {
        let total = items.len();
        let (mut tasks, mut indices) = (JoinSet::new(), HashMap::new());
        loop {
            while tasks.len() < self.limit.unwrap_or(total) {
                let Some((index, (item, item_cx))) = items.next() else { break };
                let flow = self.flow.clone();
                let work = async move { flow.call(0, item, &item_cx, &role_attributes(index, total)).await };
                indices.insert(tasks.spawn(within(cx, work)).id(), index);
            }
            let Some(joined) = tasks.join_next_with_id().await else { return };
            let (id, result) = flatten(joined);
            let index = indices.remove(&id).expect("every task has an item");
            if ended.add(index, result) && !self.wait_all {
                return tasks.shutdown().await;
            }
        }
    }

    fn description(&self) -> Description {
        let policy = if self.wait_all { "wait_all" } else { "fail_fast" };
        let description = Description::new("map")
            .attribute(attribute::PARALLEL_POLICY.key(), policy)
            .child(Role::Item, &self.flow);
        match self.limit {
            Some(limit) => description.attribute(attribute::MAP_CONCURRENCY.key(), limit),
            None => description,
        }
    }
}

/// The items that are still to be worked on, each with its position and context.
trait Items<I>: ExactSizeIterator<Item = (usize, (I, WorkflowContext))> {}
impl<I, T: ExactSizeIterator<Item = (usize, (I, WorkflowContext))>> Items<I> for T {}

fn role_attributes(index: usize, total: usize) -> [(Key, Value); 2] {
    [(attribute::BRANCH_INDEX.key(), index.into()), (attribute::BRANCH_TOTAL_BRANCHES.key(), total.into())]
}

impl<I: Send + 'static, O: Send + 'static> Primitive for FanOut<I, O> {
    type In = Vec<I>;
    type Out = Vec<O>;

    async fn run(&self, items: Vec<I>, cx: &WorkflowContext) -> Result<Vec<O>> {
        self.all(items, cx).await.all()
    }

    fn describe(&self) -> Description {
        self.description()
    }
}

/// A fan-out that gives the result of each item.
struct Settled<I, O> {
    fan: FanOut<I, O>,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Settled<I, O> {
    type In = Vec<I>;
    type Out = Vec<Result<O>>;

    async fn run(&self, items: Vec<I>, cx: &WorkflowContext) -> Result<Vec<Result<O>>> {
        Ok(self.fan.all(items, cx).await.results.into_iter().flatten().collect())
    }

    fn describe(&self) -> Description {
        self.fan.description()
    }
}
