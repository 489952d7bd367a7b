//! What happened in the last minutes, hours and days, in bounded memory.
//!
//! Time is cut into buckets, of which there are three widths; for each bucket in which anything happened the totals
//! before it are kept. What happened in a window is the difference between the totals now and those before
//! its first bucket, so that looking costs a search, not a sum.

use std::collections::VecDeque;
use std::time::Duration;

/// Events that count for or against an objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// Those that were good.
    pub(crate) good: u64,
    /// All of them; never fewer than the good ones.
    pub(crate) total: u64,
}

impl Events {
    pub(super) fn bad(self) -> u64 {
        self.total.saturating_sub(self.good)
    }

    /// The part that was good; none without events.
    pub(super) fn compliance(self) -> Option<f64> {
        (self.total > 0).then(|| self.good as f64 / self.total as f64)
    }

    /// How many times more were bad than a part that is allowed; zero without events.
    pub(super) fn burn_rate(self, allowed: f64) -> f64 {
        if self.total == 0 { 0.0 } else { self.bad() as f64 / (self.total as f64 * allowed) }
    }

    fn since(self, before: Self) -> Self {
        let total = self.total.saturating_sub(before.total);
        Self { good: self.good.saturating_sub(before.good).min(total), total }
    }
}

/// The widths of buckets, each with the longest window that is looked at in it.
const WIDTHS: [(Duration, Duration); 3] = [
    (Duration::from_secs(10), Duration::from_secs(3_600)),
    (Duration::from_secs(60), Duration::from_secs(24 * 3_600)),
    (Duration::from_secs(30 * 60), super::LONGEST_WINDOW),
];

/// How wide the buckets are in which a window is looked at.
pub(super) fn width(window: Duration) -> Duration {
    let fits = WIDTHS.iter().find(|(_, longest)| window <= *longest);
    fits.unwrap_or(&WIDTHS[WIDTHS.len() - 1]).0
}

/// The events of the last 30 days.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    now: Duration,
    latest: Events,
    /// By width.
    rings: [VecDeque<Mark>; WIDTHS.len()],
}

/// A bucket in which something happened.
#[derive(Clone, Copy, Debug)]
struct Mark {
    bucket: u128,
    /// The totals before it.
    before: Events,
}

impl History {
    /// Takes in the totals since the start. What came since the last time belongs to this moment. Time that goes back
    /// is taken to stand still, and so are totals.
    pub(super) fn observe(&mut self, now: Duration, totals: Events) {
        self.now = self.now.max(now);
        let total = self.latest.total.max(totals.total);
        let latest = Events { good: self.latest.good.max(totals.good.min(total)), total };
        for (ring, (width, longest)) in self.rings.iter_mut().zip(WIDTHS) {
            let first = bucket(self.now.saturating_sub(longest), width);
            while ring.front().is_some_and(|mark| mark.bucket < first) {
                ring.pop_front();
            }
            let bucket = bucket(self.now, width);
            if latest != self.latest && ring.back().is_none_or(|mark| mark.bucket < bucket) {
                ring.push_back(Mark { bucket, before: self.latest });
            }
        }
        self.latest = latest;
    }

    /// What happened in a window up to now, and in up to one bucket more before it.
    pub(super) fn last(&self, window: Duration) -> Events {
        let width = width(window);
        let ring = WIDTHS.iter().zip(&self.rings).find(|((known, _), _)| *known == width);
        let first = bucket(self.now.saturating_sub(window), width);
        let mark = ring.and_then(|(_, ring)| ring.get(ring.partition_point(|mark| mark.bucket < first)));
        mark.map_or_else(Events::default, |mark| self.latest.since(mark.before))
    }

    #[cfg(test)]
    pub(super) fn marks(&self) -> usize {
        self.rings.iter().map(VecDeque::len).sum()
    }
}

fn bucket(time: Duration, width: Duration) -> u128 {
    time.as_nanos() / width.as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn memory_stays_bounded_however_long_it_runs() {
        let mut history = History::default();
        let mut most = 0;
        for minute in 0..60 * 24 * 60 {
            let total = u64::from(minute) + 1;
            history.observe(MINUTE * minute, Events { good: total, total });
            most = most.max(history.marks());
        }
        let buckets: u128 = WIDTHS.iter().map(|(width, longest)| bucket(*longest, *width) + 1).sum();
        assert!(most as u128 <= buckets, "{most} marks, {buckets} buckets");
        assert_eq!(history.last(super::super::LONGEST_WINDOW).total, 30 * 24 * 60 + 30);
    }

    #[test]
    fn what_stands_still_leaves_no_mark() {
        let mut history = History::default();
        let events = Events { good: 5, total: 7 };
        (0..100).for_each(|minute| history.observe(MINUTE * minute, events));
        assert_eq!(history.last(MINUTE * 300), events, "they came in the first bucket");
        assert_eq!(history.last(MINUTE * 5), Events::default());
        assert_eq!(history.marks(), 2, "the hour has forgotten them");
    }

    #[test]
    fn totals_and_time_that_go_back_stand_still() {
        let mut history = History::default();
        history.observe(MINUTE * 10, Events { good: 8, total: 9 });
        history.observe(MINUTE * 3, Events { good: 2, total: 2 });
        assert_eq!(history.last(MINUTE * 5), Events { good: 8, total: 9 });
        history.observe(MINUTE * 11, Events { good: 20, total: 10 });
        assert_eq!(history.last(MINUTE * 5), Events { good: 10, total: 10 }, "never better than perfect");
    }
}
