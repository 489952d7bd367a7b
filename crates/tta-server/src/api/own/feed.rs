//! The live feed, as server-sent events.
//!
//! Every listener can come back after its connection broke: the id of an event is a mark up to which it has been told everything, and
//! whoever shows one gets what was written since, from the store, before it goes on with what is written now.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

use super::cursor::{read_seen, write_seen};
use super::params::{Asked, nanos};
use crate::api::ApiState;
use crate::api::live::{Listener, Told};
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, NewTrace, Reader, Seen};

/// The header by which who was told something before says up to where, as browsers do by themselves.
const LAST_EVENT_ID: &str = "last-event-id";

/// What is told, and of which traces.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveParams {
    /// Tell of a trace once, when its root comes, and of all that is stored of it by then; else of what each batch brought of it.
    whole: bool,
    /// Of this service: that of the root, or else of the first span.
    service: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
    /// `error` if a span failed, `ok` if none did.
    #[param(inline)]
    status: Option<Outcome>,
    /// At least this long, as in `1.5s` or `20ms`.
    #[param(pattern = "^0$|^[0-9]{1,6}([.][0-9]{1,6})?(ns|us|ms|s|m|h)$")]
    min_duration: Option<String>,
    /// Tell first what was written since the event of this `id`. The header `Last-Event-ID` says the same, and wins.
    after: Option<String>,
}

/// Whether anything failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Error,
}

/// What one batch brought of one trace, or all that is stored of it.
#[derive(Debug, Serialize, ToSchema)]
struct Summary {
    trace_id: String,
    service: String,
    name: String,
    /// Empty if no span names one.
    workflow: String,
    /// Whether the root was among the spans: then most of the trace is there.
    has_root: bool,
    start_unix_nanos: String,
    duration_nanos: u64,
    spans: u64,
    errors: u64,
}

/// How many summaries were left out, because they were not taken in time.
#[derive(Debug, Serialize, ToSchema)]
struct Missed {
    missed: u64,
}

/// Tells of traces as they are committed, as server-sent events: `trace` with a summary, and `missed` with how many summaries a listener
/// lost that was too slow. The `id` of an event is a mark up to which everything was told; events without data have nothing but one.
#[utoipa::path(get, path = "/live", tag = "traces", params(LiveParams), responses(
    (status = 200, description = "Events of the types `trace` and `missed`.", content_type = "text/event-stream", body = String),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn live(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Asked(params): Asked<LiveParams>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let after = mark(&headers, &params)?;
    let filter = Arc::new(Filter::new(params)?);
    let Listener { receiver, since } = state.listen().await?;
    // A mark of the future is of another store.
    let after = after.filter(|after| *after < since).unwrap_or_else(|| since.clone());
    let mut feed = Feed { state, filter, receiver, since, told: after.clone(), ready: VecDeque::new() };
    feed.ready.extend(event(None, Some(&after)));
    let events = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Up to where somebody was told before.
fn mark(headers: &HeaderMap, params: &LiveParams) -> Result<Option<Seen>, ApiError> {
    // A browser would never come back after an error, so what it brings of another server counts as nothing.
    if let Some(header) = headers.get(LAST_EVENT_ID) {
        return Ok(header.to_str().ok().and_then(read_seen));
    }
    let Some(after) = &params.after else { return Ok(None) };
    read_seen(after).map(Some).ok_or_else(|| {
        ApiError::parameter(
            format!("parameter 'after': {after:?} is no id of an event"),
            "take it from the last event, or leave it out",
        )
    })
}

/// Which summaries are wanted.
#[derive(Debug)]
struct Filter {
    params: LiveParams,
    min_duration_nanos: u64,
}

impl Filter {
    fn new(params: LiveParams) -> Result<Self, ApiError> {
        let min_duration = nanos("min_duration", params.min_duration.as_deref())?.unwrap_or(0);
        Ok(Self { params, min_duration_nanos: min_duration.cast_unsigned() })
    }

    /// What is to be told of a trace, if anything.
    fn summary(&self, reader: &Reader, trace: &NewTrace) -> Result<Option<Summary>, ApiError> {
        let mut summary = summary(trace);
        if self.params.whole {
            let is_of_service = self.params.service.as_ref().is_none_or(|wanted| *wanted == summary.service);
            // Reading all of a trace is spared where its root says enough.
            if !trace.has_root || !is_of_service {
                return Ok(None);
            }
            // Retention may have given it up since.
            let Some(all) = read::summary(reader, trace.trace_id)? else { return Ok(None) };
            summary = Summary {
                service: all.service,
                name: all.name,
                workflow: all.workflow,
                start_unix_nanos: all.start_unix_nanos.to_string(),
                duration_nanos: all.duration_nanos,
                spans: all.spans as u64,
                errors: all.errors as u64,
                ..summary
            };
        }
        Ok(self.wants(&summary).then_some(summary))
    }

    fn wants(&self, summary: &Summary) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        is(&self.params.service, &summary.service)
            && is(&self.params.workflow, &summary.workflow)
            && self.params.status.is_none_or(|wanted| (wanted == Outcome::Error) == (summary.errors > 0))
            && summary.duration_nanos >= self.min_duration_nanos
    }
}

/// What one listener is told.
struct Feed {
    state: ApiState,
    filter: Arc<Filter>,
    receiver: Receiver<Told>,
    /// The moment after which the receiver hears everything.
    since: Seen,
    /// Up to where it was told what came before that moment.
    told: Seen,
    ready: VecDeque<Event>,
}

impl Feed {
    /// The next event; none when nobody can tell anything any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.told < self.since {
                self.catch_up().await.ok()?;
                continue;
            }
            let filter = Arc::clone(&self.filter);
            match self.receiver.recv().await {
                Ok(Told { trace, seen }) if !filter.params.whole => {
                    let summary = Some(summary(&trace)).filter(|summary| filter.wants(summary));
                    self.ready.extend(event(summary.as_ref(), seen.as_ref()));
                }
                Ok(Told { trace, seen }) => {
                    let read = self.state.blocking(move |reader| filter.summary(reader, &trace)).await;
                    self.ready.extend(event(read.ok()?.as_ref(), seen.as_ref()));
                }
                Err(RecvError::Lagged(missed)) => {
                    self.ready.extend(Event::default().event("missed").json_data(Missed { missed }));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads the next part of what came before it listened.
    async fn catch_up(&mut self) -> Result<(), ApiError> {
        let (filter, told, until) = (Arc::clone(&self.filter), self.told.clone(), self.since.clone());
        let read = self.state.blocking(move |reader| {
            let news = read::news_between(reader, &told, Some(&until))?;
            let seen = if news.is_cut { news.seen } else { until };
            let mut summaries = Vec::with_capacity(news.traces.len());
            for trace in &news.traces {
                summaries.extend(filter.summary(reader, trace)?);
            }
            Ok((summaries, seen))
        });
        let (summaries, seen) = read.await?;
        self.ready.extend(summaries.iter().filter_map(|summary| event(Some(summary), None)));
        self.ready.extend(event(None, Some(&seen)));
        self.told = seen;
        Ok(())
    }
}

fn summary(trace: &NewTrace) -> Summary {
    Summary {
        trace_id: trace.trace_id.to_string(),
        service: trace.service.to_string(),
        name: trace.name.to_string(),
        workflow: trace.workflow.to_string(),
        has_root: trace.has_root,
        start_unix_nanos: trace.start_unix_nanos.to_string(),
        duration_nanos: u64::try_from(trace.duration_nanos).unwrap_or(0),
        spans: trace.spans,
        errors: trace.errors,
    }
}

/// An event with a summary, a mark, or both; none with neither.
fn event(summary: Option<&Summary>, seen: Option<&Seen>) -> Option<Event> {
    let event = match summary {
        Some(summary) => Event::default().event("trace").json_data(summary).ok()?,
        None => Event::default(),
    };
    match seen {
        Some(seen) => Some(event.id(write_seen(seen))),
        None => summary.is_some().then_some(event),
    }
}
