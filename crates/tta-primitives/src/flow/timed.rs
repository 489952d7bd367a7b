//! One execution of a node of a run that is not recorded: no span, at most a start and an end for the observer.
//!
//! The futures here are kept small, since each is moved into its box.

use std::pin::pin;

use tta_model::ExecutionStatus;

use super::call::{Call, Caught, RoleCall, Span, located, node_finished};
use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::primitive::Primitive;

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
