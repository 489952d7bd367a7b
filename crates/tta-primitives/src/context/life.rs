//! What belongs to a run as a whole: when it began, whether it was cancelled, what must still finish.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;
use tta_model::{TraceId, Value};

use super::ledger::Ledger;
use super::state::State;
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::Error;
use crate::flow::current_while;

/// The run-wide part of a context, shared by every clone and child.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) started_wall: SystemTime,
    pub(crate) started: Instant,
    pub(crate) started_ticks: u64,
    pub(crate) state: State,
    pub(crate) ledger: Ledger,
    pub(crate) last_trace: Mutex<Option<TraceId>>,
    cancelled: AtomicBool,
    cancel: Notify,
    shielded: AtomicUsize,
    settled: Notify,
    failures: Mutex<Vec<Arc<Error>>>,
}

/// How many failed compensations a run keeps; later ones are left out.
const FAILURE_LIMIT: usize = 256;

impl Life {
    pub(crate) fn new(state: State, ledger: Ledger) -> Self {
        Self::started_at(clock::wall(), clock::now(), clock::ticks(), state, ledger)
    }

    pub(crate) fn started_at(
        started_wall: SystemTime,
        started: Instant,
        started_ticks: u64,
        state: State,
        ledger: Ledger,
    ) -> Self {
        Self {
            started_wall,
            started,
            started_ticks,
            state,
            ledger,
            last_trace: Mutex::new(None),
            cancelled: AtomicBool::new(false),
            cancel: Notify::new(),
            shielded: AtomicUsize::new(0),
            settled: Notify::new(),
            failures: Mutex::default(),
        }
    }

    pub(crate) fn trace(&self) -> Option<TraceId> {
        *self.last_trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_trace(&self, trace_id: TraceId) {
        *self.last_trace.lock().unwrap_or_else(PoisonError::into_inner) = Some(trace_id);
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.cancel.notify_waiters();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until the run is cancelled.
    pub(crate) async fn cancelled(&self) {
        let notified = self.cancel.notified();
        tokio::pin!(notified);
        // Registered before the flag is read, so that a cancellation in between is not missed.
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }

    /// Keeps what shielded work failed with, since nobody waits for it.
    pub(crate) fn add_failure(&self, failure: Error) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURE_LIMIT {
            failures.push(Arc::new(failure));
        }
    }

    pub(crate) fn failures(&self) -> Vec<Arc<Error>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no shielded work of the run is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let notified = self.settled.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.shielded.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// Says that a run has work to finish, until it is dropped.
#[derive(Debug)]
pub(crate) struct Shield {
    life: Arc<Life>,
}

impl Shield {
    pub(crate) fn raise(cx: &WorkflowContext) -> Self {
        let life = Arc::clone(&cx.shared.life);
        life.shielded.fetch_add(1, Ordering::SeqCst);
        Self { life }
    }

    pub(crate) fn life(&self) -> &Life {
        &self.life
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        if self.life.shielded.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.life.settled.notify_waiters();
        }
    }
}

/// Work of a run that goes on when the step that began it has ended. The nodes that it runs make their own spans
/// the current ones; what remains is the decision not to record, if that was the decision.
pub(crate) fn outliving<F: Future>(
    cx: &WorkflowContext,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    let ambient = cx.run_scope().ambient.clone().filter(|_| cx.scope.observation.is_none());
    current_while(ambient, work)
}

/// A list of named values that is copied when it is changed.
pub(crate) type Named = std::sync::Arc<std::collections::BTreeMap<tta_model::Text, Value>>;
