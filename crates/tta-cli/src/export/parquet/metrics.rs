//! A row for each point of a metric.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint,
    SummaryDataPoint, exemplar,
};
use parquet::errors::Result;
use serde_json::{Value, json};
use tta::server::read::StoredMetric;

use super::json::{attributes, double, hex, list, object, resource, scope};
use super::table::{Cell, Kind};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("time", Kind::Time),
    ("start_time", Kind::Time),
    ("service", Kind::Text),
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("unit", Kind::Text),
    ("type", Kind::Text),
    ("temporality", Kind::Text),
    ("is_monotonic", Kind::Bool),
    ("attributes", Kind::Text),
    // Of whole numbers both, since a large one loses its last digits as a floating one.
    ("value", Kind::Double),
    ("int_value", Kind::Long),
    ("count", Kind::Long),
    ("sum", Kind::Double),
    ("min", Kind::Double),
    ("max", Kind::Double),
    ("buckets", Kind::Text),
    ("exemplars", Kind::Text),
    ("resource", Kind::Text),
    ("scope", Kind::Text),
];

type Row = [Cell; COLUMNS.len()];

/// What the points of each kind have to tell.
#[derive(Default)]
struct Point<'a> {
    time: u64,
    start: u64,
    attributes: &'a [KeyValue],
    value: Option<Number>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    buckets: Option<Value>,
    exemplars: &'a [Exemplar],
}

/// Makes a row of each point.
pub(super) fn rows(stored: &StoredMetric, mut add: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let mut each = |point: Point<'_>| add(row(stored, &point));
    match &stored.metric.data {
        Some(Data::Gauge(of)) => of.data_points.iter().map(number).try_for_each(&mut each),
        Some(Data::Sum(of)) => of.data_points.iter().map(number).try_for_each(&mut each),
        Some(Data::Histogram(of)) => of.data_points.iter().map(histogram).try_for_each(&mut each),
        Some(Data::ExponentialHistogram(of)) => {
            of.data_points.iter().map(exponential).try_for_each(&mut each)
        }
        Some(Data::Summary(of)) => of.data_points.iter().map(summary).try_for_each(&mut each),
        None => Ok(()),
    }
}

fn row(stored: &StoredMetric, point: &Point<'_>) -> Row {
    let (metric, origin) = (&stored.metric, &stored.origin);
    let (value, int_value) = match point.value {
        Some(Number::AsDouble(value)) => (Cell::Double(value), Cell::None),
        Some(Number::AsInt(value)) => (Cell::Double(value as f64), Cell::Long(value)),
        None => (Cell::None, Cell::None),
    };
    let (kind, temporality, is_monotonic) = kind(metric.data.as_ref());
    [
        Cell::time(point.time),
        Cell::time(point.start),
        Cell::Text(origin.service().to_owned()),
        Cell::Text(metric.name.clone()),
        Cell::text(&metric.description),
        Cell::text(&metric.unit),
        Cell::text(kind),
        Cell::text(temporality.map_or("", temporality_word)),
        is_monotonic.map_or(Cell::None, Cell::Bool),
        attributes(point.attributes),
        value,
        int_value,
        point.count.map_or(Cell::None, Cell::long),
        Cell::double(point.sum),
        Cell::double(point.min),
        Cell::double(point.max),
        point.buckets.as_ref().map_or(Cell::None, |buckets| Cell::Text(buckets.to_string())),
        list(point.exemplars, exemplar),
        resource(origin),
        scope(origin),
    ]
}

/// The kind of a metric, its temporality, and whether it only grows, as far as it has them.
fn kind(data: Option<&Data>) -> (&'static str, Option<i32>, Option<bool>) {
    match data {
        Some(Data::Gauge(_)) => ("gauge", None, None),
        Some(Data::Sum(of)) => ("sum", Some(of.aggregation_temporality), Some(of.is_monotonic)),
        Some(Data::Histogram(of)) => ("histogram", Some(of.aggregation_temporality), None),
        Some(Data::ExponentialHistogram(of)) => {
            ("exponential_histogram", Some(of.aggregation_temporality), None)
        }
        Some(Data::Summary(_)) => ("summary", None, None),
        None => ("", None, None),
    }
}

fn temporality_word(number: i32) -> &'static str {
    match AggregationTemporality::try_from(number) {
        Ok(AggregationTemporality::Delta) => "delta",
        Ok(AggregationTemporality::Cumulative) => "cumulative",
        Ok(AggregationTemporality::Unspecified) | Err(_) => "unspecified",
    }
}

fn number(point: &NumberDataPoint) -> Point<'_> {
    Point {
        time: point.time_unix_nano,
        start: point.start_time_unix_nano,
        attributes: &point.attributes,
        value: point.value,
        exemplars: &point.exemplars,
        ..Point::default()
    }
}

fn histogram(point: &HistogramDataPoint) -> Point<'_> {
    let bounds: Vec<Value> = point.explicit_bounds.iter().map(|bound| double(*bound)).collect();
    Point {
        time: point.time_unix_nano,
        start: point.start_time_unix_nano,
        attributes: &point.attributes,
        count: Some(point.count),
        sum: point.sum,
        min: point.min,
        max: point.max,
        buckets: Some(json!({ "bounds": bounds, "counts": point.bucket_counts })),
        exemplars: &point.exemplars,
        ..Point::default()
    }
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Point<'_> {
    let side = |buckets: &Option<Buckets>| {
        let buckets = buckets.as_ref()?;
        Some(json!({ "offset": buckets.offset, "counts": buckets.bucket_counts }))
    };
    Point {
        time: point.time_unix_nano,
        start: point.start_time_unix_nano,
        attributes: &point.attributes,
        count: Some(point.count),
        sum: point.sum,
        min: point.min,
        max: point.max,
        buckets: Some(json!({
            "scale": point.scale,
            "zero_count": point.zero_count,
            "zero_threshold": double(point.zero_threshold),
            "positive": side(&point.positive),
            "negative": side(&point.negative),
        })),
        exemplars: &point.exemplars,
        ..Point::default()
    }
}

fn summary(point: &SummaryDataPoint) -> Point<'_> {
    let quantiles: Vec<Value> = point
        .quantile_values
        .iter()
        .map(|at| json!({ "quantile": double(at.quantile), "value": double(at.value) }))
        .collect();
    Point {
        time: point.time_unix_nano,
        start: point.start_time_unix_nano,
        attributes: &point.attributes,
        count: Some(point.count),
        sum: Some(point.sum),
        buckets: Some(json!({ "quantiles": quantiles })),
        ..Point::default()
    }
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let value = match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => double(value),
        Some(exemplar::Value::AsInt(value)) => value.into(),
        None => Value::Null,
    };
    json!({
        "value": value,
        "time_unix_nanos": exemplar.time_unix_nano,
        "trace_id": hex(&exemplar.trace_id),
        "span_id": hex(&exemplar.span_id),
        "attributes": object(&exemplar.filtered_attributes),
    })
}
