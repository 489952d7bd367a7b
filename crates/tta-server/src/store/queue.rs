//! The queue between those who receive batches and the thread that writes them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::WriteError;
use crate::wire::{Logs, Metrics, Traces};

/// A request to be stored.
#[derive(Debug)]
pub enum Batch {
    /// Spans.
    Traces(Traces),
    /// Log records.
    Logs(Logs),
    /// Metrics.
    Metrics(Metrics),
}

impl Batch {
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Traces(batch) => &batch.body,
            Self::Logs(batch) => &batch.body,
            Self::Metrics(batch) => &batch.body,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Traces(batch) => batch.is_empty(),
            Self::Logs(batch) => batch.is_empty(),
            Self::Metrics(batch) => batch.is_empty(),
        }
    }

    /// What tells it from every other batch.
    fn hash(&self) -> [u8; 16] {
        let kind = match self {
            Self::Traces(_) => 1,
            Self::Logs(_) => 2,
            Self::Metrics(_) => 3,
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]).update(self.body());
        *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
    }

    /// The bytes that it keeps in memory while it waits.
    fn weight(&self) -> usize {
        let index = match self {
            Self::Traces(batch) => size_of_val(&batch.spans[..]) + size_of_val(&batch.attributes[..]),
            Self::Logs(batch) => size_of_val(&batch.records[..]),
            Self::Metrics(batch) => size_of_val(&batch.metrics[..]),
        };
        self.body().len() + index
    }
}

impl From<Traces> for Batch {
    fn from(batch: Traces) -> Self {
        Self::Traces(batch)
    }
}

impl From<Logs> for Batch {
    fn from(batch: Logs) -> Self {
        Self::Logs(batch)
    }
}

impl From<Metrics> for Batch {
    fn from(batch: Metrics) -> Self {
        Self::Metrics(batch)
    }
}

/// The promise of an answer to a batch.
#[derive(Debug)]
pub struct Ticket {
    answer: oneshot::Receiver<Result<(), WriteError>>,
}

impl Ticket {
    /// Waits until the batch is on disk.
    ///
    /// # Errors
    ///
    /// When it could not be written; [`WriteError`] says whether it may be sent again.
    ///
    /// # Cancellation
    ///
    /// The batch is written whether or not somebody waits.
    pub async fn wait(self) -> Result<(), WriteError> {
        self.answer.await.unwrap_or(Err(WriteError::Closed))
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// In an asynchronous context.
    pub fn blocking_wait(self) -> Result<(), WriteError> {
        self.answer.blocking_recv().unwrap_or(Err(WriteError::Closed))
    }
}

/// What the writer is asked to do.
pub(super) struct Job {
    /// None asks only for everything that was committed to be summed up.
    pub(super) batch: Option<(Batch, [u8; 16])>,
    pub(super) answer: oneshot::Sender<Result<(), WriteError>>,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) batches: usize,
    /// How much is committed at once.
    pub(super) commit_bytes: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    came: Condvar,
}

/// What the writer gets.
pub(super) enum Next {
    Jobs(Vec<Job>),
    /// Nothing came for a while.
    Idle,
    Closed,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), came: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: Option<Batch>) -> Result<Ticket, WriteError> {
        let weight = batch.as_ref().map_or(0, Batch::weight);
        let asks = batch.is_some();
        let batch = batch.map(|batch| {
            let hash = batch.hash();
            (batch, hash)
        });
        let (answer, ticket) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Err(WriteError::Closed);
        }
        // A batch that is larger than the limit is let in when nothing else waits.
        let full = state.bytes + weight > self.limits.bytes || state.jobs.len() >= self.limits.batches;
        if full && asks && !state.jobs.is_empty() {
            return Err(WriteError::Full);
        }
        state.bytes += weight;
        state.jobs.push_back(Job { batch, answer });
        drop(state);
        self.came.notify_one();
        Ok(Ticket { answer: ticket })
    }

    /// Takes what waits, up to the size of a commit; waits for the first of it.
    pub(super) fn take(&self, patience: Duration) -> Next {
        let state = self.lock();
        let waited =
            self.came.wait_timeout_while(state, patience, |state| state.jobs.is_empty() && !state.closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.jobs.is_empty() {
            return if state.closed { Next::Closed } else { Next::Idle };
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while bytes < self.limits.commit_bytes
            && let Some(job) = state.jobs.pop_front()
        {
            bytes += job.batch.as_ref().map_or(0, |(batch, _)| batch.weight());
            jobs.push(job);
        }
        state.bytes -= bytes;
        Next::Jobs(jobs)
    }

    /// Lets nothing more in; what waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
    }

    /// Lets nothing more in, and writes nothing of what waits: its tickets answer that the store is closed.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.jobs.clear();
        state.bytes = 0;
    }

    /// How many batches and bytes wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.jobs.len(), state.bytes)
    }
}
