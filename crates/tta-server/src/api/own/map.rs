//! Who calls whom.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::{Asked, recent};
use super::red::Executions;
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, MapBy, RedBy, RedQuery};

/// What the map shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    #[default]
    Service,
    Primitive,
}

/// Which map.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct MapParams {
    /// The places: `service`, or else `primitive`.
    #[param(inline)]
    by: By,
    /// From the minute of this time on, in nanoseconds since 1970: an hour before the end if it is not given.
    start: Option<i64>,
    /// Up to the minute of this time, in nanoseconds since 1970: now if it is not given.
    end: Option<i64>,
}

/// Places, and calls from one to another. What was written in the last second may be missing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Map {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// A place.
#[derive(Debug, Serialize, ToSchema)]
struct Node {
    service: String,
    /// The primitive or operation; empty in a map of services.
    name: String,
    /// What it did in the time, called or not.
    executions: Executions,
}

/// Calls from one place to another.
#[derive(Debug, Serialize, ToSchema)]
struct Edge {
    /// The place of the caller among the nodes.
    from: usize,
    /// The place of the callee among the nodes.
    to: usize,
    executions: Executions,
}

/// Shows who called whom in a time.
#[utoipa::path(get, path = "/map", tag = "measures", params(MapParams), responses(
    (status = 200, body = Map),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn map(
    State(state): State<ApiState>,
    Asked(params): Asked<MapParams>,
) -> Result<Response, ApiError> {
    let times = recent(params.start, params.end)?;
    let nanos = times.end().saturating_sub(*times.start());
    let by = if params.by == By::Service { MapBy::Service } else { MapBy::Primitive };
    state
        .json(move |reader| {
            let calls = read::calls(reader, &times, by)?;
            let executed = match by {
                MapBy::Service => {
                    let query = RedQuery { times: times.clone(), by: RedBy::Service, ..RedQuery::default() };
                    read::red(reader, &query)?
                }
                MapBy::Primitive => read::places(reader, &times)?,
            };
            let mut places: BTreeMap<(String, String), Executions> = BTreeMap::new();
            for series in executed {
                let Some(point) = series.points.first() else { continue };
                places.insert((series.service, series.name), Executions::of(point, nanos));
            }
            for call in &calls {
                places.entry((call.caller_service.clone(), call.caller.clone())).or_default();
                places.entry((call.callee_service.clone(), call.callee.clone())).or_default();
            }
            let edges = calls.into_iter().map(|call| Edge {
                from: number(&places, (call.caller_service, call.caller)),
                to: number(&places, (call.callee_service, call.callee)),
                executions: Executions::of(&call.executions, nanos),
            });
            let edges = edges.collect();
            let node = |((service, name), executions)| Node { service, name, executions };
            Ok(Map { edges, nodes: places.into_iter().map(node).collect() })
        })
        .await
}

/// How many places come before one.
fn number<T>(places: &BTreeMap<(String, String), T>, place: (String, String)) -> usize {
    places.range(..place).count()
}
