//! One execution of one node: observed from its start to its end, however it ends.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tta_model::{ExecutionStatus, Key, Value};

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{NodeFinished, NodeInfo, NodeStarted, Observation, RoleStarted};
use crate::primitive::Primitive;

/// How a node is called: at which position of the plan, and in which role.
///
/// There is no other way to start a node, and no way to make one of these outside this crate: a step
/// cannot run unobserved, or under a scope that was handed on by hand.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) at: u32,
    pub(crate) role: RoleCall<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum RoleCall<'a> {
    /// The role that the plan has for the position, with attributes of this execution.
    Planned(&'a [(Key, Value)]),
    /// The first node of a run.
    Root(&'a Arc<NodeInfo>),
}

/// Who is told of a node.
pub(super) enum Watch {
    /// An observation, or the decision not to record its run.
    Observed,
    /// An observer, of its start and its end.
    Timed,
    /// Nobody.
    Nobody,
}

impl Watch {
    #[inline]
    pub(super) fn of(parent: &WorkflowContext, call: Call<'_>) -> Self {
        let run = parent.run_scope();
        match &run.observer {
            _ if run.info.recording || matches!(call.role, RoleCall::Root(_)) => Self::Observed,
            Some(_) => Self::Timed,
            None => Self::Nobody,
        }
    }
}

/// When an execution started, and how it ended.
pub(super) struct Span<'a> {
    pub(super) started: u64,
    pub(super) status: ExecutionStatus,
    pub(super) error: Option<&'a Error>,
    pub(super) error_arose_here: bool,
}

fn node_started<'a>(parent: &'a WorkflowContext, call: Call<'a>, ticks: u64) -> NodeStarted<'a> {
    let run = parent.run_scope();
    let position = run.plan.position(call.at);
    let (role, is_root) = match call.role {
        RoleCall::Planned(attributes) => {
            (position.role.as_ref().map(|info| RoleStarted { info, attributes }), false)
        }
        RoleCall::Root(info) => (Some(RoleStarted { info, attributes: &[] }), true),
    };
    NodeStarted {
        run: &run.info,
        node: &position.node,
        role,
        parent: parent.scope.span,
        is_root,
        ambient: run.ambient.as_ref().filter(|_| is_root),
        ticks,
    }
}

#[inline]
pub(super) fn node_finished<'a>(
    parent: &'a WorkflowContext,
    call: Call<'a>,
    span: Span<'a>,
) -> NodeFinished<'a> {
    let run = parent.run_scope();
    let position = run.plan.position(call.at);
    let (role, is_root) = match call.role {
        RoleCall::Planned(_) => (position.role.as_ref(), false),
        RoleCall::Root(info) => (Some(info), true),
    };
    NodeFinished {
        run: &run.info,
        node: &position.node,
        role,
        is_root,
        started: span.started,
        ticks: clock::ticks(),
        status: span.status,
        error: span.error,
        error_arose_here: span.error_arose_here,
    }
}

/// Runs a primitive with an observation.
pub(super) async fn observed<P: Primitive>(
    primitive: &P,
    input: P::In,
    parent: &WorkflowContext,
    call: Call<'_>,
) -> Result<P::Out> {
    let mut scope = NodeScope::enter(parent, call);
    let limit = scope.limit();
    let result = {
        // Inside the future, so that a `run` that panics before it has made one is caught as well.
        let future = pin!(async { primitive.run(input, &scope.cx).await });
        Observed { future, observation: scope.observation(), limit }.await
    };
    scope.finish(result)
}

/// The error with its path, and whether it arose at the node.
#[cold]
pub(super) fn located(mut error: Error, parent: &WorkflowContext, at: u32) -> (Error, bool) {
    error.arose_at(&parent.run_scope().plan.position(at).node.path);
    let arose_here = error.claim_recording();
    (error, arose_here)
}

/// A node between its start and its end. Dropped before its end, it was cancelled.
struct NodeScope<'a> {
    parent: &'a WorkflowContext,
    call: Call<'a>,
    /// The context of the node itself.
    cx: WorkflowContext,
    started: u64,
    finished: bool,
}

impl<'a> NodeScope<'a> {
    fn enter(parent: &'a WorkflowContext, call: Call<'a>) -> Self {
        let started = clock::ticks();
        let observer = parent.run_scope().observer.as_ref();
        let observation =
            observer.and_then(|observer| observer.node_started(&node_started(parent, call, started)));
        Self { parent, call, cx: parent.at(call.at, observation), started, finished: false }
    }

    /// What makes a run's polls its own: the node's observation, or the decision not to record the run.
    fn observation(&self) -> Option<&dyn Observation> {
        match (&self.cx.scope.observation, self.call.role) {
            (Some(observation), _) => Some(&**observation),
            (None, RoleCall::Root(_)) => self.parent.run_scope().ambient.as_deref(),
            (None, RoleCall::Planned(_)) => None,
        }
    }

    /// What ends a run from outside; only a run's first node has it.
    fn limit(&self) -> Option<BoxFuture<'static, Error>> {
        match self.call.role {
            RoleCall::Planned(_) => None,
            RoleCall::Root(_) => Some(Box::pin(run_limit(self.parent.clone()))),
        }
    }

    fn finish<T>(&mut self, result: Result<T>) -> Result<T> {
        self.finished = true;
        match result {
            Ok(output) => {
                self.report(ExecutionStatus::Success, None, false);
                Ok(output)
            }
            Err(error) => {
                let (error, arose_here) = located(error, self.parent, self.call.at);
                self.report(error.status(), Some(&error), arose_here);
                Err(error)
            }
        }
    }

    fn report(&mut self, status: ExecutionStatus, error: Option<&Error>, error_arose_here: bool) {
        let Some(observer) = &self.parent.run_scope().observer else { return };
        let span = Span { started: self.started, status, error, error_arose_here };
        let finished = node_finished(self.parent, self.call, span);
        match self.cx.scope.observation.take() {
            Some(observation) => observation.finished(&finished),
            None => observer.unrecorded_finished(&finished),
        }
    }
}

impl Drop for NodeScope<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.report(ExecutionStatus::Cancelled, None, false);
        }
    }
}

/// A task that is polled while the span of a context is current, as if it were polled where the context is.
pub(crate) fn within<F: Future>(cx: &WorkflowContext, task: F) -> impl Future<Output = F::Output> + use<F> {
    let current = cx.scope.observation.clone().or_else(|| cx.run_scope().ambient.clone());
    current_while(current, task)
}

/// A task that is polled while the span of an observation is current.
pub(crate) async fn current_while<F: Future>(current: Option<Arc<dyn Observation>>, task: F) -> F::Output {
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

/// Ends when the run is cancelled or its deadline has passed.
async fn run_limit(cx: WorkflowContext) -> Error {
    let cancelled = cx.shared.life.cancelled();
    let Some(deadline) = cx.deadline else {
        cancelled.await;
        return Error::new(ErrorKind::Cancelled, "the run was cancelled");
    };
    // A timer that is due takes until the runtime's next turn, in which the work would have begun.
    let passed = async {
        if clock::now() < deadline {
            clock::sleep_until(deadline).await;
        }
    };
    tokio::select! {
        biased;
        () = cancelled => Error::new(ErrorKind::Cancelled, "the run was cancelled"),
        () = passed => Error::new(ErrorKind::Timeout, "the deadline of the run passed"),
    }
}

/// Polls a node while its span is the current one, and turns a panic into an error.
pub(super) struct Observed<'a, F> {
    pub(super) future: Pin<&'a mut F>,
    pub(super) observation: Option<&'a dyn Observation>,
    pub(super) limit: Option<BoxFuture<'static, Error>>,
}

impl<T, F: Future<Output = Result<T>>> Future for Observed<'_, F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<T>> {
        if let Some(limit) = &mut self.limit {
            // Outside a runtime a deadline panics, for want of a timer.
            let polled = catch_unwind(AssertUnwindSafe(|| limit.as_mut().poll(task)));
            if let Poll::Ready(error) = polled.unwrap_or_else(|payload| Poll::Ready(panicked(&*payload))) {
                return Poll::Ready(Err(error));
            }
        }
        let observation = self.observation;
        let future = self.future.as_mut();
        match observation {
            None => poll_caught(future, task),
            Some(observation) => {
                let mut polled = Poll::Pending;
                let mut future = Some(future);
                observation.within(&mut || {
                    if let Some(future) = future.take() {
                        polled = poll_caught(future, task);
                    }
                });
                polled
            }
        }
    }
}

/// Polls a node and turns a panic into an error.
pub(super) struct Caught<'a, F> {
    pub(super) future: Pin<&'a mut F>,
}

impl<T, F: Future<Output = Result<T>>> Future for Caught<'_, F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<T>> {
        poll_caught(self.future.as_mut(), task)
    }
}

fn poll_caught<T, F: Future<Output = Result<T>>>(
    future: Pin<&mut F>,
    task: &mut Context<'_>,
) -> Poll<Result<T>> {
    catch_unwind(AssertUnwindSafe(|| future.poll(task)))
        .unwrap_or_else(|payload| Poll::Ready(Err(panicked(&*payload))))
}

/// The error of a panic with its message.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let message = payload
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    Error::new(ErrorKind::Panic, format!("the step panicked: {message}"))
}
