//! The records that wait to be sent, and what became of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::config::BatchConfig;
use crate::counts::{DropReason, LogCounts, SpanCounts};

/// Limits beyond this one are cut, so that a moment can be computed from them.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Counts what became of records.
pub(super) trait Counts: fmt::Debug + Send + Sync {
    /// A receiver took them.
    fn count_exported(&self, records: usize);
    /// They are lost.
    fn count_dropped(&self, reason: DropReason, records: usize);
}

/// Tells how much waits in a queue, whatever it is.
pub(super) trait Waiting: fmt::Debug + Send + Sync {
    /// Records that are neither sent nor dropped.
    fn length(&self) -> u64;
}

/// A bounded queue between the threads that record and the one that sends.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Told when records were settled, and when the worker ended.
    progress: Condvar,
    /// Told when the worker may have something to do.
    work: Notify,
    /// When the worker must have ended.
    stop: watch::Sender<Option<Instant>>,
    capacity: u64,
    batch_size: usize,
    linger: Duration,
    counts: Arc<dyn Counts>,
}

/// Records are numbered in the order in which they came, and leave in that order.
struct State<T> {
    records: VecDeque<T>,
    /// How many came.
    pushed: u64,
    /// How many were taken out to be sent.
    popped: u64,
    /// How many were sent or dropped.
    settled: u64,
    /// How many of the settled ones were dropped.
    lost: u64,
    /// Up to here records do not wait for company.
    hurry_to: u64,
    ended: bool,
}

/// What the worker does next.
enum Step<T> {
    Send(Vec<T>),
    Linger,
    Idle,
    End,
}

impl<T> Queue<T> {
    pub(super) fn new(batch: &BatchConfig, counts: Arc<dyn Counts>) -> Self {
        Self {
            state: Mutex::new(State::new()),
            progress: Condvar::new(),
            work: Notify::new(),
            stop: watch::Sender::new(None),
            capacity: batch.max_queue_size as u64,
            batch_size: batch.max_export_batch_size.max(1),
            linger: batch.schedule_delay,
            counts,
        }
    }

    /// Takes as many records as there is room for, from the first one on.
    pub(super) fn push(&self, records: impl ExactSizeIterator<Item = T>) {
        let count = records.len();
        let mut state = self.lock();
        if state.ended || self.stop.borrow().is_some() {
            drop(state);
            self.counts.count_dropped(DropReason::Shutdown, count);
            return;
        }
        let room = usize::try_from(self.capacity.saturating_sub(state.waiting())).unwrap_or(usize::MAX);
        let taken = room.min(count);
        let was_empty = state.records.is_empty();
        state.records.extend(records.take(taken));
        state.pushed += taken as u64;
        let wakes = (was_empty && taken > 0) || state.records.len() >= self.batch_size;
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        if taken < count {
            self.counts.count_dropped(DropReason::QueueFull, count - taken);
        }
    }

    /// Waits until what was pushed is settled, and tells how many records were not sent.
    pub(super) fn flush(&self, timeout: Duration) -> u64 {
        let mut state = self.lock();
        let (target, lost) = (state.pushed, state.lost);
        state.hurry_to = target;
        self.work.notify_one();
        let state = self.wait(state, timeout, |state| state.settled < target);
        target.saturating_sub(state.settled) + (state.lost - lost)
    }

    /// Tells the worker to send what waits, and to end within a time.
    pub(super) fn stop(&self, timeout: Duration) {
        let at = Instant::now() + timeout.min(LONGEST);
        // A second stop may only bring the end nearer.
        self.stop.send_modify(|stop| *stop = Some(stop.map_or(at, |earlier| earlier.min(at))));
        self.work.notify_one();
    }

    /// Stops, and waits for the end. Tells how many records were not sent, and whether the worker ended.
    pub(super) fn shutdown(&self, timeout: Duration, grace: Duration) -> (u64, bool) {
        let lost = self.lock().lost;
        self.stop(timeout);
        let state = self.wait(self.lock(), timeout.saturating_add(grace), |state| !state.ended);
        (state.waiting() + (state.lost - lost), state.ended)
    }

    /// Waits for the next batch: a full one, or what is there after the delay. None is the end.
    pub(super) async fn next(&self) -> Option<Vec<T>> {
        let mut since = None;
        loop {
            match self.step() {
                Step::Send(records) => return Some(records),
                Step::End => return None,
                Step::Idle => self.work.notified().await,
                Step::Linger => {
                    let waited = since.get_or_insert_with(Instant::now).elapsed();
                    let left = self.linger.saturating_sub(waited);
                    if tokio::time::timeout(left, self.work.notified()).await.is_err() {
                        return Some(self.lock().pop(self.batch_size));
                    }
                }
            }
        }
    }

    /// Completes when the time to end is over.
    pub(super) async fn stop_elapsed(&self) {
        let mut stop = self.stop.subscribe();
        loop {
            let at = *stop.borrow_and_update();
            let changed = stop.changed();
            let still_open = match at {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => return,
                    changed = changed => changed,
                },
            };
            // The sender lives as long as the queue, so it cannot be gone.
            if still_open.is_err() {
                return;
            }
        }
    }

    /// A receiver took records.
    pub(super) fn sent(&self, records: usize) {
        self.counts.count_exported(records);
        self.lock().settled += records as u64;
        self.progress.notify_all();
    }

    /// Records could not be sent, and no other attempt is made.
    pub(super) fn failed(&self, records: usize) {
        self.counts.count_dropped(DropReason::ExportFailed, records);
        let mut state = self.lock();
        state.settled += records as u64;
        state.lost += records as u64;
        drop(state);
        self.progress.notify_all();
    }

    /// The worker ended, however it did: what it left is dropped, and counted.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let left = state.waiting();
        // Counted before the end can be seen: who waits for it looks at the counts next.
        self.counts.count_dropped(DropReason::Shutdown, usize::try_from(left).unwrap_or(usize::MAX));
        state.records = VecDeque::new();
        state.settled += left;
        state.lost += left;
        state.ended = true;
        drop(state);
        self.progress.notify_all();
    }

    fn step(&self) -> Step<T> {
        let stop = *self.stop.borrow();
        let mut state = self.lock();
        match stop {
            Some(at) if state.records.is_empty() || at <= Instant::now() => Step::End,
            _ if state.records.is_empty() => Step::Idle,
            None if state.records.len() < self.batch_size && state.popped >= state.hurry_to => Step::Linger,
            _ => Step::Send(state.pop(self.batch_size)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State<T>>,
        timeout: Duration,
        condition: impl FnMut(&mut State<T>) -> bool,
    ) -> MutexGuard<'a, State<T>> {
        let waited = self.progress.wait_timeout_while(state, timeout.min(LONGEST), condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<T> State<T> {
    const fn new() -> Self {
        Self {
            records: VecDeque::new(),
            pushed: 0,
            popped: 0,
            settled: 0,
            lost: 0,
            hurry_to: 0,
            ended: false,
        }
    }

    fn waiting(&self) -> u64 {
        self.pushed - self.settled
    }

    fn pop(&mut self, most: usize) -> Vec<T> {
        let count = most.min(self.records.len());
        self.popped += count as u64;
        self.records.drain(..count).collect()
    }
}

impl<T: Send> Waiting for Queue<T> {
    fn length(&self) -> u64 {
        self.lock().waiting()
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.lock().waiting();
        f.debug_struct("Queue")
            .field("waiting", &waiting)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Counts for SpanCounts {
    fn count_exported(&self, records: usize) {
        self.add_exported(records);
    }

    fn count_dropped(&self, reason: DropReason, records: usize) {
        self.add_dropped(reason, records);
    }
}

impl Counts for LogCounts {
    fn count_exported(&self, records: usize) {
        self.add_exported(records);
    }

    fn count_dropped(&self, reason: DropReason, records: usize) {
        self.add_dropped(reason, records);
    }
}
