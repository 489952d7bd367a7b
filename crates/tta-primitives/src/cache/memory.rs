//! Entries in this process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use moka::future::Cache as Moka;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::store::{CacheKey, CacheStore, Entry};
use crate::clock::{self, Instant};
use crate::error::Result;

/// Keeps entries in this process, bounded in number or weight.
///
/// When it is full it throws out, and may not even let in, what is used least often ([`tiny_lfu`](Self::new)),
/// or throws out what was not used for the longest time ([`lru`](Self::lru)).
pub struct Memory<V> {
    entries: Moka<CacheKey, Kept<V>>,
    evictions: Arc<AtomicU64>,
    policy: &'static str,
}

#[derive(Clone, Debug)]
struct Kept<V> {
    entry: Entry<V>,
    since: Instant,
    until: Option<Instant>,
}

type Weigh<V> = Box<dyn Fn(&CacheKey, &Entry<V>) -> u32 + Send + Sync>;

impl<V: Clone + Send + Sync + 'static> Memory<V> {
    /// Keeps at most so many entries, those that are used most often.
    #[must_use]
    pub fn new(max_entries: u64) -> Self {
        Self::build(max_entries, EvictionPolicy::tiny_lfu(), "lfu", None)
    }

    /// Keeps at most so many entries, those that were used last.
    #[must_use]
    pub fn lru(max_entries: u64) -> Self {
        Self::build(max_entries, EvictionPolicy::lru(), "lru", None)
    }

    /// Keeps entries that together weigh at most so much, those that are used most often. The weight is in any
    /// unit, bytes for example; an entry that weighs more than the bound is not kept.
    #[must_use]
    pub fn weighed(
        max_weight: u64,
        weigh: impl Fn(&CacheKey, &Entry<V>) -> u32 + Send + Sync + 'static,
    ) -> Self {
        Self::build(max_weight, EvictionPolicy::tiny_lfu(), "lfu", Some(Box::new(weigh)))
    }

    fn build(bound: u64, eviction: EvictionPolicy, policy: &'static str, weigh: Option<Weigh<V>>) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&evictions);
        let count = move |_, _, cause| {
            if cause == RemovalCause::Size {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let builder = Moka::builder().max_capacity(bound).eviction_policy(eviction).eviction_listener(count);
        let entries = match weigh {
            None => builder.build(),
            Some(weigh) => {
                let weigh = move |key: &CacheKey, kept: &Kept<V>| weigh(key, &kept.entry);
                builder.weigher(weigh).build()
            }
        };
        Self { entries, evictions, policy }
    }

    async fn find(&self, key: &CacheKey) -> Option<Entry<V>> {
        let kept = self.entries.get(key).await?;
        let now = clock::now();
        // It stays until it is replaced or thrown out: by now somebody may have replaced it.
        if kept.until.is_some_and(|until| now >= until) {
            return None;
        }
        Some(Entry { age: now.saturating_duration_since(kept.since), ..kept.entry })
    }
}

impl<V: Clone + Send + Sync + 'static> CacheStore<V> for Memory<V> {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn policy(&self) -> &'static str {
        self.policy
    }

    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<V>>>> {
        Box::pin(async move { Ok(self.find(key).await) })
    }

    fn insert<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: Entry<V>,
        keep_for: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>> {
        // The time to live is by the runtime's clock, which a test can pause; the library under it has its own.
        let since = clock::now();
        let kept = Kept { entry, since, until: keep_for.and_then(|time| since.checked_add(time)) };
        Box::pin(async move {
            self.entries.insert(key.clone(), kept).await;
            // Without it the bound may be exceeded for a while. What is kept was dear to make.
            self.entries.run_pending_tasks().await;
            Ok(())
        })
    }

    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.entries.invalidate(key).await;
            Ok(())
        })
    }

    fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

impl<V> fmt::Debug for Memory<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({})", self.policy)
    }
}
