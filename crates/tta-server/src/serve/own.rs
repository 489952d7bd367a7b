//! What the server tells of itself: whether it lives, whether it can store, and what it counted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use super::guard::OPEN_PATH;
use crate::receive::{PAUSE, Receiver};

/// What is written to see whether anything can be.
const PROBE: [u8; 4_096] = [b'.'; 4_096];
const PROBE_NAME: &str = "writable.probe";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) directory: PathBuf,
}

/// The paths `/healthz`, `/readyz` and `/metrics`, and what there is at all.
pub(crate) fn router(own: Own) -> Router {
    Router::new()
        .route(OPEN_PATH, get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/", get(contents))
        .with_state(own)
}

async fn ready(State(own): State<Own>) -> Response {
    match own.trouble().await {
        None => "ready\n".into_response(),
        Some(why) => {
            let pause = [(RETRY_AFTER, PAUSE.as_secs().to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, pause, format!("not ready: {why}\n")).into_response()
        }
    }
}

/// What is here, for people who open the address, until there is a page.
async fn contents() -> Response {
    let contents = serde_json::json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "api": "/api/tta/v1/openapi.json",
        "jaeger": ["/api/services", "/api/operations", "/api/traces", "/api/dependencies", "/api/v3/traces"],
        "health": [OPEN_PATH, "/readyz", "/metrics"],
    });
    ([(CONTENT_TYPE, "application/json")], format!("{contents:#}\n")).into_response()
}

async fn metrics(State(own): State<Own>) -> Response {
    let ready = own.trouble().await.is_none();
    ([(CONTENT_TYPE, OPEN_METRICS)], own.receiver.counters.page(&own.receiver, ready)).into_response()
}

impl Own {
    /// Why nothing can be stored at the moment.
    async fn trouble(&self) -> Option<String> {
        if let Some(trouble) = self.receiver.health.trouble() {
            return Some(trouble);
        }
        let directory = self.directory.clone();
        let probed = self.receiver.tasks.spawn_blocking(move || probe(&directory)).await;
        let failed = probed.unwrap_or_else(|_| Err(std::io::Error::other("it cannot be tried"))).err()?;
        Some(format!("cannot write to {}: {failed}", self.directory.display()))
    }
}

/// Writes a little and takes it away again: a disk that is full or read-only shows before a batch comes.
fn probe(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(PROBE_NAME);
    let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&PROBE));
    let removed = std::fs::remove_file(&path);
    // Two may probe at once, and then one finds it gone.
    written.and(removed.or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }))
}
