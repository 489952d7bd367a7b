//! How long to wait between attempts.

use std::time::Duration;

use crate::random;

/// The greatest wait of a strategy that grows, unless another is set.
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(30);

/// How long to wait before each attempt after the first.
///
/// No wait is ever longer than the [cap](Self::max_delay), jitter included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    strategy: Strategy,
    base: Duration,
    max: Duration,
    jitter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Constant,
    Linear,
    Exponential,
    Decorrelated,
}

impl Backoff {
    /// Waits the same time before every attempt, without jitter.
    #[must_use]
    pub const fn constant(wait: Duration) -> Self {
        Self { strategy: Strategy::Constant, base: wait, max: Duration::MAX, jitter: false }
    }

    /// Waits one, two, three steps and so on, up to 30 s unless another cap is set, without jitter.
    #[must_use]
    pub const fn linear(step: Duration) -> Self {
        Self { strategy: Strategy::Linear, base: step, max: DEFAULT_MAX_DELAY, jitter: false }
    }

    /// Waits up to one, two, four bases and so on, up to 30 s unless another cap is set, with full jitter:
    /// each wait is drawn evenly between zero and that, so that callers which failed together do not come
    /// back together.
    #[must_use]
    pub const fn exponential(base: Duration) -> Self {
        Self { strategy: Strategy::Exponential, base, max: DEFAULT_MAX_DELAY, jitter: true }
    }

    /// Waits a time drawn evenly between the base and three times the wait before, up to 30 s unless
    /// another cap is set.
    #[must_use]
    pub const fn decorrelated(base: Duration) -> Self {
        Self { strategy: Strategy::Decorrelated, base, max: DEFAULT_MAX_DELAY, jitter: false }
    }

    /// Sets the cap: the longest wait.
    #[must_use]
    pub const fn max_delay(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// Draws each wait evenly between zero and what it would be; decorrelated waits are drawn anyway.
    #[must_use]
    pub const fn full_jitter(mut self) -> Self {
        self.jitter = true;
        self
    }

    /// Waits exactly as long as the strategy says; decorrelated waits are drawn anyway.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// The name of the strategy.
    #[must_use]
    pub const fn strategy(&self) -> &'static str {
        match self.strategy {
            Strategy::Constant => "constant",
            Strategy::Linear => "linear",
            Strategy::Exponential => "exponential",
            Strategy::Decorrelated => "decorrelated",
        }
    }

    /// The waits in order, without end.
    #[must_use]
    pub const fn waits(self) -> Waits {
        Waits { backoff: self, number: 0, previous: self.base }
    }

    /// How long the first waits take together, on average.
    pub(super) fn average_total(self, waits: u32) -> Duration {
        // Beyond some hundred waits the sum is hours or days, which is all that a reader wants to know.
        let mut draw = self.waits();
        (0..waits.min(1_000)).fold(Duration::ZERO, |sum, _| sum.saturating_add(draw.draw(0.5)))
    }
}

/// The waits of a [`Backoff`]: an iterator without end.
#[derive(Clone, Debug)]
pub struct Waits {
    backoff: Backoff,
    number: u32,
    previous: Duration,
}

impl Waits {
    /// The next wait, by a number in `0.0..1.0`.
    fn draw(&mut self, unit: f64) -> Duration {
        self.number = self.number.saturating_add(1);
        let Backoff { strategy, base, max, jitter } = self.backoff;
        let base = base.as_secs_f64();
        let seconds = match strategy {
            Strategy::Constant => base,
            Strategy::Linear => base * f64::from(self.number),
            Strategy::Exponential => base * 2f64.powi(i32::try_from(self.number - 1).unwrap_or(i32::MAX)),
            Strategy::Decorrelated => base + unit * (self.previous.as_secs_f64() * 3.0 - base).max(0.0),
        };
        // Capped before the jitter, so that late waits still spread over the whole range.
        let capped = seconds.min(max.as_secs_f64());
        let drawn = if jitter && strategy != Strategy::Decorrelated { capped * unit } else { capped };
        // Capped again, because a float can round up to beyond the cap.
        self.previous = Duration::try_from_secs_f64(drawn).unwrap_or(max).min(max);
        self.previous
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.draw(random::unit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(backoff: Backoff, expect: [u64; 5]) {
        let waits: Vec<_> = backoff.waits().take(5).collect();
        assert_eq!(waits, expect.map(Duration::from_millis), "{}", backoff.strategy());
    }

    #[test]
    fn strategies_grow_as_they_say() {
        let base = Duration::from_millis(10);
        let cap = Duration::from_millis(70);
        check(Backoff::constant(base), [10, 10, 10, 10, 10]);
        check(Backoff::linear(base).max_delay(Duration::from_millis(35)), [10, 20, 30, 35, 35]);
        check(Backoff::exponential(base).without_jitter().max_delay(cap), [10, 20, 40, 70, 70]);
    }

    #[test]
    fn a_hundred_thousand_draws_stay_at_or_below_the_cap() {
        let cap = Duration::from_nanos(123_456_789);
        let base = Duration::from_millis(7);
        for backoff in [
            Backoff::constant(base).full_jitter(),
            Backoff::linear(base).full_jitter(),
            Backoff::exponential(base),
            Backoff::decorrelated(base),
        ] {
            let mut waits = backoff.max_delay(cap).waits();
            for _ in 0..25_000 {
                assert!(waits.draw(random::unit()) <= cap);
            }
        }
    }

    #[test]
    fn full_jitter_covers_the_whole_range() {
        let waits = || Backoff::constant(Duration::from_secs(1)).full_jitter().waits().take(10_000);
        assert!(waits().min().is_some_and(|least| least < Duration::from_millis(10)));
        assert!(waits().max().is_some_and(|most| most > Duration::from_millis(990)));
    }

    #[test]
    fn decorrelated_waits_lie_between_the_base_and_three_times_the_one_before() {
        let base = Duration::from_millis(10);
        let mut before = base;
        for wait in Backoff::decorrelated(base).waits().take(1_000) {
            assert!(wait >= base && wait.as_secs_f64() <= before.as_secs_f64() * 3.0 + 1e-9);
            before = wait;
        }
    }

    #[test]
    fn waits_without_a_bound_do_not_overflow() {
        let endless = Backoff::exponential(Duration::from_secs(1)).without_jitter().max_delay(Duration::MAX);
        assert_eq!(endless.waits().nth(5_000), Some(Duration::MAX));
        assert_eq!(Backoff::constant(Duration::ZERO).average_total(u32::MAX), Duration::ZERO);
    }
}
