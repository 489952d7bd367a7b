//! What the writer and the readers have in common.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::watch;

use super::queue::Queue;
use super::segment::{self, Place, Segment};
use super::{OpenError, Options};

/// How many connections wait for their next reader: a question may visit every file, and opening one costs more than asking it.
const IDLE_CONNECTIONS: usize = 64;
/// How many of them keep the pages that they read, up to a MiB each; the others know only the schema.
const WARM_CONNECTIONS: usize = 12;
/// How many reports of damage are kept.
const REPORTS: usize = 100;

/// Something on disk that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the file in the directory of the store.
    pub file: String,
    /// What is wrong, as far as it can be told.
    pub what: String,
}

/// How much a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Spans, those included that came again in another batch.
    pub spans: u64,
    /// Log records.
    pub logs: u64,
    /// Metrics, each counted once a request.
    pub metrics: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files.
    pub files: usize,
    /// The earliest start of a span, in nanoseconds since 1970.
    pub oldest_unix_nanos: Option<i64>,
    /// The latest start of a span, in nanoseconds since 1970.
    pub newest_unix_nanos: Option<i64>,
    /// Spans that were given up since the store was opened, because they were too old or too many.
    pub dropped_spans: u64,
    /// Parents, since the store was opened, that their children waited for in vain: they are not in the map of calls.
    pub unresolved_calls: u64,
    /// Batches that wait to be written.
    pub waiting_batches: usize,
    /// Bytes that wait to be written.
    pub waiting_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) options: Options,
    pub(super) queue: Queue,
    /// Oldest first.
    segments: RwLock<Vec<Arc<Segment>>>,
    idle: Mutex<Vec<(Place, Connection)>>,
    damage: Mutex<Vec<Damage>>,
    dropped_spans: AtomicU64,
    pub(super) unresolved_calls: AtomicU64,
    /// How many commits there were.
    pub(super) commits: watch::Sender<u64>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Queue").field(&self.waiting()).finish()
    }
}

impl Shared {
    pub(super) fn new(options: Options, queue: Queue) -> Self {
        Self {
            options,
            queue,
            segments: RwLock::default(),
            idle: Mutex::default(),
            damage: Mutex::default(),
            dropped_spans: AtomicU64::new(0),
            unresolved_calls: AtomicU64::new(0),
            commits: watch::Sender::new(0),
        }
    }

    /// All files, oldest first.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn newest(&self) -> Option<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    pub(super) fn add(&self, segment: Arc<Segment>) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Deletes a file and forgets it. One that cannot be deleted is tried again later.
    pub(super) fn drop_segment(&self, segment: &Segment) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(place, _)| *place != segment.place);
        if segment.remove().is_err() {
            return;
        }
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        segments.retain(|kept| kept.place != segment.place);
        self.dropped_spans.fetch_add(segment.spans.load(Relaxed), Relaxed);
    }

    /// A connection to read a file with: one that waits, or a new one.
    pub(crate) fn connection(&self, segment: &Segment) -> Result<Connection, OpenError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().rposition(|(place, _)| *place == segment.place) {
            return Ok(idle.remove(at).1);
        }
        drop(idle);
        Ok(segment::open_to_read(&segment.path)?)
    }

    /// Takes a connection back.
    pub(crate) fn give_back(&self, segment: &Segment, connection: Connection) {
        // A file that was deleted takes room for as long as somebody has it open.
        if !segment.path.exists() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((segment.place, connection));
        let cold = idle.len().checked_sub(WARM_CONNECTIONS + 1);
        if let Some((_, connection)) = cold.and_then(|at| idle.get(at)) {
            // If the pages stay, nothing is lost but memory.
            let _ = connection.execute_batch("PRAGMA shrink_memory");
        }
        if idle.len() > IDLE_CONNECTIONS {
            idle.remove(0);
        }
    }

    /// Remembers damage for whoever asks.
    pub(crate) fn report(&self, segment: &Segment, what: &str) {
        let found = Damage { file: segment.name(), what: what.to_owned() };
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if damage.len() < REPORTS && !damage.contains(&found) {
            damage.push(found);
        }
    }

    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    pub(crate) fn stats(&self) -> Stats {
        let (waiting_batches, waiting_bytes) = self.queue.waiting();
        let dropped_spans = self.dropped_spans.load(Relaxed);
        let unresolved_calls = self.unresolved_calls.load(Relaxed);
        let mut stats =
            Stats { waiting_batches, waiting_bytes, dropped_spans, unresolved_calls, ..Stats::default() };
        for segment in self.segments() {
            stats.files += 1;
            stats.bytes += segment.bytes();
            stats.spans += segment.spans.load(Relaxed);
            stats.logs += segment.logs.load(Relaxed);
            stats.metrics += segment.metrics.load(Relaxed);
            let (first, last) = (segment.first.load(Relaxed), segment.last.load(Relaxed));
            if first <= last {
                stats.oldest_unix_nanos =
                    Some(stats.oldest_unix_nanos.map_or(first, |oldest| oldest.min(first)));
                stats.newest_unix_nanos =
                    Some(stats.newest_unix_nanos.map_or(last, |newest| newest.max(last)));
            }
        }
        stats
    }
}
