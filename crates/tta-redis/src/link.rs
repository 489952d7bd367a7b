//! The connection to a server: one for all who ask, made when it is needed, and made anew after it broke.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, ServerErrorKind};
use tta_primitives::{Error, ErrorKind, Result};

use crate::health::Health;
use crate::stats::{Cause, Counters};

/// How long a connection may take to be made, the greeting included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that is made or being made. An operation that runs out of time while it is being made leaves it to
/// the next one, so that a server that is far away is reached in the end.
type Connecting = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// The connection to a server, for all who ask it.
pub(crate) struct Link {
    client: Client,
    connecting: Mutex<Option<Connecting>>,
    health: Arc<Health>,
    pub(crate) counters: Counters,
}

impl Link {
    pub(crate) fn new(client: Client) -> Self {
        let (connecting, health) = (Mutex::new(None), Health::new());
        Self { client, connecting, health, counters: Counters::default() }
    }

    /// Asks the server, within a time.
    pub(crate) async fn ask<T, F, Fut>(&self, limit: Duration, question: F) -> Result<T>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let Some(pass) = self.health.admit() else {
            return Err(self.trouble(Cause::Refused, &"it did not answer just now, and is asked again soon"));
        };
        let connecting = self.connecting();
        let asked = async { question(connecting.clone().await?).await };
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(answer)) => {
                pass.succeeded();
                Ok(answer)
            }
            Ok(Err(error)) if is_connected(&connecting) && !is_broken(&error) => {
                pass.succeeded();
                let cause = if is_wrong_type(&error) { Cause::Garbage } else { Cause::Rejected };
                Err(self.trouble(cause, &error))
            }
            Ok(Err(error)) => {
                self.give_up(&connecting);
                pass.failed();
                Err(self.trouble(Cause::Unavailable, &error))
            }
            Err(_) => {
                if connecting.peek().is_some() {
                    self.give_up(&connecting);
                }
                pass.failed();
                Err(self.trouble(Cause::Timeout, &format_args!("it did not answer within {limit:?}")))
            }
        }
    }

    /// Counts what went wrong, and makes an error of it that says where.
    pub(crate) fn trouble(&self, cause: Cause, what: &dyn fmt::Display) -> Error {
        self.counters.count(cause);
        let kind = match cause {
            Cause::Garbage => ErrorKind::Invalid,
            Cause::TooLarge => ErrorKind::LimitReached,
            Cause::Timeout => ErrorKind::Timeout,
            Cause::Unavailable => ErrorKind::Unavailable,
            Cause::Refused => ErrorKind::CircuitOpen,
            Cause::Rejected => ErrorKind::Failed,
        };
        Error::new(kind, format!("redis at {}: {what}", self.address()))
    }

    /// Where the server is, without what opens it.
    pub(crate) fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    fn connecting(&self) -> Connecting {
        let mut known = self.lock();
        known.get_or_insert_with(|| connect(self.client.clone())).clone()
    }

    /// Has the next one who asks make a new connection. Those who still wait for answers keep the old one.
    fn give_up(&self, connecting: &Connecting) {
        let mut known = self.lock();
        if known.as_ref().is_some_and(|known| known.ptr_eq(connecting)) {
            *known = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connecting>> {
        self.connecting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(client: Client) -> Connecting {
    // Each operation has its own limit, which is that of its store.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
    let connecting = async move { client.get_multiplexed_async_connection_with_config(&config).await };
    connecting.boxed().shared()
}

fn is_connected(connecting: &Connecting) -> bool {
    connecting.peek().is_some_and(Result::is_ok)
}

/// Whether an error is about the server and not about what it was asked.
fn is_broken(error: &RedisError) -> bool {
    let is_away = matches!(
        error.kind(),
        redis::ErrorKind::Server(
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
        )
    );
    is_away || error.is_io_error() || error.is_unrecoverable_error()
}

/// Whether the value of a key is of another type of Redis, such as a list.
fn is_wrong_type(error: &RedisError) -> bool {
    let answers = error.clone().into_server_errors();
    answers.is_some_and(|answers| answers.iter().any(|(_, answer)| answer.code() == "WRONGTYPE"))
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address()).finish_non_exhaustive()
    }
}
