//! What threads meet at in the buffers, and how large the buffers are.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, mpsc};

/// How many spans a thread collects before it hands them over.
pub(super) const BATCH_SPANS: usize = 128;
/// How many full batches may wait: with them, 131,072 spans.
pub(super) const QUEUED_BATCHES: usize = 1_024;
