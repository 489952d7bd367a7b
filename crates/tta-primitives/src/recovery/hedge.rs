//! A second attempt beside a slow first one.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tta_model::name::attribute;

use super::millis;
use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// When to start another attempt beside one that has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    delay: Duration,
    max_attempts: u32,
}

impl Hedge {
    /// Starts a second attempt when the first has not answered for this time. A good delay is the 95th
    /// percentile of the work's duration: then about one call in twenty costs twice.
    #[must_use]
    pub const fn after(delay: Duration) -> Self {
        Self { delay, max_attempts: 2 }
    }

    /// Starts up to so many attempts, the first included and at least one, each a delay after the one before.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Starts another attempt of the flow, on a clone of the input, when the one under way is slow. The first
    /// success wins, and the other attempts are cancelled before the hedge ends.
    ///
    /// An attempt that fails with a [retryable](Error::is_retryable) error is replaced at once, while there
    /// may be another. If all fail, the error is the first one, with the others as [related](Error::related)
    /// errors.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tta_primitives::{Hedge, step};
    ///
    /// let read = step("read", |key: u64| async move { Ok(key) }).hedge(Hedge::after(Duration::from_millis(50)));
    /// assert_eq!(read.to_tree(), "hedge\n└─ attempt: read\n");
    /// ```
    ///
    /// # Cost
    /// The work is done twice where it is slow; hedge only what may be done twice.
    #[must_use]
    pub fn hedge(self, policy: Hedge) -> Flow<I, O> {
        Flow::new(Hedged { inner: Flow::of_node(self.node), policy })
    }
}

struct Hedged<I, O> {
    inner: Flow<I, O>,
    policy: Hedge,
}

impl<I: Clone + Send + 'static, O: Send + 'static> Hedged<I, O> {
    /// Runs one attempt, and gives its number with what became of it.
    async fn attempt(&self, number: u32, input: I, cx: &WorkflowContext) -> (u32, Result<O>) {
        let attributes = [(attribute::HEDGE_ATTEMPT.key(), number.into())];
        (number, self.inner.call(0, input, cx, &attributes).await)
    }

    fn report_launch(&self, cx: &WorkflowContext, attempt: u32, since: clock::Instant) {
        if attempt > 1 {
            let after = clock::now().saturating_duration_since(since);
            cx.emit(&Event::HedgeLaunched { attempt, after });
        }
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Primitive for Hedged<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let Hedge { delay, max_attempts } = self.policy;
        let mut racing = FuturesUnordered::new();
        let mut errors: Vec<Error> = Vec::new();
        let (mut launched, mut last_launch) = (0, clock::now());
        let mut wants_another = true;
        loop {
            if wants_another && launched < max_attempts {
                launched += 1;
                self.report_launch(cx, launched, last_launch);
                last_launch = clock::now();
                racing.push(self.attempt(launched, input.clone(), cx));
            }
            // Once an error says that other attempts make no sense, those under way are only awaited.
            let may_launch = launched < max_attempts && errors.iter().all(Error::is_retryable);
            let due = last_launch.checked_add(delay);
            let ended = tokio::select! {
                biased;
                ended = racing.next() => ended,
                () = clock::sleep_until(due.unwrap_or(last_launch)), if may_launch && due.is_some() => {
                    wants_another = true;
                    continue;
                }
            };
            match ended {
                Some((number, Ok(output))) => {
                    cx.set_attribute(attribute::HEDGE_WINNER.key(), number);
                    return Ok(output);
                }
                Some((_, Err(error))) => {
                    wants_another = error.is_retryable() && may_launch;
                    errors.push(error);
                }
                None => break,
            }
        }
        let mut errors = errors.into_iter();
        let first = errors.next().expect("a hedge makes at least one attempt");
        Err(errors.fold(first, Error::with_related))
    }

    fn describe(&self) -> Description {
        Description::new("hedge")
            .attribute(attribute::HEDGE_DELAY_MS.key(), millis(self.policy.delay))
            .attribute(attribute::HEDGE_MAX_ATTEMPTS.key(), self.policy.max_attempts)
            .child(Role::HedgeAttempt, &self.inner)
    }
}
