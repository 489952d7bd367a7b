//! Recovery: what is done when a step fails, is slow or is asked too often.
//!
//! Each is a method of [`Flow`](crate::Flow) that wraps the flow. The order of wrapping is the order of
//! policies, the last one outermost: `flow.timeout(limit).retry(policy)` limits every attempt,
//! `flow.retry(policy).timeout(limit)` limits all of them together. [`Flow::lint`](crate::Flow::lint)
//! names the orders that surprise.
//!
//! What a policy remembers between calls (a breaker's state, a limiter's tokens, a budget) is a value of
//! its own that several flows can share; clones of it are the same one.

mod backoff;
mod bulkhead;
mod circuit_breaker;
mod fallback;
mod hedge;
mod rate_limit;
mod retry;
mod retry_budget;
mod timeout;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use backoff::{Backoff, Waits};
pub use bulkhead::{Bulkhead, BulkheadBuilder};
pub use circuit_breaker::{CircuitBreaker, CircuitBreakerBuilder, CircuitState};
pub use hedge::Hedge;
pub use rate_limit::{RateLimit, RateLimitBuilder};
pub use retry::Retry;
pub use retry_budget::RetryBudget;
pub use timeout::{Elapsed, IdleTimeout, TimeoutSource, idle_timeout};

use crate::error::Error;

/// A question about an error.
#[derive(Clone)]
struct Predicate(Arc<dyn Fn(&Error) -> bool + Send + Sync>);

impl Predicate {
    fn new(holds: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    fn holds(&self, error: &Error) -> bool {
        (self.0)(error)
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicate")
    }
}

/// A duration as attributes give it.
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
