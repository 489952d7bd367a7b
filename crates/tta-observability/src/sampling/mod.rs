//! Which traces are recorded, and which of the recorded ones are exported.
//!
//! The *head* decides at the root of a trace, before anything is known of it. The decision is inherited by
//! everything below, here and in other processes. The decision by ratio compares the random part of the trace
//! id with a threshold, as OpenTelemetry's consistent probability sampling says: a trace that is kept at
//! 5 % is kept at 20 % too, whoever decides. The threshold goes along in `tracestate` as `ot=th:`, so that
//! a backend can count what one kept trace stands for.
//!
//! The [tail](TailConfig) decides once a trace has ended, when errors and slowness are known. It holds the spans
//! back until then, in bounded memory.

mod adaptive;
mod decision;
mod environment;
mod rate_limit;
mod ratio;
mod tail;

use tta_model::{SpanContext, TraceId};

pub use adaptive::{Adaptive, Measured, SPAN_COST};
pub use decision::Decision;
pub use environment::{Environment, UnknownEnvironment};
pub use rate_limit::RateLimit;
pub use ratio::Ratio;
pub(crate) use tail::TailSampler;
pub use tail::{DECISIONS_REMEMBERED, LINGER, TailConfig, TailRatio};

use decision::Mark;
use ratio::inherited;

/// Decides which traces are recorded.
///
/// A clone shares what a sampler has counted and measured so far; two samplers are equal when their settings are.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A part of all traces, whatever the parent says.
    Ratio(Ratio),
    /// At most so many traces a second, whatever the parent says.
    RateLimited(RateLimit),
    /// A part of all traces that is as large as the overhead allows, whatever the parent says.
    Adaptive(Adaptive),
    /// What the parent says; a trace without one is decided by the inner sampler.
    ParentBased(Box<Sampler>),
}

impl Default for Sampler {
    /// What the parent says, and every trace without one.
    fn default() -> Self {
        Self::ParentBased(Box::new(Self::AlwaysOn))
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
            Self::Ratio(ratio) => Decision::at(ratio.threshold(), inherited(parent, trace_id)),
            // How many were let through says nothing of how many there were.
            Self::RateLimited(limit) => Decision { sampled: limit.admits(), mark: Mark::Erase },
            Self::Adaptive(adaptive) => Decision::at(adaptive.threshold(), inherited(parent, trace_id)),
            Self::ParentBased(root) => match parent {
                Some(parent) => Decision { sampled: parent.flags.is_sampled(), mark: Mark::Keep },
                None => root.decide(None, trace_id),
            },
        }
    }

    /// The part of the sampler that follows the overhead, if it has one.
    pub(crate) fn adaptive(&self) -> Option<&Adaptive> {
        match self {
            Self::Adaptive(adaptive) => Some(adaptive),
            Self::ParentBased(root) => root.adaptive(),
            _ => None,
        }
    }

    /// Whether a trace that it kept without a threshold stands for itself alone.
    fn counts(&self) -> bool {
        match self {
            Self::RateLimited(_) => false,
            Self::ParentBased(root) => root.counts(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use tta_model::TraceFlags;
    use tta_model::w3c::{MAX_ADJUSTED_COUNT, TraceState};

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
