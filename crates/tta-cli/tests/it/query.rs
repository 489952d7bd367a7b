//! What is stored is listed and shown, from a folder and from a server alike.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;
use tta::model::name::attribute as a;
use tta::server::{Options, Store, Traces};

use crate::tta::{Ended, command, run};

pub const NOW: u64 = 1_795_000_000_000_000_000;
pub const MILLI: u64 = 1_000_000;

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Any::StringValue(value.to_owned()))
}

pub fn span(trace: u128, (id, parent): (u64, u64), name: &str, (from, to): (u64, u64)) -> Span {
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: name.to_owned(),
        start_time_unix_nano: NOW + from * MILLI,
        end_time_unix_nano: NOW + to * MILLI,
        ..Span::default()
    }
}

/// A folder with two runs of a workflow.
fn stored() -> (TempDir, Store) {
    let mut spans = Vec::new();
    for trace in [1, 2] {
        let mut attempt = span(trace, (2, 1), "attempt", (10, 60));
        attempt.attributes = vec![
            pair(a::RETRY_ATTEMPT.key, Any::IntValue(1)),
            text(a::LLM_MODEL_NAME.key, "small"),
            pair(a::LLM_COST_USD.key, Any::DoubleValue(0.25)),
        ];
        attempt.status = Some(Status { code: 2, message: String::from("refused") });
        let mut root = span(trace, (1, 0), "digest", (0, 100));
        root.start_time_unix_nano += trace as u64;
        root.end_time_unix_nano += trace as u64;
        spans.extend([root, attempt]);
    }
    let resource = Resource { attributes: vec![text(a::SERVICE_NAME.key, "agent")], ..Resource::default() };
    let scope = ScopeSpans { spans, ..ScopeSpans::default() };
    let group =
        ResourceSpans { resource: Some(resource), scope_spans: vec![scope], ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path())).unwrap();
    store.submit(Traces::scan(body.into()).unwrap().into()).unwrap().blocking_wait().unwrap();
    (folder, store)
}

/// Runs a command over the folder while the store is open, and against a server over it: both say the same.
fn ask(arguments: &[&str]) -> Ended {
    let (folder, store) = stored();
    let folder = folder.path().display().to_string();
    let of_folder = run(command(&[arguments, &["--data", &folder]].concat()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let routes = tta::server::api::router(tta::server::api::ApiState::new(store.reader()));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let of_server = run(command(&[arguments, &["--url", &url]].concat()));
    assert_eq!(of_folder.stdout, of_server.stdout, "{of_folder:?} {of_server:?}");
    assert_eq!(of_folder.stderr, of_server.stderr);
    assert_eq!(of_folder.status, of_server.status);
    of_folder
}

fn check(arguments: &[&str], expect: &str) {
    let ended = ask(arguments);
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
    assert_eq!(lines.join("\n"), expect.trim_matches('\n'), "\n{}", ended.stdout);
}

#[test]
fn traces_are_listed() {
    check(
        &["traces", "--limit", "1"],
        "
 trace                              service   name     started                    spans   errors   duration
────────────────────────────────────────────────────────────────────────────────────────────────────────────
 00000000000000000000000000000002   agent     digest   2026-11-18T11:06:40.000Z       2        1      100ms
There are more than 1; show more with --limit.
",
    );
    check(&["traces", "--name", "digest", "--status", "error"], "No trace fits.");
}

#[test]
fn json_is_the_answer_of_the_server() {
    let ended = ask(&["traces", "--model", "small", "--min-duration", "50ms", "--json"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["traces"].as_array().unwrap().len(), 2);
    assert_eq!(found["has_more"], false);
    let ended = ask(&["trace", "1", "--json"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["name"], "attempt");
}

#[test]
fn a_trace_is_drawn() {
    check(
        &["trace", "1"],
        "
· digest       ██████████████████████████████████████████████████████████████████████████████████████    100ms
✗ └ attempt #1         ████████████████████████████████████████████                                     50.0ms
✗ 1 error
",
    );
    check(&["trace", "1", "--flame"], "digest 50000000\ndigest;attempt 50000000");
}

#[test]
fn services_and_costs_are_listed() {
    let services = ask(&["services"]).stdout;
    assert!(services.contains("agent"), "{services}");
    let cost = ask(&["cost", "report"]).stdout;
    assert!(cost.contains("small") && cost.ends_with("0.5000 US dollars in all.\n"), "{cost}");
    let cost: Value = serde_json::from_str(&ask(&["cost", "report", "--json"]).stdout).unwrap();
    assert_eq!(cost["rows"][0]["calls"], 2);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let check = |arguments: &[&str], expect: &str| {
        let ended = ask(arguments);
        assert!(!ended.status.success(), "{ended:?}");
        assert_eq!(ended.stderr.trim_end(), format!("error: {expect}"));
    };
    check(&["trace", "abc"], "nothing of trace abc is stored; `tta traces` lists what there is");
    check(&["trace", "abc", "--flame"], "nothing of trace abc is stored; `tta traces` lists what there is");
    check(&["trace", "0"], "no trace has an id of zeros only; `tta traces` lists what there is");
    check(&["trace", "xyz"], "`xyz` is no id of a trace; give its 32 hexadecimal digits");
    check(
        &["traces", "--min-duration", "5"],
        "parameter 'min_duration': \"5\" is no duration; write it as in 1.5s, 20ms or 500us",
    );
    let ended = run(command(&["services", "--url", "http://127.0.0.1:9"]));
    assert!(ended.stderr.contains("start `tta serve`, or name a server with --url"), "{ended:?}");
    let ended = run(command(&["services", "--data", "/nowhere/at/all"]));
    ended.assert_failed(&["there is no folder /nowhere/at/all; name the one of `tta serve` with --data"]);
    let empty = tempfile::tempdir().unwrap();
    let ended = run(command(&["services", "--data", &empty.path().display().to_string()]));
    ended.assert_failed(&["is not a store of `tta serve`"]);
    let ended = run(command(&["services", "--url", "127.0.0.1:16686"]));
    ended.assert_failed(&["is no address", "write it as http://127.0.0.1:16686"]);
    let mut bad = command(&["services", "--token-env", "TTA_TEST_TOKEN"]);
    bad.env("TTA_TEST_TOKEN", "line\n");
    run(bad).assert_failed(&["TTA_TEST_TOKEN has is no token"]);
}

/// Asks a server that answers everything with this.
fn ask_other(status: u16, body: &'static str) -> Ended {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let routes = axum::Router::new().fallback(move || async move { (status, body) });
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let mut command = command(&["services", "--url", &url]);
    // What is on this machine is not asked for through a proxy, where nobody listens.
    command.env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
    run(command)
}

#[test]
fn an_answer_of_somebody_else_is_told_from_an_empty_store() {
    ask_other(200, "{}").assert_failed(&["not of a server of TTA; look at the address"]);
    ask_other(404, "<p>no</p>").assert_failed(&["status 404 and is not of a server of TTA"]);
    let hint = "name the variable that holds its token with --token-env";
    ask_other(401, "").assert_failed(&["does not let us in: status 401", hint]);
    ask_other(403, "the Host is not this server's")
        .assert_failed(&["us in: the Host is not this server's", hint]);
    let empty = ask_other(200, r#"{"services":[]}"#);
    assert_eq!(empty.stdout, "Nothing is stored yet.\n", "{empty:?}");
}
