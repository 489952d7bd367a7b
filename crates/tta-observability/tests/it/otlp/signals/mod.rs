//! Metrics and log records reach a receiver that is not ours, as what they were, and nothing is lost on the way.

mod logs;
mod metrics;
mod server;
mod trouble;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tta_model::name::attribute as names;
use tta_model::name::metric::{self, Metric};
use tta_model::{LogRecord, SpanContext, SpanId, TraceFlags, TraceId, Value};
use tta_observability::LogCounts;
use tta_observability::config::{BatchConfig, Config, MetricReaderConfig, OtlpEndpoint, OtlpProtocol};
use tta_observability::export::otlp::{OtlpLogs, OtlpMetrics};
use tta_observability::metrics::{
    Distribution, Exemplar, ExponentialBuckets, Family, Labels, Point, Series, Snapshot,
};
use tta_observability::resource::Resource;

const ENOUGH: Duration = Duration::from_secs(30);
/// When counting began.
const START: u64 = 1_700_000_000_000_000_000;
/// A minute.
const MINUTE: u64 = 60_000_000_000;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Settings for a port of this machine.
fn config(protocol: OtlpProtocol, port: u16) -> Config {
    let mut config = Config { service_name: Some("shop".to_owned()), ..Config::default() };
    for otlp in [&mut config.otlp_metrics, &mut config.otlp_logs] {
        otlp.protocol = protocol;
        otlp.endpoint = OtlpEndpoint::Base(format!("http://127.0.0.1:{port}"));
    }
    config.log_batch = BatchConfig { schedule_delay: Duration::ZERO, ..BatchConfig::of_logs() };
    // Collections are made by the test alone.
    config.metric_reader = MetricReaderConfig { interval: Duration::MAX, ..MetricReaderConfig::default() };
    config
}

/// What is counted, changed by the test.
type Counted = Arc<Mutex<Snapshot>>;

/// Sends what is counted; exponential buckets are there only if they are asked for.
fn start_metrics(config: &Config, counted: &Counted) -> OtlpMetrics {
    let counted = Arc::clone(counted);
    let source = move |exponential: bool| {
        let mut snapshot = counted.lock().expect("not poisoned").clone();
        let series = snapshot.families.iter_mut().flat_map(|family| &mut family.series);
        for series in series.filter(|_| !exponential) {
            if let Point::Distribution(distribution) = &mut series.point {
                distribution.exponential = None;
            }
        }
        snapshot
    };
    let resource = Resource::detect(config);
    let started = OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, &resource, source);
    started.expect("the settings are good")
}

fn start_logs(config: &Config) -> (OtlpLogs, Arc<LogCounts>) {
    let counts = Arc::new(LogCounts::default());
    let resource = Resource::detect(config);
    let started = OtlpLogs::start(&config.otlp_logs, &config.log_batch, &resource, Arc::clone(&counts));
    (started.expect("the settings are good"), counts)
}

fn family(metric: &'static Metric, label: names::Attribute, series: &[(&'static str, Point)]) -> Family {
    let series = series.iter().map(|(value, point)| {
        let labels: Labels = vec![(label.key(), (*value).into())];
        Series { labels, point: point.clone() }
    });
    Family { metric, series: series.collect() }
}

fn snapshot(minutes: u64, families: Vec<Family>) -> Snapshot {
    Snapshot { start_unix_nanos: START, time_unix_nanos: START + minutes * MINUTE, families }
}

/// One counter.
fn calls(minutes: u64, count: i64) -> Snapshot {
    let series = [("step", Point::Count(count))];
    snapshot(minutes, vec![family(&metric::PRIMITIVE_EXECUTION_COUNT, names::PRIMITIVE_NAME, &series)])
}

fn counted(snapshot: Snapshot) -> Counted {
    Arc::new(Mutex::new(snapshot))
}

fn set(counted: &Counted, snapshot: Snapshot) {
    *counted.lock().expect("not poisoned") = snapshot;
}

/// Some durations of 3 and of 100 ms, and zeros; each 3 ms has an exemplar of the minute.
fn durations(zeros: u64, short: u64, long: u64, minutes: u64) -> Point {
    let bounds = metric::PRIMITIVE_EXECUTION_DURATION.buckets.expect("a histogram");
    let mut buckets = vec![0; bounds.len() + 1];
    for (value, count) in [(0.0, zeros), (3.0, short), (100.0, long)] {
        buckets[bounds.partition_point(|bound| *bound < value)] += count;
    }
    let exemplar = Exemplar {
        value: 3.0,
        time_unix_nanos: START + minutes * MINUTE,
        trace_id: TRACE.parse().expect("an id"),
        span_id: SPAN.parse().expect("an id"),
    };
    // At scale 5, 3 lies in the bucket 50 and 100 in the bucket 212: log2(x) * 32, rounded up, less one.
    let mut counts = vec![0; 163];
    (counts[0], counts[162]) = (short, long);
    Point::Distribution(Box::new(Distribution {
        count: zeros + short + long,
        sum: (short * 3 + long * 100) as f64,
        buckets,
        exponential: Some(ExponentialBuckets { scale: 5, zero_count: zeros, offset: 50, counts }),
        exemplars: vec![exemplar],
    }))
}

fn record(severity: u8, body: impl Into<Value>) -> LogRecord {
    LogRecord {
        time_unix_nanos: START + 7,
        severity,
        event: "retry_attempt_failed".into(),
        body: body.into(),
        attributes: vec![("n".into(), Value::from(2i64)), ("half".into(), Value::from(0.5))],
        span: Some(SpanContext {
            trace_id: TRACE.parse::<TraceId>().expect("an id"),
            span_id: SPAN.parse::<SpanId>().expect("an id"),
            flags: TraceFlags::SAMPLED,
            state: Default::default(),
        }),
    }
}
