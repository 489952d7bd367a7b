//! Log records and metrics, with all that they may have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{export, group, import, now, post, post_to, span};
use crate::live::Signal;
use crate::serve::{start, stop};
use crate::tta::{Ended, command, run};

fn of_resource(service: &str) -> Value {
    let name = json!({ "key": "service.name", "value": { "stringValue": service } });
    json!({ "attributes": [name, { "key": "bytes", "value": { "bytesValue": "AP/+" } }] })
}

/// Log records, of which some lack what others have.
pub(super) fn logs(service: &str, at: u64) -> Value {
    let attributes = span(1, 1, at)["attributes"].clone();
    let records = json!([
        {
            "timeUnixNano": at.to_string(), "observedTimeUnixNano": (at + 1).to_string(), "severityNumber": 17,
            "severityText": "ERROR", "body": { "stringValue": "it failed" }, "attributes": attributes,
            "droppedAttributesCount": 2, "flags": 1, "traceId": format!("{:032x}", 1),
            "spanId": format!("{:016x}", 1), "eventName": "failure",
        },
        { "observedTimeUnixNano": (at + 2).to_string() },
        { "timeUnixNano": (at + 3).to_string(), "body": {} },
        {
            "timeUnixNano": (at + 4).to_string(),
            "body": { "kvlistValue": { "values": [{ "key": "n", "value": { "intValue": i64::MAX.to_string() } }] } },
        },
    ]);
    json!({
        "resource": of_resource(service), "schemaUrl": "https://example.com/resource",
        "scopeLogs": [{ "scope": { "name": "tests" }, "schemaUrl": "https://example.com/scope", "logRecords": records }],
    })
}

/// Metrics of every kind.
pub(super) fn metrics(service: &str, at: u64) -> Value {
    let attributes =
        json!([{ "key": "zone", "value": { "intValue": i64::MIN.to_string() } }, { "key": "nothing" }]);
    let times = |point: Value| {
        let mut point = point;
        point["timeUnixNano"] = json!(at.to_string());
        point["startTimeUnixNano"] = json!((at - 5).to_string());
        point["attributes"] = attributes.clone();
        point
    };
    let exemplars = json!([
        {
            "filteredAttributes": attributes, "timeUnixNano": (at - 1).to_string(), "asDouble": "NaN",
            "traceId": format!("{:032x}", 1), "spanId": format!("{:016x}", 1),
        },
        { "asInt": i64::MIN.to_string() },
    ]);
    let numbers = [json!("NaN"), json!("-Infinity"), json!(-0.0), json!(5e-324)];
    let numbers = numbers.map(|number| times(json!({ "asDouble": number })));
    let whole = [i64::MIN, 0, i64::MAX].map(|number| times(json!({ "asInt": number.to_string() })));
    let histogram = times(json!({
        "count": u64::MAX.to_string(), "sum": 0.0, "min": -0.5, "max": "Infinity", "bucketCounts": ["1", "0", "2"],
        "explicitBounds": [-0.0, 1e300], "exemplars": exemplars, "flags": 1,
    }));
    let exponential = times(json!({
        "count": "9", "sum": -1.25, "scale": -3, "zeroCount": "4", "zeroThreshold": 1e-9, "min": -7.0, "max": 8.0,
        "positive": { "offset": -4, "bucketCounts": ["1", "0", "300"] }, "negative": {}, "exemplars": exemplars,
    }));
    let quantiles = json!([{ "value": -1.5 }, { "quantile": 0.5, "value": "NaN" }, { "quantile": 1.0 }]);
    let summary = times(json!({ "count": "3", "sum": 2.5, "quantileValues": quantiles }));
    let metrics = json!([
        {
            "name": "gauge", "description": "A description.", "unit": "By", "gauge": { "dataPoints": numbers },
            "metadata": [{ "key": "k", "value": { "boolValue": false } }],
        },
        { "name": "sum", "sum": { "dataPoints": whole, "aggregationTemporality": 2, "isMonotonic": true } },
        { "name": "histogram", "histogram": { "dataPoints": [histogram], "aggregationTemporality": 1 } },
        {
            "name": "exponential",
            "exponentialHistogram": { "dataPoints": [exponential], "aggregationTemporality": 2 },
        },
        { "name": "summary", "summary": { "dataPoints": [summary, times(json!({}))] } },
    ]);
    json!({
        "resource": of_resource(service),
        "scopeMetrics": [{ "scope": { "name": "tests", "version": "2" }, "metrics": metrics }],
    })
}

/// How many points [`metrics`] has.
pub(super) const POINTS: u64 = 4 + 3 + 1 + 1 + 2;

/// Every record of an export with where it comes from, and how often it is there.
#[track_caller]
fn records(ended: &Ended) -> BTreeMap<String, usize> {
    assert!(ended.status.success(), "{ended:#?}");
    let mut found = BTreeMap::new();
    for line in ended.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for (resources, scopes, records) in [
            ("resourceSpans", "scopeSpans", "spans"),
            ("resourceLogs", "scopeLogs", "logRecords"),
            ("resourceMetrics", "scopeMetrics", "metrics"),
        ] {
            for resource in line[resources].as_array().into_iter().flatten() {
                for scope in resource[scopes].as_array().into_iter().flatten() {
                    let mut origin = (resource.clone(), scope.clone());
                    origin.0.as_object_mut().unwrap().remove(scopes);
                    origin.1.as_object_mut().unwrap().remove(records);
                    for record in scope[records].as_array().into_iter().flatten() {
                        *found.entry(format!("{origin:?} {record}")).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    found
}

fn read(ended: &Ended) -> Vec<Value> {
    assert!(ended.status.success(), "{ended:#?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_line_is_of_one_signal_and_as_it_was_sent() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let at = now();
    let old = at - 7_200_000_000_000;
    let spans = json!({ "resourceSpans": [group("shop", vec![span(1, 1, at)])] });
    let logs = json!({ "resourceLogs": [logs("shop", at), logs("logger", old)] });
    let metrics = json!({ "resourceMetrics": [metrics("meter", at)] });
    post(&http, &spans);
    post_to(&http, "v1/logs", &logs);
    post_to(&http, "v1/metrics", &metrics);
    assert_eq!(read(&export(&directory, &[])), [spans.clone(), logs.clone(), metrics.clone()]);
    assert_eq!(read(&export(&directory, &["--signals", "metrics,traces"])), [spans.clone(), metrics.clone()]);
    let of = |service: &str| read(&export(&directory, &["--service", service]));
    assert_eq!(of("meter"), std::slice::from_ref(&metrics));
    assert_eq!(of("logger"), [json!({ "resourceLogs": [logs["resourceLogs"][1]] })]);
    let recent = json!({ "resourceLogs": [logs["resourceLogs"][0]] });
    assert_eq!(of("shop"), [spans.clone(), recent.clone()]);
    assert_eq!(read(&export(&directory, &["--since", "1h"])), [spans, recent, metrics]);
    stop(server, Signal::TERM);
}

#[test]
fn an_export_that_is_imported_is_exported_the_same() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (from.path().display().to_string(), to.path().display().to_string());
    let (server, _, http) = start(&one);
    for trace in 1..=20 {
        // Equal starts, several services and several requests: the order has to be the same all the same.
        let at = now();
        let shop = group("shop", (1..=50).map(|id| span(trace, id, at + u64::from(id % 3))).collect());
        let bank = group("bank", (51..=60).map(|id| span(trace, id, at + u64::from(id % 2))).collect());
        post(&http, &json!({ "resourceSpans": [bank] }));
        post(&http, &json!({ "resourceSpans": [shop] }));
    }
    for request in 0..5 {
        let each = |of: fn(&str, u64) -> Value| -> Vec<Value> {
            let at = |n| now() + request * 30 + n;
            (0..30).map(|n| of(if n % 2 == 0 { "shop" } else { "bank" }, at(n))).collect()
        };
        post_to(&http, "v1/logs", &json!({ "resourceLogs": each(logs) }));
        post_to(&http, "v1/metrics", &json!({ "resourceMetrics": each(metrics) }));
    }
    let folder = crate::documents::good();
    run(crate::tta::demo(folder.path(), &["--json", "--runs", "3", "--otlp", &http])).json();
    let file = from.path().join("all.jsonl").display().to_string();
    let written = export(&one, &["--out", &file, "--json"]).json();
    let exported = records(&export(&one, &[]));
    stop(server, Signal::TERM);
    assert!(written["log_records"].as_u64() >= Some(600), "{written}");
    assert!(written["metric_points"].as_u64() >= Some(150 * POINTS), "{written}");

    let (server, _, http) = start(&other);
    let outcome = import(&file, &http, &["--json"]);
    assert_eq!(outcome.stderr, "", "there is no bar without a terminal");
    let outcome = outcome.json();
    for (accepted, rejected, of) in [
        ("accepted_spans", "rejected_spans", "spans"),
        ("accepted_log_records", "rejected_log_records", "log_records"),
        ("accepted_metric_points", "rejected_metric_points", "metric_points"),
    ] {
        assert_eq!((&outcome[accepted], &outcome[rejected]), (&written[of], &json!(0)), "{outcome}");
    }
    assert!(outcome["requests"].as_u64() > Some(3), "it is more than one batch of each: {outcome}");
    assert!(records(&export(&other, &[])) == exported, "what was imported differs");
    // What is there already is not there twice.
    let mut again = command(&["import", "-", "--url", &http, "--json"]);
    again.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(run(again).json()["accepted_log_records"], written["log_records"]);
    assert!(records(&export(&other, &[])) == exported, "something is there twice");
    stop(server, Signal::TERM);
}

#[test]
fn requests_that_are_laid_out_or_mixed_are_imported() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let at = now();
    let spans = json!({ "resourceSpans": [group("shop", vec![span(1, 1, at)])] });
    let (of_logs, of_metrics) = (logs("shop", at), metrics("shop", at));
    let mixed = json!({ "resourceLogs": [of_logs], "resourceMetrics": [of_metrics] });
    let mut half = logs("bank", at);
    half["scopeLogs"][0]["logRecords"][0]["traceId"] = json!("01");
    let half = json!({ "resourceLogs": [half] });
    let nameless = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        { "gauge": { "dataPoints": [{ "asInt": "1", "timeUnixNano": at.to_string() }] } },
    ] }] }] });
    let text = format!(
        "{}\n{mixed:#}\n{}\n{half:#}\n{nameless}\n",
        // As a sender leaves it that was killed.
        &mixed.to_string()[..100],
        spans,
    );
    let file = data.path().join("all.json").display().to_string();
    std::fs::write(&file, text).unwrap();
    let ended = import(&file, &http, &["--json"]);
    ended.assert_failed(&["1 log records and 1 points of metrics and 1 lines were refused"]);
    let outcome: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        [&outcome["accepted_spans"], &outcome["accepted_log_records"], &outcome["accepted_metric_points"]],
        [&json!(1), &json!(7), &json!(POINTS)],
        "{outcome}"
    );
    assert!(outcome["problems"].to_string().contains("line 1 is not OTLP's JSON"), "{outcome}");
    let found = records(&export(&directory, &[]));
    assert_eq!(found.values().sum::<usize>(), 1 + 7 + 5);
    let told = import(&file, &http, &[]).stdout;
    assert!(told.contains("Accepted 1 spans, 7 log records, 11 points of metrics; rejected 2\n"), "{told}");
    stop(server, Signal::TERM);
}
