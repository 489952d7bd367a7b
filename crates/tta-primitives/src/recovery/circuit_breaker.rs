//! Calls to what keeps failing are not made for a while.

mod state;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tta_model::Text;
use tta_model::name::{attribute, span};

use super::Predicate;
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role, leaf};
use crate::observe::{Event, NodeInfo};
use crate::primitive::{Description, Primitive};
use crate::sync;

pub use state::CircuitState;
use state::{Admission, Answer, Change, Circuit, Outcome, Rules};
use window::WindowSize;

/// What several flows that call the same service know of its health.
///
/// Closed, it counts what becomes of calls. When too many fail, or are slow, it opens: calls fail at once
/// with kind [`CircuitOpen`](ErrorKind::CircuitOpen) and with the remaining time as their
/// [`retry_after`](Error::retry_after). After that time it is half open: exactly as many probes as were set
/// may pass, however many calls come at once, and they decide whether it closes or opens again. Clones are
/// the same breaker.
///
/// ```
/// use std::time::Duration;
/// use tta_primitives::{CircuitBreaker, CircuitState, step};
///
/// let payments = CircuitBreaker::builder("payments")
///     .consecutive_failures(5)
///     .failure_rate(0.5)
///     .window_time(Duration::from_secs(60))
///     .open_for(Duration::from_secs(10))
///     .build();
/// let charge = step("charge", |cents: u64| async move { Ok(cents) }).circuit_breaker(&payments);
/// let refund = step("refund", |cents: u64| async move { Ok(cents) }).circuit_breaker(&payments);
/// assert_eq!(payments.state(), CircuitState::Closed);
/// # let _ = (charge, refund);
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    name: Text,
    circuit: Circuit,
    counts_if: Predicate,
    slow_call: Duration,
    born: Instant,
}

/// Sets when a [`CircuitBreaker`] opens and closes.
///
/// Unless a rule is set, it opens when half of the latest 100 calls failed.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct CircuitBreakerBuilder {
    name: Text,
    rules: Rules,
    slow_call: Duration,
    counts_if: Predicate,
}

impl CircuitBreaker {
    /// Begins a breaker with a name, which becomes an attribute and a label.
    pub fn builder(name: impl Into<Text>) -> CircuitBreakerBuilder {
        let rules = Rules {
            consecutive_failures: None,
            failure_rate: None,
            slow_call_rate: None,
            window: WindowSize::Calls(100),
            minimum_calls: 10,
            open_for: Duration::from_secs(30),
            open_growth: 1.0,
            max_open_for: Duration::from_secs(30),
            probes: 1,
            successes_to_close: 1,
        };
        let counts_if = Predicate::new(says_something_about_the_callee);
        CircuitBreakerBuilder { name: name.into(), rules, slow_call: Duration::MAX, counts_if }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.shared.name
    }

    /// The state now. An open breaker whose time is over is half open.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.shared.circuit.state(self.now())
    }

    /// Lets no call pass until [`reset`](Self::reset) or [`force_close`](Self::force_close). The next call
    /// tells the observer of the change.
    pub fn force_open(&self) {
        self.shared.circuit.force(true);
    }

    /// Lets every call pass until [`reset`](Self::reset) or [`force_open`](Self::force_open).
    pub fn force_close(&self) {
        self.shared.circuit.force(false);
    }

    /// Closes the breaker and forgets all it has counted.
    pub fn reset(&self) {
        self.shared.circuit.reset();
    }

    /// The time since the breaker was made.
    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.shared.born)
    }

    /// Asks whether a call may pass, and tells the observer.
    fn admit(&self, cx: &WorkflowContext) -> Result<Permit<'_>> {
        let checked = self.shared.circuit.check(self.now());
        self.report(cx, checked.change);
        let (state, failure_rate) = (checked.state.as_str(), checked.failure_rate);
        let threshold = self.threshold();
        cx.set_attribute(attribute::CIRCUIT_BREAKER_STATE.key(), state);
        cx.set_attribute(attribute::CIRCUIT_BREAKER_FAILURE_RATE.key(), failure_rate);
        let admitted = matches!(checked.answer, Answer::Admitted(_));
        cx.emit(&Event::CircuitChecked { breaker: self.name(), state, failure_rate, threshold, admitted });
        match checked.answer {
            Answer::Admitted(admission) => Ok(Permit { breaker: self, admission: Some(admission) }),
            Answer::Rejected(remaining) => Err(self.rejection(checked.state, remaining)),
        }
    }

    fn rejection(&self, state: CircuitState, remaining: Option<Duration>) -> Error {
        let name = self.name();
        let message = match (state, remaining) {
            (CircuitState::HalfOpen, _) => format!("circuit breaker {name} is half open and has its probes"),
            (_, Some(remaining)) => format!("circuit breaker {name} is open for another {remaining:?}"),
            (_, None) => format!("circuit breaker {name} is kept open"),
        };
        let error = Error::new(ErrorKind::CircuitOpen, message);
        match remaining {
            Some(remaining) => error.with_retry_after(remaining),
            None => error,
        }
    }

    fn report(&self, cx: &WorkflowContext, change: Option<Change>) {
        let Some(Change { from, to, failure_rate }) = change else { return };
        let (from, to) = (from.as_str(), to.as_str());
        cx.emit(&Event::CircuitStateChanged { breaker: self.name(), from, to, failure_rate });
    }

    /// The failure rate at which it opens; 1 if it has none.
    fn threshold(&self) -> f64 {
        self.shared.circuit.rules().failure_rate.unwrap_or(1.0)
    }

    fn outcome<T>(&self, result: &Result<T>, took: Duration) -> Outcome {
        let slow = took >= self.shared.slow_call;
        match result {
            Ok(_) => Outcome::Counted { failed: false, slow },
            Err(error) if self.counts(error) => Outcome::Counted { failed: true, slow },
            Err(_) => Outcome::Ignored,
        }
    }

    fn counts(&self, error: &Error) -> bool {
        error.kind() != ErrorKind::Cancelled && self.shared.counts_if.holds(error)
    }
}

/// Whether an error came from the callee, rather than from the caller or from what stands before the callee.
fn says_something_about_the_callee(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Cancelled
            | ErrorKind::Invalid
            | ErrorKind::CircuitOpen
            | ErrorKind::BulkheadFull
            | ErrorKind::BudgetExceeded
            | ErrorKind::Rejected
            | ErrorKind::NoRoute
    )
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircuitBreaker({}: {})", self.name(), self.state().as_str())
    }
}

impl CircuitBreakerBuilder {
    /// Opens after this many failures in a row, at least one.
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.rules.consecutive_failures = Some(failures.max(1));
        self
    }

    /// Opens when this part of the calls in the window failed, 0 to 1.
    pub fn failure_rate(mut self, rate: f64) -> Self {
        self.rules.failure_rate = Some(rate);
        self
    }

    /// Opens when this part of the calls in the window, 0 to 1, took that long or longer.
    pub fn slow_call_rate(mut self, rate: f64, slow: Duration) -> Self {
        self.rules.slow_call_rate = Some(rate);
        self.slow_call = slow;
        self
    }

    /// Looks at the latest calls, this many; 100 unless set.
    pub fn window_calls(mut self, calls: u32) -> Self {
        self.rules.window = WindowSize::Calls(calls.max(1));
        self
    }

    /// Looks at the calls of the last while. The window moves on by a tenth of its length at a time.
    pub fn window_time(mut self, length: Duration) -> Self {
        self.rules.window = WindowSize::Time(length);
        self
    }

    /// Heeds no rate before there were this many calls in the window; 10 unless set.
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.rules.minimum_calls = calls.max(1);
        self
    }

    /// Stays open for this time; 30 s unless set.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.rules.open_for = time;
        self
    }

    /// Multiplies the time whenever a probe fails, at least by one, up to a maximum.
    pub fn open_growth(mut self, factor: f64, max: Duration) -> Self {
        self.rules.open_growth = factor;
        self.rules.max_open_for = max;
        self
    }

    /// Lets so many probes pass at once when half open; one unless set.
    pub fn probes(mut self, probes: u32) -> Self {
        self.rules.probes = probes.max(1);
        self
    }

    /// Closes after so many probes have succeeded; one unless set.
    pub fn successes_to_close(mut self, successes: u32) -> Self {
        self.rules.successes_to_close = successes.max(1);
        self
    }

    /// Says which errors count as failures; others say nothing of the callee. Unless set, all count but those
    /// that came from the caller or from another policy. A cancellation never counts.
    pub fn counts_if(mut self, counts: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.counts_if = Predicate::new(counts);
        self
    }

    /// Makes the breaker.
    #[must_use]
    pub fn build(mut self) -> CircuitBreaker {
        let rules = &mut self.rules;
        if (rules.consecutive_failures, rules.failure_rate, rules.slow_call_rate) == (None, None, None) {
            rules.failure_rate = Some(0.5);
        }
        // Otherwise the rates would never be heeded.
        if let WindowSize::Calls(calls) = rules.window {
            rules.minimum_calls = rules.minimum_calls.min(calls);
        }
        let Self { name, rules, slow_call, counts_if } = self;
        let circuit = Circuit::new(rules);
        CircuitBreaker {
            shared: Arc::new(Shared { name, circuit, counts_if, slow_call, born: clock::now() }),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Asks a circuit breaker before each call, and tells it what became of the call.
    ///
    /// # Cancellation
    /// A call that is dropped says nothing about the callee; a probe that is dropped gives its place back.
    #[must_use]
    pub fn circuit_breaker(self, breaker: &CircuitBreaker) -> Flow<I, O> {
        let check = NodeInfo {
            span_name: span::CIRCUIT_BREAKER_CHECK.into(),
            name: breaker.name().clone(),
            kind: "circuit_breaker".into(),
            attributes: vec![(attribute::CIRCUIT_BREAKER_NAME.key(), breaker.name().clone().into())],
            ..NodeInfo::default()
        };
        let inner = Flow::of_node(self.node);
        Flow::new(Guarded { inner, breaker: breaker.clone(), check: Arc::new(check) })
    }
}

struct Guarded<I, O> {
    inner: Flow<I, O>,
    breaker: CircuitBreaker,
    check: Arc<NodeInfo>,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Guarded<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let permit = leaf(cx, &self.check, async { self.breaker.admit(cx) }).await?;
        let started = clock::now();
        let result = self.inner.call(0, input, cx, &[]).await;
        let took = clock::now().saturating_duration_since(started);
        permit.settle(cx, self.breaker.outcome(&result, took));
        result
    }

    fn describe(&self) -> Description {
        Description::new("circuit_breaker")
            .attribute(attribute::CIRCUIT_BREAKER_NAME.key(), self.breaker.name().clone())
            .attribute(attribute::CIRCUIT_BREAKER_THRESHOLD.key(), self.breaker.threshold())
            .child(Role::Guarded, &self.inner)
    }
}

/// The right of one call to pass. Dropped before it is settled, the call said nothing.
struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    admission: Option<Admission>,
}

impl Permit<'_> {
    fn settle(mut self, cx: &WorkflowContext, outcome: Outcome) {
        let Some(admission) = self.admission.take() else { return };
        let change = self.breaker.shared.circuit.settle(admission, outcome, self.breaker.now());
        self.breaker.report(cx, change);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.breaker.shared.circuit.settle(admission, Outcome::Ignored, self.breaker.now());
        }
    }
}
