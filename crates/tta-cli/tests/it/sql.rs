//! `tta sql`, beside a server.
#![cfg(unix)]

use std::io::{Read, Write};
use std::process::Stdio;

use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};

use crate::live::{Signal, send};
use crate::serve::{start, stop};
use crate::tta::{Ended, Owned, PATIENCE, Running, command, run, until};

const START: u64 = 1_795_000_000_000_000_000;
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)";

fn span(id: u64) -> Value {
    let start = START + id;
    json!({
        "traceId": format!("{:032x}", id / 10 + 1), "spanId": format!("{:016x}", id + 1), "name": format!("work, {}", id % 2),
        "kind": 2, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_500_000).to_string(),
        "attributes": [{ "key": "a.b", "value": { "intValue": id.to_string() } }],
        "status": { "code": if id.is_multiple_of(4) { 2 } else { 0 } },
    })
}

fn post(http: &str, spans: Vec<Value>) {
    let name = json!({ "key": "service.name", "value": { "stringValue": "shop" } });
    let group = json!({ "resource": { "attributes": [name] }, "scopeSpans": [{ "spans": spans }] });
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let request = client.post(format!("{http}/v1/traces")).header("content-type", "application/json");
    let answer = request.body(json!({ "resourceSpans": [group] }).to_string()).send().expect("it answers");
    assert_eq!(answer.status().as_u16(), 200);
}

fn sql(data: &str, more: &[&str]) -> Ended {
    run(command(&[&["sql", "--data", data], more].concat()))
}

#[track_caller]
fn printed(ended: Ended) -> String {
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:#?}");
    ended.stdout
}

#[test]
fn rows_come_in_every_format_while_a_server_writes() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    post(&http, (0..40).map(span).collect());
    let grouped = "SELECT name, count(*) AS spans, avg(duration_ms) AS ms, sum(status = 'error') AS errors, NULL AS missing
        FROM spans WHERE service = 'shop' GROUP BY name ORDER BY name";
    assert_eq!(
        printed(sql(&directory, &[grouped])),
        " name      spans    ms   errors   missing\n──────────────────────────────────────────\n work, 0      20   1.5       10         -\n work, 1      20   1.5        0         -\n"
    );
    assert_eq!(
        printed(sql(&directory, &[grouped, "--format", "csv"])),
        "name,spans,ms,errors,missing\n\"work, 0\",20,1.5,10,\n\"work, 1\",20,1.5,0,\n"
    );
    let objects = [
        json!({ "name": "work, 0", "spans": 20, "ms": 1.5, "errors": 10, "missing": null }),
        json!({ "name": "work, 1", "spans": 20, "ms": 1.5, "errors": 0, "missing": null }),
    ];
    assert_eq!(sql(&directory, &[grouped, "--json"]).json(), Value::from(objects.to_vec()));
    let lines = printed(sql(&directory, &[grouped, "--format", "jsonl"]));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, objects);
    // What the server takes in meanwhile is in the next answer, and the store is as it was for the server.
    post(&http, (40..50).map(span).collect());
    let sums =
        "SELECT count(*), sum(attribute(trace_id, span_id, 'a.b')), (SELECT count(*) FROM traces) FROM spans";
    assert_eq!(printed(sql(&directory, &[sums, "--format", "csv"])).lines().last(), Some("50,1225,5"),);
    stop(server, Signal::TERM);
    assert_eq!(printed(sql(&directory, &[sums, "--format", "csv"])).lines().last(), Some("50,1225,5"));
    assert_eq!(printed(sql(&directory, &["SELECT * FROM logs"])), "No rows.\n");
    assert_eq!(printed(sql(&directory, &["SELECT * FROM logs", "--json"])), "[]\n");
    no_more_rows_are_shown_than_can_be_read(&directory);
    what_is_wrong_is_said(&directory);
}

fn no_more_rows_are_shown_than_can_be_read(directory: &str) {
    let endless = format!("{ENDLESS} SELECT x FROM n");
    let shown = printed(sql(directory, &[&endless]));
    assert_eq!(shown.lines().count(), 1_003, "{shown}");
    assert!(
        shown.ends_with("There are more than these 1000 rows; --format csv, json or jsonl writes all.\n")
    );
    let whole = printed(sql(directory, &[&format!("{endless} LIMIT 1000")]));
    assert_eq!(whole.lines().count(), 1_002);
    // A reader that has seen enough is no failure, however much there would be.
    let mut csv = command(&["sql", "--data", directory, "--format", "csv", &endless]);
    let mut child = csv.spawn().expect("the binary starts");
    drop(child.stdout.take());
    assert!(crate::tta::wait(&mut child).success());
    // What would move the terminal is shown, and data is written as it is.
    let escape = "SELECT char(27) || '[2J' AS text, x'0aff' AS bytes";
    let shown = printed(sql(directory, &[escape]));
    assert!(!shown.contains('\u{1b}') && shown.contains("x'0aff'"), "{shown}");
    assert_eq!(sql(directory, &[escape, "--json"]).json(), json!([{ "text": "\u{1b}[2J", "bytes": "0aff" }]));
}

fn what_is_wrong_is_said(directory: &str) {
    sql(directory, &["SELECT * FROM span"])
        .assert_failed(&["no such table: span; there are spans, traces, logs"]);
    sql(directory, &["SELECT x FROM spans"])
        .assert_failed(&["no such column: x; spans has trace_id, span_id"]);
    sql(directory, &["DELETE FROM spans"]).assert_failed(&["spans"]);
    sql(directory, &["ATTACH 'x' AS y"])
        .assert_failed(&["ATTACH is refused: only statements that read are run"]);
    sql(directory, &["SELECT 1; SELECT 2"]).assert_failed(&["more than one statement"]);
    sql(directory, &["  "]).assert_failed(&["there is no statement"]);
    sql(directory, &["SELECT 1 AS a, 2 AS a", "--json"]).assert_failed(&["two columns are named `a`"]);
    let endless = format!("{ENDLESS} SELECT count(*) FROM n");
    sql(directory, &[&endless, "--timeout", "50ms"]).assert_failed(&["the statement took longer than 50ms"]);
    let none = format!("{directory}/none");
    sql(&none, &["SELECT 1"]).assert_failed(&["there is no folder", "--data"]);
    let other = tempfile::tempdir().unwrap();
    sql(&other.path().display().to_string(), &["SELECT 1"]).assert_failed(&["is not a store of `tta serve`"]);
}

#[test]
fn a_statement_comes_from_the_standard_input_and_ends_at_control_c() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    post(&http, vec![span(1)]);
    stop(server, Signal::TERM);
    let mut piped = command(&["sql", "--data", &directory, "--format", "csv"]);
    let mut child = piped.stdin(Stdio::piped()).spawn().expect("the binary starts");
    child.stdin.take().unwrap().write_all(b"-- how many\nSELECT count(*) AS n\nFROM spans;\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "n\n1\n");
    let endless = format!("{ENDLESS} SELECT x FROM n");
    let mut running = Running::start(command(&["sql", "--data", &directory, "--format", "jsonl", &endless]));
    running.line("{\"x\"");
    send(&running, Signal::INT);
    running.end().assert_failed(&["the statement was interrupted"]);
}

#[test]
fn a_second_control_c_ends_what_nobody_reads() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, ..) = start(&directory);
    stop(server, Signal::TERM);
    // Lines that are longer than a pipe holds.
    let endless = format!("{ENDLESS} SELECT x, hex(zeroblob(1000000)) FROM n");
    let mut child = command(&["sql", "--data", &directory, "--format", "jsonl", &endless]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut child = Owned(child);
    out.read_exact(&mut [0]).unwrap();
    let id = Pid::from_raw(i32::try_from(child.0.id()).unwrap()).unwrap();
    let status = until("it ends", || {
        kill_process(id, Signal::INT).unwrap();
        child.0.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(130));
}

#[test]
fn what_was_found_in_time_is_whole() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, ..) = start(&directory);
    stop(server, Signal::TERM);
    let ended = sql(&directory, &["--json", "--timeout", "100ms", &format!("{ENDLESS} SELECT x FROM n")]);
    ended.assert_failed(&["took longer than 100ms"]);
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap()[0], json!({ "x": 1 }));
    let long = printed(sql(&directory, &["SELECT hex(zeroblob(100000)) AS text, zeroblob(100000) AS bytes"]));
    assert!(long.contains("00…") && long.len() < 20_000, "{} bytes", long.len());
}

#[test]
fn the_tables_are_told_with_their_columns() {
    let told = printed(run(command(&["sql", "--tables"])));
    for part in ["spans: ", "  start_unix_ns ", "nanoseconds since 1970", "model_calls: ", "percentile(x, p)"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let json = run(command(&["sql", "--tables", "--json"])).json();
    let names: Vec<&str> =
        json["tables"].as_array().unwrap().iter().filter_map(|table| table["name"].as_str()).collect();
    assert_eq!(names, ["spans", "traces", "logs", "metrics", "red_1m", "edges_1m", "model_calls"]);
    assert_eq!(json["tables"][0]["columns"][0]["name"], "trace_id");
}
