//! How the objectives of programs stand, as the programs told last.
//!
//! A program counts its events itself, exactly, and tells compliance, budget and burn rates of each objective as metrics, once a
//! minute by default. Here they are put together again, and judged by the rules by which the program raises its alerts.
//!
//! # Several instances
//!
//! Each process of a service counts its own events, and what they told cannot be added up, since rates come without their totals. So an
//! objective has a row for each instance; those that told the very same, such as idle ones, share one. An instance that says nothing
//! more while others of its service do is gone, after [`stale_after`](SloQuery::stale_after); without others it stays, as stale.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric, number_data_point};
use tta_model::name::attribute as a;
use tta_model::name::attribute::Attribute;
use tta_model::name::metric as m;
use tta_model::slo::{BURN_RULES, BurnRule, Urgency, is_above, window_of};

use super::metrics::{Latest, StoredMetric, last_words};
use super::{ReadError, Reader, Times};

/// How far back is looked by default.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// After how long without a word an objective is stale by default: five of the usual intervals of metrics.
const STALE_AFTER: Duration = Duration::from_secs(5 * 60);
/// A budget that is overspent by no more than this part was rounded.
const ROUNDING: f64 = 1e-9;

/// Which objectives are wanted.
#[derive(Clone, Debug)]
pub struct SloQuery {
    /// Of this service.
    pub service: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Told of in this time.
    pub times: Times,
    /// This moment, in nanoseconds since 1970.
    pub now_unix_nanos: i64,
    /// After how long without a word an objective is stale. Programs that send metrics more seldom than once a minute need more than
    /// the usual five minutes.
    pub stale_after: Duration,
}

impl SloQuery {
    /// All that was told of in the last 24 hours; stale after five minutes.
    #[must_use]
    pub fn last_day(now: SystemTime) -> Self {
        let now = nanos(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        // A clock that is ahead is no reason to hide what it stamps.
        let times = now.saturating_sub(nanos(DAY))..=i64::MAX;
        Self { service: None, name: None, times, now_unix_nanos: now, stale_after: STALE_AFTER }
    }
}

/// How an objective stands, as it was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct SloStatus {
    /// The service that has it.
    pub service: String,
    /// The instances of the service that told this, by name; one without a name is empty.
    pub instances: Vec<String>,
    /// The name of the objective.
    pub name: String,
    /// When it was told last, in nanoseconds since 1970.
    pub time_unix_nanos: i64,
    /// Whether that is so long ago that it may have changed.
    pub is_stale: bool,
    /// What it is about, if that was told.
    pub subject: Option<SloSubject>,
    /// The part of events that must be good, from 0 to 1; none if that was not told.
    pub target: Option<f64>,
    /// The label of the window over which the target is to be met, such as `30d`; empty if that was not told.
    pub window: String,
    /// The part of the error budget that is left: 1 when nothing was bad, below 0 when it is overspent.
    pub budget_remaining: Option<f64>,
    /// What happened in each window, the shortest first.
    pub windows: Vec<SloWindow>,
}

/// What an objective is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SloSubject {
    /// The runs of the workflow of this name.
    Workflow(String),
    /// The executions of the primitives of this name.
    Primitive(String),
}

/// What happened in a window of an objective.
#[derive(Clone, Debug, PartialEq)]
pub struct SloWindow {
    /// How long it is.
    pub length: Duration,
    /// How long it is in words, such as `5m`, `6h` or `30d`.
    pub label: String,
    /// The part of events that was good, from 0 to 1; none without events.
    pub compliance: Option<f64>,
    /// How many times faster than allowed the error budget is spent; 0 without events.
    pub burn_rate: Option<f64>,
}

/// Whether an objective is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SloHealth {
    /// It is, and its budget will last.
    Healthy,
    /// It is, and its budget is spent too fast: an [alert](SloAlert) is raised.
    AtRisk,
    /// More events were bad over its own window than may be: its budget is overspent.
    Breached,
}

/// An error budget that is being spent too fast, by one of [`BURN_RULES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SloAlert {
    /// The rule.
    pub rule: BurnRule,
    /// The burn rate above which it is too fast.
    pub threshold: f64,
    /// The burn rate over the long window.
    pub burn_rate: f64,
}

impl SloAlert {
    /// How soon somebody has to look.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        self.rule.urgency
    }
}

impl SloStatus {
    /// The part of events that was good over the objective's own window; none without events.
    #[must_use]
    pub fn compliance(&self) -> Option<f64> {
        self.windows.iter().find(|window| window.label == self.window)?.compliance
    }

    /// Whether it is met. It does not look at how old that is.
    #[must_use]
    pub fn health(&self) -> SloHealth {
        match self.budget_remaining {
            Some(budget) if budget < -ROUNDING => SloHealth::Breached,
            _ if !self.alerts().is_empty() => SloHealth::AtRisk,
            _ => SloHealth::Healthy,
        }
    }

    /// What spends the budget too fast: the rules of which both windows have a burn rate above the threshold, the most urgent first.
    #[must_use]
    pub fn alerts(&self) -> Vec<SloAlert> {
        let Some(window) = window_of(&self.window) else { return Vec::new() };
        let rate = |length| self.windows.iter().find(|window| window.length == length)?.burn_rate;
        let alert = |rule: BurnRule| {
            let (threshold, burn_rate) = (rule.threshold(window)?, rate(rule.long)?);
            let is_high = is_above(burn_rate, threshold) && is_above(rate(rule.short)?, threshold);
            is_high.then_some(SloAlert { rule, threshold, burn_rate })
        };
        BURN_RULES.into_iter().filter_map(alert).collect()
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.service, &self.name) == (&other.service, &other.name)
    }

    /// Whether another instance told the very same of an objective.
    fn says_the_same(&self, other: &Self) -> bool {
        let Self { is_stale, subject, target, window, budget_remaining, windows, .. } = self;
        (is_stale, subject, target) == (&other.is_stale, &other.subject, &other.target)
            && (window, budget_remaining, windows) == (&other.window, &other.budget_remaining, &other.windows)
    }
}

/// Reads how objectives stand: each as it was told last, by service, name and instance.
///
/// Only what a service told last is opened, so a long time costs little more than a short one.
///
/// # Errors
///
/// When the files cannot be read.
pub fn slo(reader: &Reader, query: &SloQuery) -> Result<Vec<SloStatus>, ReadError> {
    let mut told = Told::new(query);
    let wanted = Latest {
        names: &[m::SLO_BURN_RATE.name, m::SLO_ERROR_BUDGET_REMAINING.name, m::SLO_COMPLIANCE.name],
        service: query.service.as_deref(),
        times: query.times.clone(),
        within: nanos(query.stale_after),
        now: query.now_unix_nanos,
    };
    last_words(reader, &wanted, |metric| told.take(&metric))?;
    let oldest = query.now_unix_nanos.saturating_sub(nanos(query.stale_after));
    let mut rows: Vec<SloStatus> = Vec::new();
    for mut status in told.statuses.into_values() {
        status.is_stale = status.time_unix_nanos < oldest;
        // What the instances of a service told of an objective lies side by side.
        let mut of_others = rows.iter_mut().rev().take_while(|row| row.is_of_the_same(&status));
        match of_others.find(|row| row.says_the_same(&status)) {
            Some(row) => {
                row.instances.extend(status.instances);
                row.time_unix_nanos = row.time_unix_nanos.max(status.time_unix_nanos);
            }
            None => rows.push(status),
        }
    }
    Ok(rows)
}

/// What was told so far, by service, name and instance.
struct Told<'a> {
    query: &'a SloQuery,
    statuses: BTreeMap<(String, String, String), SloStatus>,
}

impl<'a> Told<'a> {
    fn new(query: &'a SloQuery) -> Self {
        Self { query, statuses: BTreeMap::new() }
    }

    fn take(&mut self, stored: &StoredMetric) {
        let Some(metric::Data::Gauge(gauge)) = &stored.metric.data else { return };
        let instance = stored.origin.attribute(a::SERVICE_INSTANCE_ID.key).unwrap_or_default();
        for point in &gauge.data_points {
            let Some(name) = text(&point.attributes, &a::SLO_NAME) else { continue };
            let (Some(value), Ok(time)) = (value(point), i64::try_from(point.time_unix_nano)) else {
                continue;
            };
            if self.query.name.as_ref().is_some_and(|wanted| *wanted != name)
                || !self.query.times.contains(&time)
            {
                continue;
            }
            let status = self.status((stored.origin.service().to_owned(), name, instance.clone()));
            // What was told before says nothing of now: a window in which nothing happened any more has no compliance.
            if time > status.time_unix_nanos {
                status.start_anew(time, &point.attributes);
            }
            if time == status.time_unix_nanos {
                status.set(&stored.metric.name, &point.attributes, value);
            }
        }
    }

    fn status(&mut self, key: (String, String, String)) -> &mut SloStatus {
        let (service, name, instance) = key.clone();
        self.statuses.entry(key).or_insert_with(|| SloStatus {
            service,
            instances: vec![instance],
            name,
            time_unix_nanos: i64::MIN,
            is_stale: false,
            subject: None,
            target: None,
            window: String::new(),
            budget_remaining: None,
            windows: Vec::new(),
        })
    }
}

impl SloStatus {
    /// Forgets what was told before a time.
    fn start_anew(&mut self, time: i64, labels: &[KeyValue]) {
        let workflow = text(labels, &a::WORKFLOW_NAME).map(SloSubject::Workflow);
        self.time_unix_nanos = time;
        self.subject = workflow.or_else(|| text(labels, &a::PRIMITIVE_NAME).map(SloSubject::Primitive));
        self.target = text(labels, &a::SLO_TARGET).and_then(|target| target.parse().ok());
        self.window.clear();
        self.budget_remaining = None;
        self.windows.clear();
    }

    /// Takes in one value of a metric.
    fn set(&mut self, metric: &str, labels: &[KeyValue], value: f64) {
        let Some(label) = text(labels, &a::SLO_WINDOW) else { return };
        if metric == m::SLO_ERROR_BUDGET_REMAINING.name {
            self.budget_remaining = Some(value);
            self.window = label;
            return;
        }
        let Some(length) = window_of(&label) else { return };
        let place = self.windows.binary_search_by_key(&length, |window| window.length);
        let place = place.unwrap_or_else(|place| {
            let window = SloWindow { length, label, compliance: None, burn_rate: None };
            self.windows.insert(place, window);
            place
        });
        let window = &mut self.windows[place];
        match metric == m::SLO_COMPLIANCE.name {
            true => window.compliance = Some(value),
            false => window.burn_rate = Some(value),
        }
    }
}

/// The value of a label, as a text.
fn text(labels: &[KeyValue], wanted: &Attribute) -> Option<String> {
    let found = labels.iter().rfind(|label| label.key == wanted.key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        any_value::Value::DoubleValue(float) => Some(float.to_string()),
        _ => None,
    }
}

fn value(point: &NumberDataPoint) -> Option<f64> {
    let value = match point.value? {
        number_data_point::Value::AsDouble(float) => float,
        number_data_point::Value::AsInt(int) => int as f64,
    };
    value.is_finite().then_some(value)
}

fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}
