//! What there is: services and primitives.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::{Asked, recent};
use super::red::Executions;
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, RedBy, RedQuery};

/// Which time the numbers are of.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct NameParams {
    /// From the minute of this time on, in nanoseconds since 1970: an hour before the end if it is not given.
    start: Option<i64>,
    /// Up to the minute of this time, in nanoseconds since 1970: now if it is not given.
    end: Option<i64>,
}

/// All services.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Services {
    services: Vec<Service>,
}

/// A service.
#[derive(Debug, Serialize, ToSchema)]
struct Service {
    name: String,
    /// The executions of its operations in the time that was asked for.
    executions: Executions,
}

/// Lists all services that are stored, with what they did in a time.
#[utoipa::path(get, path = "/services", tag = "names", params(NameParams), responses(
    (status = 200, body = Services),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn services(
    State(state): State<ApiState>,
    Asked(params): Asked<NameParams>,
) -> Result<Response, ApiError> {
    let times = recent(params.start, params.end)?;
    let nanos = times.end().saturating_sub(*times.start());
    let query = RedQuery { times, by: RedBy::Service, ..RedQuery::default() };
    state
        .json(move |reader| {
            let found = read::red(reader, &query)?.into_iter();
            let mut found: HashMap<String, Executions> = found
                .filter_map(|series| Some((series.service, Executions::of(series.points.first()?, nanos))))
                .collect();
            let service =
                |name: String| Service { executions: found.remove(&name).unwrap_or_default(), name };
            Ok(Services { services: read::services(reader)?.into_iter().map(service).collect() })
        })
        .await
}

/// All primitives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Primitives {
    primitives: Vec<Primitive>,
}

/// A primitive of a service.
#[derive(Debug, Serialize, ToSchema)]
struct Primitive {
    service: String,
    name: String,
    /// As in `retry`; empty if the spans do not say.
    #[serde(rename = "type")]
    kind: String,
    /// Its executions in the time that was asked for. Those of different types of one name are together.
    #[serde(flatten)]
    executions: Executions,
}

/// Lists all primitives that are stored, with what they did in a time.
#[utoipa::path(get, path = "/primitives", tag = "names", params(NameParams), responses(
    (status = 200, body = Primitives),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn primitives(
    State(state): State<ApiState>,
    Asked(params): Asked<NameParams>,
) -> Result<Response, ApiError> {
    let times = recent(params.start, params.end)?;
    let nanos = times.end().saturating_sub(*times.start());
    let query = RedQuery { times, by: RedBy::Primitive, ..RedQuery::default() };
    state
        .json(move |reader| {
            let found = read::red(reader, &query)?.into_iter();
            let found: HashMap<(String, String), Executions> = found
                .filter_map(|series| {
                    let executions = Executions::of(series.points.first()?, nanos);
                    Some(((series.service, series.name), executions))
                })
                .collect();
            let primitive = |is: read::PrimitiveName| {
                let key = (is.service, is.name);
                let executions = found.get(&key).copied().unwrap_or_default();
                let (service, name) = key;
                Primitive { service, name, kind: is.kind, executions }
            };
            Ok(Primitives { primitives: read::primitives(reader)?.into_iter().map(primitive).collect() })
        })
        .await
}
