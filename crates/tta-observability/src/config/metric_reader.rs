//! How metrics are collected for OTLP.

use std::time::Duration;

use super::read::{self, Reader};

/// How often metrics are sent, and what of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricReaderConfig {
    /// The time from one collection to the next, longer than zero: 60 s by default.
    pub interval: Duration,
    /// How long sending one collection takes at most, all attempts included: 30 s by default; `Duration::MAX` means no
    /// limit.
    pub timeout: Duration,
    /// What sums and distributions are counted from; the start by default.
    pub temporality: Temporality,
    /// Whether distributions are sent in exponential buckets instead of the metric's own.
    pub exponential: bool,
}

/// What the sums and distributions that are sent are counted from.
///
/// What may shrink, such as the number of runs at this moment, is always counted from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// From the start of counting: a collection that is lost is made good by the next.
    #[default]
    Cumulative,
    /// From the last collection that a receiver acknowledged.
    Delta,
    /// As delta, since everything is counted when it happens; the two differ for instruments that are observed.
    LowMemory,
}

impl Temporality {
    /// Whether what only grows is sent as its difference.
    #[must_use]
    pub const fn is_delta(self) -> bool {
        matches!(self, Self::Delta | Self::LowMemory)
    }
}

impl Default for MetricReaderConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            temporality: Temporality::Cumulative,
            exponential: false,
        }
    }
}

impl MetricReaderConfig {
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) {
        if let Some(interval) = reader.parsed("OTEL_METRIC_EXPORT_INTERVAL", read::interval) {
            self.interval = interval;
        }
        if let Some(timeout) = reader.parsed("OTEL_METRIC_EXPORT_TIMEOUT", read::time_limit) {
            self.timeout = timeout;
        }
        let temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(temporality) = reader.parsed(temporality, temporality_preference) {
            self.temporality = temporality;
        }
        let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        if let Some(exponential) = reader.parsed(aggregation, is_exponential) {
            self.exponential = exponential;
        }
    }
}

fn temporality_preference(value: &str) -> Result<Temporality, String> {
    match value.to_ascii_lowercase().as_str() {
        "cumulative" => Ok(Temporality::Cumulative),
        "delta" => Ok(Temporality::Delta),
        "lowmemory" => Ok(Temporality::LowMemory),
        _ => Err("expected cumulative, delta or lowmemory".to_owned()),
    }
}

fn is_exponential(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "explicit_bucket_histogram" => Ok(false),
        "base2_exponential_bucket_histogram" => Ok(true),
        _ => Err("expected explicit_bucket_histogram or base2_exponential_bucket_histogram".to_owned()),
    }
}
