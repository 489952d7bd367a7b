//! The parameters of a question.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tta_model::{SpanId, TraceId};
use utoipa::ToSchema;

use crate::api::duration;
use crate::api::status::ApiError;

const HOUR: i64 = 3_600_000_000_000;

/// The query of an address, strictly: a parameter that is not known is an error.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes());
        let read = serde_path_to_error::deserialize(serde_html_form::Deserializer::new(pairs));
        read.map(Self).map_err(|error| {
            let path = error.path().to_string();
            let message = match path.as_str() {
                "." => error.inner().to_string(),
                path => format!("parameter '{path}': {}", error.inner()),
            };
            ApiError::parameter(message, "/api/tta/v1/openapi.json lists the parameters of each route")
        })
    }
}

/// The ids in the path of an address.
pub(super) struct Named<T>(pub(super) T);

impl<S: Sync + Send> FromRequestParts<S> for Named<TraceId> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(trace_id("trace_id", &path.map_err(|_| no_trace(""))?.0)?))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Named<(TraceId, SpanId)> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await;
        let (trace, span) = path.map_err(|_| no_trace(""))?.0;
        let trace_id = trace_id("trace_id", &trace)?;
        let is_hex = span.len() == 16 && span.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(&span, 16).ok()).flatten().ok_or_else(|| {
            ApiError::parameter(
                format!("parameter 'span_id': {span:?} is no id of a span"),
                "give its 16 hexadecimal digits",
            )
        })?;
        Ok(Self((trace_id, SpanId::new(number).ok_or_else(|| no_span(trace_id, &span))?)))
    }
}

/// Reads the id of a trace; fewer than 32 digits are its last ones.
pub(super) fn trace_id(name: &str, text: &str) -> Result<TraceId, ApiError> {
    let is_hex = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    let number = number.ok_or_else(|| {
        ApiError::parameter(
            format!("parameter '{name}': {text:?} is no id of a trace"),
            "give its 32 hexadecimal digits",
        )
    })?;
    TraceId::new(number).ok_or_else(|| no_trace(text))
}

/// A trace does not have such a span.
pub(super) fn no_span(trace: TraceId, span: &str) -> ApiError {
    ApiError::NotFound {
        message: format!("trace {trace} has no span {span}"),
        hint: format!("/api/tta/v1/traces/{trace} lists its spans"),
    }
}

/// Nothing of a trace is stored.
pub(super) fn no_trace(id: &str) -> ApiError {
    ApiError::NotFound {
        message: format!("nothing of trace {id} is stored"),
        hint: String::from(
            "it may be too old, not sent yet, or not sampled; /api/tta/v1/traces lists what there is",
        ),
    }
}

/// A status by the word of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Unset,
    Ok,
    Error,
}

/// The word for a status.
pub(super) fn status_word(number: u8) -> &'static str {
    ["unset", "ok", "error"].get(usize::from(number)).copied().unwrap_or("unset")
}

/// A kind of span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// Reads a duration as in `1.5s`.
pub(super) fn nanos(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let found = duration::parse(text).ok().filter(|nanos| *nanos >= 0);
    found.map(Some).ok_or_else(|| {
        ApiError::parameter(
            format!("parameter '{name}': {text:?} is no duration"),
            "write it as in 1.5s, 20ms or 500us",
        )
    })
}

/// The time from `start` to `end`, which is now if it is not given, or all time if neither is.
pub(super) fn times(start: Option<i64>, end: Option<i64>) -> Result<RangeInclusive<i64>, ApiError> {
    let times = start.unwrap_or(i64::MIN)..=end.unwrap_or(i64::MAX);
    match times.is_empty() {
        true => Err(ApiError::parameter(
            "parameter 'start': it is after 'end'",
            "both are in nanoseconds since 1970",
        )),
        false => Ok(times),
    }
}

/// The time from `start` to `end`: the last hour if neither is given.
pub(super) fn recent(start: Option<i64>, end: Option<i64>) -> Result<RangeInclusive<i64>, ApiError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    let end = end.unwrap_or(now);
    times(Some(start.unwrap_or_else(|| end.saturating_sub(HOUR))), Some(end))
}

/// How many are wanted.
pub(super) fn limit(asked: Option<u32>, default: usize, most: usize) -> Result<usize, ApiError> {
    let limit = asked.map_or(default, |limit| limit as usize);
    match (1..=most).contains(&limit) {
        true => Ok(limit),
        false => Err(ApiError::parameter(
            format!("parameter 'limit': {limit} is too little or too much"),
            format!("ask for 1 to {most}, and for the rest with 'cursor'"),
        )),
    }
}
