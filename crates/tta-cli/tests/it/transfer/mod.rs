//! `tta export` and `tta import`, beside a server.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    assert_eq!(read(&export(&directory, &["--service", "shop"])), std::slice::from_ref(&first));
    assert_eq!(read(&export(&directory, &["--service", "bank"])), [first, second.clone()]);
    assert_eq!(read(&export(&directory, &["--since", "1h"])), [second]);
    let file = data.path().join("out.jsonl").display().to_string();
    let outcome = export(&directory, &["--out", &file, "--json"]).json();
    assert_eq!(outcome, json!({ "traces": 2, "spans": 4, "log_records": 0, "metric_points": 0, "file": file }));
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

fn import(file: &str, url: &str, more: &[&str]) -> Ended {
    run(command(&[&["import", file, "--url", url], more].concat()))
}

#[test]
fn an_export_that_is_imported_is_exported_the_same() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (from.path().display().to_string(), to.path().display().to_string());
    let (server, _, http) = start(&one);
    for trace in 1..=40 {
        // Equal starts, several services and several requests: the order has to be the same all the same.
        let at = now();
        let shop = group("shop", (1..=50).map(|id| span(trace, id, at + u64::from(id % 3))).collect());
        let bank = group("bank", (51..=60).map(|id| span(trace, id, at + u64::from(id % 2))).collect());
        post(&http, &json!({ "resourceSpans": [bank] }));
        post(&http, &json!({ "resourceSpans": [shop] }));
    }
    let folder = crate::documents::good();
    run(crate::tta::demo(folder.path(), &["--json", "--runs", "3", "--otlp", &http])).json();
    let file = from.path().join("all.jsonl").display().to_string();
    let written = export(&one, &["--out", &file, "--json"]).json();
    stop(server, Signal::TERM);
    let exported: BTreeSet<String> =
        std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    assert!(exported.len() > 40, "{written}");

    let (server, _, http) = start(&other);
    let outcome = import(&file, &http, &["--json"]);
    assert_eq!(outcome.stderr, "", "there is no bar without a terminal");
    let outcome = outcome.json();
    assert_eq!(
        (&outcome["accepted_spans"], &outcome["rejected_spans"]),
        (&written["spans"], &json!(0)),
        "{outcome}"
    );
    assert!(outcome["requests"].as_u64() > Some(1), "it is more than one batch: {outcome}");
    assert_eq!(lines(&export(&other, &[])), exported);
    // What is there already is not there twice.
    let mut again = command(&["import", "-", "--url", &http, "--json"]);
    again.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(run(again).json()["accepted_spans"], written["spans"]);
    assert_eq!(lines(&export(&other, &[])), exported);
    stop(server, Signal::TERM);
}

#[test]
fn what_is_refused_is_counted_and_the_rest_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let good = |trace| json!({ "resourceSpans": [group("shop", vec![span(trace, 1, now())])] });
    let mut zero = good(2);
    zero["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = json!("0000000000000000");
    let mut wrong = good(3);
    wrong["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["kind"] = json!("SPAN_KIND_OF_ITS_OWN");
    let text = [good(1), zero, wrong, good(4)].map(|line| line.to_string()).join("\n");
    let text = format!("{text}\nno JSON\n\n{{\"resources\":[]}}");
    let file = data.path().join("mixed.jsonl").display().to_string();
    std::fs::write(&file, text).unwrap();
    let ended = import(&file, &http, &["--json"]);
    ended.assert_failed(&["2 spans and 2 lines were refused"]);
    let outcome: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&outcome["accepted_spans"], &outcome["rejected_spans"]), (&json!(2), &json!(2)), "{outcome}");
    let problems = outcome["problems"].to_string();
    for part in ["the span id is not 8 bytes", "line 3: ", "line 5 is not", "line 7 has none of"] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
    assert_eq!(lines(&export(&directory, &[])).len(), 2);
    stop(server, Signal::TERM);
}

/// Answers each request with the next of these answers, and tells when each came.
fn answering(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<Instant>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |answer: &str| {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let came = Instant::now();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
            let length = body.len();
            write!(
                reader.into_inner(),
                "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
            came
        };
        answers.into_iter().map(answer).collect()
    });
    (url, thread)
}

fn one_line() -> (tempfile::TempDir, String) {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("one.jsonl");
    std::fs::write(&file, json!({ "resourceSpans": [group("shop", vec![span(1, 1, now())])] }).to_string())
        .unwrap();
    let file = file.display().to_string();
    (data, file)
}

#[test]
fn a_server_that_asks_to_wait_is_waited_for() {
    let (_data, file) = one_line();
    let (url, server) = answering(vec![
        "429 Too Many Requests\r\nRetry-After: 2",
        "503 Service Unavailable\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT",
        "200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    ]);
    let outcome = import(&file, &url, &["--json"]).json();
    assert_eq!(
        (&outcome["accepted_spans"], &outcome["requests"], &outcome["pauses"]),
        (&json!(1), &json!(3), &json!(2))
    );
    let came = server.join().unwrap();
    assert!(came[1] - came[0] >= Duration::from_secs(2), "it came before it was asked to");
}

#[test]
fn an_import_that_cannot_be_says_what_to_do() {
    let (data, file) = one_line();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    import(&file, &nobody, &[]).assert_failed(&["nobody listens at", "tta serve", "--url"]);
    import(&file, "127.0.0.1", &[]).assert_failed(&["is no address", "http://127.0.0.1:4318"]);
    import(&file, "ftp://127.0.0.1", &[]).assert_failed(&["is not of HTTP"]);
    let folder = data.path().display().to_string();
    import(&folder, &nobody, &[]).assert_failed(&["is a folder"]);
    import(&format!("{folder}/none"), &nobody, &[]).assert_failed(&["cannot read", "none"]);
    import(&file, &nobody, &["--token-env", "TTA_NO_SUCH_TOKEN"]).assert_failed(&["holds no token"]);
    for (answer, says) in [
        ("404 Not Found", "does it receive OTLP over HTTP there?"),
        ("401 Unauthorized", "--token-env"),
        ("200 OK\r\n\r\n<html", "is not of OTLP"),
        ("400 Bad Request", "1 spans were refused"),
    ] {
        let (url, server) = answering(vec![answer]);
        import(&file, &url, &[]).assert_failed(&[says]);
        server.join().unwrap();
    }
}
