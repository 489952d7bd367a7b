//! What became of the latest calls.

use std::collections::VecDeque;
use std::time::Duration;

/// How many parts a window of time has; it moves on by one part at a time.
const PARTS: u32 = 10;

/// Which calls are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowSize {
    /// The latest ones, this many.
    Calls(u32),
    /// Those of the last while.
    Time(Duration),
}

/// How many calls there were, and how many of them failed or were slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
}

impl Tally {
    pub(crate) fn of(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failures: failed.into(), slow: slow.into() }
    }

    pub(crate) fn failure_rate(self) -> f64 {
        self.rate(self.failures)
    }

    pub(crate) fn slow_rate(self) -> f64 {
        self.rate(self.slow)
    }

    fn rate(self, part: u64) -> f64 {
        if self.calls == 0 { 0.0 } else { part as f64 / self.calls as f64 }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn remove(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// A sliding window of calls, of bounded memory.
#[derive(Debug)]
pub(crate) struct Window {
    size: WindowSize,
    /// Single calls, or the calls of one part of the time with the number of the part.
    parts: VecDeque<(u128, Tally)>,
    total: Tally,
}

impl Window {
    pub(crate) fn new(size: WindowSize) -> Self {
        Self { size, parts: VecDeque::new(), total: Tally::default() }
    }

    pub(crate) fn record(&mut self, call: Tally, now: Duration) {
        self.forget(now);
        self.total.add(call);
        match self.size {
            WindowSize::Calls(limit) => {
                self.parts.push_back((0, call));
                if self.parts.len() > limit.max(1) as usize {
                    self.forget_first();
                }
            }
            WindowSize::Time(length) => {
                let part = part_of(now, length);
                match self.parts.back_mut() {
                    // A reading that is older than the latest one counts with the latest.
                    Some((latest, tally)) if *latest >= part => tally.add(call),
                    _ => self.parts.push_back((part, call)),
                }
            }
        }
    }

    pub(crate) fn tally(&mut self, now: Duration) -> Tally {
        self.forget(now);
        self.total
    }

    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.total = Tally::default();
    }

    /// Forgets the parts that lie before the window.
    fn forget(&mut self, now: Duration) {
        let WindowSize::Time(length) = self.size else { return };
        let current = part_of(now, length);
        while self.parts.front().is_some_and(|(part, _)| part + u128::from(PARTS) <= current) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, first)) = self.parts.pop_front() {
            self.total.remove(first);
        }
    }
}

fn part_of(now: Duration, length: Duration) -> u128 {
    now.as_nanos() / (length / PARTS).as_nanos().max(1)
}
