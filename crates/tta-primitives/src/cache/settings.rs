//! A cache: how it makes keys, how long it remembers, and what it shares.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tta_model::Text;
use tta_model::name::{attribute, span};

use super::flight::Flights;
use super::memory::Memory;
use super::stats::{CacheStats, Counters};
use super::store::{CacheKey, CacheStore};
use crate::context::WorkflowContext;
use crate::error::Error;
use crate::observe::{Event, NodeInfo};

/// How many entries a cache holds unless told otherwise.
const MAX_ENTRIES: u64 = 10_000;

/// A cache of the outputs of a flow, by a key made of the input.
///
/// Cloning it shares its entries, so that several flows of the same types can use one cache. Set it up before
/// cloning: what is set on a clone holds for that clone.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::{Cache, WorkflowContext, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let answers = Cache::new("answers", |question: &String| question.to_lowercase())
///     .ttl(Duration::from_secs(600))
///     .max_entries(1_000);
/// let answer = step("answer", |question: String| async move { Ok(question.len()) });
/// let flow = answer.cached(&answers);
/// let cx = WorkflowContext::new();
/// flow.run("Why?".to_owned(), &cx).await?;
/// flow.run("WHY?".to_owned(), &cx).await?;
/// assert_eq!((answers.stats().misses, answers.stats().hits), (1, 1));
/// # Ok(()) }
/// ```
///
/// # Concurrency
/// Of all who miss the same key at the same time one calls the flow, and the others wait for its output. If its
/// call fails they get an error of the same kind and message, unless the failure was the caller's own (it was
/// cancelled, ran out of time or of budget): then one of those who wait takes over. A flow that asks the same
/// cache for the key that it is itself computing calls on, since it would wait for itself.
///
/// # Cost
/// What a hit saves is what the run's ledger grew by during the call that made the entry; branches of the
/// same run that spend at the same time are counted in.
pub struct Cache<I, O> {
    pub(super) name: Text,
    pub(super) key: Arc<dyn Fn(&I) -> CacheKey + Send + Sync>,
    pub(super) ttl: Option<Duration>,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) stale: Option<Stale<I>>,
    pub(super) shared: Arc<Shared<O>>,
}

/// How long a stale value may be used, and how its input is copied to make a new one.
pub(super) struct Stale<I> {
    pub(super) window: Duration,
    pub(super) copy: fn(&I) -> I,
}

/// What the clones of a cache share.
pub(super) struct Shared<O> {
    pub(super) core: Arc<Core<O>>,
    /// The calls that renew stale entries. They end with the cache.
    pub(super) renewals: std::sync::Mutex<JoinSet<()>>,
}

/// What a renewal needs of a cache, so that it does not keep the cache alive.
pub(super) struct Core<O> {
    pub(super) name: Text,
    pub(super) store: Arc<dyn CacheStore<O>>,
    pub(super) flights: Arc<Flights<O>>,
    pub(super) counters: Counters,
    pub(super) lookup: Arc<NodeInfo>,
    pub(super) insert: Arc<NodeInfo>,
}

impl<I: 'static, O: Clone + Send + Sync + 'static> Cache<I, O> {
    /// Makes a cache in memory, of at most 10,000 entries that do not expire. The name is a label, so it should
    /// be one of few; the key never is.
    #[must_use]
    pub fn new<K: ToString>(name: impl Into<Text>, key: impl Fn(&I) -> K + Send + Sync + 'static) -> Self {
        let name = name.into();
        let shared = Shared::of(&name, Arc::new(Memory::new(MAX_ENTRIES)));
        let key = Arc::new(move |input: &I| CacheKey::new(key(input).to_string()));
        Self { name, key, ttl: None, negative_ttl: None, stale: None, shared }
    }

    /// How long an entry is fresh.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Remembers failures too, for so long. Those that are the caller's own are not remembered: cancellation, and
    /// a lack of time or budget.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// Gives out an entry for so long after its time while a new one is made beside it.
    ///
    /// The new one is made in a task, which belongs to the cache and is aborted when the last clone of the cache
    /// is dropped; [`WorkflowContext::settled`](crate::WorkflowContext::settled) waits for it. Its spans lie
    /// below the look-up that caused it, and end after it.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self
    where
        I: Clone,
    {
        self.stale = Some(Stale { window, copy: I::clone });
        self
    }

    /// Keeps at most so many entries in memory, those that are used most often.
    #[must_use]
    pub fn max_entries(self, max_entries: u64) -> Self {
        self.store(Memory::new(max_entries))
    }

    /// Keeps its entries in a store.
    #[must_use]
    pub fn store(mut self, store: impl CacheStore<O>) -> Self {
        self.shared = Shared::of(&self.name, Arc::new(store));
        self
    }

    /// How it has done.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let core = &self.shared.core;
        core.counters.read(core.store.entries(), core.store.evictions())
    }

    /// Forgets the entry of an input. If the store fails, that is counted, and told to the observer of the run that
    /// the context is inside of.
    pub async fn forget(&self, input: &I, cx: &WorkflowContext) {
        let (core, key) = (&self.shared.core, (self.key)(input));
        if let Err(error) = core.store.remove(&key).await {
            core.store_failed("remove", &error, cx);
        }
    }
}

impl<O: 'static> Core<O> {
    /// Counts that the store failed, and tells of it.
    pub(super) fn store_failed(&self, operation: &'static str, error: &Error, cx: &WorkflowContext) {
        self.counters.store_failed();
        let (store, backend) = (&self.name, self.store.backend());
        cx.emit(&Event::StoreFailed { store, backend, operation, error });
    }
}

impl<O: Clone + Send + Sync + 'static> Shared<O> {
    fn of(name: &Text, store: Arc<dyn CacheStore<O>>) -> Arc<Self> {
        let (backend, policy) = (store.backend(), store.policy());
        let info = |action: &str| {
            let attributes = vec![
                (attribute::CACHE_NAME.key(), name.clone().into()),
                (attribute::CACHE_TYPE.key(), backend.into()),
                (attribute::CACHE_EVICTION_POLICY.key(), policy.into()),
            ];
            let span_name = span::cache(backend, action);
            let (name, kind) = (name.clone(), Text::Static("cache"));
            Arc::new(NodeInfo { span_name, name, kind, attributes, ..NodeInfo::default() })
        };
        let core = Core {
            name: name.clone(),
            lookup: info("lookup"),
            insert: info("store"),
            store,
            flights: Arc::new(Flights::new()),
            counters: Counters::default(),
        };
        Arc::new(Self { core: Arc::new(core), renewals: std::sync::Mutex::default() })
    }
}

impl<I> Clone for Stale<I> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<I, O> Clone for Cache<I, O> {
    fn clone(&self) -> Self {
        let Self { name, key, ttl, negative_ttl, stale, shared } = self;
        Self {
            name: name.clone(),
            key: Arc::clone(key),
            ttl: *ttl,
            negative_ttl: *negative_ttl,
            stale: stale.clone(),
            shared: Arc::clone(shared),
        }
    }
}

impl<I, O> fmt::Debug for Cache<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .field("ttl", &self.ttl)
            .field("negative_ttl", &self.negative_ttl)
            .finish_non_exhaustive()
    }
}
