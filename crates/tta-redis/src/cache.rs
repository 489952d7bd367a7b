//! Entries of caches in Redis.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::BoxFuture;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tta_primitives::{
    CacheKey, CacheStore, Entry, ErrorKind, MicroUsd, Remembered, RememberedFailure, Result,
};

use crate::envelope::{self, Address, Bad, HEADER};
use crate::store::{RedisStore, Use};

/// The longest time to live that is asked for, a hundred years: Redis refuses what goes beyond its calendar.
const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The furthest place that Redis lets one name.
const MAX_OFFSET: usize = isize::MAX as usize;

/// An entry as it lies in an envelope.
#[derive(Serialize, Deserialize)]
struct Stored<'a, V> {
    outcome: Outcome<'a, V>,
    cost: i64,
}

#[derive(Serialize, Deserialize)]
enum Outcome<'a, V> {
    Value(V),
    Failure { kind: Cow<'a, str>, message: Cow<'a, str>, retryable: bool },
}

fn stored<V>(entry: &Entry<V>) -> Stored<'_, &V> {
    let outcome = match &entry.outcome {
        Remembered::Value(value) => Outcome::Value(value),
        Remembered::Failure(failure) => Outcome::Failure {
            kind: failure.kind.as_str().into(),
            message: (&*failure.message).into(),
            retryable: failure.retryable,
        },
    };
    Stored { outcome, cost: entry.cost.0 }
}

/// The entry; none if it remembers a failure of a kind that is not known here.
fn restored<V>(stored: Stored<'_, V>, age: Duration) -> Option<Entry<V>> {
    let outcome = match stored.outcome {
        Outcome::Value(value) => Remembered::Value(value),
        Outcome::Failure { kind, message, retryable } => {
            let kind = *ErrorKind::ALL.iter().find(|known| known.as_str() == kind)?;
            Remembered::Failure(RememberedFailure { kind, message: message.into_owned().into(), retryable })
        }
    };
    Some(Entry { outcome, age, cost: MicroUsd(stored.cost) })
}

/// A time to live as Redis takes it.
pub(crate) fn millis(time: Duration) -> u64 {
    // Redis refuses zero.
    u64::try_from(time.min(MAX_TTL).as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The server's time of day in milliseconds, of its seconds and microseconds.
fn server_millis((seconds, micros): (u64, u64)) -> u64 {
    seconds.saturating_mul(1_000).saturating_add(micros / 1_000)
}

/// How old an entry is; new, if the clock went backwards since it was stored.
fn age(now: (u64, u64), stored_at_millis: u64) -> Duration {
    Duration::from_millis(server_millis(now).saturating_sub(stored_at_millis))
}

impl RedisStore {
    /// What the entries of a cache are: values of a namespace and of a type.
    fn kind_of<V>(&self) -> String {
        format!("{}\0{}", self.namespace, std::any::type_name::<V>())
    }

    async fn find<V: DeserializeOwned>(&self, key: &CacheKey) -> Result<Option<Entry<V>>> {
        let (name, kind) = (self.key(Use::Cache, key), self.kind_of::<V>());
        // No more than what is allowed is read, whatever lies there; what does not exist is empty.
        let last = self.redis.settings.max_value_bytes.saturating_add(HEADER).min(MAX_OFFSET);
        let question = |mut connection: MultiplexedConnection| {
            let name = &name;
            async move {
                let mut pipe = redis::pipe();
                pipe.cmd("GETRANGE").arg(name).arg(0).arg(last).cmd("TIME");
                let answer: RedisResult<(Vec<u8>, (u64, u64))> = pipe.query_async(&mut connection).await;
                answer
            }
        };
        let (sealed, now) = self.ask(question).await?;
        if sealed.is_empty() {
            return Ok(None);
        }
        if sealed.len() > last {
            return Err(self.bad(Bad::TooLarge));
        }
        let address = Address { kind: &kind, key: key.text() };
        let (found, stored_at) =
            envelope::open::<Stored<'_, V>>(&address, &sealed).map_err(|bad| self.bad(bad))?;
        restored(found, age(now, stored_at)).map(Some).ok_or_else(|| self.bad(Bad::Payload))
    }

    async fn keep<V: Serialize>(
        &self,
        key: &CacheKey,
        entry: &Entry<V>,
        keep_for: Option<Duration>,
    ) -> Result<()> {
        let (name, kind) = (self.key(Use::Cache, key), self.kind_of::<V>());
        let payload = envelope::pack(&stored(entry), self.redis.settings.max_value_bytes);
        let payload = payload.map_err(|bad| self.bad(bad))?;
        let address = Address { kind: &kind, key: key.text() };
        self.ask(|mut connection| async move {
            let now = redis::cmd("TIME").query_async(&mut connection).await?;
            let mut set = redis::cmd("SET");
            set.arg(name).arg(envelope::seal(&address, server_millis(now), &payload));
            if let Some(time) = keep_for {
                set.arg("PX").arg(millis(time));
            }
            set.exec_async(&mut connection).await
        })
        .await
    }
}

/// Entries are thrown out by the server: when their time is over, or as its `maxmemory-policy` says. Their age is
/// measured by the server's clock; if that goes backwards, as after a failover, they are new again until it has
/// caught up. They are of one namespace and of one Rust type: an entry of another one is a failure.
impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> CacheStore<V> for RedisStore {
    fn backend(&self) -> &'static str {
        "redis"
    }

    fn policy(&self) -> &'static str {
        "server"
    }

    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<V>>>> {
        Box::pin(self.find(key))
    }

    fn insert<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: Entry<V>,
        keep_for: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.keep(key, &entry, keep_for).await })
    }

    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.delete(&self.key(Use::Cache, key)).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_server_and_fit_into_its_calendar() {
        assert_eq!(age((1_700, 250_999), 1_700_000), Duration::from_millis(250));
        assert_eq!(age((1_700, 0), 1_700_001), Duration::ZERO, "the clock went backwards");
        assert_eq!(age((u64::MAX, u64::MAX), 0), Duration::from_millis(u64::MAX));
        assert_eq!((millis(Duration::ZERO), millis(Duration::from_micros(1_500))), (1, 1));
        assert_eq!(millis(Duration::MAX), 100 * 365 * 86_400_000);
    }
}
