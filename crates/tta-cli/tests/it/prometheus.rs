//! A real Prometheus scrapes the demo and answers every query of the documentation.
#![cfg(unix)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::live::{Signal, send};
use crate::programs::{self, Server, get_data};
use crate::receiver::{Protocol, Receiver, Span};
use crate::tta::{Running, command, until};
use crate::{assets, documents};

/// The queries that TTA was asked to answer, as they were written.
const QUERIES: &[&str] = &[
    "primitive_execution_count",
    "histogram_quantile(0.95, primitive_execution_duration_bucket)",
    "primitive_connection_count",
    "sum(rate(cache_hits[5m])) / sum(rate(cache_total[5m]))",
    "agent_workflows_active",
    "rate(tta_requests_total[5m])",
    r#"sum(rate(tta_requests_total{status="success"}[5m])) by (primitive_type) / sum(rate(tta_requests_total[5m])) by (primitive_type)"#,
    "tta_cache_hit_rate",
    "histogram_quantile(0.95, rate(tta_execution_duration_seconds_bucket[5m]))",
    "rate(tta_workflow_executions_total[5m])",
    r#"up{job="tta-primitives"}"#,
    "tta_requests_total",
];

/// A demo over the good documents, its documents deleted only after it.
pub struct Demo {
    running: Running,
    pub outcome: Value,
    _documents: TempDir,
}

impl Demo {
    /// Starts it and waits for the outcome of its first runs.
    pub fn start(arguments: &[&str]) -> Self {
        let documents = documents::good();
        let mut command = command(&["demo", "--json", "--metrics-port", "0", "--input"]);
        command.arg(documents.path()).args(arguments);
        let mut running = Running::start(command);
        let outcome = running.json();
        Self { running, outcome, _documents: documents }
    }

    /// The address of its page of metrics.
    pub fn page(&self) -> &str {
        self.outcome["metrics"].as_str().expect("it has a page")
    }

    /// Stops it, after what it has sent.
    pub fn stop(self) {
        send(&self.running, Signal::TERM);
        let ended = self.running.end();
        assert!(ended.status.success(), "{ended:#?}");
    }

    /// A count of the outcome.
    #[track_caller]
    pub fn count(&self, pointer: &str) -> u64 {
        self.outcome.pointer(pointer).and_then(Value::as_u64).expect("the outcome has it")
    }

    /// A count of each primitive, by what the outcome names in `by`.
    pub fn counts(&self, by: &str, what: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for primitive in self.outcome["primitives"].as_array().unwrap() {
            let name = primitive[by].as_str().unwrap();
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            *counts.entry(name).or_default() += primitive[what].as_u64().unwrap();
        }
        counts
    }
}

/// A Prometheus that scrapes one demo every second.
struct Prometheus {
    server: Server,
    _folder: TempDir,
}

/// One series of an answer.
#[derive(Debug, Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl Sample {
    fn value(&self) -> f64 {
        self.value.1.parse().expect("a number")
    }
}

impl Prometheus {
    /// Starts one with the files of `tta assets`, but faster, and with the demo's own address.
    fn start(demo: &Demo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        assets::write(folder.path());
        let config = folder.path().join("prometheus/prometheus.yml");
        let target = demo.page().strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let text = fs::read_to_string(&config).unwrap();
        for (standard, count) in [("127.0.0.1:9464", 1), (": 5s", 2)] {
            assert_eq!(text.matches(standard).count(), count, "{text}");
        }
        fs::write(&config, text.replace("127.0.0.1:9464", target).replace(": 5s", ": 1s")).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--enable-feature=exemplar-storage");
        let server = Server::start(command);
        Self { server, _folder: folder }
    }

    fn query(&self, query: &str) -> Vec<Sample> {
        let data = get_data(&format!("{}/api/v1/query", self.server.url), &[("query", query)]);
        serde_json::from_value(data["result"].clone()).unwrap_or_else(|error| panic!("{error}: {data}"))
    }

    /// Waits until a query has an answer with a number in it; `NaN` is what nothing divided by nothing is.
    fn answer(&self, query: &str) -> Vec<Sample> {
        until(query, || {
            let samples = self.query(query);
            samples.iter().any(|sample| sample.value().is_finite()).then_some(samples)
        })
    }

    /// The values of an answer by one label.
    fn counts(&self, query: &str, by: &str) -> BTreeMap<String, u64> {
        let count = |sample: Sample| (sample.metric[by].clone(), whole(sample.value()));
        self.answer(query).into_iter().map(count).collect()
    }

    fn count(&self, query: &str) -> u64 {
        let [sample] = &self.answer(query)[..] else { panic!("one series: {query}") };
        whole(sample.value())
    }
}

/// A count as a whole number.
fn whole(value: f64) -> u64 {
    assert_eq!(value.fract(), 0.0);
    value as u64
}

#[test]
fn every_query_of_the_documentation_has_an_answer() {
    if !programs::are_there(&["prometheus"]) {
        return;
    }
    let demo = Demo::start(&[]);
    let prometheus = Prometheus::start(&demo);
    for query in QUERIES {
        prometheus.answer(query);
    }
    assert_eq!(prometheus.count(r#"up{job="tta-primitives"}"#), 1);
    demo.stop();
}

#[test]
fn the_tokens_of_each_model_have_an_answer() {
    if !programs::are_there(&["prometheus"]) {
        return;
    }
    let demo = Demo::start(&["--hold"]);
    let prometheus = Prometheus::start(&demo);
    // Once one scrape is there, all that a demo at rest has to show is there.
    prometheus.answer("tta_requests_total");
    let tokens = prometheus.query("sum by (llm_model_name) (llm_tokens_total)");
    let is_named = |sample: &Sample| sample.metric.get("llm_model_name").is_some_and(|name| !name.is_empty());
    assert!(!tokens.is_empty() && tokens.iter().all(is_named), "{tokens:#?}");
    assert!(tokens.iter().all(|sample| sample.value() > 0.0), "{tokens:#?}");
    let local = prometheus.query(r#"sum(llm_tokens_total{llm_provider="local"})"#);
    assert_eq!(whole(local[0].value()), demo.count("/tokens"), "every token is a local one");
    demo.stop();
}

#[test]
fn counts_are_those_of_the_demo_to_the_unit() {
    if !programs::are_there(&["prometheus"]) {
        return;
    }
    let demo = Demo::start(&["--hold", "--runs", "60", "--chaos", "0.4"]);
    let prometheus = Prometheus::start(&demo);
    let executions = demo.counts("path", "executions");
    let by_name = |metric: &str| format!("sum by (primitive_name) ({metric})");
    for metric in [
        "primitive_execution_count_total",
        "primitive_execution_count",
        "primitive_execution_duration_milliseconds_count",
        "primitive_execution_duration_count",
        r#"primitive_execution_duration_bucket{le="+Inf"}"#,
    ] {
        assert_eq!(prometheus.counts(&by_name(metric), "primitive_name"), executions, "{metric}");
    }
    let mut successes = demo.counts("path", "successes");
    successes.retain(|_, count| *count > 0);
    let succeeded = by_name(r#"primitive_execution_count{execution_status="success"}"#);
    assert_eq!(prometheus.counts(&succeeded, "primitive_name"), successes);
    let by_type = prometheus.counts("sum by (primitive_type) (tta_requests_total)", "primitive_type");
    assert_eq!(by_type, demo.counts("type", "executions"));

    let (hits, lookups) = (demo.count("/cache/hits"), demo.count("/cache/lookups"));
    assert!(hits > 0 && demo.count("/retries") > 0, "there is something to count: {:#}", demo.outcome);
    let expected = [
        ("cache_hits", hits),
        ("cache_total", lookups),
        ("tta_cache_hits_total", hits),
        ("tta_cache_misses_total", lookups - hits),
        ("tta_retries_total", demo.count("/retries")),
        ("tta_workflow_executions_total", demo.count("/runs")),
        (r#"tta_workflow_executions_total{status="success"}"#, demo.count("/succeeded")),
        ("tta_workflow_duration_seconds_count", demo.count("/runs")),
        ("tta_telemetry_spans_recorded_total", demo.count("/spans/recorded")),
        ("agent_workflows_active", 0),
    ];
    for (metric, count) in expected {
        assert_eq!(prometheus.count(&format!("sum({metric})")), count, "{metric}");
    }
    demo.stop();
}

/// What Prometheus keeps of the traces behind one series.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exemplars {
    series_labels: BTreeMap<String, String>,
    exemplars: Vec<Exemplar>,
}

#[derive(Debug, Deserialize)]
struct Exemplar {
    labels: BTreeMap<String, String>,
    value: String,
}

fn exemplars(prometheus: &Prometheus, query: &str) -> Vec<Exemplars> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let hour = Duration::from_secs(3600);
    let [start, end] = [now - hour, now + hour].map(|time| time.as_secs().to_string());
    let url = format!("{}/api/v1/query_exemplars", prometheus.server.url);
    until(query, || {
        let data = get_data(&url, &[("query", query), ("start", &start), ("end", &end)]);
        let found: Vec<Exemplars> = serde_json::from_value(data).unwrap();
        (!found.is_empty()).then_some(found)
    })
}

/// The span of an exemplar was exported; it is of the series' type, and took the time that is the exemplar's value.
fn check_exemplar(
    series: &BTreeMap<String, String>,
    exemplar: &Exemplar,
    spans: &HashMap<(&str, &str), &Span>,
) {
    let ids = (exemplar.labels["trace_id"].as_str(), exemplar.labels["span_id"].as_str());
    let span = spans.get(&ids).unwrap_or_else(|| panic!("not exported: {exemplar:?} of {series:?}"));
    assert_eq!(span.attributes["primitive.type"]["string"], series["primitive_type"].as_str(), "{span:#?}");
    let (took, value) = ((span.end - span.start) as f64 / 1e9, exemplar.value.parse::<f64>().unwrap());
    assert!((took - value).abs() < 1e-6, "{took} s and {value} s: {span:#?}");
}

#[test]
fn exemplars_lead_to_the_spans_that_were_exported() {
    if !programs::are_there(&["prometheus"]) {
        return;
    }
    let Some(receiver) = Receiver::start() else { return };
    let demo = Demo::start(&["--hold", "--runs", "60", "--otlp", &receiver.url(Protocol::Http)]);
    let prometheus = Prometheus::start(&demo);
    let found = exemplars(&prometheus, "tta_execution_duration_seconds_bucket");
    demo.stop();
    let spans = receiver.stop();
    let spans: HashMap<_, _> =
        spans.iter().map(|span| ((span.trace_id.as_str(), span.span_id.as_str()), span)).collect();
    for Exemplars { series_labels, exemplars } in &found {
        exemplars.iter().for_each(|exemplar| check_exemplar(series_labels, exemplar, &spans));
    }
    assert!(found.iter().any(|series| series.series_labels["primitive_type"] == "summarise"), "{found:#?}");
}
