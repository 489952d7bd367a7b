//! What telemetry says about itself.

use std::sync::Arc;

use tta_model::Text;
use tta_model::name::metric;

use super::{Add, Point};
use crate::counts::{DropReason, SpanCounts};
use crate::propagation;

/// The signal of spans.
pub(crate) const TRACES: Text = Text::Static("traces");
/// The signal of metrics.
#[cfg(feature = "otlp")]
pub(crate) const METRICS: Text = Text::Static("metrics");
/// The signal of log records.
#[cfg(feature = "otlp")]
pub(crate) const LOGS: Text = Text::Static("logs");

/// What became of spans, to be measured when metrics are read.
pub(crate) fn of_spans(counts: &Arc<SpanCounts>) -> impl Fn(Add<'_>) + Send + 'static {
    let counts = Arc::clone(counts);
    move |add| {
        add(&metric::TTA_TELEMETRY_SPANS_RECORDED_TOTAL, &[], count(counts.recorded()));
        for reason in DropReason::ALL {
            let labels = [Some(TRACES), Some(Text::Static(reason.as_str()))];
            add(&metric::TTA_TELEMETRY_DROPPED_TOTAL, &labels, count(counts.dropped(reason)));
        }
        let waiting = count(counts.waiting_for_exporters());
        add(&metric::TTA_TELEMETRY_QUEUE_LENGTH, &[Some(TRACES)], waiting);
        let baggage = count(propagation::baggage_dropped());
        add(&metric::TTA_TELEMETRY_BAGGAGE_DROPPED_TOTAL, &[], baggage);
    }
}

/// How an exporter of a signal fares, to be measured when metrics are read.
#[cfg(feature = "otlp")]
pub(crate) fn of_exporter(
    signal: Text,
    gauge: crate::export::otlp::OtlpGauge,
) -> impl Fn(Add<'_>) + Send + 'static {
    move |add| {
        let signal = Some(signal.clone());
        add(&metric::TTA_TELEMETRY_QUEUE_LENGTH, std::slice::from_ref(&signal), count(gauge.queue_length()));
        let labels = [signal, Some(Text::Static("otlp"))];
        add(&metric::TTA_TELEMETRY_EXPORT_ERRORS_TOTAL, &labels, count(gauge.export_errors()));
    }
}

/// What became of log records, to be measured when metrics are read.
#[cfg(feature = "otlp")]
pub(crate) fn of_logs(counts: Arc<crate::counts::LogCounts>) -> impl Fn(Add<'_>) + Send + 'static {
    move |add| {
        for reason in DropReason::ALL {
            let labels = [Some(LOGS), Some(Text::Static(reason.as_str()))];
            add(&metric::TTA_TELEMETRY_DROPPED_TOTAL, &labels, count(counts.dropped(reason)));
        }
    }
}

fn count(count: u64) -> Point {
    Point::Count(i64::try_from(count).unwrap_or(i64::MAX))
}
