//! How a cache has done.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::context::MicroUsd;
use crate::observe::CacheOutcome;

/// How a cache has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// How often a fresh value was found.
    pub hits: u64,
    /// How often a stale value was given out while a new one was made.
    pub stale_hits: u64,
    /// How often a failure was remembered.
    pub negative_hits: u64,
    /// How often a value came from a call that another caller had begun.
    pub shared: u64,
    /// How often nothing was found and the call was made.
    pub misses: u64,
    /// How many entries were thrown out for want of room.
    pub evictions: u64,
    /// How often the store failed.
    pub store_failures: u64,
    /// How many entries there are, about.
    pub entries: u64,
    /// What the calls that were not made would have spent.
    pub saved: MicroUsd,
}

impl CacheStats {
    /// The part of look-ups that were answered without a call of their own, in `0.0..=1.0`; zero before the first.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        let hits = self.hits + self.stale_hits + self.negative_hits + self.shared;
        match hits + self.misses {
            0 => 0.0,
            total => hits as f64 / total as f64,
        }
    }
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    stale_hits: AtomicU64,
    negative_hits: AtomicU64,
    shared: AtomicU64,
    misses: AtomicU64,
    store_failures: AtomicU64,
    saved: AtomicI64,
}

impl Counters {
    pub(super) fn count(&self, outcome: CacheOutcome, saved: MicroUsd) {
        let counter = match outcome {
            CacheOutcome::Hit => &self.hits,
            CacheOutcome::Stale => &self.stale_hits,
            CacheOutcome::NegativeHit => &self.negative_hits,
            CacheOutcome::Shared => &self.shared,
            CacheOutcome::Miss => &self.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.saved.fetch_add(saved.0, Ordering::Relaxed);
    }

    pub(super) fn store_failed(&self) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, entries: u64, evictions: u64) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: read(&self.hits),
            stale_hits: read(&self.stale_hits),
            negative_hits: read(&self.negative_hits),
            shared: read(&self.shared),
            misses: read(&self.misses),
            evictions,
            store_failures: read(&self.store_failures),
            entries,
            saved: MicroUsd(self.saved.load(Ordering::Relaxed)),
        }
    }
}
