//! `tta export` and `tta import`, beside a server.
#![cfg(unix)]

mod export;
mod import;
mod signals;
mod tables;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::tta::{Ended, PATIENCE, command, run};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// A span with all that a span may have, and values that are easily lost.
fn span(trace: u32, id: u32, start: u64) -> Value {
    let value = |key: &str, value: Value| json!({ "key": key, "value": value });
    let nested = json!({ "values": [value("inner", json!({ "arrayValue": { "values": [{}, { "intValue": "-1" }] } }))] });
    json!({
        "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"),
        "parentSpanId": format!("{:016x}", 77), "traceState": "a=b", "flags": 257, "name": format!("näme \"{id}\""),
        "kind": 3, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_001).to_string(),
        "attributes": [
            value("int", json!({ "intValue": i64::MIN.to_string() })),
            value("float", json!({ "doubleValue": 0.1 + 0.2 })),
            value("many digits", json!({ "doubleValue": 1.797_693_134_862_315_7e308 })),
            value("few", json!({ "doubleValue": 122.416_294_033_786_58 })),
            value("zero", json!({ "doubleValue": -0.0 })),
            value("nan", json!({ "doubleValue": "NaN" })),
            value("infinity", json!({ "doubleValue": "-Infinity" })),
            value("bytes", json!({ "bytesValue": "AP/+" })),
            value("no", json!({ "boolValue": false })),
            value("text", json!({ "stringValue": "" })),
            value("list", json!({ "kvlistValue": nested })),
            json!({ "key": "nothing" }),
        ],
        "droppedAttributesCount": 4, "droppedEventsCount": 5, "droppedLinksCount": 6,
        "events": [{ "timeUnixNano": (start + 7).to_string(), "name": "event", "attributes": [value("k", json!({}))] }],
        "links": [{ "traceId": format!("{:032x}", 9), "spanId": format!("{:016x}", 8), "flags": 1 }],
        "status": { "code": 2, "message": "it failed" },
    })
}

fn group(service: &str, spans: Vec<Value>) -> Value {
    let name = json!({ "key": "service.name", "value": { "stringValue": service } });
    json!({
        "resource": { "attributes": [name], "droppedAttributesCount": 1 },
        "schemaUrl": "https://example.com/resource",
        "scopeSpans": [{ "scope": { "name": "tests", "version": "1" }, "schemaUrl": "https://example.com/scope", "spans": spans }],
    })
}

fn post(http: &str, request: &Value) {
    post_to(http, "v1/traces", request);
}

fn post_to(http: &str, path: &str, request: &Value) {
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request = client.post(format!("{http}/{path}")).body(request.to_string());
    let answer = request.header("content-type", "application/json").send().expect("it answers");
    assert_eq!((answer.status().as_u16(), answer.text().unwrap().as_str()), (200, "{}"));
}

fn export(data: &str, more: &[&str]) -> Ended {
    run(command(&[&["export", "--data", data], more].concat()))
}

/// The lines of an export, sorted.
#[track_caller]
fn lines(ended: &Ended) -> BTreeSet<String> {
    assert!(ended.status.success(), "{ended:#?}");
    ended.stdout.lines().map(str::to_owned).collect()
}

fn import(file: &str, url: &str, more: &[&str]) -> Ended {
    run(command(&[&["import", file, "--url", url], more].concat()))
}
