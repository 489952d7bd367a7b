//! How much is stored.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ApiState;
use crate::api::status::ApiError;
use crate::store::Damage;

/// How much is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// Those included that came again in another batch.
    spans: u64,
    logs: u64,
    metrics: u64,
    /// On disk.
    bytes: u64,
    files: usize,
    /// The earliest start of a span; null if there is none.
    oldest_unix_nanos: Option<String>,
    /// The latest start of a span; null if there is none.
    newest_unix_nanos: Option<String>,
    /// Given up since the server was started, because they were too old or too many.
    dropped_spans: u64,
    waiting_batches: usize,
    waiting_bytes: usize,
    /// What was found damaged since the server was started. It is missing from answers, and everything else is there.
    damage: Vec<Damaged>,
    /// The version of the server.
    version: String,
}

/// A file that is not as it was written.
#[derive(Debug, Serialize, ToSchema)]
struct Damaged {
    /// Its name in the directory of the store.
    file: String,
    /// What is wrong.
    what: String,
}

impl From<Damage> for Damaged {
    fn from(damage: Damage) -> Self {
        Self { file: damage.file, what: damage.what }
    }
}

/// Shows how much is stored.
#[utoipa::path(get, path = "/stats", tag = "server", responses((status = 200, body = Stats)))]
pub(super) async fn stats(State(state): State<ApiState>) -> Result<Response, ApiError> {
    state
        .json(|reader| {
            let stats = reader.stats();
            Ok(Stats {
                spans: stats.spans,
                logs: stats.logs,
                metrics: stats.metrics,
                bytes: stats.bytes,
                files: stats.files,
                oldest_unix_nanos: stats.oldest_unix_nanos.map(|nanos| nanos.to_string()),
                newest_unix_nanos: stats.newest_unix_nanos.map(|nanos| nanos.to_string()),
                dropped_spans: stats.dropped_spans,
                waiting_batches: stats.waiting_batches,
                waiting_bytes: stats.waiting_bytes,
                damage: reader.damage().into_iter().map(Damaged::from).collect(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            })
        })
        .await
}
