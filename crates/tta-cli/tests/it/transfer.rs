//! `tta export` and `tta import`, beside a server.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::live::Signal;
use crate::serve::{start, stop};
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
            value("float", json!({ "doubleValue": 0.100_000_000_000_000_01 })),
            value("many digits", json!({ "doubleValue": 1.797_693_134_862_315_7e308 })),
            value("few", json!({ "doubleValue": 122.416_294_033_786_585 })),
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
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request = client.post(format!("{http}/v1/traces")).body(request.to_string());
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

#[test]
fn what_was_sent_is_exported_as_it_was_sent() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let old = now() - 7_200_000_000_000;
    let shop = group("shop", vec![span(1, 1, old), span(1, 2, old + 5)]);
    let bank = group("bank", vec![span(1, 3, old + 9)]);
    let first = json!({ "resourceSpans": [shop, bank] });
    let second = json!({ "resourceSpans": [group("bank", vec![span(2, 4, now())])] });
    post(&http, &first);
    post(&http, &second);
    let read = |ended: &Ended| -> Vec<Value> {
        assert!(ended.status.success(), "{ended:#?}");
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(read(&export(&directory, &[])), [first.clone(), second.clone()]);
    assert_eq!(read(&export(&directory, &["--service", "shop"])), [first.clone()]);
    assert_eq!(read(&export(&directory, &["--service", "bank"])), [first, second.clone()]);
    assert_eq!(read(&export(&directory, &["--since", "1h"])), [second]);
    let file = data.path().join("out.jsonl").display().to_string();
    let outcome = export(&directory, &["--out", &file, "--json"]).json();
    assert_eq!(outcome, json!({ "traces": 2, "spans": 4, "file": file }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), export(&directory, &[]).stdout);
    stop(server, Signal::TERM);
    // Without the server it is the same.
    assert_eq!(lines(&export(&directory, &[])).len(), 2);
}

#[test]
fn an_export_that_cannot_be_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    export(&directory, &[]).assert_failed(&["is not a store", "--data"]);
    export(&format!("{directory}/none"), &[]).assert_failed(&["there is no folder", "--data"]);
    let (server, _, http) = start(&directory);
    assert_eq!(export(&directory, &[]).stdout, "");
    post(&http, &json!({ "resourceSpans": [group("shop", vec![span(1, 1, now())])] }));
    export(&directory, &["--service", "ship"]).assert_failed(&["service `ship`", "there are: shop"]);
    let file = Path::new(&directory).join("none/out.jsonl").display().to_string();
    export(&directory, &["--out", &file]).assert_failed(&["cannot write", "none/out.jsonl"]);
    stop(server, Signal::TERM);
}
