//! One address gets spans, metrics and log records of the same runs, and they fit together.

use std::collections::HashSet;

use serde_json::Value;

use crate::documents;
use crate::receiver::{Protocol, Receiver};
use crate::tta::{demo, run};

const RUNS: u64 = 6;

fn check(protocol: Protocol) {
    let Some(receiver) = Receiver::start() else { return };
    let folder = documents::good();
    let runs = RUNS.to_string();
    let mut command = demo(folder.path(), &["--json", "--runs", &runs, "--otlp", &receiver.url(protocol)]);
    command.env("OTEL_LOGS_EXPORTER", "otlp");
    let outcome = run(command).json();
    let requests = receiver.requests();
    let of = |signal: &str| -> Vec<Value> {
        let requests = requests.iter().filter(|request| request["signal"] == signal);
        requests.flat_map(|request| request[signal_key(signal)].as_array().unwrap().clone()).collect()
    };
    let spans: HashSet<(String, String)> =
        of("traces").iter().map(|span| (text(&span["trace_id"]), text(&span["span_id"]))).collect();
    let logs = of("logs");
    let named = |name: &str| logs.iter().filter(|line| line["body"]["string"] == name).count() as u64;
    assert_eq!(named("workflow_complete"), RUNS, "{:#?}", logs.first());
    assert_eq!(named("sequential_step_complete"), 3 * RUNS);
    // What is told of an objective is told of many runs.
    let of_runs = |line: &&Value| !text(&line["body"]["string"]).starts_with("the error budget of");
    for line in logs.iter().filter(of_runs) {
        let place = (text(&line["trace_id"]), text(&line["span_id"]));
        assert!(spans.contains(&place), "a line is in a span that arrived: {line:#}");
    }
    let metrics = of("metrics");
    let runs = metrics.iter().rfind(|metric| metric["name"] == "tta_workflow_executions_total").unwrap();
    assert_eq!(runs["points"][0]["value"]["int"], RUNS);
    assert_eq!(outcome["runs"], RUNS);
}

fn signal_key(signal: &str) -> &str {
    if signal == "traces" { "spans" } else { signal }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn all_signals_arrive_over_http() {
    check(Protocol::Http);
}

#[test]
fn all_signals_arrive_over_grpc() {
    check(Protocol::Grpc);
}
