//! The live feed, as server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use crate::api::ApiState;
use crate::api::status::ApiError;
use crate::read::NewTrace;

/// What one batch brought of one trace.
#[derive(Debug, Serialize, ToSchema)]
struct Summary<'a> {
    trace_id: String,
    service: &'a str,
    name: &'a str,
    /// Whether the root was among the spans: then most of the trace is there.
    has_root: bool,
    start_unix_nanos: String,
    duration_nanos: i64,
    spans: u64,
    errors: u64,
}

/// How many summaries were left out, because they were not taken in time.
#[derive(Debug, Serialize, ToSchema)]
struct Missed {
    missed: u64,
}

/// Tells of traces as they are committed, as server-sent events: `trace` with a summary of what a batch brought, and `missed` with how
/// many summaries a listener lost that was too slow.
#[utoipa::path(get, path = "/live", tag = "traces", responses(
    (status = 200, description = "Events of the types `trace` and `missed`.", content_type = "text/event-stream", body = String),
))]
pub(super) async fn live(
    State(state): State<ApiState>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let events = stream::unfold(state.listen().await?, async |mut listener| {
        let event = next(&mut listener).await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// The next event; none when nobody can tell anything any more.
async fn next(listener: &mut Receiver<NewTrace>) -> Option<Event> {
    match listener.recv().await {
        Ok(trace) => event("trace", &summary(&trace)),
        Err(RecvError::Lagged(missed)) => event("missed", &Missed { missed }),
        Err(RecvError::Closed) => None,
    }
}

fn summary(trace: &NewTrace) -> Summary<'_> {
    Summary {
        trace_id: trace.trace_id.to_string(),
        service: &trace.service,
        name: &trace.name,
        has_root: trace.has_root,
        start_unix_nanos: trace.start_unix_nanos.to_string(),
        duration_nanos: trace.duration_nanos,
        spans: trace.spans,
        errors: trace.errors,
    }
}

fn event(kind: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(kind).json_data(data).ok()
}
