//! Python's protobuf package reads the metrics that were meant.

use std::time::Duration;

use serde_json::{Value, json};
use tta_model::name::attribute::{self as names, PROCESS_PID, SERVICE_NAME};
use tta_model::name::metric::{self, Metric};
use tta_observability::Telemetry;
use tta_observability::config::{Compression, OtlpProtocol, Temporality};
use tta_observability::export::otlp::OtlpMetrics;
use tta_observability::metrics::{Point, Snapshot};
use tta_observability::resource::Resource;

use super::super::BOTH;
use super::super::receiver::Receiver;
use super::{
    ENOUGH, MINUTE, SPAN, START, TRACE, config, counted, durations, family, set, snapshot, start_metrics,
};

/// One metric of every kind.
fn all_kinds(minutes: u64, count: i64, distribution: Point) -> Snapshot {
    let name = names::PRIMITIVE_NAME;
    snapshot(
        minutes,
        vec![
            family(&metric::PRIMITIVE_EXECUTION_COUNT, name, &[("a", Point::Count(count))]),
            family(&metric::PRIMITIVE_EXECUTION_DURATION, name, &[("a", distribution)]),
            family(&metric::LLM_COST_TOTAL, name, &[("a", Point::Value(count as f64 / 4.0))]),
            family(&metric::AGENT_WORKFLOWS_ACTIVE, names::WORKFLOW_NAME, &[("a", Point::Count(-count))]),
            family(&metric::SLO_COMPLIANCE, names::SLO_NAME, &[("a", Point::Value(0.5))]),
        ],
    )
}

/// The metrics of each accepted request, by name.
fn arrived(requests: &[Value]) -> Vec<serde_json::Map<String, Value>> {
    let of_request = |request: &Value| {
        assert_eq!(request["signal"], "metrics");
        let metrics = request["metrics"].as_array()?;
        let named = metrics
            .iter()
            .map(|metric| (metric["name"].as_str().expect("a name").to_owned(), metric.clone()));
        Some(named.collect())
    };
    requests.iter().filter_map(of_request).collect()
}

fn check_head(line: &Value, metric: &Metric, kind: &str) {
    assert_eq!((line["name"].as_str(), line["unit"].as_str()), (Some(metric.name), Some(metric.unit)));
    assert_eq!((line["description"].as_str(), line["kind"].as_str()), (Some(metric.meaning), Some(kind)));
    assert_eq!(line["resource"][SERVICE_NAME.key], json!({"string": "shop"}));
    assert_eq!(line["resource"][PROCESS_PID.key], json!({"int": std::process::id()}));
    assert_eq!(line["scope"]["name"], "tta");
    assert_eq!(line["scope"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["points"].as_array().map(Vec::len), Some(1));
}

fn check_times(line: &Value, start: u64, time: u64) {
    assert_eq!(
        (&line["points"][0]["start"], &line["points"][0]["time"]),
        (&json!(start), &json!(time)),
        "{line}"
    );
}

fn check_arrival(protocol: OtlpProtocol, compression: Compression) {
    let Some(receiver) = Receiver::start(0) else { return };
    let mut config = config(protocol, receiver.port(protocol));
    config.otlp_metrics.compression = compression;
    config.otlp_metrics.headers = vec![("authorization".into(), "Bearer x".into())];
    let mut otlp = start_metrics(&config, &counted(all_kinds(1, 6, durations(2, 3, 4, 1))));
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));

    let requests = receiver.requests();
    let headers = &requests[0]["headers"];
    assert_eq!(headers["authorization"], "Bearer x");
    assert!(headers["user-agent"].as_str().is_some_and(|agent| agent.starts_with("tta/")), "{headers}");
    if protocol == OtlpProtocol::HttpProtobuf {
        let encoding = if compression == Compression::Gzip { json!("gzip") } else { Value::Null };
        assert_eq!(requests[0]["encoding"], encoding);
    }
    let arrived = arrived(&requests);
    assert_eq!(arrived.len(), 1);
    check_sums(&arrived[0]);
    check_histogram(&arrived[0][metric::PRIMITIVE_EXECUTION_DURATION.name]);
}

fn check_sums(metrics: &serde_json::Map<String, Value>) {
    let sums = [
        (metric::PRIMITIVE_EXECUTION_COUNT, true, json!({"int": 6})),
        (metric::LLM_COST_TOTAL, true, json!({"double": 1.5})),
        (metric::AGENT_WORKFLOWS_ACTIVE, false, json!({"int": -6})),
    ];
    for (metric, is_monotonic, value) in sums {
        let line = &metrics[metric.name];
        check_head(line, &metric, "sum");
        check_times(line, START, START + MINUTE);
        assert_eq!((&line["temporality"], &line["monotonic"]), (&json!("cumulative"), &json!(is_monotonic)));
        assert_eq!(line["points"][0]["value"], value);
    }
    let counter = &metrics[metric::PRIMITIVE_EXECUTION_COUNT.name]["points"][0];
    assert_eq!(counter["attributes"], json!({names::PRIMITIVE_NAME.key: {"string": "a"}}));
    let gauge = &metrics[metric::SLO_COMPLIANCE.name];
    check_head(gauge, &metric::SLO_COMPLIANCE, "gauge");
    check_times(gauge, 0, START + MINUTE);
    assert_eq!(gauge["points"][0]["value"], json!({"double": 0.5}));
}

fn check_histogram(line: &Value) {
    check_head(line, &metric::PRIMITIVE_EXECUTION_DURATION, "histogram");
    check_times(line, START, START + MINUTE);
    assert_eq!(line["temporality"], "cumulative");
    let point = &line["points"][0];
    assert_eq!(point["bounds"], json!(metric::BUCKETS_MS));
    assert_eq!((&point["count"], &point["sum"]), (&json!(9), &json!(409.0)));
    let buckets: Vec<u64> =
        point["buckets"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    let (first, three, hundred) = (buckets[0], buckets[6], buckets[10]);
    assert_eq!(
        (buckets.len(), first, three, hundred),
        (metric::BUCKETS_MS.len() + 1, 2, 3, 4),
        "{buckets:?}"
    );
    let exemplar = json!({
        "time": START + MINUTE, "trace_id": TRACE, "span_id": SPAN, "value": {"double": 3.0},
        "filtered_attributes": {},
    });
    assert_eq!(point["exemplars"], json!([exemplar]));
}

#[test]
fn all_kinds_arrive_over_grpc() {
    check_arrival(OtlpProtocol::Grpc, Compression::None);
}

#[test]
fn all_kinds_arrive_over_http() {
    check_arrival(OtlpProtocol::HttpProtobuf, Compression::None);
}

#[test]
fn all_kinds_arrive_compressed() {
    BOTH.into_iter().for_each(|protocol| check_arrival(protocol, Compression::Gzip));
}

#[test]
fn exponential_buckets_arrive_with_at_most_160_of_them() {
    for protocol in BOTH {
        let Some(receiver) = Receiver::start(0) else { return };
        let mut config = config(protocol, receiver.port(protocol));
        config.metric_reader.exponential = true;
        let mut otlp = start_metrics(&config, &counted(all_kinds(1, 6, durations(2, 3, 4, 1))));
        assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
        let arrived = arrived(&receiver.requests());
        let line = &arrived[0][metric::PRIMITIVE_EXECUTION_DURATION.name];
        check_head(line, &metric::PRIMITIVE_EXECUTION_DURATION, "exponential_histogram");
        check_times(line, START, START + MINUTE);
        let point = &line["points"][0];
        // The 163 buckets of scale 5 became 82 of scale 4.
        assert_eq!((&point["scale"], &point["offset"]), (&json!(4), &json!(25)));
        let buckets: Vec<u64> =
            point["buckets"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
        assert_eq!((buckets.len(), buckets[0], buckets[81]), (82, 3, 4));
        assert_eq!(
            (&point["zero_count"], &point["count"], &point["sum"]),
            (&json!(2), &json!(9), &json!(409.0))
        );
        assert_eq!((&point["negative"], &point["exemplars"][0]["trace_id"]), (&json!([]), &json!(TRACE)));
        // The bucket i holds what lies in (base^i, base^(i+1)].
        let base = (-4.0_f64).exp2().exp2();
        assert!(
            base.powi(25) < 3.0 && 3.0 <= base.powi(26) && base.powi(106) < 100.0 && 100.0 <= base.powi(107)
        );
    }
}

#[test]
fn differences_count_from_the_last_acknowledged_collection() {
    for (temporality, exponential) in [(Temporality::Delta, false), (Temporality::LowMemory, true)] {
        let protocol = OtlpProtocol::HttpProtobuf;
        let Some(receiver) = Receiver::start(0) else { return };
        let mut config = config(protocol, receiver.port(protocol));
        (config.metric_reader.temporality, config.metric_reader.exponential) = (temporality, exponential);
        let counted = counted(all_kinds(1, 6, durations(2, 3, 4, 1)));
        let mut otlp = start_metrics(&config, &counted);
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        set(&counted, all_kinds(2, 10, durations(2, 8, 4, 2)));
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        set(&counted, all_kinds(3, 10, durations(2, 8, 4, 2)));
        assert_eq!(otlp.shutdown(ENOUGH), Ok(()));

        let arrived = arrived(&receiver.requests());
        assert_eq!(arrived.len(), 3);
        let (counts, cost) = (metric::PRIMITIVE_EXECUTION_COUNT.name, metric::LLM_COST_TOTAL.name);
        let durations = metric::PRIMITIVE_EXECUTION_DURATION.name;
        for name in [counts, cost, durations] {
            assert_eq!(arrived[0][name]["temporality"], "delta");
            check_times(&arrived[0][name], START, START + MINUTE);
            check_times(&arrived[1][name], START + MINUTE, START + 2 * MINUTE);
            assert!(!arrived[2].contains_key(name), "nothing was counted");
        }
        let value = |n: usize, name: &str| arrived[n][name]["points"][0]["value"].clone();
        assert_eq!((value(0, counts), value(1, counts)), (json!({"int": 6}), json!({"int": 4})));
        assert_eq!((value(0, cost), value(1, cost)), (json!({"double": 1.5}), json!({"double": 1.0})));
        let point = &arrived[1][durations]["points"][0];
        assert_eq!((&point["count"], &point["sum"]), (&json!(5), &json!(15.0)));
        assert_eq!(point["exemplars"].as_array().map(Vec::len), Some(1));
        if exponential {
            assert_eq!((&point["scale"], &point["offset"]), (&json!(5), &json!(50)));
            assert_eq!((&point["buckets"], &point["zero_count"]), (&json!([5]), &json!(0)));
        } else {
            assert_eq!((&point["buckets"][6], &point["buckets"][10]), (&json!(5), &json!(0)));
        }
        let active = &arrived[2][metric::AGENT_WORKFLOWS_ACTIVE.name];
        assert_eq!(
            (&active["temporality"], &active["points"][0]["value"]),
            (&json!("cumulative"), &json!({"int": -10}))
        );
        check_times(active, START, START + 3 * MINUTE);
    }
}

#[tokio::test]
async fn what_a_flow_did_arrives() {
    use tta_primitives::{WorkflowContext, step};

    for exponential in [false, true] {
        let protocol = OtlpProtocol::HttpProtobuf;
        let Some(receiver) = Receiver::start(0) else { return };
        let mut config = config(protocol, receiver.port(protocol));
        config.metric_reader.exponential = exponential;
        let (observer, guard) = Telemetry::new().build().expect("nothing to set up");
        let metrics = guard.metrics().clone();
        let source = move |exponential| {
            if exponential { metrics.exponential_snapshot() } else { metrics.snapshot() }
        };
        let resource = Resource::detect(&config);
        let otlp = OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, &resource, source);
        let mut otlp = otlp.expect("the settings are good");
        let cx = WorkflowContext::builder().observer(observer.expect("not disabled")).build();
        let flow = step("add", |n: i64| async move { Ok(n + 1) });
        for n in 0..20 {
            flow.run(n, &cx).await.expect("it succeeds");
        }
        assert_eq!(otlp.shutdown(ENOUGH), Ok(()));

        let arrived = arrived(&receiver.requests());
        assert_eq!(
            arrived[0][metric::PRIMITIVE_EXECUTION_COUNT.name]["points"][0]["value"],
            json!({"int": 20})
        );
        let kind = if exponential { "exponential_histogram" } else { "histogram" };
        let histograms: Vec<&Value> = arrived[0].values().filter(|line| line["kind"] == kind).collect();
        assert!(!histograms.is_empty(), "{:?}", arrived[0].keys());
        for point in histograms.iter().flat_map(|line| line["points"].as_array().expect("a list")) {
            let buckets = point["buckets"].as_array().expect("a list");
            let counted: u64 = buckets.iter().chain(point.get("zero_count")).filter_map(Value::as_u64).sum();
            assert_eq!((counted, point["count"].as_u64()), (20, Some(20)), "{point}");
        }
    }
}

#[test]
fn collections_are_made_at_intervals() {
    let protocol = OtlpProtocol::Grpc;
    let Some(receiver) = Receiver::start(2) else { return };
    let mut config = config(protocol, receiver.port(protocol));
    config.metric_reader.interval = Duration::from_millis(20);
    let (told, taken) = std::sync::mpsc::channel();
    let resource = Resource::detect(&config);
    let otlp = OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, &resource, move |_| {
        // The test has seen enough of them.
        let _ = told.send(());
        super::calls(1, 1)
    });
    let mut otlp = otlp.expect("the settings are good");
    for _ in 0..3 {
        taken.recv_timeout(ENOUGH).expect("it collects by itself, also after it was refused");
    }
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
    assert!(arrived(&receiver.requests()).len() >= 3);
}
