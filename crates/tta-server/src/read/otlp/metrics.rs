//! Metrics.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
    exemplar, number_data_point,
};
use serde_json::Value;

use super::{Lists, Object, double, grouped, hex, pair};
use crate::read::metrics::StoredMetric;

const LISTS: Lists = Lists { resources: "resourceMetrics", scopes: "scopeMetrics", records: "metrics" };

/// Writes metrics as one `ExportMetricsServiceRequest` in OTLP's JSON, without a line break; none if there are no metrics.
///
/// # Examples
///
/// ```
/// assert_eq!(tta_server::read::metrics_json(&[]), None);
/// ```
#[must_use]
pub fn metrics_json(metrics: &[StoredMetric]) -> Option<String> {
    grouped(&LISTS, metrics.iter().map(|stored| (&stored.origin, metric(&stored.metric))))
}

fn metric(metric: &Metric) -> Value {
    let object = Object::new()
        .text("name", &metric.name)
        .text("description", &metric.description)
        .text("unit", &metric.unit)
        .list("metadata", &metric.metadata, pair);
    match &metric.data {
        Some(data) => object.put(kind(data), of_kind(data)).done(),
        None => object.done(),
    }
}

fn kind(data: &Data) -> &'static str {
    match data {
        Data::Gauge(_) => "gauge",
        Data::Sum(_) => "sum",
        Data::Histogram(_) => "histogram",
        Data::ExponentialHistogram(_) => "exponentialHistogram",
        Data::Summary(_) => "summary",
    }
}

fn of_kind(data: &Data) -> Value {
    const POINTS: &str = "dataPoints";
    const TEMPORALITY: &str = "aggregationTemporality";
    let object = Object::new();
    match data {
        Data::Gauge(gauge) => object.list(POINTS, &gauge.data_points, number),
        Data::Sum(sum) => object
            .list(POINTS, &sum.data_points, number)
            .number(TEMPORALITY, sum.aggregation_temporality)
            .maybe("isMonotonic", sum.is_monotonic.then_some(Value::Bool(true))),
        Data::Histogram(of) => {
            object.list(POINTS, &of.data_points, histogram).number(TEMPORALITY, of.aggregation_temporality)
        }
        Data::ExponentialHistogram(of) => {
            object.list(POINTS, &of.data_points, exponential).number(TEMPORALITY, of.aggregation_temporality)
        }
        Data::Summary(of) => object.list(POINTS, &of.data_points, summary),
    }
    .done()
}

fn number(point: &NumberDataPoint) -> Value {
    let object = Object::new()
        .list("attributes", &point.attributes, pair)
        .long("startTimeUnixNano", point.start_time_unix_nano)
        .long("timeUnixNano", point.time_unix_nano)
        .list("exemplars", &point.exemplars, exemplar)
        .number("flags", point.flags);
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => object.put("asDouble", double(value)),
        Some(number_data_point::Value::AsInt(value)) => object.put("asInt", value.to_string()),
        None => object,
    }
    .done()
}

fn histogram(point: &HistogramDataPoint) -> Value {
    Object::new()
        .list("attributes", &point.attributes, pair)
        .long("startTimeUnixNano", point.start_time_unix_nano)
        .long("timeUnixNano", point.time_unix_nano)
        .long("count", point.count)
        .maybe_double("sum", point.sum)
        .list("bucketCounts", &point.bucket_counts, long)
        .list("explicitBounds", &point.explicit_bounds, |bound| double(*bound))
        .list("exemplars", &point.exemplars, exemplar)
        .number("flags", point.flags)
        .maybe_double("min", point.min)
        .maybe_double("max", point.max)
        .done()
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Value {
    Object::new()
        .list("attributes", &point.attributes, pair)
        .long("startTimeUnixNano", point.start_time_unix_nano)
        .long("timeUnixNano", point.time_unix_nano)
        .long("count", point.count)
        .maybe_double("sum", point.sum)
        .number("scale", point.scale)
        .long("zeroCount", point.zero_count)
        .maybe("positive", point.positive.as_ref().map(buckets))
        .maybe("negative", point.negative.as_ref().map(buckets))
        .number("flags", point.flags)
        .list("exemplars", &point.exemplars, exemplar)
        .maybe_double("min", point.min)
        .maybe_double("max", point.max)
        .double("zeroThreshold", point.zero_threshold)
        .done()
}

fn buckets(buckets: &Buckets) -> Value {
    Object::new().number("offset", buckets.offset).list("bucketCounts", &buckets.bucket_counts, long).done()
}

fn summary(point: &SummaryDataPoint) -> Value {
    Object::new()
        .list("attributes", &point.attributes, pair)
        .long("startTimeUnixNano", point.start_time_unix_nano)
        .long("timeUnixNano", point.time_unix_nano)
        .long("count", point.count)
        .double("sum", point.sum)
        .list("quantileValues", &point.quantile_values, quantile)
        .number("flags", point.flags)
        .done()
}

fn quantile(at: &ValueAtQuantile) -> Value {
    Object::new().double("quantile", at.quantile).double("value", at.value).done()
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let object = Object::new()
        .list("filteredAttributes", &exemplar.filtered_attributes, pair)
        .long("timeUnixNano", exemplar.time_unix_nano)
        .text("spanId", &hex(&exemplar.span_id))
        .text("traceId", &hex(&exemplar.trace_id));
    match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => object.put("asDouble", double(value)),
        Some(exemplar::Value::AsInt(value)) => object.put("asInt", value.to_string()),
        None => object,
    }
    .done()
}

/// A number of 64 bits in a list.
fn long(number: &u64) -> Value {
    Value::from(number.to_string())
}
