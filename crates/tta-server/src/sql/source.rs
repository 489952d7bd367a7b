//! What the tables and functions of one statement read from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tta_model::{SpanId, TraceId};

use crate::read::{self, ReadError, Reader, StoredSpan, StoredTrace};

/// How many spans of traces are remembered: a join asks for the same traces again and again.
const KNOWN_SPANS: usize = 20_000;

pub(super) struct Source {
    pub(super) reader: Reader,
    traces: Mutex<Traces>,
    /// When the statement began, in nanoseconds since 1970.
    now: AtomicI64,
}

#[derive(Default)]
struct Traces {
    by_id: HashMap<TraceId, Arc<WholeTrace>>,
    spans: usize,
}

/// A trace whose spans can be found by their ids.
pub(super) struct WholeTrace {
    pub(super) stored: StoredTrace,
    places: HashMap<u64, usize>,
}

impl WholeTrace {
    pub(super) fn span(&self, id: SpanId) -> Option<&StoredSpan> {
        self.stored.spans.get(*self.places.get(&id.get())?)
    }
}

impl Source {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, traces: Mutex::default(), now: AtomicI64::new(0) }
    }

    /// Forgets what an earlier statement read, since the store may have more of it by now.
    pub(super) fn begin(&self) {
        *self.traces.lock().unwrap_or_else(PoisonError::into_inner) = Traces::default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now.store(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX), Relaxed);
    }

    /// When the statement began, in nanoseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// All of a trace; without spans if nothing of it is stored.
    pub(super) fn trace(&self, id: TraceId) -> Result<Arc<WholeTrace>, ReadError> {
        let known = || self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trace) = known().by_id.get(&id) {
            return Ok(Arc::clone(trace));
        }
        let stored = read::trace(&self.reader, id)?;
        let ids = stored.spans.iter().map(|stored| span_number(&stored.span.span_id));
        let places = ids.enumerate().map(|(at, id)| (id, at)).collect();
        let trace = Arc::new(WholeTrace { stored, places });
        let mut known = known();
        let spans = trace.stored.spans.len() + 1;
        if known.spans + spans > KNOWN_SPANS {
            *known = Traces::default();
        }
        known.spans += spans;
        known.by_id.insert(id, Arc::clone(&trace));
        Ok(trace)
    }
}

/// The number that the id of a span is; zero if it is none.
pub(super) fn span_number(id: &[u8]) -> u64 {
    id.try_into().map_or(0, u64::from_be_bytes)
}
