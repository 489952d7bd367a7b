//! A limit on how often calls are made.
//!
//! A token bucket of our own, because the crates at hand (governor among them) wait on timers of their own,
//! which a test that pauses the runtime's time cannot move, and keep the reservation of a wait that was
//! dropped. The bucket is one moment: when it would be full again. That is exact, and nothing has to
//! refill it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    bucket: Mutex<Bucket>,
    /// Only the first of those who wait sleeps, so that one which gives up costs the others nothing.
    turn: Semaphore,
}

struct Bucket {
    /// The moment at which the bucket is full.
    full_at: Instant,
    /// How many have come for a token and have not taken it.
    waiting: u32,
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
        let mut place = self.queue_up()?;
        let turn = self.shared.turn.acquire().await;
        let _turn = turn.expect("the semaphore of a rate limit is never closed");
        while let Some(wait) = place.take() {
            clock::sleep(wait).await;
        }
        Ok(())
    }

    fn queue_up(&self) -> Result<Place<'_>> {
        let rules = &self.shared.rules;
        let mut bucket = self.shared.bucket();
        // Those who are before in the queue take the tokens that come first.
        let wait = rules.wait(bucket.full_at, clock::now(), bucket.waiting);
        if wait > rules.max_wait {
            let message = format!("rate limit {} has no token for another {wait:?}", rules.name);
            return Err(Error::new(ErrorKind::RateLimited, message).with_retry_after(wait));
        }
        bucket.waiting += 1;
        Ok(Place { shared: &self.shared, has_token: false })
    }
}

impl Shared {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimit").field(&self.shared.rules).finish()
    }
}

/// A place in the queue, which is given back when the wait ends in whatever way.
struct Place<'a> {
    shared: &'a Shared,
    has_token: bool,
}

impl Place<'_> {
    /// Takes a token if there is one; otherwise tells how long it takes to come.
    fn take(&mut self) -> Option<Duration> {
        let (rules, now) = (&self.shared.rules, clock::now());
        let mut bucket = self.shared.bucket();
        let wait = rules.wait(bucket.full_at, now, 0);
        if !wait.is_zero() {
            return Some(wait);
        }
        bucket.full_at = bucket.full_at.max(now) + rules.interval;
        // At once, so that nobody counts both the token and the one who waits for it.
        bucket.waiting -= 1;
        self.has_token = true;
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.has_token {
            self.shared.bucket().waiting -= 1;
        }
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
        let bucket = Mutex::new(Bucket { full_at: clock::now(), waiting: 0 });
        RateLimit { shared: Arc::new(Shared { rules: self, bucket, turn: Semaphore::new(1) }) }
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
