//! Which traces are recorded.
//!
//! One decision is made at the root of a trace and inherited by everything below it, here and in other
//! processes. The decision by ratio compares the random part of the trace id with a threshold, as
//! OpenTelemetry's consistent probability sampling says: a trace that is kept at 5 % is kept at 20 % too,
//! whoever decides. The threshold goes along in `tracestate` as `ot=th:`, so that a backend can count
//! what one kept trace stands for.

use tta_model::w3c::{MAX_ADJUSTED_COUNT, TraceState};
use tta_model::{SpanContext, TraceId};

/// Decides which traces are recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A part of all traces, whatever the parent says.
    Ratio(Ratio),
    /// What the parent says; a trace without one is decided by the inner sampler.
    ParentBased(Box<Sampler>),
}

/// A part of all traces, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

/// Whether a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is.
    pub sampled: bool,
    mark: Mark,
}

/// What becomes of the threshold in `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Another process decided, so its threshold stays.
    Keep,
    /// The trace was kept at this threshold.
    Set(u64),
    /// No threshold says how often this happens.
    Erase,
}

impl Default for Sampler {
    /// What the parent says, and every trace without one.
    fn default() -> Self {
        Self::ParentBased(Box::new(Self::AlwaysOn))
    }
}

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

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The randomness below which traces are rejected: 0 keeps all, 2^56 none.
    fn threshold(self) -> u64 {
        // Both factors are exact, and so is the product: it is the ratio with another exponent.
        let kept = self.0 * MAX_ADJUSTED_COUNT as f64;
        MAX_ADJUSTED_COUNT - kept.round() as u64
    }
}

impl Sampler {
    /// Decides about a span: of its parent, if it has one, and of the trace.
    #[must_use]
    pub fn decide(&self, parent: Option<&SpanContext>, trace_id: TraceId) -> Decision {
        match self {
            // Without a threshold, which would cost every span a copy of it to say nothing.
            Self::AlwaysOn => Decision { sampled: true, mark: Mark::Erase },
            Self::AlwaysOff => Decision { sampled: false, mark: Mark::Erase },
            Self::Ratio(ratio) => {
                let threshold = ratio.threshold();
                let sampled = randomness(parent, trace_id) >= threshold;
                Decision { sampled, mark: if sampled { Mark::Set(threshold) } else { Mark::Erase } }
            }
            Self::ParentBased(root) => match parent {
                Some(parent) => Decision { sampled: parent.flags.is_sampled(), mark: Mark::Keep },
                None => root.decide(None, trace_id),
            },
        }
    }
}

impl Decision {
    /// Notes in a `tracestate` what a kept trace stands for, and keeps what others wrote there.
    pub fn mark(self, state: &mut TraceState) {
        let threshold = match self.mark {
            Mark::Keep => return,
            Mark::Set(threshold) => Some(threshold),
            Mark::Erase => None,
        };
        // It fails when the member would outgrow 256 characters. What stands there then speaks of another
        // decision, and a wrong threshold is worse than none.
        if state.set_threshold(threshold).is_err() {
            let _ = state.set_threshold(None);
        }
    }
}

/// The last 56 bits of the trace id, unless the caller chose other ones.
fn randomness(parent: Option<&SpanContext>, trace_id: TraceId) -> u64 {
    let chosen = parent.and_then(|parent| parent.state.randomness());
    chosen.unwrap_or((trace_id.get() % u128::from(MAX_ADJUSTED_COUNT)) as u64)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use tta_model::TraceFlags;

    use super::*;

    const IDS: usize = 100_000;

    fn ids() -> impl Iterator<Item = TraceId> {
        let mut generator = StdRng::seed_from_u64(7);
        (0..IDS).map(move |_| TraceId::new(generator.random::<u128>() | 1).expect("it is odd"))
    }

    fn ratio(ratio: f64) -> Sampler {
        Sampler::Ratio(Ratio::new(ratio).expect("from 0 to 1"))
    }

    fn id(low: u64) -> TraceId {
        TraceId::new(1 << 100 | u128::from(low)).expect("not zero")
    }

    fn parent(flags: TraceFlags, state: &str) -> SpanContext {
        let span_id = "00f067aa0ba902b7".parse().expect("an id");
        SpanContext { trace_id: id(0), span_id, flags, state: state.parse().expect("a state") }
    }

    #[test]
    fn keeps_the_part_that_was_asked_for() {
        for part in [0.001, 0.05, 0.2, 0.5, 0.9] {
            let sampler = ratio(part);
            let kept = ids().filter(|id| sampler.decide(None, *id).sampled).count() as f64;
            let expected = part * IDS as f64;
            // Five standard deviations.
            let bound = 5.0 * (expected * (1.0 - part)).sqrt();
            assert!((kept - expected).abs() < bound, "{part}: kept {kept}, expected {expected} +- {bound}");
        }
    }

    #[test]
    fn keeps_at_a_higher_ratio_what_it_keeps_at_a_lower_one() {
        let (low, high) = (ratio(0.05), ratio(0.2));
        assert!(ids().all(|id| !low.decide(None, id).sampled || high.decide(None, id).sampled));
    }

    #[test]
    fn keeps_all_at_one_and_none_at_zero() {
        let last = MAX_ADJUSTED_COUNT - 1;
        for randomness in [0, 1, last / 2, last] {
            assert!(ratio(1.0).decide(None, id(randomness)).sampled);
            assert!(!ratio(0.0).decide(None, id(randomness)).sampled);
        }
        assert!(ratio(0.5).decide(None, id(MAX_ADJUSTED_COUNT / 2)).sampled);
        assert!(!ratio(0.5).decide(None, id(MAX_ADJUSTED_COUNT / 2 - 1)).sampled);
    }

    #[test]
    fn takes_only_parts_of_one() {
        for wrong in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn follows_the_parent() {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        assert!(sampler.decide(Some(&parent(TraceFlags::SAMPLED, "")), id(0)).sampled);
        assert!(!Sampler::default().decide(Some(&parent(TraceFlags(0), "")), id(0)).sampled);
        assert!(!sampler.decide(None, id(0)).sampled);
        assert!(Sampler::default().decide(None, id(0)).sampled);
    }

    #[test]
    fn decides_by_the_randomness_that_the_caller_chose() {
        let caller = parent(TraceFlags(0), "ot=rv:ffffffffffffff");
        assert!(ratio(0.01).decide(Some(&caller), id(0)).sampled);
        assert!(!ratio(0.01).decide(None, id(0)).sampled);
    }

    #[test]
    fn notes_the_threshold() {
        let check = |sampler: Sampler, context: Option<&SpanContext>, low, before: &str, after: &str| {
            let mut state: TraceState = before.parse().expect("a state");
            sampler.decide(context, id(low)).mark(&mut state);
            assert_eq!(state.as_str(), after);
        };
        let last = MAX_ADJUSTED_COUNT - 1;
        check(ratio(0.25), None, last, "", "ot=th:c");
        check(ratio(0.25), None, last, "ot=rv:ffffffffffffff;th:8,a=b", "ot=th:c;rv:ffffffffffffff,a=b");
        check(ratio(0.25), None, 0, "ot=th:8", "");
        check(Sampler::AlwaysOn, None, 0, "", "");
        check(Sampler::AlwaysOff, None, 0, "ot=th:0,a=b", "a=b");
        let sampled = parent(TraceFlags::SAMPLED, "ot=th:8");
        check(Sampler::default(), Some(&sampled), 0, "ot=th:8", "ot=th:8");
    }
}
