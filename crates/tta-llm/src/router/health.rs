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
    /// Until when the model is left alone.
    cooling_until: Option<Instant>,
}

impl Health {
    pub(super) fn average(&self) -> Option<f64> {
        self.state().average
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
        self.health.took(self.since.elapsed().as_secs_f64());
    }

    /// A failure counts as no quicker than the calls before, so that what fails at once does not win.
    pub(super) fn failed(mut self, failure: Option<&CallFailure>, cooldown: Duration) {
        self.has_ended = true;
        self.waited();
        let Some(failure) = failure else { return };
        if matches!(failure.class, FailureClass::RateLimit | FailureClass::Overload) {
            self.health.cool(failure.retry_after.unwrap_or(cooldown));
        }
    }

    fn waited(&self) {
        let took = self.since.elapsed().as_secs_f64();
        if let Some(average) = self.health.average() {
            self.health.took(took.max(average));
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.has_ended {
            self.waited();
        }
    }
}
