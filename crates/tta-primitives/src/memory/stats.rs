//! How a memory has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a memory has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// How often a conversation was read.
    pub reads: u64,
    /// How often messages were added to one.
    pub writes: u64,
    /// How many messages were thrown out because a conversation was longer than allowed.
    pub evicted_messages: u64,
    /// How many conversations were thrown out because there were more than allowed.
    pub evicted_conversations: u64,
    /// How often the store failed.
    pub store_failures: u64,
    /// How many conversations there are, about.
    pub conversations: u64,
}

/// The counters behind [`MemoryStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) reads: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) evicted_messages: AtomicU64,
    pub(super) store_failures: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, conversations: u64, evicted_conversations: u64) -> MemoryStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MemoryStats {
            reads: read(&self.reads),
            writes: read(&self.writes),
            evicted_messages: read(&self.evicted_messages),
            evicted_conversations,
            store_failures: read(&self.store_failures),
            conversations,
        }
    }
}
