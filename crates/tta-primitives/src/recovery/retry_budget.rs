//! A bound on retries for all callers together.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{self, Instant};

/// A bound on how many retries there are for each call, so that an outage does not become a storm.
///
/// Every call pays a part of a retry in, every retry takes one out, and when nothing is left there is no
/// retry. So with a ratio of 0.1 retries add at most a tenth to the load, however long an outage lasts and
/// however many attempts each call may make. Clones are the same budget; share one among all flows that
/// call the same service.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::{Retry, RetryBudget, step};
///
/// let budget = RetryBudget::new(0.1, 10).min_per_second(1.0);
/// let fetch = step("fetch", |id: u64| async move { Ok(id) })
///     .retry(Retry::exponential(3, Duration::from_millis(100)).budget(&budget));
/// # let _ = fetch;
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    rules: Rules,
    account: Arc<Mutex<Account>>,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    ratio: f64,
    reserve: f64,
    per_second: f64,
}

struct Account {
    balance: f64,
    as_of: Instant,
}

impl RetryBudget {
    /// Makes a budget of `ratio` retries for each call, which holds at most `reserve` retries and is full
    /// at first. The ratio is 0 to 1000, as in 0.1 for one retry in ten calls.
    #[must_use]
    pub fn new(ratio: f64, reserve: u32) -> Self {
        let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1_000.0) } else { 0.0 };
        let rules = Rules { ratio, reserve: f64::from(reserve), per_second: 0.0 };
        let account = Account { balance: rules.reserve, as_of: clock::now() };
        Self { rules, account: Arc::new(Mutex::new(account)) }
    }

    /// Adds retries with time too, so that a service which is rarely called can be retried at all.
    #[must_use]
    pub fn min_per_second(mut self, retries: f64) -> Self {
        self.rules.per_second = if retries.is_finite() { retries.max(0.0) } else { 0.0 };
        self
    }

    /// How many retries could be made now.
    #[must_use]
    pub fn available(&self) -> u32 {
        // The balance is at most the reserve, which is a `u32`.
        self.with(|account| account.balance as u32)
    }

    /// Pays in for a call.
    pub(super) fn deposit(&self) {
        let Rules { ratio, reserve, .. } = self.rules;
        self.with(|account| account.balance = (account.balance + ratio).min(reserve));
    }

    /// Takes a retry out, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        self.with(|account| {
            // Sums of tenths fall a little short of one.
            let enough = account.balance >= 1.0 - 1e-9;
            if enough {
                account.balance = (account.balance - 1.0).max(0.0);
            }
            enough
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Account) -> T) -> T {
        let now = clock::now();
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(account.as_of);
        let grown = account.balance + since.as_secs_f64() * self.rules.per_second;
        account.balance = grown.min(self.rules.reserve);
        account.as_of = account.as_of.max(now);
        act(&mut account)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("rules", &self.rules)
            .field("available", &self.available())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_calls_pay_for_one_retry() {
        let budget = RetryBudget::new(0.1, 2);
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
        (0..9).for_each(|_| budget.deposit());
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw() && !budget.withdraw());
    }

    #[test]
    fn it_never_holds_more_than_its_reserve() {
        let budget = RetryBudget::new(1.0, 3);
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(budget.available(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn time_pays_in_too() {
        let budget = RetryBudget::new(0.0, 5).min_per_second(2.0);
        (0..5).for_each(|_| assert!(budget.withdraw()));
        assert!(!budget.clone().withdraw(), "a clone is the same budget");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(budget.available(), 2);
    }
}
