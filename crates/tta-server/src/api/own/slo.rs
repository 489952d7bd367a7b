//! How objectives stand.

use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::{Asked, nanos, times};
use crate::api::ApiState;
use crate::api::status::{ApiError, ErrorBody};
use crate::read::{self, SloAlert, SloHealth, SloQuery, SloStatus, SloSubject, SloWindow};

/// Which objectives.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SloParams {
    /// Of this service.
    service: Option<String>,
    /// Of this name.
    name: Option<String>,
    /// Told of at this time or later, in nanoseconds since 1970; if it is not given, in the 24 hours before `end`.
    start: Option<i64>,
    /// Told of at this time or earlier, in nanoseconds since 1970; if it is not given, until now.
    end: Option<i64>,
    /// After how long without a word an objective is stale; `5m` if it is not given. It should be a few of the intervals at which
    /// programs send metrics.
    #[param(pattern = "^0$|^[0-9]{1,6}([.][0-9]{1,6})?(ns|us|ms|s|m|h)$", example = "5m")]
    stale_after: Option<String>,
}

impl SloParams {
    fn query(self) -> Result<SloQuery, ApiError> {
        let usual = SloQuery::last_day(SystemTime::now());
        let stale_after = nanos("stale_after", self.stale_after.as_deref())?;
        let day = usual.now_unix_nanos.saturating_sub(*usual.times.start());
        let start = self.end.unwrap_or(usual.now_unix_nanos).saturating_sub(day);
        Ok(SloQuery {
            times: times(Some(self.start.unwrap_or(start)), self.end)?,
            stale_after: stale_after
                .map_or(usual.stale_after, |nanos| Duration::from_nanos(nanos.cast_unsigned())),
            service: self.service,
            name: self.name,
            now_unix_nanos: usual.now_unix_nanos,
        })
    }
}

/// How objectives stand, as programs told last, by service and name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Objectives {
    objectives: Vec<Objective>,
}

/// How an objective stands. Each instance of a service counts by itself and has an entry of its own; those that told the very same
/// share one.
#[derive(Debug, Serialize, ToSchema)]
struct Objective {
    service: String,
    /// The instances that told this; one without a name is empty.
    instances: Vec<String>,
    name: String,
    /// The workflow whose runs it is about; null if it is about a primitive.
    workflow: Option<String>,
    /// The primitive whose executions it is about; null if it is about a workflow.
    primitive: Option<String>,
    /// The part of events that must be good, from 0 to 1.
    target: Option<f64>,
    /// The window over which the target is to be met, such as `30d`.
    window: String,
    /// `breached` when more events were bad over its window than may be, `at_risk` when there are alerts, and else `healthy`.
    #[schema(pattern = "^(healthy|at_risk|breached)$")]
    status: String,
    /// The part of events over its window that was good, from 0 to 1; null without events.
    compliance: Option<f64>,
    /// The part of the error budget that is left: 1 when nothing was bad, below 0 when it is overspent.
    budget_remaining: Option<f64>,
    /// The shortest first.
    windows: Vec<Window>,
    /// What spends the budget too fast, the most urgent first.
    alerts: Vec<Alert>,
    /// When it was told last.
    time_unix_nanos: String,
    /// How long ago that is.
    age_nanos: u64,
    /// Whether that is so long that it may have changed.
    is_stale: bool,
}

/// What happened in a window.
#[derive(Debug, Serialize, ToSchema)]
struct Window {
    /// Such as `5m`, `6h` or `30d`.
    window: String,
    length_nanos: u64,
    /// The part of events that was good, from 0 to 1; null without events.
    compliance: Option<f64>,
    /// How many times faster than allowed the error budget is spent.
    burn_rate: Option<f64>,
}

/// An error budget that is being spent too fast: the burn rates of both windows are above the threshold.
#[derive(Debug, Serialize, ToSchema)]
struct Alert {
    /// `page` if somebody has to look now, `ticket` if in the next days.
    #[schema(pattern = "^(page|ticket)$")]
    urgency: &'static str,
    /// The window that says that it matters.
    long: String,
    /// The window that says that it still goes on.
    short: String,
    threshold: f64,
    /// Over the long window.
    burn_rate: f64,
}

/// Shows how the objectives of programs stand, as the programs told last.
#[utoipa::path(get, path = "/slo", tag = "measures", params(SloParams), responses(
    (status = 200, body = Objectives),
    (status = 400, description = "A parameter is wrong.", body = ErrorBody),
))]
pub(super) async fn slo(
    State(state): State<ApiState>,
    Asked(params): Asked<SloParams>,
) -> Result<Response, ApiError> {
    let query = params.query()?;
    state
        .json(move |reader| {
            let told = read::slo(reader, &query)?;
            let objective = |status| objective(status, query.now_unix_nanos);
            Ok(Objectives { objectives: told.into_iter().map(objective).collect() })
        })
        .await
}

fn objective(told: SloStatus, now_unix_nanos: i64) -> Objective {
    let status = match told.health() {
        SloHealth::Healthy => "healthy",
        SloHealth::AtRisk => "at_risk",
        SloHealth::Breached => "breached",
    };
    let (compliance, alerts) = (told.compliance(), told.alerts().iter().map(alert).collect());
    let (workflow, primitive) = match told.subject {
        Some(SloSubject::Workflow(name)) => (Some(name), None),
        Some(SloSubject::Primitive(name)) => (None, Some(name)),
        None => (None, None),
    };
    Objective {
        service: told.service,
        instances: told.instances,
        name: told.name,
        workflow,
        primitive,
        target: told.target,
        window: told.window,
        status: status.to_owned(),
        compliance,
        budget_remaining: told.budget_remaining,
        windows: told.windows.into_iter().map(window).collect(),
        alerts,
        time_unix_nanos: told.time_unix_nanos.to_string(),
        // A clock that is ahead tells of the future.
        age_nanos: now_unix_nanos.saturating_sub(told.time_unix_nanos).max(0).cast_unsigned(),
        is_stale: told.is_stale,
    }
}

fn window(window: SloWindow) -> Window {
    Window {
        window: window.label,
        length_nanos: u64::try_from(window.length.as_nanos()).unwrap_or(u64::MAX),
        compliance: window.compliance,
        burn_rate: window.burn_rate,
    }
}

fn alert(alert: &SloAlert) -> Alert {
    let label = |window| tta_model::slo::window_label(window).to_string();
    Alert {
        urgency: alert.urgency().as_str(),
        long: label(alert.rule.long),
        short: label(alert.rule.short),
        threshold: alert.threshold,
        burn_rate: alert.burn_rate,
    }
}
