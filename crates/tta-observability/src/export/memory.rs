//! Keeps spans in memory, for tests and for looking at a run from inside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tta_model::SpanRecord;

use super::{FlushError, SpanExporter};

/// How many spans are kept by default.
pub const DEFAULT_CAPACITY: usize = 100_000;

/// Keeps the first spans, up to a number, and counts what it left out.
///
/// A clone is another handle to the same spans: one goes to the recorder, one stays to look.
#[derive(Clone, Debug)]
pub struct MemoryExporter {
    kept: Arc<Mutex<Kept>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<SpanRecord>,
    left_out: u64,
}

impl Default for MemoryExporter {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl MemoryExporter {
    /// Keeps up to [`DEFAULT_CAPACITY`] spans.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps up to a number of spans.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { kept: Arc::default(), capacity }
    }

    /// The spans, in the order in which they were exported.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.lock().spans.clone()
    }

    /// Takes the spans out, which makes room for others.
    #[must_use]
    pub fn take(&self) -> Vec<SpanRecord> {
        std::mem::take(&mut self.lock().spans)
    }

    /// How many spans were left out because there was no room.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.lock().left_out
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanExporter for MemoryExporter {
    fn export(&mut self, spans: &[SpanRecord]) {
        let mut kept = self.lock();
        let room = self.capacity.saturating_sub(kept.spans.len()).min(spans.len());
        kept.spans.extend(spans[..room].iter().cloned());
        kept.left_out += (spans.len() - room) as u64;
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}
