//! Writes a snapshot as Prometheus reads it.
//!
//! The library writes OpenMetrics, its escapes and its numbers; [`lines`](super::lines) adds what it does not know.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use tta_model::name::metric::{Metric, MetricKind, prometheus_label};

use super::lines;
use super::target::Target;
use crate::metrics::{Distribution, Family, Labels, Point, Series, Snapshot};
use crate::resource::Resource;

/// What the name of the library's family for [`Target`] is; it appends `_info`.
const TARGET: &str = "target";
const TARGET_MEANING: &str = "the process that is measured";
/// What the name of a counter ends with.
const TOTAL: &str = "_total";

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0, with units, and examples of traces on the buckets of histograms.
    OpenMetrics,
    /// The older text format of Prometheus, which everything understands.
    Classic,
}

impl Format {
    /// The `Content-Type` of the format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes a snapshot in a format, the resource as `target_info`.
///
/// Names follow [`Metric::prometheus_name`]. A series whose measurement does not fit the kind of its metric is
/// left out.
#[must_use]
pub fn encode(snapshot: Snapshot, resource: &Resource, format: Format) -> String {
    write(&Arc::new(snapshot), &Arc::new(Target::new(resource)), format)
}

/// The same, with the resource translated once for all pages.
pub(super) fn write(snapshot: &Arc<Snapshot>, target: &Arc<Target>, format: Format) -> String {
    let mut registry = Registry::default();
    let page = Page { snapshot: Arc::clone(snapshot), target: Arc::clone(target) };
    registry.register_collector(Box::new(page));
    let mut written = String::new();
    text::encode(&mut written, &registry).expect("a string takes whatever is written to it");
    match format {
        Format::OpenMetrics => lines::open_metrics(&written, snapshot),
        Format::Classic => lines::classic(&written),
    }
}

/// Whether the measurement of a series is of the kind of its metric.
pub(super) fn fits(kind: MetricKind, point: &Point) -> bool {
    matches!(point, Point::Distribution(_)) == (kind == MetricKind::Histogram)
}

/// What is on the page. The library's collectors live as long as they like, so it owns a share of it.
struct Page {
    snapshot: Arc<Snapshot>,
    target: Arc<Target>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encoder
            .encode_descriptor(TARGET, TARGET_MEANING, None, MetricType::Info)?
            .encode_info(&*self.target)?;
        self.snapshot.families.iter().try_for_each(|family| encode_family(&mut encoder, family))
    }
}

fn encode_family(encoder: &mut DescriptorEncoder<'_>, family: &Family) -> fmt::Result {
    let metric = family.metric;
    let (name, unit) = name_and_unit(metric);
    let kind = match metric.kind {
        MetricKind::Counter => MetricType::Counter,
        // A sum that shrinks is a gauge to Prometheus.
        MetricKind::UpDownCounter | MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    let mut encoder = encoder.encode_descriptor(&name, metric.meaning, unit.as_ref(), kind)?;
    let mut fitting = family.series.iter().filter(|series| fits(metric.kind, &series.point));
    fitting.try_for_each(|series| encode_series(&mut encoder, metric, series))
}

fn encode_series(encoder: &mut MetricEncoder<'_>, metric: &Metric, series: &Series) -> fmt::Result {
    if series.labels.is_empty() {
        // An empty set of labels would be written as empty braces.
        return encode_point(encoder, metric, &series.point);
    }
    encode_point(&mut encoder.encode_family(&SeriesLabels(&series.labels))?, metric, &series.point)
}

fn encode_point(encoder: &mut MetricEncoder<'_>, metric: &Metric, point: &Point) -> fmt::Result {
    let is_counter = metric.kind == MetricKind::Counter;
    match point {
        // The library has no signed counters, and a counter is never negative.
        Point::Count(count) if is_counter => {
            encoder.encode_counter::<NoLabelSet, _, f64>(&u64::try_from(*count).unwrap_or(0), None)
        }
        Point::Value(value) if is_counter => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
        Point::Count(count) => encoder.encode_gauge(count),
        Point::Value(value) => encoder.encode_gauge(value),
        Point::Distribution(distribution) => {
            let buckets = buckets(metric, distribution);
            // The library's exemplars cannot be made but by measuring, so they are added to the lines afterwards.
            encoder.encode_histogram::<NoLabelSet>(distribution.sum, distribution.count, &buckets, None)
        }
    }
}

/// The bounds and counts of the buckets. What is in no other bucket is in the last, so that it always
/// shows the number of all measurements.
fn buckets(metric: &Metric, distribution: &Distribution) -> Vec<(f64, u64)> {
    let mut rest = distribution.count;
    let counts = distribution.buckets.iter().copied().chain(std::iter::repeat(0));
    let bounds = metric.buckets.unwrap_or_default().iter().copied();
    let mut buckets: Vec<_> = bounds.zip(counts).collect();
    for (_, count) in &mut buckets {
        *count = rest.min(*count);
        rest -= *count;
    }
    buckets.push((f64::INFINITY, rest));
    buckets
}

/// The name without what the library appends to it: the unit, and `_total` to a counter.
fn name_and_unit(metric: &Metric) -> (String, Option<Unit>) {
    let mut name = metric.prometheus_name();
    if metric.kind == MetricKind::Counter && name.ends_with(TOTAL) {
        name.truncate(name.len() - TOTAL.len());
    }
    let unit = match metric.unit {
        "ms" => "milliseconds",
        "s" => "seconds",
        "By" => "bytes",
        // Only of a gauge: a counter of what has no unit does not end so.
        "1" => "ratio",
        _ => return (name, None),
    };
    let base = name.strip_suffix(unit).and_then(|name| name.strip_suffix('_')).map(str::to_owned);
    match base {
        Some(base) => (base, Some(Unit::Other(unit.to_owned()))),
        None => (name, None),
    }
}

/// The labels of a series under the names that Prometheus allows.
struct SeriesLabels<'snapshot>(&'snapshot Labels);

impl EncodeLabelSet for SeriesLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(key, value)| {
            (prometheus_label(key).as_str(), value.as_ref()).encode(encoder.encode_label())
        })
    }
}
