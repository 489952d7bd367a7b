//! For tests of workflows: the spans of a run as text, paused time, scripted steps, injected faults.

mod chaos;
mod check;
mod mock;
mod tape;

use std::cell::Cell;

use crate::clock;

pub use chaos::Chaos;
pub use check::Violation;
pub use mock::Mock;
pub use tape::{Tape, TapeSpan};

thread_local! {
    static PAUSED: Cell<Option<clock::Instant>> = const { Cell::new(None) };
}

/// Makes the spans of this thread use the runtime's clock, which a test can pause, instead of the processor's.
///
/// Call it at the beginning of a test with `#[tokio::test(start_paused = true)]`.
pub fn use_paused_time() {
    PAUSED.set(Some(clock::now()));
}

/// Makes this thread draw the same random numbers in every run of a test.
pub fn seed(seed: u64) {
    crate::random::seed(seed);
}

pub(crate) fn paused_ticks() -> Option<u64> {
    let origin = PAUSED.get()?;
    let since = clock::now().saturating_duration_since(origin);
    // An offset keeps ticks before the pause apart from zero.
    Some(1_000_000_000 + u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
