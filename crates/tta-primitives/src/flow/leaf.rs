//! A part of a node's work in a span of its own, such as the look-up of a cache.
//!
//! A leaf is not a node: it has no address, and nothing runs below it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tta_model::{ExecutionStatus, Key, Value};

use super::call::Observed;
use crate::clock;
use crate::context::{RunScope, WorkflowContext};
use crate::error::{Error, Result};
use crate::observe::{NodeFinished, NodeInfo, NodeStarted, Observation};

/// Does a part of a node's work in a span of its own below the node.
pub(crate) async fn leaf<T>(
    cx: &WorkflowContext,
    info: &Arc<NodeInfo>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    noted_leaf(cx, info, work, |_| Vec::new()).await
}

/// The same, with what its outcome says as attributes of the span. Outside a run there is no span.
pub(crate) async fn noted_leaf<T>(
    cx: &WorkflowContext,
    info: &Arc<NodeInfo>,
    work: impl Future<Output = Result<T>>,
    note: impl FnOnce(&Result<T>) -> Vec<(Key, Value)>,
) -> Result<T> {
    let Some(run) = &cx.shared.run else { return work.await };
    let started = clock::ticks();
    let observation = run.observer.as_ref().filter(|_| run.info.recording).and_then(|observer| {
        let (parent, ticks) = (cx.scope.span, started);
        observer.node_started(&NodeStarted {
            run: &run.info,
            node: info,
            role: None,
            parent,
            is_root: false,
            ambient: None,
            ticks,
        })
    });
    let mut open = LeafScope { run, info, observation, started };
    let result = {
        let future = pin!(work);
        let observation = open.observation.clone();
        Observed { future, observation: observation.as_deref(), limit: None }.await
    };
    if let Some(observation) = &open.observation {
        let mut noted: Vec<_> = note(&result).into_iter().map(Some).collect();
        observation.set_attributes(&mut noted);
    }
    let status = result.as_ref().map_or_else(Error::status, |_| ExecutionStatus::Success);
    open.close(status, result.as_ref().err());
    result
}

/// A leaf between its start and its end.
struct LeafScope<'a> {
    run: &'a RunScope,
    info: &'a Arc<NodeInfo>,
    observation: Option<Arc<dyn Observation>>,
    started: u64,
}

impl LeafScope<'_> {
    fn close(&mut self, status: ExecutionStatus, error: Option<&Error>) {
        let Some(observation) = self.observation.take() else { return };
        observation.finished(&NodeFinished {
            run: &self.run.info,
            node: self.info,
            role: None,
            is_root: false,
            started: self.started,
            ticks: clock::ticks(),
            status,
            error,
            error_arose_here: false,
        });
    }
}

impl Drop for LeafScope<'_> {
    fn drop(&mut self) {
        self.close(ExecutionStatus::Cancelled, None);
    }
}
