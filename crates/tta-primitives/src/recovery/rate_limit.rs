//! A limit on how often calls are made.
//!
//! A token bucket of our own, because the crates at hand (governor among them) wait on timers of their own,
//! which a test that pauses the runtime's time cannot move, and keep the reservation of a wait that was
//! dropped. The bucket is one moment: when it would be full again. That is exact, and nothing has to
//! refill it.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tta_model::Text;
use tta_model::name::attribute;

use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// How often several flows may call together: a token bucket.
///
/// A call that finds no token waits for one, in the order of arrival, or fails at once with kind
/// [`RateLimited`](ErrorKind::RateLimited) and with the wait as its [`retry_after`](Error::retry_after) if
/// it would have to wait for too long. Clones are the same limit.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::{RateLimit, step};
///
/// let search = RateLimit::builder("search", 10, Duration::from_secs(1)).burst(20).reject().build();
/// let query = step("query", |id: u64| async move { Ok(id) }).rate_limit(&search);
/// # let _ = query;
/// ```
#[derive(Clone)]
pub struct RateLimit {
    shared: Arc<Shared>,
}

struct Shared {
    rules: RateLimitBuilder,
    /// The moment at which the bucket is full.
    full_at: Mutex<Instant>,
    /// Only the first of those who wait sleeps, so that one which gives up costs the others nothing.
    turn: Semaphore,
    waiting: AtomicU32,
}

/// Sets the rate of a [`RateLimit`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct RateLimitBuilder {
    name: Text,
    /// The time in which one token comes.
    interval: Duration,
    burst: u32,
    max_wait: Duration,
}

impl RateLimit {
    /// Begins a limit with a name, of so many calls in a period, at least one. Calls wait as long as they
    /// must, and the burst is what comes in one period, unless set otherwise.
    pub fn builder(name: impl Into<Text>, calls: u32, period: Duration) -> RateLimitBuilder {
        let calls = calls.max(1);
        let interval = (period / calls).max(Duration::from_nanos(1));
        RateLimitBuilder { name: name.into(), interval, burst: calls, max_wait: Duration::MAX }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.shared.rules.name
    }

    /// Takes a token, perhaps after a wait.
    async fn acquire(&self) -> Result<()> {
        let Shared { rules, turn, waiting, .. } = &*self.shared;
        let place = Place::behind(waiting);
        // Those who are before in the queue take the tokens that come first.
        let wait = self.wait_for(place.ahead);
        if wait > rules.max_wait {
            return Err(self.refusal(wait));
        }
        let _turn = turn.acquire().await.expect("the semaphore of a rate limit is never closed");
        while let Some(wait) = self.take() {
            clock::sleep(wait).await;
        }
        Ok(())
    }

    /// Takes a token if there is one; otherwise tells how long it takes to come.
    fn take(&self) -> Option<Duration> {
        let now = clock::now();
        let mut full_at = self.shared.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.shared.rules.wait(*full_at, now, 0);
        if wait.is_zero() {
            *full_at = (*full_at).max(now) + self.shared.rules.interval;
            return None;
        }
        Some(wait)
    }

    /// How long a call waits for its token behind some others.
    fn wait_for(&self, ahead: u32) -> Duration {
        let full_at = *self.shared.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.rules.wait(full_at, clock::now(), ahead)
    }

    fn refusal(&self, wait: Duration) -> Error {
        let message = format!("rate limit {} has no token for another {wait:?}", self.name());
        Error::new(ErrorKind::RateLimited, message).with_retry_after(wait)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimit").field(&self.shared.rules).finish()
    }
}

/// A place in the queue, which is given back when the wait ends in whatever way.
struct Place<'a> {
    waiting: &'a AtomicU32,
    ahead: u32,
}

impl<'a> Place<'a> {
    fn behind(waiting: &'a AtomicU32) -> Self {
        Self { waiting, ahead: waiting.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RateLimitBuilder {
    /// Lets so many calls pass at once after a pause, at least one.
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = calls.max(1);
        self
    }

    /// Refuses a call that would have to wait for longer than this.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Refuses a call that would have to wait.
    pub fn reject(self) -> Self {
        self.max_wait(Duration::ZERO)
    }

    /// Makes the limit, with a full bucket.
    #[must_use]
    pub fn build(self) -> RateLimit {
        let (turn, waiting) = (Semaphore::new(1), AtomicU32::new(0));
        let full_at = Mutex::new(clock::now());
        RateLimit { shared: Arc::new(Shared { rules: self, full_at, turn, waiting }) }
    }

    /// How long a token takes to come, behind some others, when the bucket is full at a moment.
    fn wait(&self, full_at: Instant, now: Instant, ahead: u32) -> Duration {
        let missing = full_at.saturating_duration_since(now);
        let needed = missing.saturating_add(self.interval.saturating_mul(ahead.saturating_add(1)));
        needed.saturating_sub(self.interval.saturating_mul(self.burst))
    }
}

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Runs the flow no more often than a rate limit allows.
    ///
    /// # Cancellation
    /// A run that is dropped while it waits takes no token.
    #[must_use]
    pub fn rate_limit(self, limit: &RateLimit) -> Flow<I, O> {
        Flow::new(Limited { inner: Flow::of_node(self.node), limit: limit.clone() })
    }
}

struct Limited<I, O> {
    inner: Flow<I, O>,
    limit: RateLimit,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Limited<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let asked = clock::now();
        let acquired = self.limit.acquire().await;
        let waited = clock::now().saturating_duration_since(asked);
        let (limit, admitted) = (self.limit.name(), acquired.is_ok());
        cx.set_attribute(attribute::RATE_LIMIT_WAIT_MS.key(), super::millis(waited));
        cx.emit(&Event::RateLimitChecked { limit, waited, admitted });
        acquired?;
        self.inner.call(0, input, cx, &[]).await
    }

    fn describe(&self) -> Description {
        Description::new("rate_limit")
            .attribute(attribute::RATE_LIMIT_NAME.key(), self.limit.name().clone())
            .child(Role::Inner, &self.inner)
    }
}
