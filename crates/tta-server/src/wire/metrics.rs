//! A request with metrics.

use bytes::Bytes;

use super::field::{Fields, Slice, Wire};
use super::schema::{self, METRIC};
use super::traces::place_of;
use super::{Group, Malformed, Rejected, Rejection, envelope};

/// The metrics of an OTLP `ExportMetricsServiceRequest`, scanned and checked, in the bytes that came.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) body: Bytes,
    pub(crate) groups: Vec<Group>,
    pub(crate) metrics: Vec<MetricRef>,
    rejected: Rejected,
}

/// A metric of a request, with its points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MetricRef {
    pub(crate) name: Slice,
    /// The times of the earliest and of the latest point.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) points: u64,
    pub(crate) raw: Slice,
    pub(crate) group: u32,
}

impl Metrics {
    /// Scans a request in protobuf. A metric that a decoder would not read is left out, and the others stay.
    ///
    /// # Errors
    ///
    /// When the frame around the metrics is no protobuf.
    pub fn scan(body: Bytes) -> Result<Self, Malformed> {
        let mut groups = Vec::new();
        let mut all = Vec::new();
        let mut rejected = Rejected::default();
        envelope::walk(&body, |group, records| {
            let mut place = None;
            while let Some(raw) = records()? {
                match group.and_then(|_| scan_metric(&body, raw)) {
                    Ok(found) => {
                        all.push(MetricRef { group: place_of(group, &mut place, &mut groups), ..found })
                    }
                    Err(why) => rejected.add_all(why, count_points(&body, raw).max(1)),
                }
            }
            Ok(())
        })?;
        Ok(Self { body, groups, metrics: all, rejected })
    }

    /// How many points are to be stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.metrics.iter().map(|metric| metric.points as usize).sum()
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// What is left out: points, of metrics that are left out as a whole. One without a point counts as one.
    #[must_use]
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }
}

fn scan_metric(buffer: &[u8], raw: Slice) -> Result<MetricRef, Rejection> {
    schema::check(buffer, raw, &METRIC, 0)?;
    let mut metric = MetricRef { raw, first: i64::MAX, ..MetricRef::default() };
    let mut fields = Fields::new(buffer, raw);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Wire::Bytes(name)) => metric.name = name,
            (5 | 7 | 9 | 10 | 11, Wire::Bytes(data)) => take_points(buffer, data, &mut metric)?,
            _ => {}
        }
    }
    if metric.name.is_empty() {
        return Err(Rejection::NoName);
    }
    metric.first = metric.first.min(metric.last);
    Ok(metric)
}

/// How many points a metric has that cannot be kept, as far as it can be read.
fn count_points(buffer: &[u8], raw: Slice) -> u64 {
    let mut points = 0;
    let mut fields = Fields::new(buffer, raw);
    while let Ok(Some((number, value))) = fields.next() {
        let (5 | 7 | 9 | 10 | 11, Wire::Bytes(data)) = (number, value) else { continue };
        let mut fields = Fields::new(buffer, data);
        while let Ok(Some((number, _))) = fields.next() {
            points += u64::from(number == 1);
        }
    }
    points
}

/// The points are field 1 of every kind of metric, and the time is field 3 of every kind of point.
fn take_points(buffer: &[u8], data: Slice, metric: &mut MetricRef) -> Result<(), Rejection> {
    let mut fields = Fields::new(buffer, data);
    while let Some((number, value)) = fields.next()? {
        let (1, Wire::Bytes(point)) = (number, value) else { continue };
        metric.points += 1;
        let mut fields = Fields::new(buffer, point);
        while let Some((number, value)) = fields.next()? {
            if let (3, Wire::Fixed64(time)) = (number, value) {
                let time = i64::try_from(time).map_err(|_| Rejection::Time)?;
                metric.first = metric.first.min(time);
                metric.last = metric.last.max(time);
            }
        }
    }
    Ok(())
}
