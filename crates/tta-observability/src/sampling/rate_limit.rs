//! At most so many new traces a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tta_primitives::clock;

const NANOS_PER_SECOND: f64 = 1e9;

/// At most so many new traces a second.
///
/// A bucket of tokens: it holds one second's worth, at least one, and is full at first. So what comes at once
/// after a quiet second may be kept whole, and in the long run no more than the rate is kept.
///
/// A clone takes from the same bucket; two limits are equal when their rates are.
///
/// # Cost
/// One reading of the clock and one atomic operation. No lock, and a rejected trace writes nothing.
#[derive(Clone, Debug)]
pub struct RateLimit {
    per_second: f64,
    /// The time between two traces at the rate, in nanoseconds; rounded up, so that the rate is never exceeded.
    interval: u64,
    /// How far the bucket may run ahead of the clock, in nanoseconds.
    tolerance: u64,
    /// When the bucket will be full again, in [`clock::ticks`]: the state of the generic cell rate algorithm.
    full_at: Arc<AtomicU64>,
}

impl RateLimit {
    /// Takes a number of traces a second: above 0 and finite, and below 1 for less than one a second. Of more
    /// than a thousand million it lets through as many as that.
    ///
    /// # Examples
    /// ```
    /// use tta_observability::sampling::{RateLimit, Sampler};
    ///
    /// let limit = RateLimit::per_second(100.0).expect("above 0");
    /// let sampler = Sampler::ParentBased(Box::new(Sampler::RateLimited(limit)));
    /// ```
    #[must_use]
    pub fn per_second(traces: f64) -> Option<Self> {
        if !(traces.is_finite() && traces > 0.0) {
            return None;
        }
        // Casts of floats saturate: the longest interval is some centuries.
        let interval = (NANOS_PER_SECOND / traces).ceil() as u64;
        let burst = traces.floor().max(1.0) as u64;
        let tolerance = interval.saturating_mul(burst - 1);
        Some(Self { per_second: traces, interval, tolerance, full_at: Arc::default() })
    }

    /// How many traces a second are let through.
    #[must_use]
    pub const fn get(&self) -> f64 {
        self.per_second
    }

    /// Lets a trace through, unless there were too many.
    pub(super) fn admits(&self) -> bool {
        self.admits_at(clock::ticks())
    }

    /// [`admits`](Self::admits) at a moment, in nanoseconds.
    fn admits_at(&self, now: u64) -> bool {
        let admitted = self.full_at.try_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let start = full_at.max(now);
            (start - now <= self.tolerance).then(|| start.saturating_add(self.interval))
        });
        admitted.is_ok()
    }
}

impl PartialEq for RateLimit {
    fn eq(&self, other: &Self) -> bool {
        self.per_second == other.per_second
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const THREADS: u64 = 8;

    fn limit(per_second: f64) -> RateLimit {
        RateLimit::per_second(per_second).expect("above 0")
    }

    fn admitted_at(limit: &RateLimit, now: u64, tries: u64) -> u64 {
        (0..tries).filter(|_| limit.admits_at(now)).count() as u64
    }

    #[test]
    fn lets_a_burst_through_and_then_the_rate() {
        let check = |per_second: f64, steps: &[(u64, u64)]| {
            let limit = limit(per_second);
            for (now, expect) in steps {
                assert_eq!(admitted_at(&limit, *now, 10_000), *expect, "{per_second} a second at {now}");
            }
        };
        check(100.0, &[(1, 100), (1, 0), (SECOND / 100, 0), (SECOND / 100 + 1, 1), (SECOND + 1, 99)]);
        check(1.0, &[(1, 1), (SECOND, 0), (SECOND + 1, 1), (10 * SECOND, 1)]);
        check(0.5, &[(1, 1), (SECOND, 0), (2 * SECOND, 0), (2 * SECOND + 1, 1)]);
        check(2.5, &[(1, 2), (SECOND / 5 * 2 + 1, 1), (100 * SECOND, 2)]);
    }

    #[test]
    fn is_exact_whichever_threads_ask() {
        let (limit, barrier) = (limit(1_000.0), Barrier::new(THREADS as usize));
        // Each moment adds so many tokens: a full bucket, a tenth of a second, a millisecond, two seconds, none.
        let moments = [
            (SECOND, 1_000),
            (SECOND * 11 / 10, 100),
            (SECOND * 1_101 / 1_000, 1),
            (SECOND * 4, 1_000),
            (SECOND * 4, 0),
        ];
        let counted: Vec<Vec<u64>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let each = moments.iter().map(|(now, _)| {
                            barrier.wait();
                            let admitted = admitted_at(&limit, *now, 2_000);
                            barrier.wait();
                            admitted
                        });
                        each.collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for (index, (now, expect)) in moments.iter().enumerate() {
            let admitted: u64 = counted.iter().map(|counts| counts[index]).sum();
            assert_eq!(admitted, *expect, "at {now}");
        }
    }

    #[test]
    fn never_exceeds_the_rate_and_the_burst() {
        for per_second in [0.3, 1.0, 7.0, 333.0, 30_000.0, 2e9] {
            let limit = limit(per_second);
            let seconds = 3;
            let admitted: u64 = (0..seconds * 1_000).map(|ms| admitted_at(&limit, ms * 1_000_000, 50)).sum();
            let most = per_second.max(1.0) + per_second * seconds as f64;
            assert!(admitted as f64 <= most, "{admitted} at {per_second} a second");
            assert!(admitted > 0);
        }
    }

    #[test]
    fn takes_only_rates() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(RateLimit::per_second(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_clone_takes_from_the_same_bucket() {
        let (one, other) = (limit(1.0), limit(1.0));
        let same = one.clone();
        assert!(one.admits_at(1) && !same.admits_at(1) && other.admits_at(1));
        assert_eq!(one, other);
        assert_ne!(one, limit(2.0));
    }
}
