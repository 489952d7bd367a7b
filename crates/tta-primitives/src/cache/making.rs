//! Making what a cache does not have.

use std::sync::Arc;
use std::time::Duration;

use super::flight::Flight;
use super::settings::{Cache, Core};
use super::store::{CacheKey, Entry, Remembered, RememberedFailure};
use crate::context::{MicroUsd, WorkflowContext};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, leaf};

/// Makes entries. It does not keep the cache alive, so that a renewal ends with it.
pub(super) struct Making<I, O> {
    flow: Flow<I, O>,
    core: Arc<Core<O>>,
    /// How long values are fresh.
    fresh_for: Option<Duration>,
    /// How long values are kept.
    keep_for: Option<Duration>,
    /// How long failures are kept, if they are.
    keep_failures_for: Option<Duration>,
}

impl<I, O> Making<I, O> {
    pub(super) fn of(flow: Flow<I, O>, cache: &Cache<I, O>) -> Self {
        let stale = cache.stale.as_ref().map_or(Duration::ZERO, |stale| stale.window);
        Self {
            flow,
            core: Arc::clone(&cache.shared.core),
            fresh_for: cache.ttl,
            keep_for: cache.ttl.map(|ttl| ttl.saturating_add(stale)),
            keep_failures_for: cache.negative_ttl,
        }
    }

    /// The same for an entry that is still there: a failure does not take its place.
    pub(super) fn renewing(&self) -> Self {
        let (flow, core) = (self.flow.clone(), Arc::clone(&self.core));
        let (fresh_for, keep_for) = (self.fresh_for, self.keep_for);
        Self { flow, core, fresh_for, keep_for, keep_failures_for: None }
    }

    pub(super) fn flow(&self) -> &Flow<I, O> {
        &self.flow
    }
}

impl<I, O> Making<I, O>
where
    I: Send + Sync + 'static,
    O: Clone + Send + Sync + 'static,
{
    /// Whether somebody has renewed an entry since it was found stale.
    pub(super) async fn is_fresh(&self, key: &CacheKey, cx: &WorkflowContext) -> bool {
        let fresh = |entry: Entry<O>| self.fresh_for.is_none_or(|time| entry.age < time);
        match self.core.store.get(key).await {
            Ok(entry) => entry.is_some_and(fresh),
            Err(error) => {
                self.core.store_failed("get", &error, cx);
                false
            }
        }
    }

    /// Calls the flow and remembers nothing.
    pub(super) async fn call(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        self.flow.call(0, input, cx, &[]).await
    }

    /// Whether the caller is itself a part of making the entry: to wait for that would be to wait for itself.
    pub(super) fn is_under_way(&self, key: &CacheKey, cx: &WorkflowContext) -> bool {
        cx.holds(self.keeper(), key.text())
    }

    fn keeper(&self) -> usize {
        Arc::as_ptr(&self.core).addr()
    }

    /// Calls the flow, remembers the output, and gives it to all who wait.
    pub(super) async fn make(
        &self,
        input: I,
        key: &CacheKey,
        cx: &WorkflowContext,
        flight: Flight<O>,
    ) -> Result<O> {
        let before = cx.spent();
        let result = self.call(input, &cx.holding(self.keeper(), key.text())).await;
        let cost = MicroUsd(cx.spent().0.saturating_sub(before.0).max(0));
        let (outcome, keep_for) = match &result {
            Ok(output) => (Remembered::Value(output.clone()), Some(self.keep_for)),
            Err(error) if is_own(error, cx) => return result,
            Err(error) => {
                let failure = Remembered::Failure(RememberedFailure::of(error));
                (failure, self.keep_failures_for.map(Some))
            }
        };
        let entry = Entry { outcome, age: Duration::ZERO, cost };
        if let Some(keep_for) = keep_for {
            let core = &self.core;
            let insert = core.store.insert(key, entry.clone(), keep_for);
            if let Err(error) = leaf(cx, &core.insert, insert).await {
                core.store_failed("insert", &error, cx);
            }
        }
        flight.land(entry);
        result
    }
}

/// Whether a failure is that of the caller, and says nothing about the next call.
fn is_own(error: &Error, cx: &WorkflowContext) -> bool {
    match error.kind() {
        ErrorKind::Cancelled | ErrorKind::BudgetExceeded => true,
        ErrorKind::Timeout => cx.remaining().is_some_and(|left| left.is_zero()),
        _ => false,
    }
}
