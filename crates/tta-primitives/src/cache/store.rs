//! What a cache keeps its entries in.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tta_model::Text;

use crate::context::MicroUsd;
use crate::error::{Error, ErrorKind, Result};

/// Keeps the entries of a cache.
///
/// [`Memory`](super::Memory) keeps them in this process. A store elsewhere implements this trait for values
/// that it can turn into bytes, as in `impl<V: Serialize + DeserializeOwned> CacheStore<V> for Remote`.
/// A store may lose entries at any time. It measures their age by itself, since a moment of this process
/// means nothing in another. When it fails, the cache goes on without it: the run does not fail.
pub trait CacheStore<V>: Send + Sync + 'static {
    /// The word for this kind of store in span names and labels, as in `memory`.
    fn backend(&self) -> &'static str;

    /// The word for what it throws out first, as in `lru`.
    fn policy(&self) -> &'static str;

    /// The entry of a key.
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<V>>>>;

    /// Keeps an entry, for so long at least if it has the room; without a time until it is thrown out.
    fn insert<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: Entry<V>,
        keep_for: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Forgets the entry of a key.
    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>>;

    /// How many entries it holds, about; zero if it does not know.
    fn entries(&self) -> u64 {
        0
    }

    /// How many entries it has thrown out for want of room.
    fn evictions(&self) -> u64 {
        0
    }
}

/// What an entry is found by.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheKey {
    text: Arc<str>,
    hash: u64,
}

impl CacheKey {
    /// Makes a key of a text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { hash: hasher.finish(), text }
    }

    /// The key itself, which may say more than should be seen.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// A hash of it, for spans.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({:016x})", self.hash)
    }
}

/// What is remembered under a key.
#[derive(Clone, Debug)]
pub struct Entry<V> {
    /// What the call came to.
    pub outcome: Remembered<V>,
    /// How long ago it was put in.
    pub age: Duration,
    /// What the call spent.
    pub cost: MicroUsd,
}

/// What a remembered call came to.
#[derive(Clone, Debug)]
pub enum Remembered<V> {
    /// It succeeded.
    Value(V),
    /// It failed.
    Failure(RememberedFailure),
}

/// What is remembered of a failure, from which an error is made again.
#[derive(Clone, Debug)]
pub struct RememberedFailure {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// The message of the error.
    pub message: Text,
    /// Whether another attempt made sense.
    pub retryable: bool,
}

impl RememberedFailure {
    pub(super) fn of(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.message().into(), retryable: error.is_retryable() }
    }

    pub(super) fn to_error(&self) -> Error {
        Error::new(self.kind, self.message.clone()).retryable(self.retryable)
    }
}
