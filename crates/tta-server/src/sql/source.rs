//! What the tables and functions of one statement read from.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tta_model::{SpanId, TraceId};

use super::guard::Guard;
use crate::read::{self, ReadError, Reader, StoredSpan, StoredTrace};

/// How many spans of traces are remembered: a join asks for the same traces again and again.
const KNOWN_SPANS: usize = 20_000;
/// Of how many spans a trace is read as a whole only once for the sake of single spans.
const LARGE: usize = 100;

pub(super) struct Source {
    pub(super) reader: Reader,
    pub(super) guard: Arc<Guard>,
    traces: Mutex<Traces>,
    /// When the statement began, in nanoseconds since 1970.
    now: AtomicI64,
}

/// The traces that are remembered, in two generations: one that is asked for becomes young, and when there are too many young ones they
/// become old, and the old ones are forgotten.
#[derive(Default)]
struct Traces {
    young: HashMap<TraceId, Arc<WholeTrace>>,
    old: HashMap<TraceId, Arc<WholeTrace>>,
    /// Of the young ones.
    spans: usize,
    /// Which large ones were forgotten, so that they are not read again for each of their spans.
    large: HashSet<TraceId>,
}

impl Traces {
    fn get(&mut self, id: TraceId) -> Option<Arc<WholeTrace>> {
        if let Some(trace) = self.young.get(&id) {
            return Some(Arc::clone(trace));
        }
        let trace = self.old.remove(&id)?;
        self.insert(id, &trace);
        Some(trace)
    }

    fn insert(&mut self, id: TraceId, trace: &Arc<WholeTrace>) {
        let spans = trace.stored.spans.len() + 1;
        if self.spans + spans > KNOWN_SPANS / 2 {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let large = forgotten.into_iter().filter(|(_, trace)| trace.stored.spans.len() >= LARGE);
            self.large.extend(large.map(|(id, _)| id));
            self.spans = 0;
        }
        self.spans += spans;
        self.young.insert(id, Arc::clone(trace));
    }
}

/// A trace whose spans can be found by their ids.
pub(super) struct WholeTrace {
    pub(super) stored: StoredTrace,
    places: HashMap<u64, usize>,
}

impl WholeTrace {
    fn span(&self, id: SpanId) -> Option<&StoredSpan> {
        self.stored.spans.get(*self.places.get(&id.get())?)
    }
}

impl Source {
    pub(super) fn new(reader: Reader, guard: Arc<Guard>) -> Self {
        Self { reader, guard, traces: Mutex::default(), now: AtomicI64::new(0) }
    }

    /// Forgets what an earlier statement read, since the store may have more of it by now.
    pub(super) fn begin(&self) {
        *self.known() = Traces::default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now.store(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX), Relaxed);
    }

    /// When the statement began, in nanoseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// All of a trace; without spans if nothing of it is stored.
    pub(super) fn trace(&self, id: TraceId) -> Result<Arc<WholeTrace>, ReadError> {
        if let Some(trace) = self.known().get(id) {
            return Ok(trace);
        }
        let stored = read::trace(&self.reader, id)?;
        let ids = stored.spans.iter().map(|stored| span_number(&stored.span.span_id));
        let places = ids.enumerate().map(|(at, id)| (id, at)).collect();
        let trace = Arc::new(WholeTrace { stored, places });
        self.known().insert(id, &trace);
        Ok(trace)
    }

    /// A span; none if it is not stored. The others of its trace are remembered too, since they are likely to be asked for.
    pub(super) fn span(&self, id: TraceId, span: SpanId) -> Result<Option<StoredSpan>, ReadError> {
        let (known, is_large) = {
            let mut known = self.known();
            (known.get(id), known.large.contains(&id))
        };
        match known {
            Some(trace) => Ok(trace.span(span).cloned()),
            None if is_large => read::span(&self.reader, id, span),
            None => Ok(self.trace(id)?.span(span).cloned()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number that the id of a span is; zero if it is none.
pub(super) fn span_number(id: &[u8]) -> u64 {
    id.try_into().map_or(0, u64::from_be_bytes)
}
