//! Tables, as Arrow's own reader for Python reads them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tta_model::name::attribute as a;

use super::signals::{POINTS, logs, metrics};
use super::{export, group, now, post, post_to, span};
use crate::live::Signal;
use crate::receiver::interpreter;
use crate::serve::{start, stop};

/// What is in a table: its columns with their types, and its rows. None without an interpreter.
fn read(path: &Path) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transfer/read_table.py");
    let read = Command::new(interpreter()?).arg(script).arg(path).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Some(serde_json::from_slice(&read.stdout).unwrap())
}

/// A column of JSON, of the first row.
fn parsed(table: &Value, column: &str) -> Value {
    serde_json::from_str(table["rows"][0][column].as_str().unwrap()).unwrap()
}

#[test]
fn tables_have_a_row_for_each_record() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let at = now();
    post(&http, &json!({ "resourceSpans": [group("shop", vec![span(1, 1, at), span(1, 2, at + 1)])] }));
    let call = json!([
        { "key": a::PRIMITIVE_NAME.key, "value": { "stringValue": "ask" } },
        { "key": a::LLM_MODEL_NAME.key, "value": { "stringValue": "a model" } },
        { "key": a::LLM_PROMPT_TOKENS.key, "value": { "intValue": "12" } },
        { "key": a::LLM_COST_USD.key, "value": { "doubleValue": 0.25 } },
    ]);
    let call = json!({
        "traceId": format!("{:032x}", 2), "spanId": format!("{:016x}", 3), "name": "call", "attributes": call,
        "startTimeUnixNano": (at + 2).to_string(), "endTimeUnixNano": (at + 3).to_string(),
    });
    post(&http, &json!({ "resourceSpans": [group("shop", vec![call])] }));
    post_to(&http, "v1/logs", &json!({ "resourceLogs": [logs("shop", at)] }));
    post_to(&http, "v1/metrics", &json!({ "resourceMetrics": [metrics("shop", at)] }));
    let tables = data.path().join("tables");
    let out = tables.display().to_string();
    let written = export(&directory, &["--format", "parquet", "--out", &out, "--json"]).json();
    stop(server, Signal::TERM);
    assert_eq!(
        written,
        json!({ "traces": 2, "traces_given_up": 0, "spans": 3, "log_records": 4, "metric_points": POINTS, "file": out })
    );
    let one = data.path().join("one.parquet");
    let ended = export(&directory, &["--out", &one.display().to_string()]);
    assert!(ended.stdout.starts_with("Wrote 2 traces with 3 spans to "), "{ended:#?}");
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(tables.join("spans.parquet")).unwrap());

    let Some(spans) = read(&one) else { return };
    check_spans(&spans, at);
    let logs = read(&tables.join("logs.parquet")).unwrap();
    let bodies: Vec<_> = logs["rows"].as_array().unwrap().iter().map(|row| &row["body"]).collect();
    assert_eq!(
        bodies,
        [&json!("it failed"), &json!(null), &json!(null), &json!(format!("{{\"n\":{}}}", i64::MAX))]
    );
    assert_eq!((&logs["rows"][1]["time"], &logs["rows"][0]["severity"]), (&json!(at + 2), &json!(17)));
    let metrics = read(&tables.join("metrics.parquet")).unwrap();
    check_metrics(&metrics);
}

fn check_spans(spans: &Value, at: u64) {
    let types = &spans["types"];
    for (column, is) in [
        ("trace_id", "string"),
        ("start", "timestamp[ns, tz=UTC]"),
        ("duration_ns", "int64"),
        ("cost_usd", "double"),
        ("attributes", "string"),
    ] {
        assert_eq!(types[column], is, "{types}");
    }
    let rows = spans["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let first = &rows[0];
    for (column, expect) in [
        ("trace_id", json!(format!("{:032x}", 1))),
        ("parent_span_id", json!(format!("{:016x}", 77))),
        ("service", json!("shop")),
        ("name", json!("näme \"1\"")),
        ("kind", json!("client")),
        ("status", json!("error")),
        ("status_message", json!("it failed")),
        ("start", json!(at)),
        ("duration_ns", json!(1_001)),
        ("model", Value::Null),
    ] {
        assert_eq!(first[column], expect, "{column}");
    }
    let attributes = parsed(spans, "attributes");
    assert_eq!(attributes["int"], json!(i64::MIN));
    assert_eq!(attributes["infinity"], json!("-Infinity"));
    assert_eq!(attributes["list"], json!({ "inner": [null, -1] }));
    assert_eq!(parsed(spans, "resource"), json!({ "service.name": "shop" }));
    assert_eq!(parsed(spans, "events")[0]["time_unix_nanos"], json!(at + 7));
    assert_eq!(parsed(spans, "links")[0]["span_id"], json!(format!("{:016x}", 8)));
    let call = &rows[2];
    assert_eq!(
        [&call["primitive"], &call["model"], &call["prompt_tokens"], &call["cost_usd"], &call["events"]],
        [&json!("ask"), &json!("a model"), &json!(12), &json!(0.25), &Value::Null]
    );
}

fn check_metrics(metrics: &Value) {
    let rows = metrics["rows"].as_array().unwrap();
    assert_eq!(rows.len() as u64, POINTS);
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    let types = ["gauge", "sum", "histogram", "exponential_histogram", "summary"];
    let found = column("type");
    assert!(types.iter().all(|kind| found.contains(&json!(kind))), "{found:?}");
    assert_eq!(
        column("int_value")[4..7],
        [json!(i64::MIN), json!(0), json!(i64::MAX)],
        "whole numbers keep their digits"
    );
    // The script tells numbers that JSON does not have by their names.
    assert_eq!(column("value")[..3], [json!("nan"), json!("-inf"), json!(-0.0)]);
    let buckets: Value = serde_json::from_str(rows[8]["buckets"].as_str().unwrap()).unwrap();
    assert_eq!((&buckets["scale"], &buckets["positive"]["counts"]), (&json!(-3), &json!([1, 0, 300])));
    assert_eq!(rows[7]["count"], Value::Null, "it is more than the column holds");
}
