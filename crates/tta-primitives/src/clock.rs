//! The only place that reads a clock or sleeps.
//!
//! Three clocks, three purposes. `now` is the monotonic clock of the runtime: timeouts, deadlines
//! and time to live use it, and it stands still in a test that pauses time. [`ticks`] is a cheap
//! monotonic counter in nanoseconds for the start and end of spans. `wall` is the time of day and
//! is used for nothing but timestamps.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// A moment on both clocks, by which ticks are turned into the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The moment in [ticks].
    pub ticks: u64,
    /// The same moment in nanoseconds since 1970-01-01T00:00:00Z.
    pub unix_nanos: u64,
}

impl Anchor {
    /// Reads both clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { ticks: ticks(), unix_nanos: unix_nanos(wall()) }
    }

    /// The time of day at a tick, in nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_nanos_at(self, ticks: u64) -> u64 {
        self.unix_nanos.saturating_add_signed(ticks.wrapping_sub(self.ticks).cast_signed())
    }
}

/// The current moment of the runtime's monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since some moment before the first call, never going back.
///
/// # Cost
/// About 9 ns where the processor's time stamp counter is steady, about 22 ns elsewhere. The first
/// call of a process calibrates the counter and takes some milliseconds.
#[must_use]
pub fn ticks() -> u64 {
    #[cfg(feature = "test-kit")]
    if let Some(paused) = crate::testkit::paused_ticks() {
        return paused;
    }
    static CLOCK: OnceLock<(quanta::Clock, u64)> = OnceLock::new();
    let (clock, origin) = CLOCK.get_or_init(|| {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        (clock, origin)
    });
    // One is added so that zero can mean "never".
    clock.delta_as_nanos(*origin, clock.raw()) + 1
}

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// A time of day in nanoseconds since 1970-01-01T00:00:00Z; zero before that, the maximum after the year 2554.
pub(crate) fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits for a duration.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until a moment.
pub(crate) fn sleep_until(moment: Instant) -> tokio::time::Sleep {
    tokio::time::sleep_until(moment)
}
