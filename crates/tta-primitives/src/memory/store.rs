//! What a memory keeps its messages in.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::cache::CacheKey;
use crate::error::Result;

/// Keeps the messages of conversations.
///
/// A store elsewhere implements this trait for messages that it can turn into bytes, as in
/// `impl<M: Serialize + DeserializeOwned> MemoryStore<M> for Remote`. A store may lose whole conversations at any
/// time, and old messages of one, but it never gives out a part of an [append](Self::append) that came in as a
/// whole, unless the bound cut it. When it fails, the flow goes on without what was said: the run does not fail.
pub trait MemoryStore<M>: Send + Sync + 'static {
    /// The word for this kind of store in span names and labels, as in `memory`.
    fn backend(&self) -> &'static str;

    /// The messages of a conversation, the oldest first; none if it does not know the conversation.
    fn read<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Vec<M>>>;

    /// Adds messages at the end of a conversation, all of them or none, and throws out the oldest beyond the bound.
    /// Gives how many it threw out.
    fn append<'a>(&'a self, key: &'a CacheKey, messages: Vec<M>, keep: Keep) -> BoxFuture<'a, Result<u64>>;

    /// Forgets a conversation.
    fn forget<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>>;

    /// How many conversations it holds, about; zero if it does not know.
    fn conversations(&self) -> u64 {
        0
    }

    /// How many conversations it has thrown out for want of room.
    fn evictions(&self) -> u64 {
        0
    }
}

/// How much of a conversation is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many messages at most, the latest; at least one.
    pub max_messages: usize,
    /// How long after the last write; without a time until it is thrown out.
    pub ttl: Option<Duration>,
}
