//! The spans that wait to be sent, and what became of them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tta_model::SpanRecord;

use crate::config::BatchConfig;
use crate::counts::{DropReason, SpanCounts};

/// Limits beyond this one are cut, so that a moment can be computed from them.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A bounded queue between the thread that records and the one that sends.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when spans were settled, and when the worker ended.
    progress: Condvar,
    /// Told when the worker may have something to do.
    work: Notify,
    /// When the worker must have ended.
    stop: watch::Sender<Option<Instant>>,
    capacity: u64,
    batch_size: usize,
    linger: Duration,
    counts: Arc<SpanCounts>,
}

/// Spans are numbered in the order in which they came, and leave in that order.
#[derive(Debug, Default)]
struct State {
    spans: VecDeque<SpanRecord>,
    /// How many came.
    pushed: u64,
    /// How many were taken out to be sent.
    popped: u64,
    /// How many were sent or dropped.
    settled: u64,
    /// How many of the settled ones were dropped.
    lost: u64,
    /// Up to here spans do not wait for company.
    hurry_to: u64,
    ended: bool,
}

/// What the worker does next.
enum Step {
    Send(Vec<SpanRecord>),
    Linger,
    Idle,
    End,
}

impl Queue {
    pub(super) fn new(batch: &BatchConfig, counts: Arc<SpanCounts>) -> Self {
        Self {
            state: Mutex::default(),
            progress: Condvar::new(),
            work: Notify::new(),
            stop: watch::Sender::new(None),
            capacity: batch.max_queue_size as u64,
            batch_size: batch.max_export_batch_size.max(1),
            linger: batch.schedule_delay,
            counts,
        }
    }

    /// Takes copies of as many spans as there is room for.
    pub(super) fn push(&self, spans: &[SpanRecord]) {
        let mut state = self.lock();
        if state.ended || self.stop.borrow().is_some() {
            drop(state);
            self.counts.add_dropped(DropReason::Shutdown, spans.len());
            return;
        }
        let room = usize::try_from(self.capacity.saturating_sub(state.waiting())).unwrap_or(usize::MAX);
        let taken = room.min(spans.len());
        let was_empty = state.spans.is_empty();
        state.spans.extend(spans[..taken].iter().cloned());
        state.pushed += taken as u64;
        let wakes = (was_empty && taken > 0) || state.spans.len() >= self.batch_size;
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        if taken < spans.len() {
            self.counts.add_dropped(DropReason::QueueFull, spans.len() - taken);
        }
    }

    /// Spans that are neither sent nor dropped.
    pub(super) fn length(&self) -> u64 {
        self.lock().waiting()
    }

    /// Waits until what was pushed is settled, and tells how many spans were not sent.
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

    /// Stops, and waits for the end. Tells how many spans were not sent, and whether the worker ended.
    pub(super) fn shutdown(&self, timeout: Duration, grace: Duration) -> (u64, bool) {
        let lost = self.lock().lost;
        self.stop(timeout);
        let state = self.wait(self.lock(), timeout.saturating_add(grace), |state| !state.ended);
        (state.waiting() + (state.lost - lost), state.ended)
    }

    /// Waits for the next batch: a full one, or what is there after the delay. None is the end.
    pub(super) async fn next(&self) -> Option<Vec<SpanRecord>> {
        let mut since = None;
        loop {
            match self.step() {
                Step::Send(spans) => return Some(spans),
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

    /// A receiver took spans.
    pub(super) fn sent(&self, spans: usize) {
        self.counts.add_exported(spans);
        self.lock().settled += spans as u64;
        self.progress.notify_all();
    }

    /// Spans could not be sent, and no other attempt is made.
    pub(super) fn failed(&self, spans: usize) {
        self.counts.add_dropped(DropReason::ExportFailed, spans);
        let mut state = self.lock();
        state.settled += spans as u64;
        state.lost += spans as u64;
        drop(state);
        self.progress.notify_all();
    }

    /// The worker ended, however it did: what it left is dropped, and counted.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let left = state.waiting();
        // Counted before the end can be seen: who waits for it looks at the counts next.
        self.counts.add_dropped(DropReason::Shutdown, usize::try_from(left).unwrap_or(usize::MAX));
        state.spans = VecDeque::new();
        state.settled += left;
        state.lost += left;
        state.ended = true;
        drop(state);
        self.progress.notify_all();
    }

    fn step(&self) -> Step {
        let stop = *self.stop.borrow();
        let mut state = self.lock();
        match stop {
            Some(at) if state.spans.is_empty() || at <= Instant::now() => Step::End,
            _ if state.spans.is_empty() => Step::Idle,
            None if state.spans.len() < self.batch_size && state.popped >= state.hurry_to => Step::Linger,
            _ => Step::Send(state.pop(self.batch_size)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.progress.wait_timeout_while(state, timeout.min(LONGEST), condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn waiting(&self) -> u64 {
        self.pushed - self.settled
    }

    fn pop(&mut self, most: usize) -> Vec<SpanRecord> {
        let count = most.min(self.spans.len());
        self.popped += count as u64;
        self.spans.drain(..count).collect()
    }
}
