//! What telemetry says about itself.

use std::sync::Arc;

use tta_model::Text;
use tta_model::name::metric;

use super::{Add, Point};
use crate::counts::{DropReason, SpanCounts};

/// The signal of spans.
const TRACES: Text = Text::Static("traces");

/// What became of spans, to be measured when metrics are read.
pub(crate) fn of_spans(counts: &Arc<SpanCounts>) -> impl Fn(Add<'_>) + Send + 'static {
    let counts = Arc::clone(counts);
    move |add| {
        let count = |count: u64| Point::Count(i64::try_from(count).unwrap_or(i64::MAX));
        add(&metric::TTA_TELEMETRY_SPANS_RECORDED_TOTAL, &[], count(counts.recorded()));
        for reason in DropReason::ALL {
            let labels = [Some(TRACES), Some(Text::Static(reason.as_str()))];
            add(&metric::TTA_TELEMETRY_DROPPED_TOTAL, &labels, count(counts.dropped(reason)));
        }
        let waiting = count(counts.waiting_for_exporters());
        add(&metric::TTA_TELEMETRY_QUEUE_LENGTH, &[Some(TRACES)], waiting);
    }
}

/// How an exporter of spans fares, to be measured when metrics are read.
#[cfg(feature = "otlp")]
pub(crate) fn of_otlp(gauge: crate::export::otlp::OtlpGauge) -> impl Fn(Add<'_>) + Send + 'static {
    move |add| {
        let count = |count: u64| Point::Count(i64::try_from(count).unwrap_or(i64::MAX));
        add(&metric::TTA_TELEMETRY_QUEUE_LENGTH, &[Some(TRACES)], count(gauge.queue_length()));
        let labels = [Some(TRACES), Some(Text::Static("otlp"))];
        add(&metric::TTA_TELEMETRY_EXPORT_ERRORS_TOTAL, &labels, count(gauge.export_errors()));
    }
}
