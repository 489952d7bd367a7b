//! A demo that ends leaves its last counts at a real Pushgateway.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::documents;
use crate::programs::{self, Server, get, get_data};
use crate::tta::{demo, run};

/// The sum of a metric's series in the group that the gateway shows.
fn sum(group: &Value, metric: &str) -> Value {
    let series = group[metric]["metrics"].as_array().unwrap_or_else(|| panic!("no {metric}: {group:#}"));
    let value = |series: &Value| series["value"].as_str().unwrap().parse::<f64>().unwrap();
    json!(series.iter().map(value).sum::<f64>() as u64)
}

#[test]
fn the_last_counts_are_pushed() {
    if !programs::are_there(&["prometheus-pushgateway"]) {
        return;
    }
    let gateway = Server::start(Command::new("prometheus-pushgateway"));
    let folder = documents::good();
    let mut command = demo(folder.path(), &["--json", "--runs", "30", "--metrics-port", "0"]);
    command
        .env("TTA_PUSHGATEWAY_URL", &gateway.url)
        .env("TTA_PUSHGATEWAY_JOB", "nightly")
        .env("TTA_PUSHGATEWAY_GROUPING", "instance=a/b,team=docs");
    let outcome = run(command).json();

    let groups = get_data(&format!("{}/api/v1/metrics", gateway.url), &[]);
    let [group] = &groups.as_array().unwrap()[..] else { panic!("one group: {groups:#}") };
    assert_eq!(group["labels"], json!({"job": "nightly", "instance": "a/b", "team": "docs"}));
    assert_eq!(group["last_push_successful"], json!(true), "{group:#}");
    for (metric, count) in [
        ("tta_workflow_executions_total", &outcome["runs"]),
        ("cache_hits_total", &outcome["cache"]["hits"]),
        ("cache_total", &outcome["cache"]["lookups"]),
        ("tta_telemetry_spans_recorded_total", &outcome["spans"]["recorded"]),
    ] {
        assert_eq!(&sum(group, metric), count, "{metric}");
    }

    // What Prometheus would scrape from there.
    let page = get(&format!("{}/metrics", gateway.url), "text/plain");
    let mut executions = BTreeMap::new();
    let lines = page.lines().filter_map(|line| line.strip_prefix("primitive_execution_count_total{"));
    for (labels, count) in lines.map(|line| line.rsplit_once("} ").unwrap()) {
        assert!(labels.contains(r#"instance="a/b",job="nightly""#), "{labels}");
        let (_, name) = labels.split_once(r#"primitive_name=""#).unwrap();
        executions.insert(name.split('"').next().unwrap(), count.parse::<u64>().unwrap());
    }
    let expected = outcome["primitives"].as_array().unwrap().iter().map(|primitive| {
        let path = primitive["path"].as_str().unwrap();
        (path.rsplit('/').next().unwrap(), primitive["executions"].as_u64().unwrap())
    });
    assert_eq!(executions, expected.collect());
}
