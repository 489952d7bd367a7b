//! The live feed.

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures::StreamExt;
use opentelemetry_proto::tonic::trace::v1::Status;
use serde_json::{Value, json};
use tower::ServiceExt;
use tta_model::name::attribute as a;
use tta_server::Store;
use tta_server::api::{ApiState, router};

use super::{ask, put};
use crate::support::{NOW, open, request, span, text};

/// An event of the feed; one without data has nothing but an id.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    kind: String,
    id: String,
    data: Value,
}

async fn listen_to(routes: &Router, query: &str, last: Option<&str>) -> BodyDataStream {
    let mut request = Request::builder().uri(format!("/api/tta/v1/live{query}"));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let request = request.body(Body::empty()).expect("it is an address");
    let response = routes.clone().oneshot(request).await.expect("routes do not fail");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// Listens from now on.
async fn listen(store: &Store, query: &str) -> BodyDataStream {
    let mut events = listen_to(&router(ApiState::new(store.reader())), query, None).await;
    let mark = hear(&mut events).await;
    assert!(mark.kind.is_empty() && !mark.id.is_empty(), "{mark:?}");
    events
}

async fn hear(events: &mut BodyDataStream) -> Heard {
    let event = events.next().await.expect("there is one").expect("it is whole");
    let event = String::from_utf8(event.to_vec()).expect("it is text");
    let mut heard = Heard::default();
    for line in event.trim_end().lines() {
        match line.split_once(": ").expect("it is a field") {
            ("event", kind) => heard.kind = kind.to_owned(),
            ("id", id) => heard.id = id.to_owned(),
            ("data", data) => heard.data = serde_json::from_str(data).expect("it is JSON"),
            other => panic!("{other:?}"),
        }
    }
    heard
}

/// The type and the data of the next event that has data.
async fn next(events: &mut BodyDataStream) -> (String, Value) {
    loop {
        let heard = hear(events).await;
        if !heard.kind.is_empty() {
            return (heard.kind, heard.data);
        }
    }
}

#[tokio::test]
async fn what_is_committed_is_told() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    put(&store, request(vec![("before", vec![span(9, 1)])]));
    let mut events = listen(&store, "").await;
    let mut child = span(1, 3);
    child.parent_span_id = vec![1; 8];
    put(&store, request(vec![("shop", vec![child.clone()])]));
    let expect = json!({
        "trace_id": format!("{:032x}", 1), "service": "shop", "name": "operation 0", "workflow": "", "has_root": false,
        "start_unix_nanos": (NOW + 3_000).to_string(), "duration_nanos": 1_000_000, "spans": 1, "errors": 0,
    });
    assert_eq!(next(&mut events).await, (String::from("trace"), expect));
    put(&store, request(vec![("db", vec![child]), ("shop", vec![span(1, 2)])]));
    let expect = json!({
        "trace_id": format!("{:032x}", 1), "service": "shop", "name": "operation 2", "workflow": "", "has_root": true,
        "start_unix_nanos": (NOW + 2_000).to_string(), "duration_nanos": 1_000_000, "spans": 2, "errors": 0,
    });
    assert_eq!(next(&mut events).await, (String::from("trace"), expect));
}

#[tokio::test]
async fn who_is_slow_loses_the_oldest_and_is_told_how_many() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let routes = router(ApiState::new(store.reader()));
    let mut slow = listen_to(&routes, "", None).await;
    let mut quick = listen_to(&routes, "", None).await;
    put(&store, request(vec![("shop", (1..=1_000).map(|trace| span(trace, trace as u64)).collect())]));
    for _ in 0..1_000 {
        next(&mut quick).await;
    }
    put(&store, request(vec![("shop", (2_001..=2_100).map(|trace| span(trace, trace as u64)).collect())]));
    for _ in 0..100 {
        assert_eq!(next(&mut quick).await.0, "trace");
    }
    assert_eq!(next(&mut slow).await, (String::from("missed"), json!({ "missed": 76 })));
    assert_eq!(next(&mut slow).await.0, "trace");
}

/// The traces that are heard next.
async fn hear_traces(events: &mut BodyDataStream, count: usize) -> Vec<u128> {
    let mut traces = Vec::new();
    while traces.len() < count {
        let (kind, data) = next(events).await;
        assert_eq!(kind, "trace", "{data}");
        let id = data["trace_id"].as_str().expect("a text");
        traces.push(u128::from_str_radix(id, 16).expect("it is hexadecimal"));
    }
    traces
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let commit = |trace: u128| put(&store, request(vec![("shop", vec![span(trace, trace as u64)])]));
    let routes = router(ApiState::new(store.reader()));
    commit(1);
    let mut first = listen_to(&routes, "", None).await;
    let mark = hear(&mut first).await.id;
    commit(2);
    let second = hear(&mut first).await;
    assert_eq!(second.kind, "trace");
    drop(first);
    // More than are read at once.
    (3..=300).for_each(commit);
    let mut other = listen_to(&routes, "", None).await;
    hear(&mut other).await;
    for (query, last) in [("", Some(second.id.as_str())), (&*format!("?after={}", second.id), None)] {
        let mut back = listen_to(&routes, query, last).await;
        assert_eq!(hear_traces(&mut back, 298).await, (3..=300).collect::<Vec<_>>());
    }
    // What is written while it catches up comes after that.
    let mut back = listen_to(&routes, "", Some(&mark)).await;
    commit(301);
    assert_eq!(hear_traces(&mut back, 300).await, (2..=301).collect::<Vec<_>>());
    commit(302);
    assert_eq!(hear_traces(&mut back, 1).await, [302]);
    // A mark of the future, or of somebody else, is as none.
    for last in ["7_9999-01-01.sqlite", "nonsense"] {
        let mut lost = listen_to(&routes, "", Some(last)).await;
        hear(&mut lost).await;
        commit(if last == "nonsense" { 304 } else { 303 });
        assert_eq!(hear_traces(&mut lost, 1).await, [if last == "nonsense" { 304 } else { 303 }]);
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let send =
        |trace: u128, service: &str, change: &dyn Fn(&mut opentelemetry_proto::tonic::trace::v1::Span)| {
            let mut root = span(trace, trace as u64);
            change(&mut root);
            put(&store, request(vec![(service, vec![root])]));
        };
    // A batch that is sent again counts once, so each check has traces of its own.
    let checks = std::cell::Cell::new(0);
    let check = async |query: &str, expect: &[u128]| {
        checks.set(checks.get() + 1);
        let base = checks.get() * 10;
        let mut events = listen(&store, query).await;
        send(base + 1, "shop", &|root| root.attributes.push(text(a::WORKFLOW_NAME.key, "digest")));
        send(base + 2, "bank", &|root| root.status = Some(Status { code: 2, ..Status::default() }));
        send(base + 3, "bank", &|root| root.end_time_unix_nano += 2_000_000_000);
        // Fits everything.
        send(base + 4, "shop", &|root| {
            root.attributes.push(text(a::WORKFLOW_NAME.key, "digest"));
            root.status = Some(Status { code: 2, ..Status::default() });
            root.end_time_unix_nano += 2_000_000_000;
        });
        let expect: Vec<u128> = expect.iter().map(|trace| base + trace).collect();
        assert_eq!(hear_traces(&mut events, expect.len()).await, expect, "{query}");
    };
    for more in ["", "&whole=true"] {
        check(&format!("?service=bank{more}"), &[2, 3]).await;
        check(&format!("?workflow=digest{more}"), &[1, 4]).await;
        check(&format!("?status=error{more}"), &[2, 4]).await;
        check(&format!("?status=ok{more}"), &[1, 3]).await;
        check(&format!("?min_duration=1.5s{more}"), &[3, 4]).await;
        check(&format!("?service=shop&workflow=digest&status=error&min_duration=2s{more}"), &[4]).await;
    }
    for (query, expect) in [
        ("status=unset", "unknown variant `unset`"),
        ("min_duration=5", "\\\"5\\\" is no duration"),
        ("after=x", "\\\"x\\\" is no id of an event"),
        ("nonsense=1", "unknown field `nonsense`"),
    ] {
        let answer = ask(&store, &format!("/api/tta/v1/live?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.contains(expect), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_whole_trace_is_told_once_with_all_that_came_before_its_root() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let mut events = listen(&store, "?whole=true").await;
    let child = |id: u64| {
        let mut child = span(1, id);
        child.parent_span_id = 1_u64.to_be_bytes().to_vec();
        child.status = (id == 2).then(|| Status { code: 2, ..Status::default() });
        child
    };
    put(&store, request(vec![("db", vec![child(2)])]));
    put(&store, request(vec![("db", vec![child(3)])]));
    let mut root = span(1, 1);
    root.end_time_unix_nano += 1_000_000;
    root.attributes.push(text(a::WORKFLOW_NAME.key, "digest"));
    put(&store, request(vec![("shop", vec![root])]));
    let expect = json!({
        "trace_id": format!("{:032x}", 1), "service": "shop", "name": "operation 1", "workflow": "digest", "has_root": true,
        "start_unix_nanos": (NOW + 1_000).to_string(), "duration_nanos": 2_000_000, "spans": 3, "errors": 1,
    });
    assert_eq!(next(&mut events).await, (String::from("trace"), expect));
    put(&store, request(vec![("db", vec![child(4)])]));
    put(&store, request(vec![("shop", vec![span(2, 9)])]));
    assert_eq!(hear_traces(&mut events, 1).await, [2]);
}
