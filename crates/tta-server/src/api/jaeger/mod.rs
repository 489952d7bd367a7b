//! Jaeger's query API, as its UI and Grafana's data source ask it.
//!
//! Shapes and errors are those of Jaeger 2.x. Where it answers nothing useful, this does more: a search without a start looks into all
//! of the past, or as far back as `lookback` says; it needs no service; and tags may be in logfmt.

mod absent;
mod error;
mod params;
mod routes;
mod shape;
mod spans;
mod v3;

pub(super) use crate::read::plain;

use axum::Router;
use axum::routing::{get, post};

use super::ApiState;

/// The routes under `/api` that Jaeger has.
pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/api/services", get(routes::services))
        .route("/api/operations", get(routes::operations))
        .route("/api/services/{service}/operations", get(routes::operations_of))
        .route("/api/traces", get(routes::search))
        .route("/api/traces/{id}", get(routes::trace))
        .route("/api/dependencies", get(routes::dependencies))
        .route("/api/metrics/latencies", get(absent::latencies))
        .route("/api/metrics/calls", get(absent::metrics))
        .route("/api/metrics/errors", get(absent::metrics))
        .route("/api/archive/{id}", post(absent::archive))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/traces", get(v3::search))
        .route("/api/v3/traces/{id}", get(v3::trace))
        .route("/api/v3/trace-summaries", get(v3::summaries))
}
