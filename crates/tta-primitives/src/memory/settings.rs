//! A memory: how much it keeps, for how long, and where.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tta_model::name::{attribute, span};
use tta_model::{Attributes, Text};

use super::local::Local;
use super::stats::{Counters, MemoryStats};
use super::store::{Keep, MemoryStore};
use super::turns::Turns;
use crate::cache::CacheKey;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::noted_leaf;
use crate::observe::{Event, NodeInfo};

/// How many messages of a conversation are kept unless told otherwise.
const MAX_MESSAGES: usize = 100;
/// How many conversations are kept in this process unless told otherwise.
const MAX_CONVERSATIONS: u64 = 10_000;

/// What was said in conversations, each under a key.
///
/// Cloning it shares its conversations and their turns. Set it up before cloning: what is set on a clone holds for
/// that clone.
///
/// ```
/// use tta_primitives::{ConversationMemory, WorkflowContext, step};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let memory = ConversationMemory::new("chat").max_messages(40);
/// let answer = step("answer", |said: Vec<String>| async move { Ok(format!("heard {} messages", said.len())) });
/// let chat = answer.with_memory(&memory);
/// let cx = WorkflowContext::builder().session_id("s-1").build();
/// assert_eq!(chat.run("Hello".to_owned(), &cx).await?, "heard 1 messages");
/// assert_eq!(chat.run("And now?".to_owned(), &cx).await?, "heard 3 messages");
/// # Ok(()) }
/// ```
pub struct ConversationMemory<M> {
    pub(super) name: Text,
    keep: Keep,
    pub(super) shared: Arc<Shared<M>>,
}

/// What the clones of a memory share.
pub(super) struct Shared<M> {
    pub(super) store: Arc<dyn MemoryStore<M>>,
    pub(super) turns: Arc<Turns>,
    counters: Counters,
    read: Arc<NodeInfo>,
    write: Arc<NodeInfo>,
    forget: Arc<NodeInfo>,
}

impl<M: Clone + Send + Sync + 'static> ConversationMemory<M> {
    /// Makes a memory in this process: the last 100 messages of each of the 10,000 conversations in which somebody
    /// spoke last. The name is a label, so it should be one of few; the key of a conversation never is.
    #[must_use]
    pub fn new(name: impl Into<Text>) -> Self {
        let name = name.into();
        let shared = Shared::of(&name, Arc::new(Local::new(MAX_CONVERSATIONS)));
        Self { name, keep: Keep { max_messages: MAX_MESSAGES, ttl: None }, shared }
    }

    /// How long a conversation is kept after the last write.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.keep.ttl = Some(ttl);
        self
    }

    /// Keeps at most so many messages of a conversation, the latest; zero counts as one. A turn has two, so an even
    /// number keeps whole turns.
    #[must_use]
    pub fn max_messages(mut self, max_messages: usize) -> Self {
        self.keep.max_messages = max_messages.max(1);
        self
    }

    /// Keeps at most so many conversations in this process, those in which somebody spoke last.
    #[must_use]
    pub fn max_conversations(self, max_conversations: u64) -> Self {
        self.store(Local::new(max_conversations))
    }

    /// Keeps its messages in a store.
    #[must_use]
    pub fn store(mut self, store: impl MemoryStore<M>) -> Self {
        self.shared = Shared::of(&self.name, Arc::new(store));
        self
    }

    /// How it has done.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        let Shared { store, counters, .. } = &*self.shared;
        counters.read(store.conversations(), store.evictions())
    }

    /// What was said in a conversation, the oldest first; nothing if the store fails, which is counted and told.
    pub async fn recall(&self, key: &str, cx: &WorkflowContext) -> Vec<M> {
        self.read(&CacheKey::new(key), cx).await
    }

    /// Adds messages to a conversation, all of them or none. If the store fails they are lost, which is counted
    /// and told. What a turn that is under way adds comes after them.
    pub async fn remember(&self, key: &str, messages: Vec<M>, cx: &WorkflowContext) {
        self.write(&CacheKey::new(key), messages, cx).await;
    }

    /// Forgets a conversation.
    ///
    /// # Errors
    /// That of the store, since whoever asks for something to be forgotten must know if it was not.
    pub async fn forget(&self, key: &str, cx: &WorkflowContext) -> Result<()> {
        let (shared, key) = (&self.shared, CacheKey::new(key));
        let forgotten = noted_leaf(cx, &shared.forget, shared.store.forget(&key), |_| hash_of(&key)).await;
        forgotten.inspect_err(|error| self.store_failed("forget", error, cx))
    }

    pub(super) async fn read(&self, key: &CacheKey, cx: &WorkflowContext) -> Vec<M> {
        let shared = &self.shared;
        shared.counters.reads.fetch_add(1, Ordering::Relaxed);
        let note = |read: &Result<Vec<M>>| {
            let mut attributes = hash_of(key);
            attributes.extend(read.iter().map(|said| (attribute::MEMORY_MESSAGES.key(), said.len().into())));
            attributes
        };
        let read = noted_leaf(cx, &shared.read, shared.store.read(key), note).await;
        read.inspect_err(|error| self.store_failed("read", error, cx)).unwrap_or_default()
    }

    pub(super) async fn write(&self, key: &CacheKey, messages: Vec<M>, cx: &WorkflowContext) {
        let (shared, count) = (&self.shared, messages.len());
        shared.counters.writes.fetch_add(1, Ordering::Relaxed);
        let note = |written: &Result<u64>| {
            let mut attributes = hash_of(key);
            attributes.push((attribute::MEMORY_MESSAGES.key(), count.into()));
            attributes
                .extend(written.iter().map(|evicted| (attribute::MEMORY_EVICTED.key(), (*evicted).into())));
            attributes
        };
        let append = shared.store.append(key, messages, self.keep);
        match noted_leaf(cx, &shared.write, append, note).await {
            Ok(evicted) => drop(shared.counters.evicted_messages.fetch_add(evicted, Ordering::Relaxed)),
            Err(error) => self.store_failed("write", &error, cx),
        }
    }

    /// Counts that the store failed, and tells of it.
    fn store_failed(&self, operation: &'static str, error: &Error, cx: &WorkflowContext) {
        self.shared.counters.store_failures.fetch_add(1, Ordering::Relaxed);
        let (store, backend) = (&self.name, self.shared.store.backend());
        cx.emit(&Event::StoreFailed { store, backend, operation, error });
    }
}

/// The hash of a key, for spans.
fn hash_of(key: &CacheKey) -> Attributes {
    vec![(attribute::MEMORY_KEY.key(), format!("{:016x}", key.hash()).into())]
}

impl<M: 'static> Shared<M> {
    fn of(name: &Text, store: Arc<dyn MemoryStore<M>>) -> Arc<Self> {
        let backend = store.backend();
        let info = |action: &str| {
            let attributes = vec![
                (attribute::MEMORY_NAME.key(), name.clone().into()),
                (attribute::MEMORY_TYPE.key(), backend.into()),
            ];
            let span_name = span::memory(backend, action);
            let (name, kind) = (name.clone(), Text::Static("memory"));
            Arc::new(NodeInfo { span_name, name, kind, attributes, ..NodeInfo::default() })
        };
        Arc::new(Self {
            read: info("read"),
            write: info("write"),
            forget: info("forget"),
            store,
            turns: Arc::new(Turns::default()),
            counters: Counters::default(),
        })
    }
}

impl<M> Clone for ConversationMemory<M> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), keep: self.keep, shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for ConversationMemory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationMemory")
            .field("name", &self.name)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
