//! Metrics: each instrument with its kind, unit, labels and buckets.
//!
//! Names are those of OpenTelemetry; [`Metric::prometheus_name`] is what a scrape shows.

use super::attribute::Attribute;
use crate::value::Text;

pub mod server;
mod table;

pub use table::*;

/// The value that a label folds into when it would have more values than its bound allows.
pub const OTHER: &str = "__other__";

/// One metric: its name, and what it measures.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name of the instrument.
    pub name: &'static str,
    /// The kind of the instrument.
    pub kind: MetricKind,
    /// The unit in UCUM; an annotation in braces counts things.
    pub unit: &'static str,
    /// The labels; one that has no value is left out.
    pub labels: &'static [&'static Attribute],
    /// The upper bounds of a histogram's buckets, in the unit, without infinity.
    pub buckets: Option<&'static [f64]>,
    /// What it measures.
    pub meaning: &'static str,
}

impl PartialEq for Metric {
    /// Two metrics of the same name are the same.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Metric {}

/// The kind of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// The last value.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Metric {
    /// The name of the metric, free to clone.
    #[must_use]
    pub const fn name(&self) -> Text {
        Text::Static(self.name)
    }

    /// The name by the standard translation from OpenTelemetry to Prometheus.
    ///
    /// Dots become underscores, the unit is appended in words unless the name ends with it, and a
    /// counter ends with `_total`. The series of a histogram further end with `_bucket`, `_sum` and
    /// `_count`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tta_model::name::metric;
    ///
    /// assert_eq!(metric::PRIMITIVE_EXECUTION_DURATION.prometheus_name(), "primitive_execution_duration_milliseconds");
    /// assert_eq!(metric::CACHE_TOTAL.prometheus_name(), "cache_total");
    /// ```
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let mut name = prometheus_label(self.name);
        if self.kind == MetricKind::Counter && name.ends_with("_total") {
            name.truncate(name.len() - "_total".len());
        }
        let unit = match self.unit {
            "ms" => "milliseconds",
            "s" => "seconds",
            "By" => "bytes",
            "1" if self.kind == MetricKind::Gauge => "ratio",
            _ => "",
        };
        if !unit.is_empty() && !name.ends_with(&format!("_{unit}")) {
            name.extend(["_", unit]);
        }
        if self.kind == MetricKind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// The name of a label by the standard translation from OpenTelemetry to Prometheus.
#[must_use]
pub fn prometheus_label(key: &str) -> String {
    key.replace(|char: char| !char.is_ascii_alphanumeric(), "_")
}

/// Makes a documented constant of each entry, and `ALL` of them.
macro_rules! metrics {
    ($($name:ident = $text:literal: $kind:ident, $unit:literal, $buckets:expr, $meaning:literal [$($label:expr),*];)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $meaning, ".")]
            pub const $name: Metric = Metric {
                name: $text,
                kind: MetricKind::$kind,
                unit: $unit,
                labels: &[$(&$label),*],
                buckets: $buckets,
                meaning: $meaning,
            };
        )*

        /// Every metric.
        pub const ALL: &[&Metric] = &[$(&$name),*];
    };
}
use metrics;
