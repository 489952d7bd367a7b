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

/// Runs a primitive of which nobody is told, so that there is nothing to be told when it is dropped.
pub(super) async fn unobserved<P: Primitive>(
    primitive: &P,
    input: P::In,
    cx: &WorkflowContext,
    at: u32,
) -> Result<P::Out> {
    let result = if P::NEEDS_CONTEXT {
        Caught { future: pin!(work(primitive, input, cx)) }.await
    } else {
        Caught { future: pin!(primitive.run(input, cx)) }.await
    };
    result.map_err(|error| located(error, cx, at).0)
}

/// Runs a primitive of whose start and end an observer is told.
pub(super) async fn timed<P: Primitive>(
    primitive: &P,
    input: P::In,
    cx: &WorkflowContext,
    at: u32,
) -> Result<P::Out> {
    let mut timed = Timed::start(cx, at);
    let result = if P::NEEDS_CONTEXT {
        Caught { future: pin!(work(primitive, input, cx)) }.await
    } else {
        Caught { future: pin!(primitive.run(input, cx)) }.await
    };
    timed.finish(result)
}

/// Does the work inside of a future, so that a `run` that panics before it has made one is caught as well. A primitive
/// that needs no context is a step, whose `run` cannot, and is spared the larger future.
async fn work<P: Primitive>(primitive: &P, input: P::In, cx: &WorkflowContext) -> Result<P::Out> {
    primitive.run(input, cx).await
}

/// Runs a primitive that looks at its context without an observation.
pub(super) async fn in_own_context<P: Primitive>(
    primitive: &P,
    input: P::In,
    parent: &WorkflowContext,
    at: u32,
) -> Result<P::Out> {
    let cx = parent.at(at, None);
    match parent.run_scope().observer {
        Some(_) => timed(primitive, input, &cx, at).await,
        None => unobserved(primitive, input, &cx, at).await,
    }
}

/// A node of a run that is not recorded: its observer is told of its start and its end, and of nothing else.
struct Timed<'a> {
    parent: &'a WorkflowContext,
    at: u32,
    finished: bool,
    started: u64,
}

impl<'a> Timed<'a> {
    #[inline]
    fn start(parent: &'a WorkflowContext, at: u32) -> Self {
        let run = parent.run_scope();
        if let Some(observer) = &run.observer {
            let position = run.plan.position(at);
            observer.unrecorded_started(&run.info, &position.node, position.role.as_ref());
        }
        Self { parent, at, finished: false, started: clock::ticks() }
    }

    // By reference: what was written a moment ago is slow to move.
    #[inline]
    fn finish<T>(&mut self, result: Result<T>) -> Result<T> {
        self.finished = true;
        match result {
            Ok(output) => {
                self.report(ExecutionStatus::Success, None, false);
                Ok(output)
            }
            Err(error) => {
                let (error, arose_here) = located(error, self.parent, self.at);
                self.report(error.status(), Some(&error), arose_here);
                Err(error)
            }
        }
    }

    #[inline]
    fn report(&self, status: ExecutionStatus, error: Option<&Error>, error_arose_here: bool) {
        let Some(observer) = &self.parent.run_scope().observer else { return };
        let call = Call { at: self.at, role: RoleCall::Planned(&[]) };
        let span = Span { started: self.started, status, error, error_arose_here };
        observer.unrecorded_finished(&node_finished(self.parent, call, span));
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.report(ExecutionStatus::Cancelled, None, false);
        }
    }
}

/// When an execution started, and how it ended.
struct Span<'a> {
    started: u64,
    status: ExecutionStatus,
    error: Option<&'a Error>,
    error_arose_here: bool,
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
fn node_finished<'a>(parent: &'a WorkflowContext, call: Call<'a>, span: Span<'a>) -> NodeFinished<'a> {
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
fn located(mut error: Error, parent: &WorkflowContext, at: u32) -> (Error, bool) {
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

/// Does a part of a node's work in a span of its own below the node, such as the look-up of a cache.
///
/// A leaf is not a node: it has no address, and nothing runs below it.
pub(crate) async fn leaf<T>(
    cx: &WorkflowContext,
    info: &Arc<NodeInfo>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let run = cx.run_scope();
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
    let mut open = LeafScope { cx, info, observation, started };
    let result = {
        let future = pin!(work);
        let observation = open.observation.clone();
        Observed { future, observation: observation.as_deref(), limit: None }.await
    };
    let status = result.as_ref().map_or_else(Error::status, |_| ExecutionStatus::Success);
    open.close(status, result.as_ref().err());
    result
}

/// A leaf between its start and its end.
struct LeafScope<'a> {
    cx: &'a WorkflowContext,
    info: &'a Arc<NodeInfo>,
    observation: Option<Arc<dyn Observation>>,
    started: u64,
}

impl LeafScope<'_> {
    fn close(&mut self, status: ExecutionStatus, error: Option<&Error>) {
        let Some(observation) = self.observation.take() else { return };
        observation.finished(&NodeFinished {
            run: &self.cx.run_scope().info,
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
struct Observed<'a, F> {
    future: Pin<&'a mut F>,
    observation: Option<&'a dyn Observation>,
    limit: Option<BoxFuture<'static, Error>>,
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
struct Caught<'a, F> {
    future: Pin<&'a mut F>,
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
