//! Metrics as messages of OTLP.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tta_model::name::metric::{Metric, MetricKind};

use super::{attribute, scope};
use crate::metrics::{Distribution, Exemplar, ExponentialBuckets, Family, Labels, Point, Series, Snapshot};

/// How many exponential buckets a point has at most, by the specification of OpenTelemetry.
const MOST_BUCKETS: usize = 160;

/// What is sent: a snapshot, and what its sums and distributions are counted from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collection {
    /// The metrics.
    pub(crate) snapshot: Snapshot,
    /// The moment that counters and distributions are counted from, if that is not the start of counting.
    pub(crate) since_unix_nanos: Option<u64>,
}

/// What all points of a family have in common.
struct Points<'a> {
    metric: &'a Metric,
    start: u64,
    time: u64,
    temporality: proto::AggregationTemporality,
}

/// The request that sends a collection; none if there is nothing in it.
pub(crate) fn request(resource: &Resource, collection: &Collection) -> Option<ExportMetricsServiceRequest> {
    let families = collection.snapshot.families.iter().filter(|family| !family.series.is_empty());
    let metrics: Vec<_> = families.map(|family| metric(family, collection)).collect();
    if metrics.is_empty() {
        return None;
    }
    let scope = proto::ScopeMetrics { scope: Some(scope()), metrics, ..proto::ScopeMetrics::default() };
    let metrics = proto::ResourceMetrics {
        resource: Some(resource.clone()),
        scope_metrics: vec![scope],
        ..proto::ResourceMetrics::default()
    };
    Some(ExportMetricsServiceRequest { resource_metrics: vec![metrics] })
}

fn metric(family: &Family, collection: &Collection) -> proto::Metric {
    let Family { metric, series } = family;
    let points = Points::new(metric, collection);
    let aggregation_temporality = points.temporality.into();
    let data = match metric.kind {
        MetricKind::Counter | MetricKind::UpDownCounter => Data::Sum(proto::Sum {
            data_points: points.numbers(series),
            aggregation_temporality,
            is_monotonic: metric.kind == MetricKind::Counter,
        }),
        MetricKind::Gauge => Data::Gauge(proto::Gauge { data_points: points.numbers(series) }),
        MetricKind::Histogram => match points.exponential(series) {
            Some(data_points) => Data::ExponentialHistogram(proto::ExponentialHistogram {
                data_points,
                aggregation_temporality,
            }),
            None => Data::Histogram(proto::Histogram {
                data_points: distributions(series).map(|(s, d)| points.explicit(&s.labels, d)).collect(),
                aggregation_temporality,
            }),
        },
    };
    proto::Metric {
        name: metric.name.to_owned(),
        description: metric.meaning.to_owned(),
        unit: metric.unit.to_owned(),
        data: Some(data),
        ..proto::Metric::default()
    }
}

impl<'a> Points<'a> {
    fn new(metric: &'a Metric, collection: &Collection) -> Self {
        let snapshot = &collection.snapshot;
        let grows = matches!(metric.kind, MetricKind::Counter | MetricKind::Histogram);
        let (start, temporality) = match collection.since_unix_nanos.filter(|_| grows) {
            Some(since) => (since, proto::AggregationTemporality::Delta),
            // A last value is not counted from anything.
            None if metric.kind == MetricKind::Gauge => (0, proto::AggregationTemporality::Unspecified),
            None => (snapshot.start_unix_nanos, proto::AggregationTemporality::Cumulative),
        };
        Self { metric, start, time: snapshot.time_unix_nanos, temporality }
    }

    fn numbers(&self, series: &[Series]) -> Vec<proto::NumberDataPoint> {
        series.iter().map(|series| self.number(series)).collect()
    }

    fn number(&self, series: &Series) -> proto::NumberDataPoint {
        let value = match &series.point {
            Point::Count(count) => Number::AsInt(*count),
            other => Number::AsDouble(match other {
                Point::Value(value) => *value,
                other => other.total(),
            }),
        };
        proto::NumberDataPoint {
            attributes: labels(&series.labels),
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            value: Some(value),
            ..proto::NumberDataPoint::default()
        }
    }

    fn explicit(&self, own: &Labels, distribution: &Distribution) -> proto::HistogramDataPoint {
        let bounds = self.metric.buckets.unwrap_or_default();
        let fits = distribution.buckets.len() == bounds.len() + 1;
        proto::HistogramDataPoint {
            attributes: labels(own),
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            count: distribution.count,
            sum: Some(distribution.sum),
            // Both may be missing, and then only count and sum are told.
            bucket_counts: if fits { distribution.buckets.clone() } else { Vec::new() },
            explicit_bounds: if fits { bounds.to_vec() } else { Vec::new() },
            exemplars: distribution.exemplars.iter().map(exemplar).collect(),
            ..proto::HistogramDataPoint::default()
        }
    }

    /// The points in exponential buckets, if all have them: the points of a metric are of one type.
    fn exponential(&self, series: &[Series]) -> Option<Vec<proto::ExponentialHistogramDataPoint>> {
        distributions(series)
            .map(|(series, distribution)| {
                let buckets = distribution.exponential.clone()?.at_most(MOST_BUCKETS);
                Some(self.exponential_point(&series.labels, distribution, buckets))
            })
            .collect()
    }

    fn exponential_point(
        &self,
        own: &Labels,
        distribution: &Distribution,
        buckets: ExponentialBuckets,
    ) -> proto::ExponentialHistogramDataPoint {
        proto::ExponentialHistogramDataPoint {
            attributes: labels(own),
            start_time_unix_nano: self.start,
            time_unix_nano: self.time,
            // Work goes on while it is read, so the two kinds of buckets may differ by the last moment; a receiver wants
            // the count of the buckets that it gets.
            count: buckets.zero_count + buckets.counts.iter().sum::<u64>(),
            sum: Some(distribution.sum),
            scale: buckets.scale,
            zero_count: buckets.zero_count,
            positive: Some(Buckets { offset: buckets.offset, bucket_counts: buckets.counts }),
            exemplars: distribution.exemplars.iter().map(exemplar).collect(),
            ..proto::ExponentialHistogramDataPoint::default()
        }
    }
}

fn distributions(series: &[Series]) -> impl Iterator<Item = (&Series, &Distribution)> {
    series.iter().filter_map(|series| match &series.point {
        Point::Distribution(distribution) => Some((series, &**distribution)),
        _ => None,
    })
}

fn labels(labels: &Labels) -> Vec<KeyValue> {
    let text = |text: &str| AnyValue { value: Some(Any::StringValue(text.to_owned())) };
    labels.iter().map(|(key, value)| attribute(key, text(value))).collect()
}

fn exemplar(exemplar: &Exemplar) -> proto::Exemplar {
    proto::Exemplar {
        time_unix_nano: exemplar.time_unix_nanos,
        trace_id: exemplar.trace_id.to_bytes().to_vec(),
        span_id: exemplar.span_id.to_bytes().to_vec(),
        value: Some(proto::exemplar::Value::AsDouble(exemplar.value)),
        ..proto::Exemplar::default()
    }
}
