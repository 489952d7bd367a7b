//! What the API answers.

mod jaeger;
mod live;
mod openapi;
mod own;
mod paging;
mod slo;
mod wrong;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tta_server::Store;
use tta_server::api::{ApiState, router};

use crate::support;

/// An answer, as it came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks the API of a store.
pub(super) async fn ask(store: &Store, address: &str) -> Answer {
    let routes = router(ApiState::new(store.reader()));
    let request = Request::builder().uri(address).body(Body::empty()).expect("it is an address");
    let response = routes.oneshot(request).await.expect("routes do not fail");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("it ends").to_bytes();
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
    Answer {
        status: parts.status,
        content_type: content_type.unwrap_or_default().to_owned(),
        body: String::from_utf8(body.to_vec()).expect("it is text"),
    }
}

/// Asks for what has to be there.
pub(super) async fn get(store: &Store, address: &str) -> Value {
    let answer = ask(store, address).await;
    assert_eq!(answer.status, StatusCode::OK, "{address}: {}", answer.body);
    assert_eq!(answer.content_type, "application/json", "{address}");
    answer.json()
}

/// Stores a request, on a thread of its own: the store's waiting is not for those of a runtime.
pub(super) fn put(store: &Store, body: Vec<u8>) {
    std::thread::scope(|scope| scope.spawn(|| support::put(store, body)).join().expect("it is stored"));
}

/// Waits until everything is in the sums.
pub(super) fn settle(store: &Store) {
    std::thread::scope(|scope| scope.spawn(|| support::settle(store)).join().expect("it is summed up"));
}
