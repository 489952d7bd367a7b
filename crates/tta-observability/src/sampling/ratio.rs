//! A part of all traces.

use tta_model::w3c::{MAX_ADJUSTED_COUNT, TraceState};
use tta_model::{SpanContext, TraceId};

/// A part of all traces, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// Every trace.
    pub const ALL: Self = Self(1.0);
    /// No trace.
    pub const NONE: Self = Self(0.0);

    /// Takes a number from 0 to 1.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }

    /// A number of per cent, for what is written in the program.
    pub(super) const fn percent(percent: f64) -> Self {
        assert!(percent >= 0.0 && percent <= 100.0, "a part of all is from 0 to 100 %");
        Self(percent / 100.0)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The ratio of a threshold.
    pub(super) fn of_threshold(threshold: u64) -> Self {
        Self(MAX_ADJUSTED_COUNT.saturating_sub(threshold) as f64 / MAX_ADJUSTED_COUNT as f64)
    }

    /// The randomness below which traces are rejected: 0 keeps all, 2^56 none.
    pub(super) fn threshold(self) -> u64 {
        // Both factors are exact, and so is the product: it is the ratio with another exponent.
        let kept = self.0 * MAX_ADJUSTED_COUNT as f64;
        MAX_ADJUSTED_COUNT - kept.round() as u64
    }
}

/// The number that is compared with a threshold: what the caller chose, or else the last 56 bits of the trace id.
pub(super) fn randomness(state: Option<&TraceState>, trace_id: TraceId) -> u64 {
    let chosen = state.and_then(TraceState::randomness);
    chosen.unwrap_or((trace_id.get() % u128::from(MAX_ADJUSTED_COUNT)) as u64)
}

/// [`randomness`] of the trace of a parent.
pub(super) fn inherited(parent: Option<&SpanContext>, trace_id: TraceId) -> u64 {
    randomness(parent.map(|parent| &parent.state), trace_id)
}
