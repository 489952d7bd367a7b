//! Conversations in this process.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use moka::future::Cache as Moka;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::store::{Keep, MemoryStore};
use crate::cache::CacheKey;
use crate::clock::{self, Instant};
use crate::error::Result;

/// Keeps the conversations in this process in which somebody spoke last.
pub(super) struct Local<M> {
    conversations: Moka<CacheKey, Kept<M>>,
    evictions: Arc<AtomicU64>,
}

/// A conversation, which is replaced as a whole, so that a reader has it as it was at one moment.
struct Kept<M> {
    messages: Arc<Vec<M>>,
    until: Option<Instant>,
}

impl<M> Clone for Kept<M> {
    fn clone(&self) -> Self {
        Self { messages: Arc::clone(&self.messages), until: self.until }
    }
}

impl<M> Kept<M> {
    fn is_of_use(&self) -> bool {
        self.until.is_none_or(|until| clock::now() < until)
    }
}

impl<M: Clone + Send + Sync + 'static> Local<M> {
    pub(super) fn new(max_conversations: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&evictions);
        let count = move |_, _, cause| {
            if cause == RemovalCause::Size {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let builder = Moka::builder().max_capacity(max_conversations).eviction_listener(count);
        Self { conversations: builder.eviction_policy(EvictionPolicy::lru()).build(), evictions }
    }
}

/// The conversation with new messages at its end, and how many were thrown out at its beginning.
fn appended<M: Clone>(known: &[M], new: Vec<M>, max_messages: usize) -> (Vec<M>, usize) {
    let total = known.len() + new.len();
    let evicted = total.saturating_sub(max_messages.max(1));
    let messages = known.iter().cloned().chain(new).skip(evicted).collect();
    (messages, evicted)
}

impl<M: Clone + Send + Sync + 'static> MemoryStore<M> for Local<M> {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn read<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Vec<M>>> {
        Box::pin(async move {
            let kept = self.conversations.get(key).await.filter(Kept::is_of_use);
            Ok(kept.map(|kept| kept.messages.to_vec()).unwrap_or_default())
        })
    }

    fn append<'a>(&'a self, key: &'a CacheKey, messages: Vec<M>, keep: Keep) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            // The time to live is by the runtime's clock, which a test can pause; the library under it has its own.
            let until = keep.ttl.and_then(|ttl| clock::now().checked_add(ttl));
            let mut evicted = 0;
            let upsert = |known: Option<moka::Entry<CacheKey, Kept<M>>>| {
                let known = known.map(moka::Entry::into_value).filter(Kept::is_of_use);
                let known = known.as_ref().map_or(&[][..], |kept| &kept.messages);
                let (messages, out) = appended(known, messages, keep.max_messages);
                evicted = out;
                ready(Kept { messages: Arc::new(messages), until })
            };
            self.conversations.entry_by_ref(key).and_upsert_with(upsert).await;
            // Without it the bound may be exceeded for a while.
            self.conversations.run_pending_tasks().await;
            Ok(evicted as u64)
        })
    }

    fn forget<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.conversations.invalidate(key).await;
            Ok(())
        })
    }

    fn conversations(&self) -> u64 {
        self.conversations.entry_count()
    }

    fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        #[track_caller]
        fn check(known: &[u8], new: &[u8], max: usize, expect: (&[u8], usize)) {
            let (messages, evicted) = appended(known, new.to_vec(), max);
            assert_eq!((&messages[..], evicted), expect);
        }
        check(&[], &[1, 2], 4, (&[1, 2], 0));
        check(&[1, 2], &[3, 4], 4, (&[1, 2, 3, 4], 0));
        check(&[1, 2, 3, 4], &[5, 6], 4, (&[3, 4, 5, 6], 2));
        check(&[1], &[2, 3, 4], 2, (&[3, 4], 2));
        check(&[1], &[2, 3], 0, (&[3], 2));
    }
}
