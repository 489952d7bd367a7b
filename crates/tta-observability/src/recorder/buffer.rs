//! The way of a finished span from the thread on which it ended to the drain thread.
//!
//! Each thread writes into a batch of its own, behind a lock that nobody else takes but the drain thread,
//! a few times a second. A full batch goes to the drain thread through a bounded channel and comes
//! back empty. What runs and nodes have in common is written once a batch. Nothing waits: if the channel is
//! full, the batch is dropped and its spans are counted.

use std::num::NonZero;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use tta_model::{Attributes, EventRecord, ExecutionStatus, LinkRecord, SpanId, SpanStatus, Text};
use tta_primitives::observe::{NodeInfo, RunInfo};

// What the schedules of `buffer_schedules.rs` replace: the locks, the channel, and the sizes.
use super::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use super::sync::{AtomicBool, BATCH_SPANS, Mutex, MutexGuard, Ordering, QUEUED_BATCHES};
use crate::counts::{DropReason, SpanCounts};

/// How many empty batches are kept for use again.
const POOLED_BATCHES: usize = 64;
/// How far back a run or node is looked for among those of a batch.
const LOOK_BACK: usize = 16;

/// Finished spans of one thread.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) runs: Vec<Arc<RunInfo>>,
    pub(super) nodes: Vec<Arc<NodeInfo>>,
    pub(super) spans: Vec<RawSpan>,
    pub(super) attributes: Attributes,
    pub(super) events: Vec<EventRecord>,
    pub(super) rare: Vec<Rare>,
}

/// A finished span, with what it shares with others as indices into its batch.
///
/// It fits a cache line: another core reads it, and every line that crosses costs the writer too.
#[derive(Clone, Debug)]
pub(super) struct RawSpan {
    pub(super) run: u32,
    pub(super) node: u32,
    pub(super) span_id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Range<u32>,
    pub(super) events: Range<u32>,
    pub(super) rare: Option<RareIndex>,
    pub(super) status: ExecutionStatus,
    pub(super) parent_is_remote: bool,
}

const _: () = assert!(size_of::<RawSpan>() <= 64);

/// The place of what few spans have, from 1.
pub(super) type RareIndex = NonZero<u32>;

/// What few spans have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) error: Option<ErrorInfo>,
    pub(super) name: Option<Text>,
    pub(super) status: Option<SpanStatus>,
    pub(super) links: Vec<LinkRecord>,
    pub(super) dropped_attributes: u32,
    pub(super) dropped_events: u32,
}

/// The error with which a span ended.
#[derive(Debug)]
pub(super) struct ErrorInfo {
    pub(super) type_name: &'static str,
    pub(super) recoverable: bool,
    /// The message and the chain of causes, if the error arose in this span.
    pub(super) described: Option<(String, String)>,
}

impl Batch {
    pub(super) fn intern_run(&mut self, run: &Arc<RunInfo>) -> u32 {
        intern(&mut self.runs, run)
    }

    pub(super) fn intern_node(&mut self, node: &Arc<NodeInfo>) -> u32 {
        intern(&mut self.nodes, node)
    }

    pub(super) fn add_rare(&mut self, rare: Rare) -> RareIndex {
        self.rare.push(rare);
        RareIndex::new(index(self.rare.len())).unwrap_or(RareIndex::MAX)
    }

    /// Takes out what few spans have.
    pub(super) fn take_rare(&mut self, index: Option<RareIndex>) -> Rare {
        let rare = index.and_then(|index| self.rare.get_mut(index.get() as usize - 1));
        rare.map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    fn clear(&mut self) {
        self.runs.clear();
        self.nodes.clear();
        self.spans.clear();
        self.attributes.clear();
        self.events.clear();
        self.rare.clear();
    }
}

/// The index of a shared value among those of a batch, where recent ones are found again.
fn intern<T>(known: &mut Vec<Arc<T>>, value: &Arc<T>) -> u32 {
    let recent = known.len().saturating_sub(LOOK_BACK);
    match known[recent..].iter().rposition(|other| Arc::ptr_eq(other, value)) {
        Some(position) => index(recent + position),
        None => {
            known.push(Arc::clone(value));
            index(known.len() - 1)
        }
    }
}

/// An index into a batch, which is far smaller than 2^32.
pub(super) fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The batch of one thread.
#[derive(Debug, Default)]
pub(super) struct ThreadBuffer {
    batch: Mutex<Batch>,
}

impl ThreadBuffer {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All buffers of a recorder, and the channel to the drain thread.
#[derive(Debug)]
pub(super) struct Buffers {
    threads: Mutex<Vec<Arc<ThreadBuffer>>>,
    pool: Mutex<Vec<Batch>>,
    sender: SyncSender<Batch>,
    counts: Arc<SpanCounts>,
    /// Nobody takes spans over any more.
    closed: AtomicBool,
}

impl Buffers {
    pub(super) fn new(counts: Arc<SpanCounts>) -> (Self, Receiver<Batch>) {
        let (sender, receiver) = sync_channel(QUEUED_BATCHES);
        let closed = AtomicBool::new(false);
        (Self { threads: Mutex::default(), pool: Mutex::default(), sender, counts, closed }, receiver)
    }

    /// Makes the buffer of a thread.
    pub(super) fn register(&self) -> Arc<ThreadBuffer> {
        let buffer = Arc::new(ThreadBuffer::default());
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&buffer));
        buffer
    }

    /// Writes spans into the batch of a thread, and hands it over once it is full.
    pub(super) fn write(&self, buffer: &ThreadBuffer, write: impl FnOnce(&mut Batch)) {
        let mut batch = buffer.lock();
        write(&mut batch);
        if self.closed.load(Ordering::SeqCst) {
            return self.drop_late(&mut batch);
        }
        if batch.spans.len() < BATCH_SPANS {
            return;
        }
        let full = std::mem::replace(&mut *batch, self.empty());
        self.counts.add_recorded(full.spans.len());
        // Still under the lock, so that a sweep finds the batch either here or in the channel.
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = self.sender.try_send(full)
        {
            self.counts.add_dropped(DropReason::RecorderFull, batch.spans.len());
            self.recycle(batch);
        }
    }

    /// Takes what threads have collected so far, and forgets the threads that have ended.
    pub(super) fn sweep(&self, mut take: impl FnMut(Batch)) {
        let buffers = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            let all = threads.clone();
            // One reference is the list's, one is the copy's; a third is the thread's own.
            threads.retain(|buffer| Arc::strong_count(buffer) > 2 || !buffer.lock().is_empty());
            all
        };
        for buffer in buffers {
            let empty = self.empty();
            let batch = std::mem::replace(&mut *buffer.lock(), empty);
            if batch.is_empty() {
                self.recycle(batch);
            } else {
                self.counts.add_recorded(batch.spans.len());
                take(batch);
            }
        }
    }

    /// Ends the way: what is left in the threads, and what they still add, is counted as dropped.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever had not seen the end under this lock has added or sent all by the time it is free.
        threads.iter().for_each(|buffer| self.drop_late(&mut buffer.lock()));
    }

    fn drop_late(&self, batch: &mut Batch) {
        self.counts.add_recorded(batch.spans.len());
        self.counts.add_dropped(DropReason::Shutdown, batch.spans.len());
        batch.clear();
    }

    pub(super) fn counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Keeps a batch for use again.
    pub(super) fn recycle(&self, mut batch: Batch) {
        batch.clear();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOLED_BATCHES {
            pool.push(batch);
        }
    }

    fn empty(&self) -> Batch {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}
