//! Prometheus reads what was measured, and nobody hinders it.

mod browse;
mod page;
mod push;
mod text;

use tta_model::name::attribute as names;
use tta_model::name::metric::{self, Metric, MetricKind};
use tta_model::{SpanId, TraceId};
use tta_observability::config::Config;
use tta_observability::metrics::{Distribution, Exemplar, Family, Labels, Point, Series, Snapshot};
use tta_observability::resource::Resource;

/// A process that is the same everywhere.
fn resource() -> Resource {
    let mut resource = Resource::detect(&Config::default());
    for (key, value) in [
        (names::SERVICE_NAME, "shop"),
        (names::SERVICE_INSTANCE_ID, "instance-1"),
        (names::HOST_NAME, "host \"one\""),
        (names::HOST_ARCH, "amd64"),
        (names::OS_TYPE, "linux"),
        (names::PROCESS_EXECUTABLE_NAME, "C:\\shop"),
        (names::TELEMETRY_SDK_VERSION, "1.2.3"),
    ] {
        resource.set(key.key(), value);
    }
    resource.set(names::PROCESS_PID.key(), 7);
    resource
}

fn labels(labels: &[(names::Attribute, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (name.key(), String::from(*value).into())).collect()
}

fn family(metric: &'static Metric, series: Vec<(Labels, Point)>) -> Family {
    let series = series.into_iter().map(|(labels, point)| Series { labels, point });
    Family { metric, series: series.collect() }
}

fn snapshot(families: Vec<Family>) -> Snapshot {
    Snapshot { start_unix_nanos: 1, time_unix_nanos: 2, families }
}

/// One count.
fn lookups(count: i64) -> Snapshot {
    snapshot(vec![family(&metric::CACHE_TOTAL, vec![(Labels::new(), Point::Count(count))])])
}

fn exemplar(value: f64) -> Exemplar {
    Exemplar {
        value,
        time_unix_nanos: 1_700_000_000_045_999_999,
        trace_id: TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).expect("not zero"),
        span_id: SpanId::new(0x00f0_67aa_0ba9_02b7).expect("not zero"),
    }
}

/// The distribution of some values, with an exemplar for some.
fn distribution(metric: &Metric, values: &[f64], examples: &[f64]) -> Point {
    let bounds = metric.buckets.expect("a histogram has buckets");
    let mut distribution = Distribution { buckets: vec![0; bounds.len() + 1], ..Distribution::default() };
    for value in values {
        distribution.count += 1;
        distribution.sum += value;
        distribution.buckets[bounds.partition_point(|bound| bound < value)] += 1;
    }
    distribution.exemplars = examples.iter().copied().map(exemplar).collect();
    Point::Distribution(Box::new(distribution))
}

/// A measurement of a metric's kind.
fn any_point(metric: &Metric) -> Point {
    match metric.kind {
        MetricKind::Counter | MetricKind::UpDownCounter => Point::Count(3),
        MetricKind::Gauge => Point::Value(0.5),
        MetricKind::Histogram => distribution(metric, &[1.0], &[1.0]),
    }
}

/// A page of some megabytes: 2,000 series of a histogram.
fn large() -> Snapshot {
    let metric = &metric::PRIMITIVE_EXECUTION_DURATION;
    let series = (0..2_000).map(|n| {
        let name = format!("{n:04} {}", "x".repeat(60));
        (labels(&[(names::PRIMITIVE_NAME, &name)]), distribution(metric, &[1.0, 80.0], &[80.0]))
    });
    snapshot(vec![family(metric, series.collect())])
}
