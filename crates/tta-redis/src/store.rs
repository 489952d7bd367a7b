//! A part of a server for values of one type and version.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use sha2::{Digest, Sha256};
use tta_primitives::{CacheKey, Error, Result};

use crate::envelope::{Bad, FORMAT};
use crate::redis::Redis;
use crate::stats::Cause;

/// A part of a [`Redis`] for values of one type and version, which is a store for caches and for memories.
///
/// What it stores is MessagePack in an envelope with a version, what the values are, and a checksum that the key is
/// a part of. What does not fit in any of these is a failure, never a value.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) redis: Redis,
    pub(crate) namespace: Arc<str>,
}

/// What a store is used for; the two never share a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Cache,
    Memory,
}

impl RedisStore {
    /// Where the value of a key lies.
    pub(crate) fn key(&self, of: Use, key: &CacheKey) -> String {
        let word = match of {
            Use::Cache => "cache",
            Use::Memory => "memory",
        };
        let (prefix, namespace) = (&self.redis.settings.prefix, &self.namespace);
        let mut name = format!("{prefix}:{word}{FORMAT}:{namespace}:");
        for byte in Sha256::digest(key.text().as_bytes()) {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// Asks the server, within the time of an operation.
    pub(crate) async fn ask<T, F, Fut>(&self, question: F) -> Result<T>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        self.redis.link.ask(self.redis.settings.timeout, question).await
    }

    /// Forgets what lies under a key.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.ask(|mut connection| async move { redis::cmd("DEL").arg(key).exec_async(&mut connection).await })
            .await
    }

    /// Counts a value that is not of use, and says why.
    pub(crate) fn bad(&self, bad: Bad) -> Error {
        let cause = if bad == Bad::TooLarge { Cause::TooLarge } else { Cause::Garbage };
        self.redis.link.trouble(cause, &format_args!("{bad} (namespace {})", self.namespace))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("redis", &self.redis).field("namespace", &self.namespace).finish()
    }
}
