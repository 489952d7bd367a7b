//! Makes the metrics of what was counted. Each fact was counted once; where two metrics show it, both are made here.

use std::collections::BTreeMap;

use tta_model::name::metric::{self, Metric, MetricKind, OTHER};
use tta_model::{ExecutionStatus, Text};

use super::cell::CellSum;
use super::exemplars::Exemplars;
use super::shard::Sums;
use super::slots::{self, Kind};
use super::snapshot::{Distribution, Exemplar, Family, Labels, Point, Series};
use super::tally::{Admitted, Fact, Spread, Tallies, Tally, Values};

/// Seconds of a millisecond.
const SECONDS: f64 = 1e-3;

/// The families of a snapshot while they are put together.
pub(super) struct Families<'a> {
    by_metric: BTreeMap<usize, BTreeMap<Values, Point>>,
    admitted: &'a Admitted<&'static str>,
    folded: BTreeMap<&'static str, u64>,
    exponential: bool,
}

/// What a kind's executions came to, with examples.
struct Counted<'a> {
    kind: &'a Kind,
    sum: &'a CellSum,
    exemplars: Vec<Exemplar>,
}

impl<'a> Families<'a> {
    /// Starts with none. Exponential buckets are added where they are kept, if they are asked for.
    pub(super) fn new(admitted: &'a Admitted<&'static str>, exponential: bool) -> Self {
        Self { by_metric: BTreeMap::new(), admitted, folded: BTreeMap::new(), exponential }
    }

    /// Adds everything that was counted.
    pub(super) fn add_sums(&mut self, kinds: &[Kind], sums: &Sums, exemplars: &Exemplars) {
        for (number, (kind, sum)) in kinds.iter().zip(&sums.cells).enumerate() {
            if sum.started == 0 && sum.executions() == 0 {
                continue;
            }
            let counted = Counted { kind, sum, exemplars: exemplars.of(number) };
            if kind.is_run {
                self.add_runs(&counted)
            } else {
                self.add_executions(&counted)
            }
            if slots::is_other(number) {
                let folded = if kind.is_run {
                    metric::TTA_WORKFLOW_EXECUTIONS_TOTAL
                } else {
                    metric::PRIMITIVE_EXECUTION_COUNT
                };
                self.count_folded(folded.name, sum.executions());
            }
        }
        self.add_tallies(&sums.tallies);
    }

    /// Adds to the series of a metric with these labels, in the order of the metric's table.
    pub(super) fn add(&mut self, metric: &'static Metric, values: &[Option<Text>], point: Point) {
        debug_assert_eq!(values.len(), metric.labels.len(), "{}", metric.name);
        let position = metric::ALL.iter().position(|known| known.name == metric.name);
        let Some(position) = position else { return };
        let values: Values = if self.admitted.admits(metric.name, values) {
            values.into()
        } else {
            // A metric may have more combinations than the fact that it shows.
            if let Point::Count(count) = &point
                && metric.kind == MetricKind::Counter
            {
                *self.folded.entry(metric.name).or_default() += count.unsigned_abs();
            }
            values.iter().map(|value| value.as_ref().map(|_| Text::Static(OTHER))).collect()
        };
        match self.by_metric.entry(position).or_default().entry(values) {
            std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(point)),
            std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().merge(point),
        }
    }

    pub(super) fn finish(mut self) -> Vec<Family> {
        for (metric, count) in std::mem::take(&mut self.folded) {
            self.count_folded(metric, count);
        }
        let family = |(position, series): (usize, BTreeMap<Values, Point>)| {
            let metric = metric::ALL[position];
            let series = series.into_iter();
            Family {
                metric,
                series: series.map(|(values, point)| series_of(metric, &values, point)).collect(),
            }
        };
        self.by_metric.into_iter().map(family).collect()
    }

    fn add_executions(&mut self, counted: &Counted<'_>) {
        let Counted { kind, sum, .. } = counted;
        let (name, r#type) = (Some(kind.name.clone()), Some(kind.r#type.clone()));
        let (agent, workflow) = (kind.agent_type.clone(), Some(kind.workflow.clone()));
        let mut count = |status: ExecutionStatus, class: Option<Text>, count: u64| {
            let status = Some(Text::Static(status.as_str()));
            let labels =
                [name.clone(), r#type.clone(), status.clone(), agent.clone(), class, workflow.clone()];
            self.add(&metric::PRIMITIVE_EXECUTION_COUNT, &labels, counter(count));
            self.add(&metric::TTA_REQUESTS_TOTAL, &[r#type.clone(), status], counter(count));
        };
        count(ExecutionStatus::Success, None, sum.ended(ExecutionStatus::Success));
        for error in &sum.errors {
            count(error.status, Some(Text::Static(error.class)), error.count);
        }
        self.add(
            &metric::PRIMITIVE_EXECUTION_DURATION,
            &[name.clone(), r#type.clone(), agent, workflow],
            self.durations(counted, 1.0),
        );
        let seconds = self.durations(counted, SECONDS);
        self.add(&metric::TTA_EXECUTION_DURATION_SECONDS, std::slice::from_ref(&r#type), seconds);
        self.add(&metric::TTA_ACTIVE_REQUESTS, std::slice::from_ref(&r#type), counter(sum.active()));
        if let Some(from) = &kind.connection {
            let labels = [
                Some(from.source.clone()),
                Some(from.source_kind.clone()),
                name,
                r#type,
                Some(Text::Static(from.kind)),
            ];
            self.add(&metric::PRIMITIVE_CONNECTION_COUNT, &labels, counter(sum.started));
        }
    }

    fn add_runs(&mut self, counted: &Counted<'_>) {
        let Counted { kind, sum, .. } = counted;
        let workflow = Some(kind.name.clone());
        let statuses = [
            ExecutionStatus::Success,
            ExecutionStatus::Error,
            ExecutionStatus::Timeout,
            ExecutionStatus::Cancelled,
        ];
        for status in statuses {
            let ended = sum.ended(status);
            if ended > 0 || status == ExecutionStatus::Success {
                let labels = [workflow.clone(), Some(Text::Static(status.as_str()))];
                self.add(&metric::TTA_WORKFLOW_EXECUTIONS_TOTAL, &labels, counter(ended));
            }
        }
        let seconds = self.durations(counted, SECONDS);
        self.add(&metric::TTA_WORKFLOW_DURATION_SECONDS, std::slice::from_ref(&workflow), seconds);
        let labels = [kind.agent_type.clone(), workflow];
        self.add(&metric::AGENT_WORKFLOWS_ACTIVE, &labels, counter(sum.active()));
    }

    /// The durations of a kind in a unit, given as a part of a millisecond.
    fn durations(&self, counted: &Counted<'_>, unit: f64) -> Point {
        let sum = counted.sum;
        let exponential = self.exponential.then(|| sum.bins.to_exponential(1e6 / unit));
        let scaled = |exemplar: &Exemplar| Exemplar { value: exemplar.value * unit, ..*exemplar };
        Point::Distribution(Box::new(Distribution {
            count: sum.buckets.iter().sum(),
            sum: sum.nanos as f64 * 1e-6 * unit,
            buckets: sum.buckets.to_vec(),
            exponential,
            exemplars: counted.exemplars.iter().map(scaled).collect(),
        }))
    }

    fn add_tallies(&mut self, tallies: &Tallies) {
        for (fact, series) in &tallies.by_fact {
            // In the same order each time, since a sum of floats depends on it: one that shrinks by its last digit
            // looks as if the process had started again, and all of it as if it were new.
            let series: BTreeMap<_, _> = series.iter().collect();
            series.into_iter().for_each(|(values, tally)| self.add_tally(*fact, values, tally));
        }
        self.add_hit_rates();
        for (fact, count) in &tallies.folded {
            self.count_folded(fact.shown_by().name, *count);
        }
    }

    fn add_tally(&mut self, fact: Fact, values: &[Option<Text>], tally: &Tally) {
        let point = match tally {
            Tally::Sum(sum) if fact.is_money() => Point::Value(*sum as f64 / 1e6),
            Tally::Sum(sum) => Point::Count(*sum),
            Tally::Last { value, .. } => Point::Value(*value),
            Tally::Distribution(spread) => self.spread(fact, spread),
        };
        match (fact, values) {
            (Fact::Lookups, [primitive, backend, cache, found]) => {
                let is_hit = found.as_deref() == Some("hit");
                self.add(&metric::CACHE_TOTAL, &[primitive.clone(), backend.clone()], point.clone());
                let hits = if is_hit { point.clone() } else { Point::Count(0) };
                self.add(&metric::CACHE_HITS, &[primitive.clone(), backend.clone()], hits.clone());
                self.add(&metric::TTA_CACHE_HITS_TOTAL, std::slice::from_ref(cache), hits);
                let misses = if is_hit { Point::Count(0) } else { point };
                self.add(&metric::TTA_CACHE_MISSES_TOTAL, std::slice::from_ref(cache), misses);
            }
            (Fact::Tokens, [provider, model, kind, _]) => {
                let labels = [provider.clone(), model.clone(), kind.clone()];
                self.add(&metric::TTA_LLM_TOKENS_TOTAL, &labels, point.clone());
                self.add(&metric::LLM_TOKENS_TOTAL, values, point);
            }
            (Fact::Spent, [provider, model, ..]) => {
                self.add(&metric::TTA_LLM_COST_USD_TOTAL, &[provider.clone(), model.clone()], point.clone());
                self.add(&metric::LLM_COST_TOTAL, values, point);
            }
            _ => self.add(fact.shown_by(), values, point),
        }
    }

    fn spread(&self, fact: Fact, spread: &Spread) -> Point {
        Point::Distribution(Box::new(Distribution {
            count: spread.bins.count(),
            sum: spread.sum as f64 / fact.parts(),
            buckets: spread.buckets.clone(),
            exponential: self.exponential.then(|| spread.bins.to_exponential(fact.parts())),
            exemplars: Vec::new(),
        }))
    }

    fn add_hit_rates(&mut self) {
        let totals = |families: &Self, metric: &Metric| {
            let position = metric::ALL.iter().position(|known| known.name == metric.name);
            position.and_then(|position| families.by_metric.get(&position)).cloned().unwrap_or_default()
        };
        let (hits, misses) =
            (totals(self, &metric::TTA_CACHE_HITS_TOTAL), totals(self, &metric::TTA_CACHE_MISSES_TOTAL));
        for (cache, hits) in hits {
            let (hits, misses) = (hits.total(), misses.get(&cache).map_or(0.0, Point::total));
            let rate = if hits + misses > 0.0 { hits / (hits + misses) } else { 0.0 };
            self.add(&metric::TTA_CACHE_HIT_RATE, &cache, Point::Value(rate));
        }
    }

    fn count_folded(&mut self, metric: &'static str, count: u64) {
        let labels = [Some(Text::Static(metric))];
        self.add(&metric::TTA_TELEMETRY_SERIES_FOLDED_TOTAL, &labels, counter(count));
    }
}

impl Point {
    /// Adds what was counted apart and has the same labels.
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(sum), Self::Count(more)) => *sum += more,
            (Self::Value(sum), Self::Value(more)) => *sum += more,
            (Self::Distribution(sum), Self::Distribution(more)) => sum.merge(*more),
            // A metric is always of one kind.
            _ => {}
        }
    }
}

impl Distribution {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        self.exponential = match (self.exponential.take(), other.exponential) {
            (Some(own), Some(other)) => Some(own.merged(&other)),
            (own, other) => own.or(other),
        };
        self.exemplars.extend(other.exemplars);
    }
}

fn counter(count: u64) -> Point {
    Point::Count(i64::try_from(count).unwrap_or(i64::MAX))
}

fn series_of(metric: &'static Metric, values: &Values, mut point: Point) -> Series {
    if let (Point::Distribution(distribution), Some(bounds)) = (&mut point, metric.buckets) {
        distribution.keep_latest_exemplars(bounds);
    }
    let labels = metric.labels.iter().zip(values);
    let labels: Labels = labels.filter_map(|(label, value)| Some((label.key(), value.clone()?))).collect();
    Series { labels, point }
}

impl Distribution {
    /// Keeps one exemplar for each bucket, the latest.
    fn keep_latest_exemplars(&mut self, bounds: &[f64]) {
        let mut latest: BTreeMap<usize, Exemplar> = BTreeMap::new();
        for exemplar in self.exemplars.drain(..) {
            let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
            let kept = latest.entry(bucket).or_insert(exemplar);
            if exemplar.time_unix_nanos > kept.time_unix_nanos {
                *kept = exemplar;
            }
        }
        self.exemplars = latest.into_values().collect();
    }
}
