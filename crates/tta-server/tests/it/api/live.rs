//! The live feed.

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tta_server::Store;
use tta_server::api::{ApiState, router};

use super::put;
use crate::support::{NOW, open, request, span};

async fn listen(store: &Store) -> BodyDataStream {
    let routes = router(ApiState::new(store.reader()));
    let request = Request::builder().uri("/api/tta/v1/live").body(Body::empty()).expect("it is an address");
    let response = routes.oneshot(request).await.expect("routes do not fail");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// The type and the data of the next event.
async fn next(events: &mut BodyDataStream) -> (String, Value) {
    let event = events.next().await.expect("there is one").expect("it is whole");
    let event = String::from_utf8(event.to_vec()).expect("it is text");
    let (kind, data) = event.trim_end().split_once('\n').expect("it has two lines");
    let data = data.strip_prefix("data: ").expect("it has data");
    let kind = kind.strip_prefix("event: ").expect("it has a type");
    (kind.to_owned(), serde_json::from_str(data).expect("it is JSON"))
}

#[tokio::test]
async fn what_is_committed_is_told() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    put(&store, request(vec![("before", vec![span(9, 1)])]));
    let mut events = listen(&store).await;
    let mut child = span(1, 3);
    child.parent_span_id = vec![1; 8];
    put(&store, request(vec![("shop", vec![child.clone()])]));
    let expect = json!({
        "trace_id": format!("{:032x}", 1), "service": "shop", "name": "operation 0", "has_root": false,
        "start_unix_nanos": (NOW + 3_000).to_string(), "duration_nanos": 1_000_000, "spans": 1, "errors": 0,
    });
    assert_eq!(next(&mut events).await, (String::from("trace"), expect));
    put(&store, request(vec![("db", vec![child]), ("shop", vec![span(1, 2)])]));
    let expect = json!({
        "trace_id": format!("{:032x}", 1), "service": "shop", "name": "operation 2", "has_root": true,
        "start_unix_nanos": (NOW + 2_000).to_string(), "duration_nanos": 1_000_000, "spans": 2, "errors": 0,
    });
    assert_eq!(next(&mut events).await, (String::from("trace"), expect));
}

#[tokio::test]
async fn who_is_slow_loses_the_oldest_and_is_told_how_many() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let routes = router(ApiState::new(store.reader()));
    let ask = async || {
        let request =
            Request::builder().uri("/api/tta/v1/live").body(Body::empty()).expect("it is an address");
        routes.clone().oneshot(request).await.expect("routes do not fail").into_body().into_data_stream()
    };
    let (mut slow, mut quick) = (ask().await, ask().await);
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
