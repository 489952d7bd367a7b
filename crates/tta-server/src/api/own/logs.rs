//! Log records.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use super::detail::{Attribute, attributes, hex};
use super::params::{Asked, limit, no_trace, times, trace_id};
use crate::api::ApiState;
use crate::api::jaeger::plain;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, LogQuery, StoredLog};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;
/// How many records are opened for one page to look for a text.
const MOST_RECORDS: usize = 200_000;

/// Which log records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// All of this trace, by their time. Nothing else can be asked then.
    #[param(pattern = "^[0-9a-fA-F]{1,32}$", example = "00000000000000000000000000000001")]
    trace: Option<String>,
    /// Of this service.
    service: Option<String>,
    /// At least this severe, by OpenTelemetry's numbers: 1 trace, 5 debug, 9 info, 13 warn, 17 error, 21 fatal.
    #[param(minimum = 0, maximum = 24)]
    min_severity: Option<u8>,
    /// A text that the record holds.
    q: Option<String>,
    /// At this time or later, in nanoseconds since 1970.
    start: Option<i64>,
    /// At this time or earlier, in nanoseconds since 1970.
    end: Option<i64>,
    /// How many at most: 1 to 1,000, or else 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl LogParams {
    fn has_more_than_a_trace(&self) -> bool {
        self.service.is_some()
            || self.min_severity.is_some()
            || self.q.is_some()
            || self.start.is_some()
            || self.end.is_some()
            || self.limit.is_some()
            || self.cursor.is_some()
    }

    fn query(self) -> Result<LogQuery, ApiError> {
        let min_severity = self.min_severity.unwrap_or(0);
        if min_severity > 24 {
            return Err(ApiError::parameter(
                "parameter 'min_severity': there is none above 24",
                "give a number from 0 to 24, as in 17 for errors",
            ));
        }
        Ok(LogQuery {
            times: times(self.start, self.end)?,
            limit: limit(self.limit, DEFAULT_LIMIT, MOST)?,
            after: self.cursor.as_deref().map(cursor::read_logs).transpose()?,
            service: self.service,
            min_severity,
            text: self.q,
            most_records: MOST_RECORDS,
        })
    }
}

/// Log records: latest first, or by their time if they are those of a trace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Logs {
    logs: Vec<Log>,
    /// The `cursor` of the next page; null after the last. A page may be short, and even empty, and have a next one.
    next: Option<String>,
}

/// A log record.
#[derive(Debug, Serialize, ToSchema)]
struct Log {
    time_unix_nanos: String,
    service: String,
    /// By OpenTelemetry's numbers from 1 to 24; 0 if it does not say.
    severity: i32,
    severity_text: String,
    /// The name of the event; empty if it has none.
    event: String,
    /// The message: mostly a text.
    #[schema(value_type = Value)]
    body: Value,
    attributes: Vec<Attribute>,
    /// Empty if it belongs to no trace.
    trace_id: String,
    /// Empty if it belongs to no span.
    span_id: String,
}

/// Lists log records.
#[utoipa::path(get, path = "/logs", tag = "logs", params(LogParams), responses(
    (status = 200, body = Logs),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
    (status = 404, description = "Nothing of the trace is stored.", body = ErrorBody),
))]
pub(super) async fn logs(
    State(state): State<ApiState>,
    Asked(params): Asked<LogParams>,
) -> Result<Response, ApiError> {
    if let Some(trace) = &params.trace {
        if params.has_more_than_a_trace() {
            return Err(ApiError::parameter(
                "parameter 'trace': it cannot be asked together with others",
                "leave the others out: all records of the trace are answered",
            ));
        }
        let id = trace_id("trace", trace)?;
        let of_trace = state.json(move |reader| {
            let logs = read::trace_logs(reader, id)?;
            if logs.is_empty() && !read::is_stored(reader, id)? {
                return Err(no_trace(&id.to_string()));
            }
            Ok(Logs { logs: logs.iter().map(log).collect(), next: None })
        });
        return of_trace.await;
    }
    let query = params.query()?;
    state
        .json(move |reader| {
            let page = read::logs(reader, &query)?;
            let next = page.next.as_ref().map(cursor::write_logs);
            Ok(Logs { logs: page.records.iter().map(log).collect(), next })
        })
        .await
}

fn log(stored: &StoredLog) -> Log {
    let record = &stored.record;
    let body = record.body.as_ref().and_then(|body| body.value.as_ref());
    Log {
        time_unix_nanos: stored.time_unix_nanos.to_string(),
        service: stored.origin.service().to_owned(),
        severity: record.severity_number,
        severity_text: record.severity_text.clone(),
        event: record.event_name.clone(),
        body: body.map_or(Value::Null, plain),
        attributes: attributes(&record.attributes),
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
    }
}
