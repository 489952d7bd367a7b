//! Version 3 of Jaeger's API, which its latest UI asks: traces are those of OTLP.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::error::{GatewayError, bad, not_found};
use super::params::{Params, not_a_flag, trace_id};
use super::routes::operations_in;
use crate::analysis::{Span, Trace};
use crate::api::status::ApiError;
use crate::api::{ApiState, duration, json_response};
use crate::read::{self, Reader, SpanQuery, StoredTrace};

/// How many traces are answered with if the question does not say, and how many may be asked for.
const DEFAULT_DEPTH: usize = 100;
const MOST: usize = 10_000;

type Answered = Result<Response, GatewayError>;

/// `GET /api/v3/services`
pub(super) async fn services(State(state): State<ApiState>) -> Answered {
    Ok(state.json(|reader| Ok(json!({ "services": read::services(reader)? }))).await?)
}

/// `GET /api/v3/operations?service=&spanKind=`
pub(super) async fn operations(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    let params = Params::of(query.as_deref());
    let answer = state.json(move |reader| {
        let kind = params.either(&["spanKind", "span_kind"]).map(|(_, kind)| kind);
        let mut operations = operations_in(reader, params.get("service").unwrap_or(""), kind)?;
        for operation in operations.iter_mut().filter(|operation| operation.span_kind.is_empty()) {
            operation.span_kind = "internal";
        }
        Ok(json!({ "operations": operations }))
    });
    Ok(answer.await?)
}

/// `GET /api/v3/traces/{id}`
pub(super) async fn trace(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered {
    let params = Params::of(query.as_deref());
    let answer = state.blocking(move |reader| {
        let (_, id) = trace_id(&id)
            .map_err(|error| bad(format!("malformed parameter trace_id: {}", error.texts().0)))?;
        for names in [["startTime", "start_time"], ["endTime", "end_time"]] {
            time(&params, &names)?;
        }
        flag(&params, &["rawTraces", "raw_traces"])?;
        let stored = read::trace(reader, id.ok_or_else(not_found)?)?;
        wrapped(&[stored])
    });
    Ok(json_response(answer.await?))
}

/// `GET /api/v3/traces?query.serviceName=...`
pub(super) async fn search(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    let params = Params::of(query.as_deref());
    Ok(json_response(state.blocking(move |reader| wrapped(&find(reader, &params)?)).await?))
}

/// `GET /api/v3/trace-summaries?query.serviceName=...`
pub(super) async fn summaries(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    let params = Params::of(query.as_deref());
    let answer = state.json(move |reader| {
        let found = find(reader, &params)?;
        Ok(json!({ "summaries": found.iter().map(summary).collect::<Vec<_>>() }))
    });
    Ok(answer.await?)
}

fn find(reader: &Reader, params: &Params) -> Result<Vec<StoredTrace>, ApiError> {
    let found = read::traces(reader, &span_query(params)?, None)?;
    found.traces.into_iter().map(|id| Ok(read::trace(reader, id)?)).collect()
}

fn span_query(params: &Params) -> Result<SpanQuery, ApiError> {
    let start = time(params, &["query.startTimeMin", "query.start_time_min"])?;
    let end = time(params, &["query.startTimeMax", "query.start_time_max"])?;
    let (Some(start), Some(end)) = (start, end) else {
        return Err(bad("query.startTimeMin and query.startTimeMax are required"));
    };
    if start >= end {
        return Err(bad("query.startTimeMin must be before query.startTimeMax"));
    }
    if params.get("query.filter").is_some() {
        return Err(bad(
            "malformed parameter query.filter: this server has no filters; use query.attributes",
        ));
    }
    flag(params, &["query.rawTraces", "query.raw_traces"])?;
    let text = |names: &[&str]| params.either(names).map(|(_, value)| value.to_owned());
    let most = length(params, &["query.durationMax", "query.duration_max"])?;
    let mut query = SpanQuery {
        service: text(&["query.serviceName", "query.service_name"]),
        name: text(&["query.operationName", "query.operation_name"]),
        min_duration_nanos: length(params, &["query.durationMin", "query.duration_min"])?,
        max_duration_nanos: if most == 0 { i64::MAX } else { most },
        times: start..=end,
        limit: depth(params)?,
        ..SpanQuery::default()
    };
    if let Some(attributes) = params.get("query.attributes") {
        let read = serde_json::from_str::<std::collections::BTreeMap<String, String>>(attributes);
        let read = read.map_err(|error| bad(format!("malformed parameter query.attributes: {error}")))?;
        read.into_iter().for_each(|tag| super::params::add_tag(&mut query, tag));
    }
    Ok(query)
}

fn depth(params: &Params) -> Result<usize, ApiError> {
    let names = ["query.searchDepth", "query.search_depth", "query.num_traces"];
    let Some((name, text)) = params.either(&names) else { return Ok(DEFAULT_DEPTH) };
    let depth = text.parse().ok().filter(|depth| (1..=MOST).contains(depth));
    depth.ok_or_else(|| bad(format!("malformed parameter {name}: it has to be from 1 to {MOST}")))
}

fn time(params: &Params, names: &[&str]) -> Result<Option<i64>, ApiError> {
    let Some((name, text)) = params.either(names) else { return Ok(None) };
    let since = rfc3339(text);
    let wrong = || bad(format!("malformed parameter {name}: {text:?} is no time as in 2026-01-02T03:04:05Z"));
    since.ok_or_else(wrong).map(Some)
}

/// Checks a word for yes or no that changes nothing here: nothing of a trace is adjusted.
fn flag(params: &Params, names: &[&str]) -> Result<(), ApiError> {
    let Some((name, text)) = params.either(names) else { return Ok(()) };
    not_a_flag(text).map_or(Ok(()), |why| Err(bad(format!("malformed parameter {name}: {why}"))))
}

/// A time in nanoseconds since 1970, in UTC or with an offset, as Go writes it.
fn rfc3339(text: &str) -> Option<i64> {
    let (local, offset) = match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
        Some((local, offset)) if offset.starts_with(['+', '-']) => (format!("{local}Z"), offset),
        _ => (text.to_owned(), "+00:00"),
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    let ahead = (hours * 60 + minutes) * 60_000_000_000;
    let ahead = if offset.starts_with('-') { -ahead } else { ahead };
    let local = humantime::parse_rfc3339(&local).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(local.as_nanos()).ok()?.checked_sub(ahead)
}

fn length(params: &Params, names: &[&str]) -> Result<i64, ApiError> {
    let Some((name, text)) = params.either(names) else { return Ok(0) };
    duration::parse(text).map_err(|why| bad(format!("malformed parameter {name}: {why}")))
}

/// Traces as OTLP's JSON, under the name under which Jaeger sends them.
fn wrapped(traces: &[StoredTrace]) -> Result<Vec<u8>, ApiError> {
    let groups: Vec<String> = traces.iter().flat_map(read::resource_spans).collect();
    if groups.is_empty() {
        let (message, hint) = (String::from("No traces found"), String::new());
        return Err(ApiError::NotFound { message, hint });
    }
    Ok(format!("{{\"result\":{{\"resourceSpans\":[{}]}}}}", groups.join(",")).into_bytes())
}

fn summary(stored: &StoredTrace) -> Value {
    let trace = Trace::of(stored);
    let root = trace.root().map(|root| trace.spans[root]).unwrap_or_default();
    let (start, end) = trace.times();
    let is_error = |span: &&Span| span.status == 2;
    let services: Vec<Value> = trace.services.iter().enumerate().map(|(number, name)| {
        let of_service = || trace.spans.iter().filter(|span| span.service as usize == number);
        json!({
            "name": name, "spanCount": of_service().count(), "errorSpanCount": of_service().filter(is_error).count(),
        })
    }).collect();
    let id = stored.spans.first().map(|stored| &stored.span.trace_id[..]).unwrap_or_default();
    let id = id.try_into().map_or(0, u128::from_be_bytes);
    json!({
        "traceId": format!("{id:032x}"),
        "rootServiceName": trace.service(&root),
        "rootOperationName": trace.name(&root),
        "minStartTimeUnixNano": start.to_string(),
        "maxEndTimeUnixNano": end.to_string(),
        "spanCount": trace.spans.len(),
        "errorSpanCount": trace.spans.iter().filter(is_error).count(),
        "services": services,
    })
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_may_have_an_offset() {
        let check = |text: &str, expect| assert_eq!(rfc3339(text), expect, "{text}");
        check("1970-01-01T00:00:01.5Z", Some(1_500_000_000));
        check("1970-01-01T01:00:01.5+01:00", Some(1_500_000_000));
        check("1970-01-01T00:00:00.000000001-04:30", Some(16_200_000_000_001));
        for wrong in ["", "x", "1970-01-01T00:00:01", "1970-01-01T00:00:01+1:00", "1970-01-01T00:00:01+24:00"]
        {
            check(wrong, None);
        }
    }
}
