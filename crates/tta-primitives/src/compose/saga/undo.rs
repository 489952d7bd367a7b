//! Undoing what a saga has done, whatever becomes of the saga.

use std::future::poll_fn;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tta_model::name::attribute;
use tta_model::{Key, Text, Value};

use crate::context::{Shield, WorkflowContext, outliving};
use crate::error::{Error, ErrorKind};
use crate::flow::{Call, NodeRef, RoleCall, Slot};
use crate::observe::Event;

/// A step that was done, with what it takes to undo it.
pub(super) struct Done {
    pub(super) node: NodeRef,
    pub(super) child: usize,
    pub(super) output: Box<Slot>,
    pub(super) attributes: [(Key, Value); 1],
}

/// What a saga has done so far. If it is dropped before it is closed, the saga was cancelled.
pub(super) struct Journal {
    cx: WorkflowContext,
    done: Vec<Done>,
    /// The runtime on which a cancelled saga is undone.
    runtime: Option<Handle>,
}

impl Journal {
    pub(super) fn open(cx: &WorkflowContext) -> Self {
        Self { cx: cx.clone(), done: Vec::new(), runtime: Handle::try_current().ok() }
    }

    pub(super) fn add(&mut self, done: Option<Done>) {
        self.done.extend(done);
    }

    /// The saga has ended well; nothing is to be undone.
    pub(super) fn close(mut self) {
        self.done.clear();
    }

    /// Undoes what was done before a step failed. What could not be undone is related to the error.
    pub(super) async fn undo_after(mut self, step: &Text, error: Error) -> Error {
        match self.begin(step, Some(&error)) {
            None => error,
            Some(undoing) => undoing.finish().await.into_iter().fold(error, Error::with_related),
        }
    }

    fn begin(&mut self, step: &Text, error: Option<&Error>) -> Option<Undoing> {
        if self.done.is_empty() {
            return None;
        }
        let done = std::mem::take(&mut self.done);
        self.cx.set_attribute(attribute::SAGA_COMPENSATION_TRIGGERED.key(), true);
        self.cx.emit(&Event::CompensationTriggered { step, steps: done.len(), error });
        // What is undone because the time is up needs time, and a retry in it that the run is not over for it.
        let work = Box::pin(undo_all(done, self.cx.shielded()));
        Some(Undoing { cx: self.cx.clone(), work: Some(work), runtime: self.runtime.take() })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let Some(Done { attributes: [(_, name)], .. }) = self.done.last() else { return };
        let step = Text::from(name.to_string());
        // Dropping it before its end has it finished by the runtime.
        drop(self.begin(&step, None));
    }
}

/// Undoes the latest first, and returns what could not be undone.
async fn undo_all(done: Vec<Done>, cx: WorkflowContext) -> Vec<Error> {
    let total = done.len();
    let mut failures = Vec::new();
    for Done { node, child, mut output, attributes } in done.into_iter().rev() {
        let call = Call { at: cx.child_at(child), role: RoleCall::Planned(&attributes) };
        let mut running = node.start(&mut *output, &cx, call);
        if let Err(error) = poll_fn(|task| running.as_mut().poll(task)).await {
            failures.push(error.context(format_args!("undoing `{}`", attributes[0].1)));
        }
    }
    cx.set_attribute(attribute::SAGA_COMPENSATIONS_FAILED.key(), failures.len());
    cx.emit(&Event::CompensationFinished { undone: total - failures.len(), failed: failures.len() });
    failures
}

/// A compensation that goes on in a task when nobody waits for it any more.
struct Undoing {
    cx: WorkflowContext,
    work: Option<BoxFuture<'static, Vec<Error>>>,
    runtime: Option<Handle>,
}

impl Undoing {
    async fn finish(mut self) -> Vec<Error> {
        let failures = poll_fn(|task| match &mut self.work {
            Some(work) => work.as_mut().poll(task),
            None => std::task::Poll::Ready(Vec::new()),
        })
        .await;
        self.work = None;
        failures
    }
}

impl Drop for Undoing {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let loss = Loss { shield: Shield::raise(&self.cx), is_finished: false };
        let work = outliving(&self.cx, async move { loss.avert(work.await) });
        // The task is not detached: the run's context knows of it and can be waited on. Without a runtime,
        // or on one that shuts down, it is dropped, and the loss is kept.
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(work)),
            None => drop(work),
        }
    }
}

/// The loss of a compensation that nobody waits for, unless it is averted.
struct Loss {
    shield: Shield,
    is_finished: bool,
}

impl Loss {
    fn avert(mut self, failures: Vec<Error>) {
        self.is_finished = true;
        failures.into_iter().for_each(|failure| self.shield.life().add_failure(failure));
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        if !self.is_finished {
            let message = "the compensation of a saga did not end: its runtime was gone or shut down";
            self.shield.life().add_failure(Error::new(ErrorKind::Cancelled, message));
        }
    }
}
