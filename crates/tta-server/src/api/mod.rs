//! The questions of others, by HTTP: our own API under `/api/tta/v1`, and Jaeger's query API, so that what was made for Jaeger
//! works against this server.
//!
//! Reading is blocking work. It is done on the runtime's threads for that, a few at once, the JSON included.

mod duration;
mod jaeger;
mod live;
mod own;
mod status;

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub use own::openapi;

use crate::read::Reader;
use live::Live;
use status::ApiError;

/// How many questions are answered at once, for each core.
const QUESTIONS_PER_CORE: usize = 2;

/// What the API answers from. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ApiState {
    reader: Reader,
    live: Live,
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl ApiState {
    /// An API that answers from a store.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let turns = Arc::new(Semaphore::new(cores * QUESTIONS_PER_CORE));
        Self { reader, live: Live::default(), turns, tasks: TaskTracker::new() }
    }

    /// What works for this API, so that its end can be waited for.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Answers one question without a network: the status of HTTP, and the body.
    pub async fn ask(&self, address: &Uri) -> (u16, Bytes) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = address.clone();
        let Ok(response) = router(self.clone()).oneshot(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        (status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default())
    }

    /// Does blocking work, in its turn.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ApiError::Stopping)?;
        let reader = self.reader.clone();
        let done = self.tasks.spawn_blocking(move || {
            // Whoever asked may be gone; the turn ends with the work.
            let _turn = turn;
            work(&reader)
        });
        done.await.map_err(|_| ApiError::Failed)?
    }

    /// Answers with JSON that is made of what was read.
    async fn json<T: Serialize>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let body = self.blocking(|reader| to_json(&work(reader)?)).await?;
        Ok(json_response(body))
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|_| ApiError::Failed)
}

fn json_response(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// The routes of the API.
pub fn router(state: ApiState) -> Router {
    jaeger::router().merge(own::router()).with_state(state)
}
