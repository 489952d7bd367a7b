//! What Jaeger has only with other storages: it is refused as Jaeger refuses it without them, so that its UI says so.

use axum::extract::{Path, RawQuery};

use super::error::JaegerError;
use super::params::{Params, trace_id};
use crate::api::status::ApiError;

/// `GET /api/metrics/latencies?service=&quantile=`
pub(super) async fn latencies(RawQuery(query): RawQuery) -> JaegerError {
    let quantile = Params::of(query.as_deref()).check_float("quantile");
    match quantile {
        Ok(()) => metrics(RawQuery(query)).await,
        Err(error) => JaegerError(error),
    }
}

/// `GET /api/metrics/calls?service=` and `GET /api/metrics/errors?service=`
pub(super) async fn metrics(RawQuery(query): RawQuery) -> JaegerError {
    let off = "trace metrics are currently disabled - no metrics backend configured";
    let checked = Params::of(query.as_deref()).check_metrics();
    JaegerError(checked.err().unwrap_or(ApiError::Absent(off)))
}

/// `POST /api/archive/{id}`
pub(super) async fn archive(Path(id): Path<String>) -> JaegerError {
    JaegerError(trace_id(&id).err().unwrap_or(ApiError::Absent("archive span storage was not configured")))
}
