//! All metrics at one moment, as plain data: what every way out of the process (a scrape, OTLP, a push) reads.

use tta_model::name::metric::Metric;
use tta_model::{Key, SpanId, Text, TraceId};

/// All metrics at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When counting began, in nanoseconds since 1970-01-01T00:00:00Z.
    pub start_unix_nanos: u64,
    /// The moment, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time_unix_nanos: u64,
    /// The metrics that have been measured, in the order of the table of names.
    pub families: Vec<Family>,
}

/// One metric with all its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The metric.
    pub metric: &'static Metric,
    /// Its series, in the order of their labels. No two have the same labels.
    pub series: Vec<Series>,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels that have a value, in the order of the metric's table; keys are those of OpenTelemetry.
    pub labels: Labels,
    /// The measurement.
    pub point: Point,
}

/// The labels of a series.
pub type Labels = Vec<(Key, Text)>;

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// An integer sum, of a counter or an up-down counter.
    Count(i64),
    /// A sum that is not an integer, such as an amount of money, or the value of a gauge.
    Value(f64),
    /// A distribution, of a histogram.
    Distribution(Box<Distribution>),
}

/// A distribution of measurements, in the unit of its metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// How many lie in each of the metric's buckets, not cumulative, and last those above the highest bound.
    pub buckets: Vec<u64>,
    /// The same in buckets that grow by a constant factor, where they are kept.
    pub exponential: Option<ExponentialBuckets>,
    /// Examples with their traces, at most one a bucket.
    pub exemplars: Vec<Exemplar>,
}

/// Buckets that grow by a constant factor, as OpenTelemetry defines them: bucket `i` holds what lies in
/// `(base^i, base^(i + 1)]`, where `base` is `2^(2^-scale)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialBuckets {
    /// The scale.
    pub scale: i32,
    /// How many were zero.
    pub zero_count: u64,
    /// The index of the first bucket.
    pub offset: i32,
    /// How many lie in each bucket, from the first one on.
    pub counts: Vec<u64>,
}

/// A measurement with the span in which it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// What was measured.
    pub value: f64,
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time_unix_nanos: u64,
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
}

impl Snapshot {
    /// The family of a metric; none if nothing was measured.
    #[must_use]
    pub fn family(&self, metric: &Metric) -> Option<&Family> {
        self.families.iter().find(|family| family.metric.name == metric.name)
    }

    /// The series of a metric with exactly these labels.
    #[must_use]
    pub fn series(&self, metric: &Metric, labels: &[(&str, &str)]) -> Option<&Series> {
        self.family(metric)?.series.iter().find(|series| {
            series.labels.len() == labels.len()
                && labels.iter().all(|(key, value)| series.label(key) == Some(*value))
        })
    }

    /// The sum of all counts of a metric whose labels have these values, whatever other labels they have.
    #[must_use]
    pub fn total(&self, metric: &Metric, labels: &[(&str, &str)]) -> f64 {
        let family = self.family(metric).into_iter().flat_map(|family| &family.series);
        family
            .filter(|series| labels.iter().all(|(key, value)| series.label(key) == Some(*value)))
            .map(|series| series.point.total())
            .sum()
    }
}

impl Series {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_ref())
    }
}

impl Point {
    /// The sum or the value; of a distribution the number of its measurements.
    #[must_use]
    pub fn total(&self) -> f64 {
        match self {
            Self::Count(count) => *count as f64,
            Self::Value(value) => *value,
            Self::Distribution(distribution) => distribution.count as f64,
        }
    }
}

impl ExponentialBuckets {
    /// The counts of both together; both have the same scale.
    pub(super) fn merged(mut self, other: &Self) -> Self {
        if self.counts.is_empty() {
            return other.clone();
        }
        let end = |buckets: &Self| buckets.offset + i32::try_from(buckets.counts.len()).unwrap_or(0);
        if !other.counts.is_empty() {
            let (first, last) = (self.offset.min(other.offset), end(&self).max(end(other)));
            let mut counts = vec![0; usize::try_from(last - first).unwrap_or(0)];
            for buckets in [&self, other] {
                let from = usize::try_from(buckets.offset - first).unwrap_or(0);
                counts[from..].iter_mut().zip(&buckets.counts).for_each(|(sum, count)| *sum += count);
            }
            (self.offset, self.counts) = (first, counts);
        }
        self.zero_count += other.zero_count;
        self
    }

    /// The same with at most so many buckets: neighbours are merged by halving the scale's resolution, which loses
    /// no count.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        while self.counts.len() > most.max(2) {
            let offset = self.offset.div_euclid(2);
            let mut merged = vec![0; self.counts.len() / 2 + 1];
            for (position, count) in (self.offset..).zip(&self.counts) {
                let place = usize::try_from(position.div_euclid(2) - offset).unwrap_or(0);
                merged[place] += count;
            }
            if merged.last() == Some(&0) {
                merged.pop();
            }
            (self.scale, self.offset, self.counts) = (self.scale - 1, offset, merged);
        }
        self
    }
}
