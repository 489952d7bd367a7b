//! Jaeger's API answers as Jaeger does.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span};
use serde_json::{Value, json};
use tempfile::TempDir;
use tta_server::Store;

use super::{ask, get, put, settle};
use crate::support::{NOW, any, open, request, span as made, text};

const TRACE: u128 = 0x83a9_efd1_5c1c_98a9_77e0_711c_c93e_e28b;

/// A call of one service by another, with all that a span can tell, and a trace with a short id.
fn stored() -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let root = Span { name: String::from("GET /"), kind: 2, ..made(TRACE, 1) };
    let nested = Any::ArrayValue(ArrayValue {
        values: vec![
            AnyValue { value: Some(Any::IntValue(1)) },
            AnyValue { value: Some(Any::BoolValue(true)) },
        ],
    });
    let child = Span {
        name: String::from("SELECT"),
        kind: 3,
        parent_span_id: 1_u64.to_be_bytes().to_vec(),
        trace_state: String::from("vendor=1"),
        attributes: vec![
            text("key", "value 2"),
            any("count", Any::IntValue(7)),
            any("huge", Any::IntValue(i64::MAX)),
            any("ratio", Any::DoubleValue(72.5)),
            any("is it", Any::BoolValue(false)),
            any("blob", Any::BytesValue(vec![0, 0, 48, 57])),
            any("list", nested),
        ],
        events: vec![span::Event {
            time_unix_nano: NOW + 5_000,
            name: String::from("retried"),
            attributes: vec![any("attempt", Any::IntValue(2))],
            ..span::Event::default()
        }],
        links: vec![
            span::Link {
                trace_id: 255_u128.to_be_bytes().to_vec(),
                span_id: 9_u64.to_be_bytes().to_vec(),
                attributes: vec![text("why", "it waited")],
                ..span::Link::default()
            },
            span::Link::default(),
        ],
        status: Some(Status { message: String::from("no such table"), code: 2 }),
        ..made(TRACE, 2)
    };
    let short = Span { name: String::from("tick"), kind: 1, ..made(0xff, 3) };
    put(&store, request(vec![("shop", vec![root]), ("db", vec![child])]));
    put(&store, request(vec![("clock", vec![short])]));
    settle(&store);
    (directory, store)
}

#[tokio::test]
async fn names_are_listed() {
    let (_directory, store) = stored();
    let expect =
        json!({ "data": ["clock", "db", "shop"], "total": 3, "limit": 0, "offset": 0, "errors": null });
    assert_eq!(get(&store, "/api/services").await, expect);
    let expect = json!({
        "data": [{ "name": "GET /", "spanKind": "server" }], "total": 1, "limit": 0, "offset": 0, "errors": null,
    });
    assert_eq!(get(&store, "/api/operations?service=shop").await, expect);
    assert_eq!(get(&store, "/api/operations?service=shop&spanKind=server").await, expect);
    let none = json!({ "data": [], "total": 0, "limit": 0, "offset": 0, "errors": null });
    assert_eq!(get(&store, "/api/operations?service=shop&spanKind=client").await, none);
    assert_eq!(get(&store, "/api/operations?service=nobody").await, none);
    let expect = json!({ "data": ["SELECT"], "total": 1, "limit": 0, "offset": 0, "errors": null });
    assert_eq!(get(&store, "/api/services/db/operations").await, expect);
    assert_eq!(get(&store, "/api/v3/services").await, json!({ "services": ["clock", "db", "shop"] }));
    let expect = json!({ "operations": [{ "name": "SELECT", "spanKind": "client" }] });
    assert_eq!(get(&store, "/api/v3/operations?service=db").await, expect);
}

#[tokio::test]
async fn nothing_is_listed_of_nothing() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let none = json!({ "data": [], "total": 0, "limit": 0, "offset": 0, "errors": null });
    assert_eq!(get(&store, "/api/services").await, none);
    assert_eq!(get(&store, "/api/traces?service=x").await, none);
    assert_eq!(get(&store, "/api/dependencies").await, none);
    assert_eq!(get(&store, "/api/v3/services").await, json!({ "services": [] }));
}

#[tokio::test]
async fn a_trace_has_jaegers_shape() {
    let (_directory, store) = stored();
    let start = NOW / 1_000;
    let tag = |key: &str, kind: &str, value: Value| json!({ "key": key, "type": kind, "value": value });
    let trace_id = "83a9efd15c1c98a977e0711cc93ee28b";
    let expect = json!({
        "data": [{
            "traceID": trace_id,
            "spans": [
                {
                    "traceID": trace_id,
                    "spanID": "0000000000000001",
                    "operationName": "GET /",
                    "references": [],
                    "startTime": start + 1,
                    "duration": 1_000,
                    "tags": [
                        tag("otel.scope.name", "string", json!("tests")),
                        tag("key", "string", json!("value 1")),
                        tag("span.kind", "string", json!("server")),
                    ],
                    "logs": [],
                    "processID": "p1",
                    "warnings": null,
                },
                {
                    "traceID": trace_id,
                    "spanID": "0000000000000002",
                    "operationName": "SELECT",
                    "references": [
                        { "refType": "CHILD_OF", "traceID": trace_id, "spanID": "0000000000000001" },
                        { "refType": "FOLLOWS_FROM", "traceID": "00000000000000ff", "spanID": "0000000000000009" },
                    ],
                    "startTime": start + 2,
                    "duration": 1_000,
                    "tags": [
                        tag("otel.scope.name", "string", json!("tests")),
                        tag("blob", "binary", json!("AAAwOQ==")),
                        tag("count", "int64", json!(7)),
                        tag("huge", "int64", json!("9223372036854775807")),
                        tag("is it", "bool", json!(false)),
                        tag("key", "string", json!("value 2")),
                        tag("list", "string", json!("[1,true]")),
                        tag("ratio", "float64", json!(72.5)),
                        tag("span.kind", "string", json!("client")),
                        tag("otel.status_code", "string", json!("ERROR")),
                        tag("error", "bool", json!(true)),
                        tag("otel.status_description", "string", json!("no such table")),
                        tag("w3c.tracestate", "string", json!("vendor=1")),
                    ],
                    "logs": [{
                        "timestamp": start + 5,
                        "fields": [
                            tag("event", "string", json!("retried")),
                            tag("attempt", "int64", json!(2)),
                        ],
                    }],
                    "processID": "p2",
                    "warnings": ["Invalid span link removed"],
                },
            ],
            "processes": {
                "p1": { "serviceName": "shop", "tags": [tag("zone", "string", json!("zone of shop"))] },
                "p2": { "serviceName": "db", "tags": [tag("zone", "string", json!("zone of db"))] },
            },
            "warnings": null,
        }],
        "total": 0, "limit": 0, "offset": 0, "errors": null,
    });
    assert_eq!(get(&store, &format!("/api/traces/{trace_id}")).await, expect);
    assert_eq!(get(&store, "/api/traces/g6nv0VwcmKl34HEcyT7iiw==").await, expect);
    let found = get(&store, &format!("/api/traces?traceID={trace_id}")).await;
    assert_eq!(found, expect);
}

#[tokio::test]
async fn ids_are_short_where_they_are() {
    let (_directory, store) = stored();
    for id in ["ff", "00000000000000ff", "000000000000000000000000000000ff", "FF"] {
        let found = get(&store, &format!("/api/traces/{id}")).await;
        assert_eq!(found["data"][0]["traceID"], "00000000000000ff", "{id}");
    }
}

#[tokio::test]
async fn an_unknown_trace_is_not_found() {
    let (_directory, store) = stored();
    let answer = ask(&store, "/api/traces/abc").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    let expect =
        r#"{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}"#;
    assert_eq!(answer.body, format!("{expect}\n"));
    assert_eq!(ask(&store, "/api/traces/0").await.status, 404);
    let found = get(&store, "/api/traces?traceID=ff&traceID=abc").await;
    assert_eq!(found["data"][0]["traceID"], "00000000000000ff");
    assert_eq!(found["errors"], json!([{ "msg": "trace not found", "traceID": "0000000000000abc" }]));
    let answer = ask(&store, "/api/v3/traces/abc").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({ "error": { "httpCode": 404, "message": "No traces found" } }));
}

/// The ids of the traces that a search finds.
async fn search(store: &Store, query: &str) -> Vec<String> {
    let found = get(store, &format!("/api/traces?{query}")).await;
    let traces = found["data"].as_array().expect("it is a list").iter();
    traces.map(|trace| trace["traceID"].as_str().expect("it is a text").to_owned()).collect()
}

#[tokio::test]
async fn traces_are_searched_for() {
    let (_directory, store) = stored();
    let (long, short) = ("83a9efd15c1c98a977e0711cc93ee28b", "00000000000000ff");
    let (start, end) = (NOW / 1_000, NOW / 1_000 + 10);
    let check = async |query: &str, expect: &[&str]| {
        assert_eq!(search(&store, query).await, expect, "{query}");
    };
    check("", &[short, long]).await;
    check("limit=1", &[short]).await;
    check("service=db", &[long]).await;
    check("service=db&operation=SELECT", &[long]).await;
    check("service=db&operation=GET+/", &[]).await;
    check(&format!("service=db&start={start}&end={end}"), &[long]).await;
    check(&format!("service=db&start={}&end={end}", start + 3), &[]).await;
    check("service=db&lookback=1h", &[]).await;
    check("service=db&lookback=custom", &[long]).await;
    check("service=db&minDuration=1ms&maxDuration=1.5ms", &[long]).await;
    check("service=db&minDuration=1.2s", &[]).await;
    check("service=db&maxDuration=500us", &[]).await;
    check("tags=%7B%22key%22%3A%22value+2%22%7D", &[long]).await;
    check("tags=key%3D%22value+2%22+count%3D7", &[long]).await;
    check("tag=count:7&tag=error:true", &[long]).await;
    check("tag=count:7&tag=zone:zone+of+db", &[long]).await;
    check("tag=count:8", &[]).await;
    check("tags=error%3Dtrue", &[long]).await;
    check("tags=otel.status_code%3DERROR", &[long]).await;
    check("tag=otel.status_code:OK", &[]).await;
    check("tag=span.kind:internal", &[short]).await;
    check("tag=span.kind:nonsense", &[]).await;
}

#[tokio::test]
async fn tags_are_looked_for_everywhere_that_jaeger_shows_them() {
    let (_directory, store) = stored();
    let (long, short) = ("83a9efd15c1c98a977e0711cc93ee28b", "00000000000000ff");
    let check = async |tag: &str, expect: &[&str]| {
        assert_eq!(search(&store, &format!("tag={tag}")).await, expect, "{tag}");
    };
    // Of an event: its name and its attributes.
    check("event:retried", &[long]).await;
    check("event:retired", &[]).await;
    check("attempt:2", &[long]).await;
    check("attempt:3", &[]).await;
    // Of a link.
    check("why:it+waited", &[long]).await;
    // Of a scope.
    check("otel.scope.name:tests", &[short, long]).await;
    check("scope.name:tests", &[short, long]).await;
    check("scope.name:others", &[]).await;
    check("scope.version:1", &[]).await;
    // Of a resource.
    check("resource.zone:zone+of+db", &[long]).await;
    check("resource.count:7", &[]).await;
    // Of the span: what are fields in OTLP, and what is no single value.
    check("otel.status_description:no+such+table", &[long]).await;
    check("otel.status_description:another", &[]).await;
    check("w3c.tracestate:vendor%3D1", &[long]).await;
    check("span.status:error", &[long]).await;
    check("span.kind:CLIENT", &[long]).await;
    check("error:false", &[short, long]).await;
    check("error:false&service=db", &[]).await;
    check("blob:AAAwOQ==", &[long]).await;
    check("list:%5B1,true%5D", &[long]).await;
    check("list:%5B1%5D", &[]).await;
    check("ratio:72.50", &[long]).await;
    check("ratio:72.51", &[]).await;
    // All of them have to be there.
    check("attempt:2&tag=event:retried&tag=error:true", &[long]).await;
    check("attempt:2&tag=event:retired", &[]).await;
}

#[tokio::test]
async fn dependencies_are_calls_between_services() {
    let (_directory, store) = stored();
    let end = NOW / 1_000_000 + 1;
    let expect = json!({
        "data": [{ "parent": "shop", "child": "db", "callCount": 1 }],
        "total": 0, "limit": 0, "offset": 0, "errors": null,
    });
    assert_eq!(get(&store, &format!("/api/dependencies?endTs={end}&lookback=60000")).await, expect);
    let earlier = end - 10 * 60_000;
    let found = get(&store, &format!("/api/dependencies?endTs={earlier}&lookback=60000")).await;
    assert_eq!(found["data"], json!([]));
}

#[tokio::test]
async fn version_3_shows_traces_as_otlp() {
    let (_directory, store) = stored();
    let found = get(&store, "/api/v3/traces/83a9efd15c1c98a977e0711cc93ee28b").await;
    let groups = &found["result"]["resourceSpans"];
    assert_eq!(groups[0]["resource"]["attributes"][0]["value"]["stringValue"], "shop");
    let span = &groups[1]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "83a9efd15c1c98a977e0711cc93ee28b");
    assert_eq!((&span["kind"], &span["status"]["code"]), (&json!(3), &json!(2)));
    assert_eq!(groups[0]["scopeSpans"][0]["spans"][0]["status"], json!({}));
    assert_eq!(span["parentSpanId"], "0000000000000001");
    assert_eq!(span["startTimeUnixNano"], (NOW + 2_000).to_string());
    let query = "query.serviceName=db&query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2120-01-01T00:00:00.5Z";
    assert_eq!(get(&store, &format!("/api/v3/traces?{query}")).await, found);
    let found = get(&store, &format!("/api/v3/trace-summaries?{query}")).await;
    let expect = json!({ "summaries": [{
        "traceId": "83a9efd15c1c98a977e0711cc93ee28b",
        "rootServiceName": "shop",
        "rootOperationName": "GET /",
        "minStartTimeUnixNano": (NOW + 1_000).to_string(),
        "maxEndTimeUnixNano": (NOW + 1_002_000).to_string(),
        "spanCount": 2,
        "errorSpanCount": 1,
        "services": [
            { "name": "shop", "spanCount": 1, "errorSpanCount": 0 },
            { "name": "db", "spanCount": 1, "errorSpanCount": 1 },
        ],
    }] });
    assert_eq!(found, expect);
}

#[tokio::test]
async fn answers_are_indented_if_asked_for() {
    let (_directory, store) = stored();
    let answer = ask(&store, "/api/services?prettyPrint=true").await;
    assert!(answer.body.starts_with("{\n    \"data\": [\n        \"clock\""), "{}", answer.body);
}

#[tokio::test]
async fn numbers_that_json_has_not_are_texts() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, 1e300];
    let attributes =
        floats.iter().enumerate().map(|(n, float)| any(&n.to_string(), Any::DoubleValue(*float)));
    let span = Span { attributes: attributes.collect(), ..made(7, 1) };
    put(&store, request(vec![("shop", vec![span])]));
    let found = get(&store, "/api/v3/traces/7").await;
    let attributes = &found["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"];
    let found: Vec<&Value> =
        attributes.as_array().expect("a list").iter().map(|pair| &pair["value"]["doubleValue"]).collect();
    let expect = [json!("NaN"), json!("Infinity"), json!("-Infinity"), json!(-0.5), json!(1e300)];
    assert_eq!(found, expect.iter().collect::<Vec<_>>());
    let found = get(&store, "/api/traces/7").await;
    let values = found["data"][0]["spans"][0]["tags"].as_array().expect("a list").iter();
    let values: Vec<&Value> =
        values.filter(|tag| tag["type"] == "float64").map(|tag| &tag["value"]).collect();
    assert_eq!(values, expect.iter().collect::<Vec<_>>());
}
