//! Facts that come with events: look-ups, retries, decisions, tokens, money. They are rarer than executions, and
//! their labels are in the event, so each thread counts them in a map of its own.
//!
//! A fact is counted once; several metrics may show it. Each has at most [`MAX_SERIES`] combinations of labels;
//! what comes later is counted together.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;
use tta_model::Text;
use tta_model::name::metric::{self, Metric, OTHER};

use super::bins::Bins;
use crate::clean;

/// How many combinations of labels a fact has at most, those for all others included.
pub const MAX_SERIES: usize = 1_990;

/// What is counted, with its labels in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// Look-ups by primitive, backend, cache, and whether something was found.
    Lookups,
    /// Money saved, by source, primitive, workflow, and kind of agent.
    Saved,
    /// Choices of routers, by route and reason.
    Decisions,
    /// Attempts after the first, by primitive and outcome.
    Retries,
    /// Alternatives that stood in, by primitive and outcome.
    Fallbacks,
    /// Executions whose time ran out, by primitive.
    Timeouts,
    /// Steps that were undone, by primitive and outcome.
    Compensations,
    /// The state of circuit breakers, by name.
    Circuits,
    /// What stores failed at, by store, backend and operation.
    StoreErrors,
    /// Tokens, by provider, model, type, and kind of agent.
    Tokens,
    /// Money spent, by provider, model, primitive, workflow, and kind of agent.
    Spent,
    /// Calls of a model that is not in the price table, by provider and model.
    Unpriced,
    /// The tokens of a call, as the GenAI conventions have it.
    TokenUsage,
    /// The seconds of a call, as the GenAI conventions have it.
    CallDuration,
    /// The seconds until the first chunk of a stream, as the GenAI conventions have it.
    FirstChunk,
    /// The seconds between two chunks of a stream, as the GenAI conventions have it.
    NextChunk,
}

impl Fact {
    /// The bounds of the buckets, where a fact is a distribution.
    fn bounds(self) -> &'static [f64] {
        self.shown_by().buckets.unwrap_or_default()
    }

    /// The metric that shows it, or the first of those that do.
    pub(super) fn shown_by(self) -> &'static Metric {
        match self {
            Self::Lookups => &metric::CACHE_TOTAL,
            Self::Saved => &metric::COST_SAVINGS_TOTAL,
            Self::Decisions => &metric::TTA_ROUTER_DECISIONS_TOTAL,
            Self::Retries => &metric::TTA_RETRIES_TOTAL,
            Self::Fallbacks => &metric::TTA_FALLBACKS_TOTAL,
            Self::Timeouts => &metric::TTA_TIMEOUTS_TOTAL,
            Self::Compensations => &metric::TTA_COMPENSATIONS_TOTAL,
            Self::Circuits => &metric::TTA_CIRCUIT_BREAKER_STATE,
            Self::StoreErrors => &metric::TTA_STORE_ERRORS_TOTAL,
            Self::Tokens => &metric::LLM_TOKENS_TOTAL,
            Self::Spent => &metric::LLM_COST_TOTAL,
            Self::Unpriced => &metric::TTA_TELEMETRY_UNPRICED_CALLS_TOTAL,
            Self::TokenUsage => &metric::GEN_AI_CLIENT_TOKEN_USAGE,
            Self::CallDuration => &metric::GEN_AI_CLIENT_OPERATION_DURATION,
            Self::FirstChunk => &metric::GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
            Self::NextChunk => &metric::GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK,
        }
    }

    /// How many parts a unit has in bins, which hold integers: a second has nanoseconds.
    pub(super) fn parts(self) -> f64 {
        if self.shown_by().unit == "s" { 1e9 } else { 1.0 }
    }

    /// Whether it is counted in micro-dollars.
    pub(super) fn is_money(self) -> bool {
        matches!(self, Self::Saved | Self::Spent)
    }

    /// The label that has only a few values, and keeps them.
    fn enumerated(self) -> Option<usize> {
        match self {
            Self::Saved => Some(0),
            Self::Retries | Self::Fallbacks | Self::Compensations => Some(1),
            Self::Tokens | Self::StoreErrors => Some(2),
            Self::Lookups => Some(3),
            _ => None,
        }
    }

    /// The combination for all others: every label that may have many values has the same word.
    fn other(self, values: &[Option<Text>]) -> Values {
        let fold = |(at, value): (usize, &Option<Text>)| match value {
            Some(value) if self.enumerated() == Some(at) => Some(value.clone()),
            value => value.as_ref().map(|_| Text::Static(OTHER)),
        };
        values.iter().enumerate().map(fold).collect()
    }
}

/// The values of the labels; none for one that is absent.
pub(crate) type Values = Box<[Option<Text>]>;

/// What is known of one combination of labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tally {
    /// A sum, of things or of micro-dollars.
    Sum(i64),
    /// The last value, and when it was.
    Last { ticks: u64, value: f64 },
    /// A distribution.
    Distribution(Box<Spread>),
}

/// A distribution in explicit buckets and in bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    /// In the parts of [`Fact::parts`]: a sum of integers does not depend on the order of the threads.
    pub(super) sum: u128,
    pub(super) buckets: Vec<u64>,
    pub(super) bins: Bins,
}

/// The facts that one thread, or all of them, have counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    pub(super) by_fact: HashMap<Fact, HashMap<Values, Tally, RandomState>, RandomState>,
    /// How many measurements were counted together with others.
    pub(super) folded: HashMap<Fact, u64>,
}

/// Which combinations of labels are counted apart; the same for all threads, and for good.
#[derive(Debug)]
pub(super) struct Admitted<K> {
    series: RwLock<HashMap<K, HashSet<Values>>>,
}

impl<K> Default for Admitted<K> {
    fn default() -> Self {
        Self { series: RwLock::default() }
    }
}

impl<K: Copy + Eq + Hash> Admitted<K> {
    /// Whether a combination is counted apart.
    pub(super) fn admits(&self, fact: K, values: &[Option<Text>]) -> bool {
        // The place for all others is always there. Its labels are ours, so no label that comes with data can pretend.
        let is_other = |value: &Text| value == OTHER || matches!(value, Text::Static(_));
        if values.iter().flatten().any(|value| value == OTHER) && values.iter().flatten().all(is_other) {
            return true;
        }
        let is_known = |series: &HashMap<K, HashSet<Values>>| {
            let known = series.get(&fact);
            known
                .is_some_and(|known| known.contains(values))
                .then_some(true)
                .or_else(|| known.filter(|known| known.len() >= MAX_SERIES - 1).map(|_| false))
        };
        if let Some(known) = is_known(&self.series.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        is_known(&series).unwrap_or_else(|| series.entry(fact).or_default().insert(values.into()))
    }
}

/// Labels without secrets, if they have any.
fn cleaned(values: &[Option<Text>]) -> Option<Values> {
    let label = |value: &Option<Text>| value.as_ref().and_then(|value| clean::text(value));
    values.iter().any(|value| label(value).is_some()).then(|| {
        let all = values.iter().map(|value| label(value).or_else(|| value.clone()));
        all.collect()
    })
}

impl Tallies {
    pub(super) fn add(
        &mut self,
        admitted: &Admitted<Fact>,
        fact: Fact,
        values: &[Option<Text>],
        amount: i64,
    ) {
        self.change(admitted, (fact, values), |tally| match tally {
            Some(Tally::Sum(sum)) => *sum = sum.saturating_add(amount),
            other => *other = Some(Tally::Sum(amount)),
        });
    }

    pub(super) fn set(
        &mut self,
        admitted: &Admitted<Fact>,
        fact: Fact,
        values: &[Option<Text>],
        (ticks, value): (u64, f64),
    ) {
        self.change(admitted, (fact, values), |tally| *tally = Some(Tally::Last { ticks, value }));
    }

    pub(super) fn observe(
        &mut self,
        admitted: &Admitted<Fact>,
        fact: Fact,
        values: &[Option<Text>],
        value: f64,
    ) {
        self.change(admitted, (fact, values), |tally| {
            let spread = match tally {
                Some(Tally::Distribution(spread)) => spread,
                other => {
                    let buckets = vec![0; fact.bounds().len() + 1];
                    let spread = Box::new(Spread { buckets, ..Spread::default() });
                    let Tally::Distribution(spread) = other.insert(Tally::Distribution(spread)) else {
                        return;
                    };
                    spread
                }
            };
            let parts = (value * fact.parts()).round() as u64;
            spread.sum += u128::from(parts);
            spread.buckets[fact.bounds().partition_point(|bound| *bound < value)] += 1;
            spread.bins.add(parts);
        });
    }

    fn change(
        &mut self,
        admitted: &Admitted<Fact>,
        (fact, values): (Fact, &[Option<Text>]),
        change: impl FnOnce(&mut Option<Tally>),
    ) {
        let series = self.by_fact.entry(fact).or_default();
        if let Some(tally) = series.get_mut(values) {
            // Lent out for a moment, so that a new one and a known one are changed in the same way.
            let mut lent = Some(std::mem::replace(tally, Tally::Sum(0)));
            change(&mut lent);
            lent.into_iter().for_each(|changed| *tally = changed);
            return;
        }
        // Once for each combination that is new to this thread; one with secrets is none of its own.
        let cleaned = cleaned(values);
        let values = cleaned.as_deref().unwrap_or(values);
        let is_admitted = admitted.admits(fact, values);
        let key: Values = if is_admitted { values.into() } else { fact.other(values) };
        if !is_admitted {
            *self.folded.entry(fact).or_default() += 1;
        }
        let mut tally = series.remove(&key);
        change(&mut tally);
        series.extend(tally.map(|tally| (key, tally)));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (fact, series) in &other.by_fact {
            let own = self.by_fact.entry(*fact).or_default();
            for (values, tally) in series {
                match own.get_mut(values) {
                    Some(known) => known.merge(tally),
                    None => drop(own.insert(values.clone(), tally.clone())),
                }
            }
        }
        other.folded.iter().for_each(|(fact, count)| *self.folded.entry(*fact).or_default() += count);
    }
}

impl Tally {
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Sum(sum), Self::Sum(more)) => *sum = sum.saturating_add(*more),
            (Self::Last { ticks, value }, Self::Last { ticks: later, value: newer }) if later >= ticks => {
                (*ticks, *value) = (*later, *newer);
            }
            (Self::Distribution(spread), Self::Distribution(more)) => {
                spread.sum += more.sum;
                spread.buckets.iter_mut().zip(&more.buckets).for_each(|(sum, count)| *sum += count);
                spread.bins.merge(&more.bins);
            }
            // A fact is always of one kind.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> [Option<Text>; 2] {
        [Some(name.to_owned().into()), None]
    }

    #[test]
    fn counts_of_threads_add_up() {
        let admitted = Admitted::<Fact>::default();
        let (mut first, mut second) = (Tallies::default(), Tallies::default());
        first.add(&admitted, Fact::Retries, &labels("a"), 2);
        second.add(&admitted, Fact::Retries, &labels("a"), 3);
        second.observe(&admitted, Fact::TokenUsage, &labels("a"), 5.0);
        second.observe(&admitted, Fact::TokenUsage, &labels("a"), 5.0);
        second.set(&admitted, Fact::Circuits, &labels("b"), (9, 2.0));
        first.set(&admitted, Fact::Circuits, &labels("b"), (7, 1.0));
        first.merge(&second);
        assert_eq!(first.by_fact[&Fact::Retries][&labels("a")[..]], Tally::Sum(5));
        assert_eq!(first.by_fact[&Fact::Circuits][&labels("b")[..]], Tally::Last { ticks: 9, value: 2.0 });
        let Tally::Distribution(spread) = &first.by_fact[&Fact::TokenUsage][&labels("a")[..]] else {
            panic!("it is a distribution")
        };
        assert_eq!((spread.sum, spread.buckets[2], spread.bins.count()), (10, 2, 2));
    }

    #[test]
    fn a_combination_beyond_the_bound_is_counted_with_the_others_by_every_thread() {
        let admitted = Admitted::<Fact>::default();
        let mut threads = [Tallies::default(), Tallies::default()];
        for n in 0..5 * MAX_SERIES {
            threads[n % 2].add(&admitted, Fact::Decisions, &labels(&format!("route {n}")), 1);
        }
        // What one thread brought in, another one may count too.
        threads[1].add(&admitted, Fact::Decisions, &labels("route 0"), 1);
        let [mut all, second] = threads;
        all.merge(&second);
        let series = &all.by_fact[&Fact::Decisions];
        assert_eq!(series.len(), MAX_SERIES);
        assert_eq!(series[&labels("route 0")[..]], Tally::Sum(2));
        let folded = 5 * MAX_SERIES as u64 - (MAX_SERIES as u64 - 1);
        assert_eq!(all.folded[&Fact::Decisions], folded);
        assert_eq!(series[&labels(OTHER)[..]], Tally::Sum(folded as i64));
    }
}
