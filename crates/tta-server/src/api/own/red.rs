//! Rate, errors and durations over time.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::{Asked, nanos, recent};
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, RedBy, RedPoint, RedQuery};

const MINUTE: i64 = 60_000_000_000;
/// How many steps a time has, about, if the question does not say.
const STEPS: i64 = 60;

/// What series are told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    #[default]
    Service,
    Operation,
    Primitive,
    Workflow,
    Total,
}

/// Which executions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct RedParams {
    /// What the series are told by: `service`, or else `operation`, `primitive`, `workflow` or `total`.
    #[param(inline)]
    by: By,
    /// Of this service.
    service: Option<String>,
    /// Of operations of this name.
    name: Option<String>,
    /// Of this primitive.
    primitive: Option<String>,
    /// Of this workflow: its runs, or what was executed in them if operations or primitives are asked for as well.
    workflow: Option<String>,
    /// From the minute of this time on, in nanoseconds since 1970: an hour before the end if it is not given.
    start: Option<i64>,
    /// Up to the minute of this time, in nanoseconds since 1970: now if it is not given.
    end: Option<i64>,
    /// The length of a step, as in `5m`, in whole minutes; about 60 steps if it is not given.
    #[param(pattern = "^[1-9][0-9]{0,4}(m|h)$")]
    step: Option<String>,
}

impl RedParams {
    fn query(&self) -> Result<RedQuery, ApiError> {
        let times = recent(self.start, self.end)?;
        let step_minutes = match nanos("step", self.step.as_deref())? {
            Some(step) => u32::try_from(step / MINUTE)
                .ok()
                .filter(|minutes| *minutes > 0 && i64::from(*minutes) * MINUTE == step),
            None => {
                let minutes = times.end().saturating_sub(*times.start()) / MINUTE;
                Some(u32::try_from(minutes / STEPS).unwrap_or(u32::MAX).max(1))
            }
        };
        let step_minutes = step_minutes.ok_or_else(|| {
            ApiError::parameter(
                "parameter 'step': it is no number of whole minutes",
                "what is stored is summed up by minutes; write it as in 5m or 1h",
            )
        })?;
        let by = match self.by {
            By::Service => RedBy::Service,
            By::Operation => RedBy::Operation,
            By::Primitive => RedBy::Primitive,
            By::Workflow => RedBy::Workflow,
            By::Total => RedBy::Total,
        };
        Ok(RedQuery {
            service: self.service.clone(),
            name: self.name.clone(),
            primitive: self.primitive.clone(),
            workflow: self.workflow.clone(),
            times,
            step_minutes,
            by,
        })
    }
}

/// Executions over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedAnswer {
    step_nanos: u64,
    series: Vec<Series>,
}

/// The executions of a service, operation, primitive or workflow. A step in which there were none has no point.
#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// Empty in a total.
    service: String,
    /// The operation, primitive or workflow; empty in a total and for a service.
    name: String,
    points: Vec<Point>,
}

/// Executions in one step.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    start_unix_nanos: String,
    #[serde(flatten)]
    executions: Executions,
}

/// How many executions, how many of them failed, and how long they took. Percentiles are right within 1 %.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(super) struct Executions {
    count: u64,
    errors: u64,
    /// Executions a second.
    rate: f64,
    /// The part of them that failed, from 0 to 1.
    error_ratio: f64,
    mean_nanos: u64,
    p50_nanos: u64,
    p90_nanos: u64,
    p95_nanos: u64,
    p99_nanos: u64,
    max_nanos: u64,
}

impl Executions {
    /// What happened in a time of so many nanoseconds.
    pub(super) fn of(point: &RedPoint, nanos: i64) -> Self {
        Self {
            count: point.count,
            errors: point.errors,
            rate: point.count as f64 / (nanos.max(1) as f64 / 1e9),
            error_ratio: point.errors as f64 / point.count.max(1) as f64,
            mean_nanos: point.mean_nanos,
            p50_nanos: point.p50_nanos,
            p90_nanos: point.p90_nanos,
            p95_nanos: point.p95_nanos,
            p99_nanos: point.p99_nanos,
            max_nanos: point.max_nanos,
        }
    }
}

/// Shows rate, errors and durations over time.
#[utoipa::path(get, path = "/red", tag = "measures", params(RedParams), responses(
    (status = 200, body = RedAnswer),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn red(
    State(state): State<ApiState>,
    Asked(params): Asked<RedParams>,
) -> Result<Response, ApiError> {
    let query = params.query()?;
    state
        .json(move |reader| {
            let step = i64::from(query.step_minutes) * MINUTE;
            let point = |point: &RedPoint| Point {
                start_unix_nanos: point.start_unix_nanos.to_string(),
                executions: Executions::of(point, step),
            };
            let series = read::red(reader, &query)?.into_iter().map(|series| Series {
                points: series.points.iter().map(point).collect(),
                service: series.service,
                name: series.name,
            });
            Ok(RedAnswer { step_nanos: step.unsigned_abs(), series: series.collect() })
        })
        .await
}

/// How many executions took how long in which step. The arrays have one entry for each cell that is not empty.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Heatmap {
    step_nanos: u64,
    start_unix_nanos: Vec<String>,
    /// The shortest duration of the cell.
    from_nanos: Vec<u64>,
    /// The end of its durations: four cells are a doubling.
    to_nanos: Vec<u64>,
    count: Vec<u64>,
}

/// Shows how many executions took how long, over time. `by` tells what counts: all, or else only primitives or the
/// runs of workflows.
#[utoipa::path(get, path = "/heatmap", tag = "measures", params(RedParams), responses(
    (status = 200, body = Heatmap),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn heatmap(
    State(state): State<ApiState>,
    Asked(params): Asked<RedParams>,
) -> Result<Response, ApiError> {
    let query = params.query()?;
    state
        .json(move |reader| {
            let step_nanos = u64::from(query.step_minutes) * MINUTE.unsigned_abs();
            let mut map = Heatmap { step_nanos, ..Heatmap::default() };
            for cell in read::heatmap(reader, &query)? {
                map.start_unix_nanos.push(cell.start_unix_nanos.to_string());
                map.from_nanos.push(cell.from_nanos);
                map.to_nanos.push(cell.to_nanos);
                map.count.push(cell.count);
            }
            Ok(map)
        })
        .await
}
