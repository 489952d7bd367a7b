//! How a model has done lately: how quick it was, and whether it wants to be left alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{CallFailure, FailureClass};

/// How much the latest call counts in the average.
const SMOOTHING: f64 = 0.3;

/// For ever, as far as a program is concerned: a hundred years.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How a model has done lately.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The seconds that a call takes, on average.
    average: Option<f64>,
    /// Whether all calls so far have failed; of no interest once there is an average.
    has_only_failed: bool,
    /// Until when the model is left alone.
    cooling_until: Option<Instant>,
}

impl Health {
    /// The seconds that a call takes, on average; for ever where all have failed, and none if there was none.
    pub(super) fn average(&self) -> Option<f64> {
        let state = self.state();
        state.average.or(state.has_only_failed.then_some(f64::INFINITY))
    }

    /// For how long it is still left alone.
    pub(super) fn cooling(&self, now: Instant) -> Option<Duration> {
        let until = self.state().cooling_until?;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    fn took(&self, seconds: f64) {
        let mut state = self.state();
        let before = state.average.unwrap_or(seconds);
        state.average = Some(before + SMOOTHING * (seconds - before));
    }

    fn cool(&self, wait: Duration) {
        let now = Instant::now();
        // What goes beyond the clock is for ever.
        let until = now.checked_add(wait).unwrap_or(now + LONGEST_COOLDOWN);
        let mut state = self.state();
        state.cooling_until = Some(state.cooling_until.map_or(until, |before| before.max(until)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call of a model, from which its health is learned. A call that is dropped says that it took so long at least.
pub(super) struct Trial {
    health: Arc<Health>,
    since: Instant,
    has_ended: bool,
}

impl Trial {
    pub(super) fn begin(health: &Arc<Health>) -> Self {
        Self { health: Arc::clone(health), since: Instant::now(), has_ended: false }
    }

    pub(super) fn succeeded(mut self) {
        self.has_ended = true;
        self.health.took(self.took());
    }

    /// A failure counts as no quicker than the calls before, so that what fails at once does not win.
    pub(super) fn failed(mut self, failure: Option<&CallFailure>, cooldown: Duration) {
        self.has_ended = true;
        let Some(failure) = failure else { return };
        let is_busy = matches!(failure.class, FailureClass::RateLimit | FailureClass::Overload);
        match self.known() {
            // What is wrong with the request says nothing of the model, and one that is busy is left alone anyway.
            None => self.health.state().has_only_failed |= !is_busy && failure.class.may_pass_elsewhere(),
            Some(average) => self.health.took(self.took().max(average)),
        }
        if is_busy {
            self.health.cool(failure.retry_after.unwrap_or(cooldown));
        }
    }

    fn took(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    fn known(&self) -> Option<f64> {
        self.health.state().average
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.has_ended {
            let took = self.took();
            self.health.took(self.known().map_or(took, |average| took.max(average)));
        }
    }
}
