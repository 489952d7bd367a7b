//! SIGTERM in the middle of ingest: the server answers what it has begun, within its time, and loses nothing.
#![cfg(unix)]

use std::sync::mpsc::channel;
use std::thread::scope;

use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::live::{Signal, send};
use crate::serve::start;
use crate::tta::Running;

/// How many records a batch has.
const RECORDS: u64 = 25;
const SIGNALS: [&str; 3] = ["traces", "logs", "metrics"];

/// A batch of a signal, in OTLP's JSON.
fn batch(signal: &str, number: u64) -> Value {
    let time = (1_790_000_000_000_000_000 + number).to_string();
    let record = |n: u64| match signal {
        "traces" => json!({
            "traceId": format!("{number:032x}"), "spanId": format!("{:016x}", n + 1), "name": "step",
            "startTimeUnixNano": time, "endTimeUnixNano": time,
        }),
        "logs" => json!({ "timeUnixNano": time, "body": { "stringValue": format!("line {n}") } }),
        _ => {
            json!({ "name": format!("metric {n}"), "gauge": { "dataPoints": [{ "timeUnixNano": time, "asInt": "1" }] } })
        }
    };
    let records: Vec<Value> = (0..RECORDS).map(record).collect();
    match signal {
        "traces" => json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": records }] }] }),
        "logs" => json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }),
        _ => json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": records }] }] }),
    }
}

/// Sends batches of a signal until the server is gone; answers how many were acknowledged.
fn send_all(http: &str, (signal, first): (&str, u64), tell: impl Fn()) -> u64 {
    let client = Client::new();
    let sent = (first..).take_while(|number| {
        let request = client.post(format!("{http}/v1/{signal}")).header("content-type", "application/json");
        let answer = request.body(batch(signal, *number).to_string()).send();
        let is_taken = answer.is_ok_and(|answer| {
            assert_eq!(answer.status(), 200);
            true
        });
        if is_taken {
            tell();
        }
        is_taken
    });
    sent.count() as u64
}

/// How many records of a signal a server has.
fn kept(open: &str, signal: &str) -> u64 {
    let page = Client::new().get(format!("{open}/metrics")).send().expect("it answers").text().expect("text");
    let start = format!("tta_server_store_records{{signal=\"{signal}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    line.expect("it is there").parse().expect("a number")
}

/// Sends to a server, and a signal to it when each sender had some batches acknowledged; answers how many there were of each.
fn send_until(server: &Running, http: &str, first: u64) -> [u64; 3] {
    let (told, enough) = channel();
    scope(|scope| {
        let senders = SIGNALS.map(|signal| {
            let told = told.clone();
            scope.spawn(move || send_all(http, (signal, first), || _ = told.send(signal)))
        });
        let mut waiting = SIGNALS.to_vec();
        while !waiting.is_empty() {
            let signal = enough.recv().expect("a sender tells");
            waiting.retain(|other| *other != signal);
        }
        enough.iter().take(20).for_each(drop);
        send(server, Signal::TERM);
        senders.map(|sender| sender.join().expect("it ends"))
    })
}

#[test]
fn sigterm_in_the_middle_of_ingest_loses_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let directory = data.path().join("new").display().to_string();
    let mut expect = [0; 3];
    for round in 0..3 {
        let (server, open, http) = start(&directory);
        assert_eq!(SIGNALS.map(|signal| kept(&open, signal)), expect, "round {round}");
        let acknowledged = send_until(&server, &http, (round + 1) * 1_000_000);
        let ended = server.end();
        // What takes longer than five seconds would be cut off, and told as a failure.
        assert!(ended.status.success(), "{ended:#?}");
        assert!(ended.stdout.contains("all that was acknowledged is on disk"), "{ended:#?}");
        for (expect, acknowledged) in expect.iter_mut().zip(acknowledged) {
            *expect += acknowledged * RECORDS;
        }
    }
    let (server, open, _) = start(&directory);
    assert_eq!(SIGNALS.map(|signal| kept(&open, signal)), expect);
    send(&server, Signal::TERM);
    assert!(server.end().status.success());
}
