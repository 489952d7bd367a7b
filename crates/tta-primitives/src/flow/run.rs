//! Running a flow: by itself, or inside the run of another.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tta_model::{Key, Text, Value};

use super::call::{Call, RoleCall};
use super::node::{NodeRef, Running, take};
use super::{Flow, Plan};
use crate::clock::Anchor;
use crate::context::{RunScope, Scope, WorkflowContext, run_attributes};
use crate::error::Result;
use crate::observe::{self, NodeInfo, RunDecision, RunIds, RunInfo, RunStarted};
use crate::random;

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Runs the flow.
    ///
    /// With a context that is not inside a run, this starts one: it is recorded as a span
    /// `workflow.<name>.execute`, the root of a trace of its own, or a child of the span that the context
    /// names as its parent, or else of the application's current span. Inside a primitive, with the context
    /// that the primitive was given, it runs as a part of the same run.
    ///
    /// # Errors
    /// The error of the step that failed. A run whose context was [cancelled](WorkflowContext::cancel) or
    /// whose [deadline](WorkflowContext::deadline) passed ends with a kind that says so.
    ///
    /// # Cancellation
    /// Dropping the future cancels the run: its steps are dropped and their spans end as `cancelled`.
    pub async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let Some(run) = &cx.shared.run else {
            let (cx, info) = begin(self.plan(), cx);
            return start(&self.node, Call { at: 0, role: RoleCall::Root(&info) }, input, &cx).await;
        };
        let here = cx.scope.at;
        if let Some(at) = run.plan.find_child(here, &self.node) {
            return start(&self.node, Call { at, role: RoleCall::Planned(&[]) }, input, cx).await;
        }
        let plan = run.plan.mount(here, &self.node);
        let cx = cx.inside(RunScope { plan, ..run.clone() }, Scope { at: 0, ..cx.scope.clone() });
        start(&self.node, Call { at: 0, role: RoleCall::Planned(&[]) }, input, &cx).await
    }

    /// Runs the flow as the child that the current node has named at this index.
    pub(crate) fn call<'a>(
        &'a self,
        child: usize,
        input: I,
        cx: &'a WorkflowContext,
        role_attributes: &'a [(Key, Value)],
    ) -> Started<'a, O> {
        let call = Call { at: cx.child_at(child), role: RoleCall::Planned(role_attributes) };
        start(&self.node, call, input, cx)
    }
}

/// Starts a node whose types the caller knows.
pub(crate) fn start<'a, I: Send + 'static, O>(
    node: &'a NodeRef,
    call: Call<'a>,
    input: I,
    cx: &'a WorkflowContext,
) -> Started<'a, O> {
    Started { running: node.start(&mut Some(input), cx, call), output: PhantomData }
}

/// A node that runs, as a future of its output.
#[must_use = "a node does nothing unless it is polled"]
pub(crate) struct Started<'a, O> {
    running: Running<'a>,
    output: PhantomData<fn() -> O>,
}

impl<O: 'static> Future for Started<'_, O> {
    type Output = Result<O>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<O>> {
        match self.running.as_mut().poll(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(take(self.running.as_mut().output()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

/// Puts a context inside a new run.
fn begin(plan: &Arc<Plan>, cx: &WorkflowContext) -> (WorkflowContext, Arc<NodeInfo>) {
    let info = plan.run_info(cx.shared.identity.workflow_name.as_ref());
    let observer = cx.shared.observer.clone().or_else(observe::installed);
    let parent = cx.shared.remote.as_ref();
    let ids = RunIds(Arc::clone(&cx.shared.identity));
    let (decision, class) = match &observer {
        Some(observer) => (
            observer.run_started(&RunStarted { parent, info: &info, ids: &ids }),
            observer.run_class(&info.name, ids.0.agent_type.as_ref()),
        ),
        None => (unobserved(cx), 0),
    };
    let attributes = if decision.recording { run_attributes(&cx.shared, &info.name) } else { Vec::new() };
    cx.shared.life.set_trace(decision.trace_id);
    // An unrecorded run has a span id too, so that callees elsewhere learn that they need not record.
    let span = match &decision.ambient {
        _ if decision.recording => decision.parent,
        Some(ambient) => Some(ambient.span_id()),
        None => Some(random::span_id()),
    };
    let scope = Scope { at: 0, span, parent: decision.parent, observation: None };
    let run_info = RunInfo {
        workflow_name: info.name.clone(),
        trace_id: decision.trace_id,
        flags: decision.flags,
        state: decision.state,
        parent_is_remote: decision.parent_is_remote,
        recording: decision.recording,
        class,
        ids,
        attributes,
        anchor: Anchor::read(),
    };
    let run =
        RunScope { info: Arc::new(run_info), plan: Arc::clone(plan), observer, ambient: decision.ambient };
    (cx.inside(run, scope), info)
}

/// Without an observer a trace that was given goes on, and a new one is not sampled.
fn unobserved(cx: &WorkflowContext) -> RunDecision {
    let remote = cx.shared.remote.as_ref();
    RunDecision {
        trace_id: remote.map_or_else(random::trace_id, |remote| remote.trace_id),
        flags: remote.map(|remote| remote.flags).unwrap_or_default(),
        state: remote.map(|remote| remote.state.clone()).unwrap_or_default(),
        parent: remote.map(|remote| remote.span_id),
        parent_is_remote: remote.is_some(),
        recording: false,
        ambient: None,
    }
}

impl WorkflowContext {
    /// The run that this context is inside of.
    #[inline]
    pub(crate) fn run_scope(&self) -> &RunScope {
        self.shared.run.as_ref().expect("nodes are only started inside a run")
    }

    /// The position of the child that the current node has named at an index.
    #[inline]
    pub(crate) fn child_at(&self, index: usize) -> u32 {
        self.run_scope().plan.child(self.scope.at, index)
    }

    /// The address of the current step: the names from the root of the flow down to it.
    #[must_use]
    pub fn path(&self) -> Text {
        match &self.shared.run {
            Some(run) => run.plan.position(self.scope.at).node.path.clone(),
            None => Text::default(),
        }
    }
}
