//! Our own API.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::json;
use tempfile::TempDir;
use tta_model::name::{attribute as a, span};
use tta_server::Store;

use super::{get, put, settle};
use crate::support::{self, NOW, any, open, request, text};

const MILLI: u64 = 1_000_000;

/// A span with a time in milliseconds from `NOW`.
fn at(trace: u128, (id, parent): (u64, u64), name: &str, (from, to): (u64, u64)) -> Span {
    Span {
        name: String::from(name),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        start_time_unix_nano: NOW + from * MILLI,
        end_time_unix_nano: NOW + to * MILLI,
        ..support::span(trace, id)
    }
}

fn stored() -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let run = |trace: u128, later: u64| {
        let mut root = at(trace, (1, 0), &span::workflow("digest"), (later, later + 100));
        root.attributes.push(text(a::WORKFLOW_NAME.key, "digest"));
        let mut fast = at(trace, (2, 1), "step", (later + 10, later + 40));
        fast.attributes.push(text(a::PRIMITIVE_NAME.key, "summarise"));
        fast.attributes.push(text(a::PRIMITIVE_TYPE.key, "retry"));
        let mut model = at(trace, (3, 1), "chat", (later + 50, later + 90));
        model.attributes.push(text(a::LLM_MODEL_NAME.key, "small"));
        model.attributes.push(any(a::LLM_COST_USD.key, Any::DoubleValue(0.25)));
        model.status = Some(Status { code: 2, message: String::from("refused") });
        vec![("agent", vec![root, fast]), ("model", vec![model])]
    };
    put(&store, request(run(1, 0)));
    put(&store, request(run(2, 1_000)));
    settle(&store);
    (directory, store)
}

/// The time in which everything happened, as parameters.
fn times() -> String {
    format!("start={NOW}&end={}", NOW + 3_000 * MILLI)
}

fn id(trace: u128) -> String {
    format!("{trace:032x}")
}

#[tokio::test]
async fn traces_are_summed_up() {
    let (_directory, store) = stored();
    let found = get(&store, "/api/tta/v1/traces?workflow=digest&limit=1").await;
    let expect = json!([{
        "trace_id": id(2), "service": "agent", "name": span::workflow("digest").as_str(), "workflow": "digest", "status": "unset",
        "start_unix_nanos": (NOW + 1_000 * MILLI).to_string(), "duration_nanos": 100 * MILLI, "spans": 3, "errors": 1,
        "services": [{ "name": "agent", "spans": 2, "errors": 0 }, { "name": "model", "spans": 1, "errors": 1 }],
    }]);
    assert_eq!(found["traces"], expect);
    let next = found["next"].as_str().expect("there is more");
    let found = get(&store, &format!("/api/tta/v1/traces?workflow=digest&limit=1&cursor={next}")).await;
    assert_eq!(found["traces"][0]["trace_id"], id(1));
    assert_eq!(found["next"], json!(null));
}

#[tokio::test]
async fn traces_are_found_by_everything() {
    let (_directory, store) = stored();
    let check = async |query: &str, expect: usize| {
        let found = get(&store, &format!("/api/tta/v1/traces?{query}")).await;
        assert_eq!(found["traces"].as_array().map(Vec::len), Some(expect), "{query}");
    };
    check("service=model", 2).await;
    check("service=model&name=step", 0).await;
    check("primitive=summarise&primitive_type=retry", 2).await;
    check("model=small&status=error", 2).await;
    check("model=small&status=ok", 0).await;
    check("kind=unspecified", 2).await;
    check("kind=server", 0).await;
    check("roots_only=true&name=chat", 0).await;
    check("min_duration=50ms&max_duration=0.1s", 2).await;
    check("min_duration=100.1ms", 0).await;
    check("attr=key:value+2&attr=zone:zone+of+agent", 2).await;
    check("attr=key:value+2&attr=zone:elsewhere", 0).await;
    check("q=REFUSED", 2).await;
    check(&format!("start={}", NOW + 500 * MILLI), 1).await;
    check(&format!("end={}", NOW + 500 * MILLI), 1).await;
}

#[tokio::test]
async fn a_trace_is_columns() {
    let (_directory, store) = stored();
    let found = get(&store, "/api/tta/v1/traces/1").await;
    let expect = json!({
        "trace_id": id(1), "start_unix_nanos": NOW.to_string(), "duration_nanos": 100 * MILLI, "root": 0,
        "services": ["agent", "model"], "names": [span::workflow("digest").as_str(), "step", "chat"], "primitives": ["", "summarise", "retry"],
        "spans": {
            "span_id": ["0000000000000001", "0000000000000002", "0000000000000003"],
            "parent": [-1, 0, 0],
            "start_nanos": [0, 10 * MILLI, 50 * MILLI],
            "duration_nanos": [100 * MILLI, 30 * MILLI, 40 * MILLI],
            "service": [0, 0, 1], "name": [0, 1, 2], "primitive": [0, 1, 0], "primitive_type": [0, 2, 0],
            "status": [0, 0, 2], "kind": [0, 0, 0],
        },
        "orphans": [], "logs": 0,
    });
    assert_eq!(found, expect);
}

#[tokio::test]
async fn a_span_is_shown_whole() {
    let (_directory, store) = stored();
    let found = get(&store, "/api/tta/v1/traces/1/spans/0000000000000003").await;
    assert_eq!(found["status"], "error");
    assert_eq!(found["status_message"], "refused");
    assert_eq!(found["parent_span_id"], "0000000000000001");
    assert_eq!(found["duration_nanos"], 40 * MILLI);
    assert_eq!(found["attributes"][0], json!({ "key": "key", "value": "value 3" }));
    assert_eq!(found["attributes"][2], json!({ "key": a::LLM_COST_USD.key, "value": 0.25 }));
    assert_eq!(found["resource"][1], json!({ "key": "zone", "value": "zone of model" }));
}

#[tokio::test]
async fn what_a_trace_shows() {
    let (_directory, store) = stored();
    let path = get(&store, "/api/tta/v1/traces/1/critical-path").await;
    assert_eq!(path["span"], json!([0, 1, 0, 2, 0]));
    assert_eq!(path["start_nanos"], json!([0, 10 * MILLI, 40 * MILLI, 50 * MILLI, 90 * MILLI]));
    assert_eq!(path["segment_nanos"], json!([10 * MILLI, 30 * MILLI, 10 * MILLI, 40 * MILLI, 10 * MILLI]));
    let flame = get(&store, "/api/tta/v1/traces/1/flame").await;
    assert_eq!(flame["frames"]["parent"], json!([-1, 0, 0]));
    assert_eq!(flame["frames"]["own_nanos"], json!([30 * MILLI, 30 * MILLI, 40 * MILLI]));
    let flame = get(&store, "/api/tta/v1/flame?workflow=digest").await;
    assert_eq!((&flame["traces"], &flame["next"]), (&json!(2), &json!(null)));
    assert_eq!(flame["frames"]["total_nanos"], json!([200 * MILLI, 60 * MILLI, 80 * MILLI]));
    assert_eq!(flame["frames"]["errors"], json!([0, 0, 2]));
    let compared = get(&store, "/api/tta/v1/compare?a=1&b=2").await;
    assert_eq!(compared["a"], compared["b"]);
    assert_eq!(compared["a"]["count"], json!([1, 1, 1]));
}

#[tokio::test]
async fn what_there_is_and_what_it_does() {
    let (_directory, store) = stored();
    let services = get(&store, &format!("/api/tta/v1/services?{}", times())).await;
    assert_eq!(services["services"][0]["name"], "agent");
    assert_eq!(services["services"][0]["executions"]["count"], 4);
    assert_eq!(services["services"][1]["executions"]["error_ratio"], 1.0);
    let primitives = get(&store, &format!("/api/tta/v1/primitives?{}", times())).await;
    let [summarise] = &primitives["primitives"].as_array().expect("a list")[..] else {
        panic!("{primitives}")
    };
    assert_eq!(
        [&summarise["service"], &summarise["name"], &summarise["type"]],
        ["agent", "summarise", "retry"]
    );
    assert_eq!([&summarise["count"], &summarise["errors"], &summarise["mean_nanos"]], [2, 0, 30 * MILLI]);
    assert_eq!((&summarise["rate"], &summarise["error_ratio"]), (&json!(2.0 / 3.0), &json!(0.0)));
    let (low, high) = (29 * MILLI, 31 * MILLI);
    for part in ["p50_nanos", "p95_nanos", "p99_nanos"] {
        assert!((low..high).contains(&summarise[part].as_u64().expect("a number")), "{part}: {summarise}");
    }
    let red = get(&store, &format!("/api/tta/v1/red?by=operation&service=agent&step=1h&{}", times())).await;
    assert_eq!(red["step_nanos"], 3_600_000 * MILLI);
    let names: Vec<_> =
        red["series"].as_array().expect("a list").iter().map(|series| &series["name"]).collect();
    assert_eq!(names, ["step", span::workflow("digest").as_str()]);
    assert_eq!(red["series"][0]["points"][0]["count"], 2);
    assert_eq!(red["series"][0]["points"][0]["rate"], 2.0 / 3_600.0);
    let total = get(&store, &format!("/api/tta/v1/red?by=total&{}", times())).await;
    assert_eq!(total["series"][0]["points"][0]["count"], 6);
    let by_primitive = format!("/api/tta/v1/red?by=primitive&primitive=summarise&{}", times());
    let red = get(&store, &by_primitive).await;
    assert_eq!((&red["series"][0]["name"], &red["series"][1]), (&json!("summarise"), &json!(null)));
    let in_runs = get(&store, &format!("/api/tta/v1/red?by=total&workflow=digest&{}", times())).await;
    assert_eq!(in_runs["series"][0]["points"][0]["count"], 2, "only the runs");
    let by_workflow = get(&store, &format!("/api/tta/v1/red?by=workflow&{}", times())).await;
    assert_eq!(by_workflow["series"][0]["name"], "digest");
    let heat = get(&store, &format!("/api/tta/v1/heatmap?by=workflow&{}", times())).await;
    assert_eq!(heat["count"], json!([2]));
    let heat = get(&store, &format!("/api/tta/v1/heatmap?service=model&{}", times())).await;
    assert_eq!(heat["count"], json!([2]));
    let from = heat["from_nanos"][0].as_u64().expect("a number");
    assert!(from <= 40 * MILLI && 40 * MILLI < heat["to_nanos"][0].as_u64().expect("a number"));
    let map = get(&store, &format!("/api/tta/v1/map?{}", times())).await;
    assert_eq!(map["nodes"][0]["service"], "agent");
    assert_eq!((&map["edges"][0]["from"], &map["edges"][0]["to"]), (&json!(0), &json!(1)));
    assert_eq!(map["edges"][0]["executions"]["errors"], 2);
    let map = get(&store, &format!("/api/tta/v1/map?by=primitive&{}", times())).await;
    let nodes: Vec<_> = map["nodes"].as_array().expect("a list").iter().collect();
    let named = |at: usize| (&nodes[at]["name"], &nodes[at]["executions"]["count"]);
    assert_eq!(nodes.len(), 3);
    assert_eq!(named(0), (&json!("summarise"), &json!(2)));
    assert_eq!(named(1), (&json!(span::workflow("digest").as_str()), &json!(2)));
    assert_eq!(nodes[2]["executions"]["error_ratio"], 1.0);
    let cost = get(&store, &format!("/api/tta/v1/cost?by=model&{}", times())).await;
    assert_eq!(cost["rows"][0]["key"], "small");
    assert_eq!((&cost["rows"][0]["calls"], &cost["cost_usd"]), (&json!(2), &json!(0.5)));
    assert_eq!((&cost["rows"][0]["unpriced_calls"], &cost["unpriced_calls"]), (&json!(0), &json!(0)));
    let stats = get(&store, "/api/tta/v1/stats").await;
    assert_eq!((&stats["spans"], &stats["oldest_unix_nanos"]), (&json!(6), &json!(NOW.to_string())));
}

/// Spans of a library that knows only OpenTelemetry's GenAI conventions.
#[tokio::test]
async fn calls_of_other_libraries_are_counted_and_have_no_price() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let other = |id: u64, operation: &str| {
        let mut span = at(1, (id, u64::from(id > 1)), operation, (0, 10));
        span.attributes = vec![
            any(a::GEN_AI_USAGE_INPUT_TOKENS.key, Any::IntValue(40)),
            any(a::GEN_AI_USAGE_OUTPUT_TOKENS.key, Any::IntValue(2)),
            text(a::GEN_AI_OPERATION_NAME.key, operation),
            text(a::GEN_AI_SYSTEM.key, "openai"),
            text(a::GEN_AI_REQUEST_MODEL.key, "gpt-4o"),
            text(a::GEN_AI_CONVERSATION_ID.key, "talk"),
        ];
        span
    };
    let mut ours = other(4, "chat");
    ours.attributes.push(any(a::LLM_PROMPT_TOKENS.key, Any::IntValue(40)));
    ours.attributes.push(any(a::LLM_COMPLETION_TOKENS.key, Any::IntValue(2)));
    ours.attributes.push(any(a::LLM_COST_USD.key, Any::DoubleValue(0.5)));
    ours.attributes.push(text(a::LLM_MODEL_NAME.key, "large"));
    // What it knows of its cost is not all of it, and it says so.
    let mut in_part = ours.clone();
    in_part.span_id = 5_u64.to_be_bytes().to_vec();
    in_part.attributes.push(any(a::LLM_UNPRICED.key, Any::BoolValue(true)));
    let agent = other(1, a::INVOKE_AGENT);
    let spans = vec![agent, other(2, "chat"), other(3, "chat"), ours, in_part];
    put(&store, request(vec![("shop", spans)]));
    let cost = get(&store, &format!("/api/tta/v1/cost?by=model&{}", times())).await;
    let expect = json!({
        "rows": [
            { "key": "large", "calls": 2, "prompt_tokens": 80, "completion_tokens": 4, "cost_usd": 1.0, "unpriced_calls": 1 },
            { "key": "gpt-4o", "calls": 2, "prompt_tokens": 80, "completion_tokens": 4, "cost_usd": 0.0, "unpriced_calls": 2 },
        ],
        "cost_usd": 1.0, "unpriced_calls": 3,
    });
    assert_eq!(cost, expect);
    for query in ["provider=openai&session=talk", "model=gpt-4o"] {
        let found = get(&store, &format!("/api/tta/v1/traces?{query}")).await;
        assert_eq!(found["traces"][0]["spans"], 5, "{query}");
    }
}
