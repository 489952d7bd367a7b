//! Attempts until one succeeds.

use std::time::Duration;

use tta_model::name::attribute;

use super::backoff::{Backoff, Waits};
use super::retry_budget::RetryBudget;
use super::timeout::{Elapsed, TimeoutSource, until};
use super::{Predicate, millis};
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// When to make another attempt.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::{Retry, step};
///
/// let policy = Retry::exponential(3, Duration::from_millis(100))
///     .max_delay(Duration::from_secs(2))
///     .attempt_timeout(Duration::from_secs(1))
///     .deadline(Duration::from_secs(5));
/// let fetch = step("fetch", |id: u64| async move { Ok(id) }).retry(policy);
/// assert_eq!(fetch.to_tree(), "retry\n└─ attempt: fetch\n");
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    max_attempts: u32,
    backoff: Backoff,
    retry_if: Option<Predicate>,
    attempt_timeout: Option<Duration>,
    deadline: Option<Duration>,
    budget: Option<RetryBudget>,
}

impl Retry {
    /// Makes up to `max_attempts` attempts, the first included and at least one.
    #[must_use]
    pub fn new(max_attempts: u32, backoff: Backoff) -> Self {
        Self {
            max_attempts: max_attempts.max(1),
            backoff,
            retry_if: None,
            attempt_timeout: None,
            deadline: None,
            budget: None,
        }
    }

    /// Waits the same time before every attempt; see [`Backoff::constant`].
    #[must_use]
    pub fn constant(max_attempts: u32, wait: Duration) -> Self {
        Self::new(max_attempts, Backoff::constant(wait))
    }

    /// Waits one step longer before every attempt; see [`Backoff::linear`].
    #[must_use]
    pub fn linear(max_attempts: u32, step: Duration) -> Self {
        Self::new(max_attempts, Backoff::linear(step))
    }

    /// Waits up to twice as long before every attempt, with full jitter; see [`Backoff::exponential`].
    #[must_use]
    pub fn exponential(max_attempts: u32, base: Duration) -> Self {
        Self::new(max_attempts, Backoff::exponential(base))
    }

    /// Waits by decorrelated jitter; see [`Backoff::decorrelated`].
    #[must_use]
    pub fn decorrelated(max_attempts: u32, base: Duration) -> Self {
        Self::new(max_attempts, Backoff::decorrelated(base))
    }

    /// Sets the longest wait. A wait that the failing side asked for can be longer.
    #[must_use]
    pub fn max_delay(mut self, max: Duration) -> Self {
        self.backoff = self.backoff.max_delay(max);
        self
    }

    /// Draws each wait evenly between zero and what it would be.
    #[must_use]
    pub fn full_jitter(mut self) -> Self {
        self.backoff = self.backoff.full_jitter();
        self
    }

    /// Waits exactly as long as the strategy says.
    #[must_use]
    pub fn without_jitter(mut self) -> Self {
        self.backoff = self.backoff.without_jitter();
        self
    }

    /// Decides by the error whether to make another attempt, instead of by [`Error::is_retryable`]. A
    /// cancellation is never retried, whatever the decision is.
    #[must_use]
    pub fn retry_if(mut self, holds: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.retry_if = Some(Predicate::new(holds));
        self
    }

    /// Limits each attempt.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Limits all attempts and waits together. No wait is begun that would end after the limit.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Makes retries only while a budget, which other flows may share, has some.
    #[must_use]
    pub fn budget(mut self, budget: &RetryBudget) -> Self {
        self.budget = Some(budget.clone());
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Runs the flow again, on a clone of the input, when it fails with an error that another attempt may
    /// not meet.
    ///
    /// The wait that an error [asks for](Error::retry_after) is kept; if it ends after the deadline, the
    /// retry gives up at once. The error is that of the last attempt.
    #[must_use]
    pub fn retry(self, policy: Retry) -> Flow<I, O> {
        Flow::new(Retrying { inner: Flow::of_node(self.node), policy })
    }
}

struct Retrying<I, O> {
    inner: Flow<I, O>,
    policy: Retry,
}

impl<I: Clone + Send + 'static, O: Send + 'static> Retrying<I, O> {
    async fn attempt(&self, input: I, attempts: &Attempts<'_>) -> Result<O> {
        let attributes = [(attribute::RETRY_ATTEMPT.key(), attempts.number.into())];
        let own =
            self.policy.attempt_timeout.and_then(|limit| Some((clock::now().checked_add(limit)?, limit)));
        let limit = [own, attempts.deadline].into_iter().flatten().min();
        let Some((moment, limit)) = limit else {
            return self.inner.call(0, input, attempts.cx, &attributes).await;
        };
        let cx = attempts.cx.with_deadline(moment);
        match until(moment, self.inner.call(0, input, &cx, &attributes)).await {
            Some(result) => result,
            None => Err(Elapsed::report(attempts.cx, limit, TimeoutSource::Own)),
        }
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Primitive for Retrying<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        if let Some(budget) = &self.policy.budget {
            budget.deposit();
        }
        let mut attempts = Attempts::new(&self.policy, cx);
        loop {
            attempts.number += 1;
            let error = match self.attempt(input.clone(), &attempts).await {
                Ok(output) => {
                    attempts.succeeded = true;
                    return Ok(output);
                }
                Err(error) => error,
            };
            match attempts.next_wait(&error) {
                Ok(wait) => {
                    attempts.report_failure(&error, Some(wait));
                    attempts.before = Some(error);
                    clock::sleep(wait).await;
                }
                Err(reason) => return Err(attempts.give_up(error, reason)),
            }
        }
    }

    fn describe(&self) -> Description {
        let Retry { max_attempts, backoff, attempt_timeout, deadline, .. } = &self.policy;
        let total = backoff.average_total(max_attempts - 1);
        let mut description = Description::new("retry")
            .attribute(attribute::RETRY_MAX_ATTEMPTS.key(), *max_attempts)
            .attribute(attribute::RETRY_STRATEGY.key(), backoff.strategy())
            .attribute(attribute::RETRY_BACKOFF_TOTAL_MS.key(), millis(total));
        if let Some(limit) = attempt_timeout {
            description = description.attribute(attribute::RETRY_ATTEMPT_TIMEOUT_MS.key(), millis(*limit));
        }
        if let Some(limit) = deadline {
            description = description.attribute(attribute::RETRY_DEADLINE_MS.key(), millis(*limit));
        }
        description.child(Role::Attempt, &self.inner)
    }
}

/// The attempts of one execution. Counted when they end, also when they are dropped.
struct Attempts<'a> {
    policy: &'a Retry,
    cx: &'a WorkflowContext,
    waits: Waits,
    /// The retry's own deadline, and the limit that it comes from.
    deadline: Option<(Instant, Duration)>,
    number: u32,
    /// The error of the attempt before.
    before: Option<Error>,
    succeeded: bool,
}

impl<'a> Attempts<'a> {
    fn new(policy: &'a Retry, cx: &'a WorkflowContext) -> Self {
        let deadline = policy.deadline.and_then(|limit| Some((clock::now().checked_add(limit)?, limit)));
        let waits = policy.backoff.waits();
        Self { policy, cx, waits, deadline, number: 0, before: None, succeeded: false }
    }

    /// How long to wait before the next attempt, or why there is none.
    fn next_wait(&mut self, error: &Error) -> Result<Duration, &'static str> {
        let wanted = match &self.policy.retry_if {
            Some(predicate) => predicate.holds(error),
            None => error.is_retryable(),
        };
        let cancelled = error.kind() == ErrorKind::Cancelled || self.cx.is_cancelled();
        if cancelled || !wanted {
            return Err("not_retryable");
        }
        if self.number >= self.policy.max_attempts {
            return Err("attempts");
        }
        let drawn = self.waits.next().unwrap_or_default();
        let wait = error.retry_after().map_or(drawn, |asked| asked.max(drawn));
        let own = self.deadline.map(|(moment, _)| moment);
        if let Some(deadline) = own.into_iter().chain(self.cx.deadline()).min()
            && wait >= deadline.saturating_duration_since(clock::now())
        {
            return Err("deadline");
        }
        // Asked last, so that nothing is taken out for a retry that is not made.
        match &self.policy.budget {
            Some(budget) if !budget.withdraw() => Err("budget"),
            _ => Ok(wait),
        }
    }

    fn report_failure(&self, error: &Error, backoff: Option<Duration>) {
        self.cx.emit(&Event::AttemptFailed {
            attempt: self.number,
            max_attempts: self.policy.max_attempts,
            error,
            backoff,
            strategy: self.policy.backoff.strategy(),
        });
    }

    fn give_up(&mut self, error: Error, reason: &'static str) -> Error {
        self.report_failure(&error, None);
        let (attempts, max_attempts) = (self.number, self.policy.max_attempts);
        self.cx.emit(&Event::RetriesExhausted { attempts, max_attempts, reason, error: &error });
        // The limit passed while an attempt was under way: why there were several is in the one before.
        let cut_short = self.deadline.is_some_and(|(moment, _)| moment <= clock::now());
        let error = match self.before.take() {
            Some(before) if cut_short => error.with_related(before),
            _ => error,
        };
        if attempts == 1 { error } else { error.context(format_args!("gave up after {attempts} attempts")) }
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        let retries = self.number.saturating_sub(1);
        self.cx.set_attribute(attribute::EXECUTION_RETRY_COUNT.key(), retries);
        self.cx.emit(&Event::RetriesCounted { retries, succeeded: self.succeeded });
    }
}
