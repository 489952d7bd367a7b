//! The older of Jaeger's two APIs.

use std::collections::BTreeSet;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use tta_model::TraceId;

use super::error::{JaegerError, bad, not_found};
use super::params::{Params, trace_id};
use super::shape::{Answer, Dependency, Operation, Problem, Trace};
use super::spans::{self, KIND_NAMES};
use crate::api::status::ApiError;
use crate::api::{ApiState, json_response, to_json};
use crate::read::{self, MapBy, Reader};

type Answered = Result<Response, JaegerError>;

/// `GET /api/services`
pub(super) async fn services(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    answer(&state, Params::of(query.as_deref()), |reader, _| {
        let services = read::services(reader)?;
        let total = services.len();
        Ok(Answer::new(services, total))
    })
    .await
}

/// `GET /api/operations?service=&spanKind=`
pub(super) async fn operations(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    answer(&state, Params::of(query.as_deref()), |reader, params| {
        let service = params.get("service").ok_or_else(|| bad("parameter 'service' is required"))?;
        let operations = operations_in(reader, service, params.get("spanKind"))?;
        let total = operations.len();
        Ok(Answer::new(operations, total))
    })
    .await
}

/// The operations of a service, of one kind if one is asked for.
pub(super) fn operations_in(
    reader: &Reader,
    service: &str,
    kind: Option<&str>,
) -> Result<Vec<Operation>, ApiError> {
    let found = read::operations(reader, service)?.into_iter().map(|operation| Operation {
        name: operation.name,
        span_kind: KIND_NAMES.get(usize::from(operation.kind)).copied().unwrap_or(""),
    });
    Ok(found.filter(|operation| kind.is_none_or(|kind| kind == operation.span_kind)).collect())
}

/// `GET /api/services/{service}/operations`
pub(super) async fn operations_of(
    State(state): State<ApiState>,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered {
    answer(&state, Params::of(query.as_deref()), move |reader, _| {
        let operations = operations_in(reader, &service, None)?;
        let names: BTreeSet<String> = operations.into_iter().map(|operation| operation.name).collect();
        let total = names.len();
        Ok(Answer::new(names, total))
    })
    .await
}

/// `GET /api/traces`
pub(super) async fn search(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    answer(&state, Params::of(query.as_deref()), |reader, params| {
        let wanted = params.trace_ids()?;
        if !wanted.is_empty() {
            params.search()?;
            return by_ids(reader, wanted);
        }
        let found = read::traces(reader, &params.search()?, None)?;
        let ids = found.traces.into_iter();
        let traces: Result<Vec<Trace>, ApiError> =
            ids.map(|id| Ok(spans::trace(&read::trace(reader, id)?))).collect();
        Ok(Answer::new(traces?, 0))
    })
    .await
}

fn by_ids(reader: &Reader, wanted: Vec<(String, Option<TraceId>)>) -> Result<Answer<Vec<Trace>>, ApiError> {
    let mut answer = Answer::new(Vec::new(), 0);
    let mut seen = BTreeSet::new();
    for (printed, id) in wanted {
        if !seen.insert(printed.clone()) {
            continue;
        }
        let stored = id.map(|id| read::trace(reader, id)).transpose()?.unwrap_or_default();
        if stored.spans.is_empty() {
            let msg = not_found().texts().0.to_owned();
            let problem = Problem { code: None, msg, trace_id: Some(printed) };
            answer.errors.get_or_insert_with(Vec::new).push(problem);
        } else {
            answer.data.push(spans::trace(&stored));
        }
    }
    Ok(answer)
}

/// `GET /api/traces/{id}`
pub(super) async fn trace(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered {
    answer(&state, Params::of(query.as_deref()), move |reader, params| {
        let (_, id) = trace_id(&id)?;
        params.check_trace()?;
        let stored = read::trace(reader, id.ok_or_else(not_found)?)?;
        if stored.spans.is_empty() {
            return Err(not_found());
        }
        Ok(Answer::new(vec![spans::trace(&stored)], 0))
    })
    .await
}

/// `GET /api/dependencies?endTs=&lookback=`
pub(super) async fn dependencies(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Answered {
    answer(&state, Params::of(query.as_deref()), |reader, params| {
        let calls = read::calls(reader, &params.dependencies()?, MapBy::Service)?;
        let service = params.get("service");
        let is_wanted = |call: &read::Call| {
            service.is_none_or(|service| service == call.caller_service || service == call.callee_service)
        };
        let calls = calls.into_iter().filter(is_wanted).map(|call| Dependency {
            parent: call.caller_service,
            child: call.callee_service,
            call_count: call.executions.count,
        });
        Ok(Answer::new(calls.collect::<Vec<_>>(), 0))
    })
    .await
}

/// Answers, indented if that is asked for.
async fn answer<T: Serialize>(
    state: &ApiState,
    params: Params,
    work: impl FnOnce(&Reader, &Params) -> Result<T, ApiError> + Send + 'static,
) -> Answered {
    let body = state.blocking(move |reader| {
        let value = work(reader, &params)?;
        if params.is_pretty() { indented(&value) } else { to_json(&value) }
    });
    Ok(json_response(body.await?))
}

fn indented(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, formatter);
    value.serialize(&mut serializer).map_err(|_| ApiError::Failed)?;
    Ok(body)
}
