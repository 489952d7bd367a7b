//! Finding traces.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use super::params::{Asked, Kind, Status, limit, nanos, status_word, times};
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, SpanQuery};

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1_000;
/// How many records are opened for one page to look for attributes and texts.
const MOST_RECORDS: usize = 200_000;

/// Which traces: those with a span that fits all that is given.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct TraceParams {
    /// The service.
    service: Option<String>,
    /// The name of the span.
    name: Option<String>,
    /// The name of the primitive.
    primitive: Option<String>,
    /// The type of the primitive.
    primitive_type: Option<String>,
    /// The workflow.
    workflow: Option<String>,
    /// The instance of the agent.
    agent: Option<String>,
    /// The kind of agent.
    agent_type: Option<String>,
    /// The session.
    session: Option<String>,
    /// The provider of the model.
    provider: Option<String>,
    /// The model.
    model: Option<String>,
    /// The kind of the span.
    #[param(inline)]
    kind: Option<Kind>,
    /// The status of the span.
    #[param(inline)]
    status: Option<Status>,
    /// Whether the span has no parent.
    roots_only: bool,
    /// The span took at least this long, as in `1.5s` or `20ms`.
    #[param(pattern = "^0$|^[0-9]{1,6}([.][0-9]{1,6})?(ns|us|ms|s|m|h)$")]
    min_duration: Option<String>,
    /// The span took at most this long.
    #[param(pattern = "^0$|^[0-9]{1,6}([.][0-9]{1,6})?(ns|us|ms|s|m|h)$")]
    max_duration: Option<String>,
    /// The span, or else its resource, has this attribute: `key:value`. Can be given more than once.
    attr: Vec<String>,
    /// A text that the span's name, an attribute, an event or its status holds.
    q: Option<String>,
    /// The span started at this time or later, in nanoseconds since 1970.
    start: Option<i64>,
    /// The span started at this time or earlier, in nanoseconds since 1970.
    end: Option<i64>,
    /// How many traces at most: 1 to 1,000, or else 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl TraceParams {
    fn query(&self) -> Result<SpanQuery, ApiError> {
        let asked = self.clone();
        Ok(SpanQuery {
            min_duration_nanos: nanos("min_duration", self.min_duration.as_deref())?.unwrap_or(0),
            max_duration_nanos: nanos("max_duration", self.max_duration.as_deref())?.unwrap_or(i64::MAX),
            times: times(self.start, self.end)?,
            attributes: self.attr.iter().map(|attr| attribute_of(attr)).collect::<Result<_, _>>()?,
            limit: limit(self.limit, DEFAULT_LIMIT, MOST)?,
            most_records: MOST_RECORDS,
            service: asked.service,
            name: asked.name,
            primitive: asked.primitive,
            primitive_type: asked.primitive_type,
            workflow: asked.workflow,
            agent: asked.agent,
            agent_type: asked.agent_type,
            session: asked.session,
            provider: asked.provider,
            model: asked.model,
            kind: self.kind.map(|kind| kind as u8),
            status: self.status.map(|status| status as u8),
            roots_only: self.roots_only,
            text: asked.q,
            ..SpanQuery::default()
        })
    }
}

fn attribute_of(text: &str) -> Result<(String, String), ApiError> {
    let pair = text.split_once(':').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| {
        ApiError::parameter(format!("parameter 'attr': {text:?} has no colon"), "write it as key:value")
    })
}

/// Traces, by their latest span that fits, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceList {
    traces: Vec<TraceSummary>,
    /// The `cursor` of the next page; null after the last. A page may be short, and even empty, and have a next one.
    next: Option<String>,
}

/// What a trace is about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceSummary {
    trace_id: String,
    /// The service of the root, or else of the first span.
    service: String,
    /// The name of the root, or else of the first span.
    name: String,
    /// The workflow; empty if no span names one.
    workflow: String,
    /// The status of the root, or else of the first span.
    #[schema(pattern = "^(unset|ok|error)$")]
    status: String,
    /// The start of the earliest span, in nanoseconds since 1970.
    start_unix_nanos: String,
    /// From there to the end of the last span.
    duration_nanos: u64,
    spans: usize,
    /// How many spans failed.
    errors: usize,
    services: Vec<ServiceShare>,
}

/// What a service has of a trace.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceShare {
    name: String,
    spans: usize,
    errors: usize,
}

/// Finds traces by their spans, latest first. Pages are as of the moment of the first one.
#[utoipa::path(get, path = "/traces", tag = "traces", params(TraceParams), responses(
    (status = 200, body = TraceList),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn search(
    State(state): State<ApiState>,
    Asked(params): Asked<TraceParams>,
) -> Result<Response, ApiError> {
    let query = params.query()?;
    let from = params.cursor.as_deref().map(cursor::read_traces).transpose()?;
    state
        .json(move |reader| {
            let page = read::traces(reader, &query, from.as_ref())?;
            let traces = read::summaries(reader, &page.traces)?.into_iter().map(summary).collect();
            Ok(TraceList { traces, next: page.next.as_ref().map(cursor::write_traces) })
        })
        .await
}

fn summary(is: read::TraceSummary) -> TraceSummary {
    let share = |share: read::ServiceShare| ServiceShare {
        name: share.name,
        spans: share.spans,
        errors: share.errors,
    };
    TraceSummary {
        trace_id: is.trace_id.to_string(),
        service: is.service,
        name: is.name,
        workflow: is.workflow,
        status: status_word(is.status).to_owned(),
        start_unix_nanos: is.start_unix_nanos.to_string(),
        duration_nanos: is.duration_nanos,
        spans: is.spans,
        errors: is.errors,
        services: is.services.into_iter().map(share).collect(),
    }
}
