//! How a router chooses.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tta_model::Text;

use super::Route;
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::random;

/// How much the latest latency counts in the average of a route.
const SMOOTHING: f64 = 0.3;

type Choose<I> = Arc<dyn Fn(&I, &WorkflowContext) -> Text + Send + Sync>;

/// How a router chooses.
#[derive(Clone)]
#[non_exhaustive]
pub enum Strategy<I> {
    /// A function of the input and the context gives the name of the route.
    Function(Choose<I>),
    /// The route whose tier is that of the context.
    Tier,
    /// The route that costs least, by what was declared.
    Cost,
    /// The route that has been the quickest lately.
    Latency,
    /// At random, in proportion to the weights.
    Weighted,
    /// One after the other.
    RoundRobin,
}

impl<I> Strategy<I> {
    /// A function of the input and the context gives the name of the route.
    #[must_use]
    pub fn function<N: Into<Text>>(
        choose: impl Fn(&I, &WorkflowContext) -> N + Send + Sync + 'static,
    ) -> Self {
        Self::Function(Arc::new(move |input, cx| choose(input, cx).into()))
    }

    /// The route whose tier is that of the context.
    #[must_use]
    pub fn tier() -> Self {
        Self::Tier
    }

    /// The route that costs least, by what was declared.
    #[must_use]
    pub fn cost() -> Self {
        Self::Cost
    }

    /// The route that has been the quickest lately, by a moving average; routes that were never tried come first.
    ///
    /// A failure counts as no quicker than the slowest route, so that what fails at once does not win.
    #[must_use]
    pub fn latency() -> Self {
        Self::Latency
    }

    /// At random, in proportion to the weights.
    #[must_use]
    pub fn weighted() -> Self {
        Self::Weighted
    }

    /// One after the other.
    #[must_use]
    pub fn round_robin() -> Self {
        Self::RoundRobin
    }

    /// The word for it in attributes.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Tier => "tier",
            Self::Cost => "cost",
            Self::Latency => "latency",
            Self::Weighted => "weighted",
            Self::RoundRobin => "round_robin",
        }
    }

    /// What it needs to know of a route that was not said.
    pub(super) fn lacks<O>(&self, route: &Route<I, O>) -> Option<&'static str> {
        match self {
            Self::Tier if route.tier.is_none() => Some("tier"),
            Self::Cost if route.cost.is_none() => Some("cost"),
            _ => None,
        }
    }

    /// Chooses among routes, of which there is at least one.
    pub(super) fn choose<O>(
        &self,
        input: &I,
        cx: &WorkflowContext,
        routes: &[Route<I, O>],
        observed: &Observed,
    ) -> Choice {
        let first = |index| Choice::Route { index, reason: self.reason() };
        match self {
            Self::Function(choose) => {
                let name = choose(input, cx);
                let found = routes.iter().position(|route| route.name == name);
                let none = || Choice::None { reason: "unknown_route", wanted: format!("`{name}`").into() };
                found.map_or_else(none, first)
            }
            Self::Tier => {
                let Some(tier) = cx.llm_model_tier() else {
                    return Choice::None { reason: "no_tier", wanted: "a context without a tier".into() };
                };
                let found = routes.iter().position(|route| route.tier == Some(tier));
                let none =
                    || Choice::None { reason: "no_route_for_tier", wanted: format!("tier {tier}").into() };
                found.map_or_else(none, first)
            }
            Self::Cost => first((0..routes.len()).min_by_key(|index| routes[*index].cost).unwrap_or(0)),
            Self::Latency => observed.quickest(),
            Self::Weighted => {
                let weights: Vec<u32> = routes.iter().map(|route| route.weight).collect();
                first(random::weighted(&weights))
            }
            Self::RoundRobin => first(observed.turns.fetch_add(1, Ordering::Relaxed) % routes.len()),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Tier => "tier",
            Self::Cost => "cheapest",
            Self::Latency => "quickest",
            Self::Weighted => "weight",
            Self::RoundRobin => "turn",
        }
    }
}

impl<I> fmt::Debug for Strategy<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a strategy chose, and why, in one word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Route { index: usize, reason: &'static str },
    None { reason: &'static str, wanted: Text },
}

/// What was observed of the routes of one router.
#[derive(Debug)]
pub(super) struct Observed {
    routes: Vec<RouteObserved>,
    turns: AtomicUsize,
}

/// A moving average in nanoseconds as the bits of a float, zero before the first call has ended.
#[derive(Debug, Default)]
struct RouteObserved {
    started: AtomicU64,
    average: AtomicU64,
}

impl RouteObserved {
    fn average(&self) -> Option<f64> {
        match self.average.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(f64::from_bits(bits)),
        }
    }
}

impl Observed {
    pub(super) fn of(routes: usize) -> Self {
        Self { routes: (0..routes).map(|_| RouteObserved::default()).collect(), turns: AtomicUsize::new(0) }
    }

    pub(super) fn started(&self, route: usize) {
        self.routes[route].started.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a call of a route, which counts however it ends.
    pub(super) fn start(&self, route: usize) -> UnderWay<'_> {
        self.started(route);
        UnderWay { observed: self, route, since: clock::now(), has_ended: false }
    }

    pub(super) fn ended(&self, route: usize, took: Duration, succeeded: bool) {
        let took = nanos(took);
        self.blend(route, if succeeded { took } else { self.slowest(took) });
    }

    /// A call that was dropped took at least this long: a route that hangs is slow, and one whose caller
    /// was cancelled early is not quick.
    fn abandoned(&self, route: usize, took: Duration) {
        let took = nanos(took);
        self.blend(
            route,
            self.routes[route].average().map_or_else(|| self.slowest(took), |own| own.max(took)),
        );
    }

    fn slowest(&self, took: f64) -> f64 {
        self.routes.iter().filter_map(RouteObserved::average).fold(took, f64::max)
    }

    fn blend(&self, route: usize, latest: f64) {
        let average = &self.routes[route].average;
        let blend = |bits: u64| match bits {
            0 => latest,
            bits => f64::from_bits(bits) * (1.0 - SMOOTHING) + latest * SMOOTHING,
        };
        let add = |bits| Some(blend(bits).to_bits());
        let _ = average.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The route with the least average; before that, those without one, the least often started first.
    fn quickest(&self) -> Choice {
        let started = |route: &RouteObserved| route.started.load(Ordering::Relaxed);
        let all = || self.routes.iter().enumerate();
        let untried =
            all().filter(|(_, route)| route.average().is_none()).min_by_key(|(_, route)| started(route));
        if let Some((index, _)) = untried {
            return Choice::Route { index, reason: "unobserved" };
        }
        let average = |route: &RouteObserved| route.average().unwrap_or(f64::MAX);
        let least = all().min_by(|(_, a), (_, b)| average(a).total_cmp(&average(b)));
        Choice::Route { index: least.map_or(0, |(index, _)| index), reason: "quickest" }
    }
}

/// A call of a route, until it ends or is dropped.
pub(super) struct UnderWay<'a> {
    observed: &'a Observed,
    route: usize,
    since: Instant,
    has_ended: bool,
}

impl UnderWay<'_> {
    pub(super) fn end(mut self, succeeded: bool) {
        self.has_ended = true;
        self.observed.ended(self.route, self.took(), succeeded);
    }

    fn took(&self) -> Duration {
        clock::now().saturating_duration_since(self.since)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.observed.abandoned(self.route, self.took());
        }
    }
}

fn nanos(took: Duration) -> f64 {
    (took.as_nanos() as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_untried_come_first_and_a_quick_failure_does_not_win() {
        let observed = Observed::of(2);
        let check = |index, reason| assert_eq!(observed.quickest(), Choice::Route { index, reason });
        check(0, "unobserved");
        observed.started(0);
        check(1, "unobserved");
        observed.ended(0, Duration::from_millis(50), true);
        observed.ended(1, Duration::from_millis(1), false);
        check(0, "quickest");
        observed.ended(1, Duration::from_millis(1), true);
        check(1, "quickest");
    }
}
