//! What was decided about a trace, and what is written down of it.

use tta_model::w3c::TraceState;

/// Whether a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is.
    pub sampled: bool,
    pub(super) mark: Mark,
}

/// What becomes of the threshold in `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Another process decided, so its threshold stays.
    Keep,
    /// The trace was kept at this threshold.
    Set(u64),
    /// No threshold says how often this happens.
    Erase,
}

impl Decision {
    /// Compares the randomness of a trace with a threshold.
    pub(super) fn at(threshold: u64, randomness: u64) -> Self {
        let sampled = randomness >= threshold;
        Self { sampled, mark: if sampled { Mark::Set(threshold) } else { Mark::Erase } }
    }

    /// Notes in a `tracestate` what a kept trace stands for, and keeps what others wrote there.
    pub fn mark(self, state: &mut TraceState) {
        match self.mark {
            Mark::Keep => {}
            Mark::Set(threshold) => write(state, Some(threshold)),
            Mark::Erase => write(state, None),
        }
    }
}

/// Writes a threshold, or none.
pub(super) fn write(state: &mut TraceState, threshold: Option<u64>) {
    // It fails when the member would outgrow 256 characters. What stands there then speaks of another
    // decision, and a wrong threshold is worse than none.
    if state.set_threshold(threshold).is_err() {
        let _ = state.set_threshold(None);
    }
}
