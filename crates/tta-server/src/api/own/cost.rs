//! What model calls cost.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::{Asked, times};
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, CostBy, CostQuery};

/// What the cost is told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Model,
    Provider,
    Service,
    Workflow,
    Agent,
    AgentType,
    Session,
}

/// Which calls.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct CostParams {
    /// What the cost is told by; `model` if it is not given.
    #[param(inline)]
    by: By,
    /// Calls that started at this time or later, in nanoseconds since 1970.
    start: Option<i64>,
    /// Calls that started at this time or earlier, in nanoseconds since 1970.
    end: Option<i64>,
}

/// What calls cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Costs {
    /// The dearest first.
    rows: Vec<Cost>,
    /// All rows together, in US dollars, as far as it is known.
    cost_usd: f64,
    /// How many calls used tokens whose price is not known: they are missing in `cost_usd`.
    unpriced_calls: u64,
}

/// The calls that have a model, or whatever was asked for, in common.
#[derive(Debug, Serialize, ToSchema)]
struct Cost {
    /// Empty for the calls that do not say.
    key: String,
    calls: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// In US dollars, as far as it is known.
    cost_usd: f64,
    /// How many of the calls used tokens whose price is not known: they are missing in `cost_usd`.
    unpriced_calls: u64,
}

/// Shows what model calls cost.
#[utoipa::path(get, path = "/cost", tag = "measures", params(CostParams), responses(
    (status = 200, body = Costs),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn cost(
    State(state): State<ApiState>,
    Asked(params): Asked<CostParams>,
) -> Result<Response, ApiError> {
    let by = match params.by {
        By::Model => CostBy::Model,
        By::Provider => CostBy::Provider,
        By::Service => CostBy::Service,
        By::Workflow => CostBy::Workflow,
        By::Agent => CostBy::Agent,
        By::AgentType => CostBy::AgentType,
        By::Session => CostBy::Session,
    };
    let query = CostQuery { times: times(params.start, params.end)?, by };
    state
        .json(move |reader| {
            let row = |row: read::CostRow| Cost {
                key: row.key,
                calls: row.calls,
                prompt_tokens: row.prompt_tokens,
                completion_tokens: row.completion_tokens,
                cost_usd: row.cost_usd,
                unpriced_calls: row.unpriced_calls,
            };
            let rows: Vec<Cost> = read::cost(reader, &query)?.into_iter().map(row).collect();
            let unpriced_calls = rows.iter().map(|row| row.unpriced_calls).sum();
            Ok(Costs { cost_usd: rows.iter().map(|row| row.cost_usd).sum(), unpriced_calls, rows })
        })
        .await
}
