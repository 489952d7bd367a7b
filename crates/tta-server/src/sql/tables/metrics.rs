//! `metrics`: one row for each data point.

use std::rc::Rc;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};
use serde_json::{Value, json};

use super::super::json;
use super::super::source::Source;
use super::super::table::{Cell, Col, ColumnType::*, Pushed, Rows, Table, Wanted, key, time};
use crate::read::{FoundMetric, MetricQuery, MetricWalk, ReadError};

pub(in crate::sql) struct Metrics;

/// A point of a metric, by its place in it.
pub(in crate::sql) struct PointRow {
    found: Rc<FoundMetric>,
    at: usize,
}

/// A point of whatever kind.
enum Point<'a> {
    Number(&'a NumberDataPoint),
    Histogram(&'a HistogramDataPoint),
    Exponential(&'a ExponentialHistogramDataPoint),
    Summary(&'a SummaryDataPoint),
}

impl PointRow {
    fn data(&self) -> Option<&Data> {
        self.found.stored.metric.data.as_ref()
    }

    fn point(&self) -> Option<Point<'_>> {
        match self.data()? {
            Data::Gauge(gauge) => gauge.data_points.get(self.at).map(Point::Number),
            Data::Sum(sum) => sum.data_points.get(self.at).map(Point::Number),
            Data::Histogram(histogram) => histogram.data_points.get(self.at).map(Point::Histogram),
            Data::ExponentialHistogram(histogram) => {
                histogram.data_points.get(self.at).map(Point::Exponential)
            }
            Data::Summary(summary) => summary.data_points.get(self.at).map(Point::Summary),
        }
    }

    fn time(&self) -> i64 {
        let nanos = self.point().map_or(0, |point| match point {
            Point::Number(point) => point.time_unix_nano,
            Point::Histogram(point) => point.time_unix_nano,
            Point::Exponential(point) => point.time_unix_nano,
            Point::Summary(point) => point.time_unix_nano,
        });
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    fn attributes(&self) -> &[KeyValue] {
        match self.point() {
            None => &[],
            Some(Point::Number(point)) => &point.attributes,
            Some(Point::Histogram(point)) => &point.attributes,
            Some(Point::Exponential(point)) => &point.attributes,
            Some(Point::Summary(point)) => &point.attributes,
        }
    }

    fn kind(&self) -> Cell {
        self.data().map_or(Cell::Null, |data| {
            Cell::Static(match data {
                Data::Gauge(_) => "gauge",
                Data::Sum(_) => "sum",
                Data::Histogram(_) => "histogram",
                Data::ExponentialHistogram(_) => "exponential_histogram",
                Data::Summary(_) => "summary",
            })
        })
    }

    fn temporality(&self) -> Cell {
        let number = match self.data() {
            Some(Data::Sum(sum)) => sum.aggregation_temporality,
            Some(Data::Histogram(histogram)) => histogram.aggregation_temporality,
            Some(Data::ExponentialHistogram(histogram)) => histogram.aggregation_temporality,
            _ => return Cell::Null,
        };
        match number {
            1 => Cell::Static("delta"),
            2 => Cell::Static("cumulative"),
            _ => Cell::Null,
        }
    }

    fn value(&self) -> Cell {
        match self.point() {
            Some(Point::Number(point)) => match point.value {
                Some(Number::AsInt(int)) => Cell::Int(int),
                Some(Number::AsDouble(real)) => Cell::Real(real),
                None => Cell::Null,
            },
            _ => Cell::Null,
        }
    }

    fn count(&self) -> Cell {
        match self.point() {
            Some(Point::Histogram(point)) => point.count.into(),
            Some(Point::Exponential(point)) => point.count.into(),
            Some(Point::Summary(point)) => point.count.into(),
            _ => Cell::Null,
        }
    }

    fn sum(&self) -> Cell {
        match self.point() {
            Some(Point::Histogram(point)) => point.sum.into(),
            Some(Point::Exponential(point)) => point.sum.into(),
            Some(Point::Summary(point)) => point.sum.into(),
            _ => Cell::Null,
        }
    }

    /// The least and the greatest value.
    fn ends(&self) -> (Option<f64>, Option<f64>) {
        match self.point() {
            Some(Point::Histogram(point)) => (point.min, point.max),
            Some(Point::Exponential(point)) => (point.min, point.max),
            _ => (None, None),
        }
    }

    fn buckets(&self) -> Cell {
        match self.point() {
            Some(Point::Histogram(point)) => Cell::Text(json::numbers([
                ("bounds", Some(json!(point.explicit_bounds))),
                ("counts", Some(json!(point.bucket_counts))),
            ])),
            Some(Point::Exponential(point)) => Cell::Text(json::numbers([
                ("scale", Some(point.scale.into())),
                ("zero_count", Some(point.zero_count.into())),
                ("zero_threshold", Some(point.zero_threshold.into())),
                ("positive", point.positive.as_ref().map(side)),
                ("negative", point.negative.as_ref().map(side)),
            ])),
            Some(Point::Summary(point)) => {
                let values = point.quantile_values.iter();
                let values = values.map(|at| json!({ "quantile": at.quantile, "value": at.value }));
                Cell::Text(values.collect::<Value>().to_string())
            }
            _ => Cell::Null,
        }
    }
}

fn side(buckets: &Buckets) -> Value {
    json!({ "counts": buckets.bucket_counts, "offset": buckets.offset })
}

type Column = Col<PointRow>;

impl Table for Metrics {
    type Row = PointRow;
    const NAME: &'static str = "metrics";
    const ABOUT: &'static str = "a data point of a metric, as it was sent";
    const COLUMNS: &'static [Column] = &[
        Column::new("name", Text, "the name of the metric", |row| {
            Ok(row.found.stored.metric.name.clone().into())
        })
        .pushed(Pushed::Equal),
        Column::new("unit", Text, "the unit", |row| Ok(row.found.stored.metric.unit.clone().into())),
        Column::new("kind", Text, "gauge, sum, histogram, exponential_histogram or summary", |row| {
            Ok(row.kind())
        }),
        Column::new("temporality", Text, "delta or cumulative; null where it has none", |row| {
            Ok(row.temporality())
        }),
        Column::new("service", Text, "the service", |row| Ok(Cell::Shared(Arc::clone(&row.found.service))))
            .pushed(Pushed::Equal),
        Column::new("time_unix_ns", Integer, "the time of the point, in nanoseconds since 1970", |row| {
            Ok(row.time().into())
        })
        .pushed(Pushed::Range),
        Column::new("time", Text, "the time of the point, as RFC 3339 in UTC", |row| Ok(time(row.time()))),
        Column::new("value", Real, "the value of a gauge or sum", |row| Ok(row.value())),
        Column::new("count", Integer, "how many values a histogram or summary has", |row| Ok(row.count())),
        Column::new("sum", Real, "their sum", |row| Ok(row.sum())),
        Column::new("min", Real, "the least of them, if it was sent", |row| Ok(row.ends().0.into())),
        Column::new("max", Real, "the greatest of them, if it was sent", |row| Ok(row.ends().1.into())),
        Column::new(
            "buckets",
            Json,
            "bounds and counts; scale, zero_count, zero_threshold, positive and negative; or quantiles of a summary",
            |row| Ok(row.buckets()),
        ),
        Column::new("attributes", Json, "the attributes of the point, as an object", |row| {
            Ok(json::object(row.attributes()).into())
        }),
        Column::new("resource", Json, "the attributes of what sent it, as an object", |row| {
            Ok(json::object(&row.found.stored.origin.resource.attributes).into())
        }),
    ];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<PointRow>, ReadError> {
        let (name, service) = (wanted.owned("name"), wanted.owned("service"));
        let query = MetricQuery { name, service, times: wanted.range("time_unix_ns") };
        let mut walk = MetricWalk::new(&source.reader, query);
        let mut next = PointRow::next_of(None);
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(row) = next() {
                    return Some(Ok(row));
                }
                match walk.next().transpose()? {
                    Ok(found) => next = PointRow::next_of(Some(Rc::new(found))),
                    Err(error) => return Some(Err(error)),
                }
            }
        })))
    }

    fn key(row: &PointRow) -> u64 {
        let (file, id) = &row.found.place;
        key(&[file.as_bytes(), &id.to_le_bytes(), &row.at.to_le_bytes()])
    }
}

impl PointRow {
    /// The points of a metric, one after the other.
    fn next_of(found: Option<Rc<FoundMetric>>) -> Box<dyn FnMut() -> Option<Self>> {
        let mut at = 0;
        Box::new(move || {
            let row = Self { found: Rc::clone(found.as_ref()?), at };
            at += 1;
            row.point().is_some().then_some(row)
        })
    }
}
