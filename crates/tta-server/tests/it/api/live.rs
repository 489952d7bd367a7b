//! The live feed.

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use tower::ServiceExt;
use tta_server::api::{ApiState, Live, LiveTrace, router};

use crate::support::{id, open};

fn summary(trace: u128) -> LiveTrace {
    LiveTrace {
        trace_id: id(trace),
        service: String::from("shop"),
        name: String::from("GET /"),
        has_root: true,
        start_unix_nanos: 1_795_000_000_000_000_000,
        duration_nanos: 5,
        spans: 3,
        errors: 1,
    }
}

#[tokio::test]
async fn listeners_are_told_and_slow_ones_lose_the_oldest() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let live = Live::default();
    assert!(!live.is_heard());
    let routes = router(ApiState::new(store.reader(), live.clone()));
    let request = Request::builder().uri("/api/tta/v1/live").body(Body::empty()).expect("it is an address");
    let response = routes.oneshot(request).await.expect("routes do not fail");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(live.is_heard());
    let mut events = response.into_body().into_data_stream();
    let mut next = async || {
        let event = events.next().await.expect("there is one").expect("it is whole");
        String::from_utf8(event.to_vec()).expect("it is text")
    };
    live.tell([summary(1)]);
    let expect = "event: trace\ndata: {\"trace_id\":\"00000000000000000000000000000001\",\"service\":\"shop\",\
                  \"name\":\"GET /\",\"has_root\":true,\"start_unix_nanos\":\"1795000000000000000\",\
                  \"duration_nanos\":5,\"spans\":3,\"errors\":1}\n\n";
    assert_eq!(next().await, expect);
    live.tell((1..=1_030).map(summary));
    assert_eq!(next().await, "event: missed\ndata: {\"missed\":6}\n\n");
    assert!(next().await.contains("00000000000000000000000000000007"));
}
