//! Parts of a node's work that have spans of their own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use tta_model::{ExecutionStatus, Text};
#[cfg(feature = "cache")]
use tta_model::{Key, Value};

use super::call::{Observed, located};
use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::observe::{NodeFinished, NodeInfo, NodeLevel, NodeStarted, Observation};

impl NodeInfo {
    /// Describes a part of a primitive's work, with the name of its spans and the name and type of the primitive.
    #[must_use]
    pub fn leaf(span_name: impl Into<Text>, name: impl Into<Text>, kind: impl Into<Text>) -> Self {
        let (span_name, name, kind) = (span_name.into(), name.into(), kind.into());
        Self { level: NodeLevel::Leaf, span_name, name, kind, ..Self::default() }
    }
}

impl WorkflowContext {
    /// Begins a part of the current step's work that has a span of its own, such as one call of a model.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tta_primitives::observe::NodeInfo;
    /// use tta_primitives::{WorkflowContext, step_with};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
    /// let query = Arc::new(NodeInfo::leaf("primitive.sql.query", "sql", "sql"));
    /// let flow = step_with("load", move |id: u64, cx: WorkflowContext| {
    ///     let query = Arc::clone(&query);
    ///     async move { cx.leaf(&query).run(async { Ok(id + 1) }).await }
    /// });
    /// assert_eq!(flow.run(1, &WorkflowContext::new()).await?, 2);
    /// # Ok(()) }
    /// ```
    #[must_use = "a leaf that is dropped ends as cancelled"]
    pub fn leaf(&self, info: &Arc<NodeInfo>) -> Leaf {
        Leaf::begin(self, info)
    }
}

/// A part of a node's work between its start and its end. Dropped before its end, it was cancelled.
///
/// It is not a node: it has no address, and it is not counted as an execution. It may outlive the step that began
/// it, as a stream does that the step returns.
#[derive(Debug)]
pub struct Leaf {
    /// The context of the node, with the span of the leaf.
    cx: WorkflowContext,
    info: Arc<NodeInfo>,
    started: u64,
    /// Whether there is a span to be ended.
    is_open: bool,
}

impl Leaf {
    fn begin(cx: &WorkflowContext, info: &Arc<NodeInfo>) -> Self {
        let started = clock::ticks();
        let run = cx.shared.run.as_ref().filter(|run| run.info.recording);
        let observation = run.and_then(|run| {
            run.observer.as_ref()?.node_started(&NodeStarted {
                run: &run.info,
                node: info,
                role: None,
                parent: cx.scope.span,
                is_root: false,
                ambient: None,
                ticks: started,
            })
        });
        let is_open = observation.is_some();
        let cx = if is_open { cx.at(cx.scope.at, observation) } else { cx.clone() };
        Self { cx, info: Arc::clone(info), started, is_open }
    }

    /// The context of the leaf: what is set, told and spent here is that of its span.
    #[must_use]
    pub fn cx(&self) -> &WorkflowContext {
        &self.cx
    }

    /// Does something, such as one poll of a stream, while the span of the leaf is the current one.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(current) = self.current() else { return work() };
        let (mut work, mut done) = (Some(work), None);
        current.within(&mut || done = work.take().map(|work| work()));
        // An observation that does not do what it is given must not keep the work from being done.
        match (done, work) {
            (Some(done), _) => done,
            (None, Some(work)) => work(),
            (None, None) => unreachable!("work that was taken is done"),
        }
    }

    /// Does a part of it, while the span of the leaf is the current one.
    pub async fn during<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|task| self.within(|| work.as_mut().poll(task))).await
    }

    /// Does all of it: a panic becomes an error, and the leaf ends with the result.
    ///
    /// # Errors
    /// What the work fails with.
    pub async fn run<T>(self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let result = {
            let future = pin!(work);
            let current = self.current().cloned();
            Observed { future, observation: current.as_deref(), limit: None }.await
        };
        match result {
            Ok(output) => {
                self.finish();
                Ok(output)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Ends it with success.
    pub fn finish(mut self) {
        self.close(ExecutionStatus::Success, None, false);
    }

    /// Ends it with an error, which is returned as one that arose here.
    #[must_use]
    pub fn fail(mut self, error: Error) -> Error {
        if self.cx.shared.run.is_none() {
            return error;
        }
        let (error, arose_here) = located(error, &self.cx, self.cx.scope.at);
        self.close(error.status(), Some(&error), arose_here);
        error
    }

    fn current(&self) -> Option<&Arc<dyn Observation>> {
        let own = self.cx.scope.observation.as_ref().filter(|_| self.is_open);
        own.or_else(|| self.cx.shared.run.as_ref()?.ambient.as_ref())
    }

    fn close(&mut self, status: ExecutionStatus, error: Option<&Error>, error_arose_here: bool) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let (Some(run), Some(observation)) = (&self.cx.shared.run, self.cx.scope.observation.take()) else {
            return;
        };
        observation.finished(&NodeFinished {
            run: &run.info,
            node: &self.info,
            role: None,
            is_root: false,
            started: self.started,
            ticks: clock::ticks(),
            status,
            error,
            error_arose_here,
        });
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.close(ExecutionStatus::Cancelled, None, false);
    }
}

/// Does a part of a node's work in a span of its own below the node, such as the look-up of a cache.
pub(crate) async fn leaf<T>(
    cx: &WorkflowContext,
    info: &Arc<NodeInfo>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    cx.leaf(info).run(work).await
}

/// The same, with what its outcome says as attributes of the span.
#[cfg(feature = "cache")]
pub(crate) async fn noted_leaf<T>(
    cx: &WorkflowContext,
    info: &Arc<NodeInfo>,
    work: impl Future<Output = Result<T>>,
    note: impl FnOnce(&Result<T>) -> Vec<(Key, Value)>,
) -> Result<T> {
    let leaf = cx.leaf(info);
    let own = leaf.cx().clone();
    leaf.run(async {
        let result = work.await;
        if own.is_recording() {
            note(&result).into_iter().for_each(|(key, value)| own.set_attribute(key, value));
        }
        result
    })
    .await
}
