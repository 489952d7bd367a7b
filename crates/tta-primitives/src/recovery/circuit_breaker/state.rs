//! The state of a breaker, without clock, names or telemetry.
//!
//! Time is given as the duration since the breaker was made, and the lock comes from the `sync` of the
//! module around this one, so that a test can search all schedules of threads.

use std::time::Duration;

use super::sync::{Mutex, MutexGuard, PoisonError};
use super::window::{Tally, Window, WindowSize};

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Calls pass and are counted.
    Closed,
    /// No call passes.
    Open,
    /// A few calls pass, to see whether the others could.
    HalfOpen,
}

impl CircuitState {
    /// The word for this state in attributes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// When a breaker opens and closes.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) consecutive_failures: Option<u32>,
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_call_rate: Option<f64>,
    pub(crate) window: WindowSize,
    pub(crate) minimum_calls: u32,
    pub(crate) open_for: Duration,
    pub(crate) open_growth: f64,
    pub(crate) max_open_for: Duration,
    pub(crate) probes: u32,
    pub(crate) successes_to_close: u32,
}

/// A change of state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) from: CircuitState,
    pub(crate) to: CircuitState,
    pub(crate) failure_rate: f64,
}

/// The answer to a call that wants to pass.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) state: CircuitState,
    pub(crate) failure_rate: f64,
    pub(crate) change: Option<Change>,
    pub(crate) answer: Answer,
}

#[derive(Debug)]
pub(crate) enum Answer {
    /// The call passes; what became of it has to be settled once.
    Admitted(Admission),
    /// It does not pass; the time after which it might, if that is known.
    Rejected(Option<Duration>),
}

/// The right of one call to pass, in one period of one state.
#[derive(Debug)]
pub(crate) struct Admission {
    period: u64,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Counted {
        failed: bool,
        slow: bool,
    },
    /// It says nothing about the callee: it was dropped, or its error does not count.
    Ignored,
}

/// The state of a breaker that several threads ask.
#[derive(Debug)]
pub(crate) struct Circuit {
    rules: Rules,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    phase: Phase,
    /// Grows with every change of state, so that a call only counts in the period in which it began.
    period: u64,
    /// Set by hand, and so until it is reset.
    forced: bool,
    /// A change that was made by hand, which the next call reports.
    unreported: Option<Change>,
    consecutive: u32,
    window: Window,
    open_for: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Duration },
    HalfOpen { in_flight: u32, successes: u32 },
}

impl Phase {
    fn state(self) -> CircuitState {
        match self {
            Self::Closed => CircuitState::Closed,
            Self::Open { .. } => CircuitState::Open,
            Self::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }
}

impl Circuit {
    pub(crate) fn new(rules: Rules) -> Self {
        let machine = Machine {
            phase: Phase::Closed,
            period: 0,
            forced: false,
            unreported: None,
            consecutive: 0,
            window: Window::new(rules.window),
            open_for: rules.open_for,
        };
        Self { rules, machine: Mutex::new(machine) }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Asks whether a call may pass.
    pub(crate) fn check(&self, now: Duration) -> Checked {
        let mut machine = self.lock();
        let failure_rate = machine.window.tally(now).failure_rate();
        let change = match machine.phase {
            Phase::Open { until } if now >= until && !machine.forced => {
                Some(machine.enter(Phase::HalfOpen { in_flight: 0, successes: 0 }, failure_rate))
            }
            _ => machine.unreported.take(),
        };
        let answer = machine.answer(&self.rules, now);
        Checked { state: machine.phase.state(), failure_rate, change, answer }
    }

    /// Says what became of a call that was admitted.
    pub(crate) fn settle(&self, admission: Admission, outcome: Outcome, now: Duration) -> Option<Change> {
        let mut machine = self.lock();
        if machine.forced || machine.period != admission.period {
            return None;
        }
        match machine.phase {
            Phase::Closed => machine.settle_closed(&self.rules, outcome, now),
            Phase::HalfOpen { in_flight, successes } => {
                let probes = (in_flight.saturating_sub(1), successes);
                machine.settle_probe(&self.rules, outcome, probes, now)
            }
            Phase::Open { .. } => None,
        }
    }

    /// The state now: an open circuit whose time is over will let probes pass.
    pub(crate) fn state(&self, now: Duration) -> CircuitState {
        let machine = self.lock();
        match machine.phase {
            Phase::Open { until } if now >= until && !machine.forced => CircuitState::HalfOpen,
            phase => phase.state(),
        }
    }

    /// Opens or closes the circuit until it is reset.
    pub(crate) fn force(&self, open: bool) {
        let phase = if open { Phase::Open { until: Duration::MAX } } else { Phase::Closed };
        self.restart(phase, true);
    }

    /// Closes the circuit as if it were new.
    pub(crate) fn reset(&self) {
        self.restart(Phase::Closed, false);
    }

    fn restart(&self, phase: Phase, forced: bool) {
        let mut machine = self.lock();
        machine.forced = forced;
        machine.open_for = self.rules.open_for;
        let change = machine.enter(phase, 0.0);
        // Of several changes since the last call only their sum is of interest.
        let from = machine.unreported.map_or(change.from, |earlier| earlier.from);
        machine.unreported = (from != change.to).then_some(Change { from, ..change });
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn answer(&mut self, rules: &Rules, now: Duration) -> Answer {
        let admitted = Answer::Admitted(Admission { period: self.period });
        match &mut self.phase {
            Phase::Closed => admitted,
            Phase::Open { .. } if self.forced => Answer::Rejected(None),
            Phase::Open { until } => Answer::Rejected(Some(until.saturating_sub(now))),
            Phase::HalfOpen { in_flight, successes } => {
                // Those that have succeeded keep their place, so that a period admits exactly so many.
                let places = rules.probes.max(rules.successes_to_close);
                if *in_flight >= rules.probes || *in_flight + *successes >= places {
                    return Answer::Rejected(None);
                }
                *in_flight += 1;
                admitted
            }
        }
    }

    fn settle_closed(&mut self, rules: &Rules, outcome: Outcome, now: Duration) -> Option<Change> {
        let Outcome::Counted { failed, slow } = outcome else { return None };
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        self.window.record(Tally::of(failed, slow), now);
        let tally = self.window.tally(now);
        let enough = tally.calls >= u64::from(rules.minimum_calls);
        // Without a single bad call even a limit of zero is not reached.
        let reaches = |rate: f64, limit: Option<f64>| limit.is_some_and(|limit| rate > 0.0 && rate >= limit);
        let trips = rules.consecutive_failures.is_some_and(|limit| self.consecutive >= limit)
            || enough && reaches(tally.failure_rate(), rules.failure_rate)
            || enough && reaches(tally.slow_rate(), rules.slow_call_rate);
        trips.then(|| self.open(now, tally.failure_rate()))
    }

    /// Settles a probe; `probes` are those still in flight and those that have succeeded.
    fn settle_probe(
        &mut self,
        rules: &Rules,
        outcome: Outcome,
        (in_flight, successes): (u32, u32),
        now: Duration,
    ) -> Option<Change> {
        let Outcome::Counted { failed, slow } = outcome else {
            self.phase = Phase::HalfOpen { in_flight, successes };
            return None;
        };
        if failed || slow && rules.slow_call_rate.is_some() {
            let longer = self.open_for.as_secs_f64() * rules.open_growth.max(1.0);
            let longer = Duration::try_from_secs_f64(longer).unwrap_or(rules.max_open_for);
            self.open_for = longer.min(rules.max_open_for.max(rules.open_for));
            return Some(self.open(now, 1.0));
        }
        if successes + 1 < rules.successes_to_close {
            self.phase = Phase::HalfOpen { in_flight, successes: successes + 1 };
            return None;
        }
        self.open_for = rules.open_for;
        Some(self.enter(Phase::Closed, 0.0))
    }

    fn open(&mut self, now: Duration, failure_rate: f64) -> Change {
        self.enter(Phase::Open { until: now.saturating_add(self.open_for) }, failure_rate)
    }

    fn enter(&mut self, phase: Phase, failure_rate: f64) -> Change {
        let from = self.phase.state();
        self.phase = phase;
        self.period += 1;
        self.consecutive = 0;
        // While it is open the rate that opened it is still of interest.
        if matches!(phase, Phase::Closed) {
            self.window.clear();
        }
        Change { from, to: phase.state(), failure_rate }
    }
}
