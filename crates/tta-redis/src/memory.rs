//! Conversations in Redis: a list for each, with one element for each message.

use std::sync::LazyLock;

use futures::future::BoxFuture;
use redis::Script;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tta_primitives::{CacheKey, ErrorKind, Keep, MemoryStore, Result};

use crate::cache::millis;
use crate::envelope::{self, Address};
use crate::store::{RedisStore, Use};

/// How many messages of a conversation are read at most, the latest.
const MAX_READ: isize = 10_000;

/// Adds messages, throws out the oldest, and begins the time to live again; at once, so that nobody sees a part of it.
/// What is no list is not from here, and makes room.
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local max, ttl = tonumber(ARGV[1]), ARGV[2]
        if redis.call('TYPE', KEYS[1])['ok'] ~= 'list' then redis.call('DEL', KEYS[1]) end
        local length = 0
        for at = 3, #ARGV do length = redis.call('RPUSH', KEYS[1], ARGV[at]) end
        local evicted = math.max(length - max, 0)
        if evicted > 0 then redis.call('LTRIM', KEYS[1], evicted, -1) end
        if ttl == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ttl) end
        return evicted",
    )
});

impl RedisStore {
    async fn recall<M: DeserializeOwned>(&self, key: &CacheKey) -> Result<Vec<M>> {
        let name = &self.key(Use::Memory, key);
        let question = |mut connection| async move {
            redis::cmd("LRANGE").arg(name).arg(-MAX_READ).arg(-1).query_async(&mut connection).await
        };
        let sealed: Result<Vec<Vec<u8>>> = self.ask(question).await;
        let address = Address { kind: &self.namespace, key: key.text() };
        let open = |sealed: Vec<u8>| envelope::open(&address, &sealed).map(|(message, _)| message);
        let said = sealed.and_then(|sealed| {
            sealed.into_iter().map(open).collect::<Result<Vec<M>, _>>().map_err(|bad| self.bad(bad))
        });
        if said.as_ref().is_err_and(|error| error.kind() == ErrorKind::Invalid) {
            // A conversation with a hole in it is none. The next turn begins a new one.
            self.delete(name).await?;
        }
        said
    }

    async fn add<M: Serialize>(&self, key: &CacheKey, messages: Vec<M>, keep: Keep) -> Result<u64> {
        let (name, max) = (self.key(Use::Memory, key), keep.max_messages.max(1));
        let address = Address { kind: &self.namespace, key: key.text() };
        // What would be thrown out at once is not sent.
        let late = messages.len().saturating_sub(max);
        let mut append = APPEND.prepare_invoke();
        append.key(name).arg(max).arg(keep.ttl.map_or_else(String::new, |ttl| millis(ttl).to_string()));
        for message in &messages[late..] {
            let payload = envelope::pack(message, self.redis.settings.max_value_bytes);
            let payload = payload.map_err(|bad| self.bad(bad))?;
            append.arg(envelope::seal(&address, 0, &payload));
        }
        if messages.is_empty() {
            return Ok(0);
        }
        let append = &append;
        let question = |mut connection| async move { append.invoke_async::<u64>(&mut connection).await };
        Ok(self.ask(question).await?.saturating_add(late as u64))
    }
}

/// A turn is written by a script that runs as one, so nobody ever reads a part of it. A conversation in which something
/// is damaged, or of another type than the namespace had before, is forgotten when it is read, and the read fails.
/// Of one with more than 10,000 messages the last 10,000 are read. The server may throw out whole conversations, as its
/// `maxmemory-policy` says; one with `allkeys` in its name does so also to those that have no time to live.
impl<M: Serialize + DeserializeOwned + Send + Sync + 'static> MemoryStore<M> for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    fn read<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Vec<M>>> {
        Box::pin(self.recall(key))
    }

    fn append<'a>(&'a self, key: &'a CacheKey, messages: Vec<M>, keep: Keep) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.add(key, messages, keep))
    }

    fn forget<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.delete(&self.key(Use::Memory, key)).await })
    }
}
