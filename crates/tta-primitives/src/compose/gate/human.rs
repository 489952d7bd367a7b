//! Approval by a person, who decides somewhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tta_model::Text;

use super::{Approver, Decision};
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};

/// An approver that lists what waits for a person, and lets that person approve or deny it.
///
/// Cloning it shares the list: give one to [`gate`](super::gate()), keep one where people decide. What waits
/// leaves the list when it is decided, and when its run is cancelled.
///
/// ```
/// use tta_primitives::{HumanGate, WorkflowContext, gate};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let desk = HumanGate::new();
/// let flow = gate(desk.clone());
/// let cx = WorkflowContext::new();
/// let run = flow.run("delete the database".to_owned(), &cx);
/// let person = async {
///     let waiting = desk.pending();
///     assert_eq!(waiting[0].input, "delete the database");
///     desk.deny(waiting[0].id, "ada", "we still need it").unwrap();
/// };
/// let (result, ()) = tokio::join!(run, person);
/// assert_eq!(result.unwrap_err().message(), "denied by ada: we still need it");
/// # Ok(()) }
/// ```
pub struct HumanGate<T> {
    requests: Arc<Mutex<Requests<T>>>,
}

struct Requests<T> {
    next: u64,
    pending: BTreeMap<u64, Request<T>>,
}

struct Request<T> {
    approval: PendingApproval<T>,
    answer: oneshot::Sender<Decision>,
}

/// Something that waits for a person.
#[derive(Clone, Debug)]
pub struct PendingApproval<T> {
    /// By which it is approved or denied.
    pub id: u64,
    /// What would pass.
    pub input: T,
    /// The execution of the workflow that waits.
    pub workflow_id: Text,
    /// The address of the gate in its workflow.
    pub path: Text,
    /// Since when it has waited.
    pub since: Instant,
}

/// What was to be decided does not wait any more: somebody else decided it, or its run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPending {
    /// By which it was looked for.
    pub id: u64,
}

impl fmt::Display for NotPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} is not pending; it was decided, or its run has ended", self.id)
    }
}

impl std::error::Error for NotPending {}

impl<T: Clone> HumanGate<T> {
    /// Makes an approver for whom nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self { requests: Arc::new(Mutex::new(Requests { next: 1, pending: BTreeMap::new() })) }
    }

    /// What waits, the longest first.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingApproval<T>> {
        self.lock().pending.values().map(|request| request.approval.clone()).collect()
    }
}

impl<T> HumanGate<T> {
    /// Lets something pass.
    ///
    /// # Errors
    /// If it does not wait any more.
    pub fn approve(&self, id: u64, by: impl Into<Text>) -> Result<(), NotPending> {
        self.decide(id, Decision::approved(by))
    }

    /// Does not let something pass.
    ///
    /// # Errors
    /// If it does not wait any more.
    pub fn deny(&self, id: u64, by: impl Into<Text>, reason: impl Into<Text>) -> Result<(), NotPending> {
        self.decide(id, Decision::denied(by, reason))
    }

    /// Decides about something that waits.
    ///
    /// # Errors
    /// If it does not wait any more.
    pub fn decide(&self, id: u64, decision: Decision) -> Result<(), NotPending> {
        let request = self.lock().pending.remove(&id).ok_or(NotPending { id })?;
        request.answer.send(decision).map_err(|_| NotPending { id })
    }

    fn lock(&self) -> MutexGuard<'_, Requests<T>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request off the list when nobody waits for it any more.
struct Waiting<'a, T> {
    gate: &'a HumanGate<T>,
    id: u64,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let request = self.gate.lock().pending.remove(&self.id);
        drop(request);
    }
}

impl<T: Clone + Send + Sync + 'static> Approver<T> for HumanGate<T> {
    async fn decide(&self, input: &T, cx: &WorkflowContext) -> Result<Decision> {
        let (answer, decided) = oneshot::channel();
        let id = {
            let (input, since) = (input.clone(), clock::now());
            let mut requests = self.lock();
            let id = requests.next;
            requests.next += 1;
            let workflow_id = Text::from(cx.workflow_id().to_owned());
            let approval = PendingApproval { id, input, workflow_id, path: cx.path(), since };
            requests.pending.insert(id, Request { approval, answer });
            id
        };
        let waiting = Waiting { gate: self, id };
        let decision = decided.await;
        drop(waiting);
        decision.map_err(|_| Error::new(ErrorKind::Unavailable, "the request was dropped undecided"))
    }
}

impl<T> Clone for HumanGate<T> {
    fn clone(&self) -> Self {
        Self { requests: Arc::clone(&self.requests) }
    }
}

impl<T: Clone> Default for HumanGate<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for HumanGate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HumanGate({} pending)", self.lock().pending.len())
    }
}
