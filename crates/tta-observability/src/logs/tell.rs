//! Turns what the observer is told into lines.

use tracing::level_filters::LevelFilter;
use tta_model::name::attribute;
use tta_model::name::log::{self, LogEvent};
use tta_model::{ExecutionStatus, SpanId, Value};
use tta_primitives::observe::{Event, NodeFinished, NodeInfo, NodeLevel, RunInfo};
use tta_primitives::{Error, ErrorKind};

use super::ids;
use super::line::{Area, Facts, Line, is_wanted, write};
use super::trouble::Troubles;
use crate::recorder::said;
use tta_redact::{self as redact, MAX_CHAIN_BYTES, MAX_MESSAGE_BYTES};

/// The type of a parallel.
pub(super) const PARALLEL: &str = "parallel";
/// The type of a fallback.
const FALLBACK: &str = "fallback";
/// The type of a loop.
const LOOP: &str = "loop";
/// The type of a switch.
const SWITCH: &str = "switch";

/// Whether nobody listens at all: one load of a number.
#[inline]
fn is_silent() -> bool {
    LevelFilter::current() == LevelFilter::OFF
}

/// A node starts, in a role if it has one of its own; the first node of a run has that of the run.
#[inline]
pub(crate) fn node_started(run: &RunInfo, node: &NodeInfo, role: Option<&NodeInfo>, span_id: Option<SpanId>) {
    if !is_silent() && node.level == NodeLevel::Node {
        tell_start(run, node, role, span_id);
    }
}

fn tell_start(run: &RunInfo, node: &NodeInfo, role: Option<&NodeInfo>, span_id: Option<SpanId>) {
    let tell = |area, event, facts| {
        if is_wanted(area, event) {
            write(Line { area, event, run, node, span_id, facts });
        }
    };
    if role.is_some_and(|role| role.level == NodeLevel::Run) {
        tell(Area::Workflow, &log::WORKFLOW_START, Facts::default());
    }
    if node.kind == PARALLEL {
        tell(Area::Primitive, &log::PARALLEL_EXECUTION_START, Facts::default());
    }
    match step_index(role) {
        Some(step) => {
            let facts = Facts { step: Some(step), ..Facts::default() };
            tell(Area::Primitive, &log::SEQUENTIAL_STEP_START, facts);
        }
        None => tell(Area::Primitive, &log::PRIMITIVE_START, Facts::default()),
    }
}

/// A node has ended.
#[inline]
pub(crate) fn node_finished(finished: &NodeFinished<'_>, span_id: Option<SpanId>) {
    if !is_silent() && finished.node.level == NodeLevel::Node {
        tell_end(finished, span_id);
    }
}

fn tell_end(finished: &NodeFinished<'_>, span_id: Option<SpanId>) {
    let (run, node, role) = (&**finished.run, &**finished.node, finished.role.map(|role| &**role));
    let step = step_index(role);
    let ends = Ends { finished, step };
    let mut told = String::new();
    for (area, event) in ends.lines(role).into_iter().flatten() {
        if !is_wanted(area, event) {
            continue;
        }
        if told.is_empty()
            && let Some(error) = finished.error
        {
            told = describe(error, finished.error_arose_here);
        }
        let facts = Facts {
            step,
            duration_ms: Some(finished.ticks.saturating_sub(finished.started) as f64 / 1e6),
            status: Some(finished.status.as_str()),
            error_type: finished.error.map(Error::type_name),
            error: finished.error.map(|_| told.as_str()),
            ..Facts::default()
        };
        write(Line { area, event, run, node, span_id, facts });
    }
}

/// How a node ended.
struct Ends<'a> {
    finished: &'a NodeFinished<'a>,
    step: Option<u64>,
}

type Told = Option<(Area, &'static LogEvent)>;

impl Ends<'_> {
    /// The lines about an end: of the node where it matters, of its role, and of the run.
    fn lines(&self, role: Option<&NodeInfo>) -> [Told; 3] {
        let is_run = role.is_some_and(|role| role.level == NodeLevel::Run);
        let run = is_run.then(|| (Area::Workflow, self.of_run()));
        match self.finished.status {
            ExecutionStatus::Success => [self.parallel(), Some(self.completed()), run],
            ExecutionStatus::Cancelled => [None, None, run],
            _ => [self.failed(), self.role_failed(role), run],
        }
    }

    fn of_run(&self) -> &'static LogEvent {
        match self.finished.status {
            ExecutionStatus::Success => &log::WORKFLOW_COMPLETE,
            ExecutionStatus::Cancelled => &log::WORKFLOW_CANCELLED,
            _ => &log::WORKFLOW_FAILED,
        }
    }

    fn parallel(&self) -> Told {
        (self.finished.node.kind == PARALLEL).then_some((Area::Primitive, &log::PARALLEL_EXECUTION_COMPLETE))
    }

    fn completed(&self) -> (Area, &'static LogEvent) {
        let event = match self.step {
            Some(_) => &log::SEQUENTIAL_STEP_COMPLETE,
            None => &log::PRIMITIVE_COMPLETE,
        };
        (Area::Primitive, event)
    }

    fn failed(&self) -> Told {
        let kind = self.finished.error.map(Error::kind);
        if self.finished.node.kind == FALLBACK {
            return Some((Area::Recovery, &log::FALLBACK_EXHAUSTED));
        }
        if self.finished.node.kind == LOOP && kind == Some(ErrorKind::LimitReached) {
            return Some((Area::Recovery, &log::LOOP_EXHAUSTED));
        }
        let arose = if kind == Some(ErrorKind::Panic) { &log::PANIC_CAUGHT } else { &log::PRIMITIVE_FAILED };
        self.finished.error_arose_here.then_some((Area::Primitive, arose))
    }

    fn role_failed(&self, role: Option<&NodeInfo>) -> Told {
        if self.step.is_some() {
            return Some((Area::Primitive, &log::SEQUENTIAL_STEP_FAILED));
        }
        let is_branch = role.is_some_and(|role| value(role, attribute::BRANCH_INDEX.key).is_some());
        is_branch.then_some((Area::Primitive, &log::PARALLEL_BRANCH_FAILED))
    }
}

fn describe(error: &Error, arose_here: bool) -> String {
    if arose_here {
        redact::bounded(&said(|| format!("{error:?}")), MAX_CHAIN_BYTES)
    } else {
        redact::bounded(&said(|| error.message()), MAX_MESSAGE_BYTES)
    }
}

/// The index of the step, if a role is that of a step.
fn step_index(role: Option<&NodeInfo>) -> Option<u64> {
    value(role?, attribute::STEP_INDEX.key)?.as_int().and_then(|index| u64::try_from(index).ok())
}

/// Whether a role is that of a step.
pub(super) fn is_step(role: &NodeInfo) -> bool {
    value(role, attribute::STEP_INDEX.key).is_some()
}

pub(super) fn value<'a>(info: &'a NodeInfo, key: &str) -> Option<&'a Value> {
    info.attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

/// Something happened in a node.
#[inline]
pub(crate) fn event(troubles: &Troubles, run: &RunInfo, node: &NodeInfo, event: &Event<'_>) {
    if !is_silent()
        && let Some((area, name)) = line_of(node, event)
        && is_wanted(area, name)
    {
        let mut facts = facts_of(event);
        if let Event::StoreFailed { store, operation, .. } = event {
            let Some(left_out) = troubles.tell(store, operation) else { return };
            facts.count = Some(left_out).filter(|count| *count > 0);
        }
        let error = error_of(event);
        let told = error.map(|error| describe(error, false));
        facts = Facts { error_type: error.map(Error::type_name), error: told.as_deref(), ..facts };
        let span_id = ids::current_span_in(run.trace_id);
        write(Line { area, event: name, run, node, span_id, facts });
    }
}

fn line_of(node: &NodeInfo, event: &Event<'_>) -> Option<(Area, &'static LogEvent)> {
    let recovery = |event| Some((Area::Recovery, event));
    let decision = |event| Some((Area::Decision, event));
    match event {
        Event::AttemptFailed { backoff: Some(_), .. } => recovery(&log::RETRY_ATTEMPT_FAILED),
        Event::RetriesExhausted { .. } => recovery(&log::RETRY_EXHAUSTED),
        Event::FallbackTriggered { .. } => recovery(&log::FALLBACK_TRIGGERED),
        Event::TimeoutElapsed { .. } => recovery(&log::TIMEOUT_ELAPSED),
        Event::CircuitStateChanged { .. } => recovery(&log::CIRCUIT_BREAKER_STATE_CHANGED),
        Event::CircuitChecked { admitted: false, .. } => recovery(&log::CIRCUIT_BREAKER_REJECTED),
        Event::BulkheadChecked { admitted: false, .. } => recovery(&log::BULKHEAD_REJECTED),
        Event::RateLimitChecked { waited, .. } if !waited.is_zero() => recovery(&log::RATE_LIMIT_WAITED),
        Event::HedgeLaunched { .. } => recovery(&log::HEDGE_LAUNCHED),
        Event::CompensationTriggered { .. } => recovery(&log::SAGA_COMPENSATION_TRIGGERED),
        Event::CompensationFinished { failed: 0, .. } => recovery(&log::SAGA_COMPENSATION_COMPLETE),
        Event::CompensationFinished { .. } => recovery(&log::SAGA_COMPENSATION_FAILED),
        Event::BranchesFailed { .. } => recovery(&log::PARALLEL_EXECUTION_FAILED),
        Event::RouteDecided { .. } => decision(&log::ROUTING_DECISION),
        Event::BranchChosen { .. } if node.kind == SWITCH => decision(&log::SWITCH_DECISION),
        Event::BranchChosen { .. } => decision(&log::CONDITIONAL_DECISION),
        Event::GateDecided { .. } => decision(&log::GATE_DECIDED),
        Event::ValidationFinished { errors, .. } if !errors.is_empty() => decision(&log::VALIDATION_FAILED),
        Event::CacheLookedUp { outcome, .. } => {
            let event = if outcome.is_hit() { &log::CACHE_HIT } else { &log::CACHE_MISS };
            Some((Area::Cache, event))
        }
        Event::StoreFailed { .. } => Some((Area::Store, &log::STORE_FAILED)),
        _ => None,
    }
}

fn error_of<'a>(event: &Event<'a>) -> Option<&'a Error> {
    match event {
        Event::AttemptFailed { error, .. }
        | Event::RetriesExhausted { error, .. }
        | Event::FallbackTriggered { error, .. }
        | Event::StoreFailed { error, .. } => Some(error),
        Event::CompensationTriggered { error, .. } => *error,
        _ => None,
    }
}

fn facts_of<'a>(event: &'a Event<'a>) -> Facts<'a> {
    let none = Facts::default();
    let millis = |duration: std::time::Duration| Some(duration.as_secs_f64() * 1e3);
    match event {
        Event::AttemptFailed { attempt, max_attempts, backoff, strategy, .. } => Facts {
            attempt: Some(u64::from(*attempt)),
            max_attempts: Some(u64::from(*max_attempts)),
            delay_ms: backoff.and_then(millis),
            reason: Some(strategy),
            ..none
        },
        Event::RetriesExhausted { attempts, max_attempts, reason, .. } => Facts {
            attempt: Some(u64::from(*attempts)),
            max_attempts: Some(u64::from(*max_attempts)),
            reason: Some(reason),
            ..none
        },
        Event::FallbackTriggered { name, .. } => Facts { choice: Some(name), ..none },
        Event::TimeoutElapsed { limit, source } => {
            Facts { delay_ms: millis(*limit), reason: Some(source), ..none }
        }
        Event::CircuitStateChanged { breaker, to, from, .. } => {
            Facts { subject: Some(breaker), state: Some(to), reason: Some(from), ..none }
        }
        Event::CircuitChecked { breaker, state, .. } => {
            Facts { subject: Some(breaker), state: Some(state), ..none }
        }
        Event::BulkheadChecked { bulkhead, queued, .. } => {
            Facts { subject: Some(bulkhead), count: Some(*queued as u64), ..none }
        }
        Event::RateLimitChecked { limit, waited, .. } => {
            Facts { subject: Some(limit), delay_ms: millis(*waited), ..none }
        }
        Event::HedgeLaunched { attempt, after } => {
            Facts { attempt: Some(u64::from(*attempt)), delay_ms: millis(*after), ..none }
        }
        _ => outcome_facts(event),
    }
}

fn outcome_facts<'a>(event: &'a Event<'a>) -> Facts<'a> {
    let none = Facts::default();
    match event {
        Event::CompensationTriggered { step, steps, .. } => {
            Facts { choice: Some(step), count: Some(*steps as u64), ..none }
        }
        Event::CompensationFinished { undone, failed } => {
            let count = if *failed > 0 { failed } else { undone };
            Facts { count: Some(*count as u64), ..none }
        }
        Event::BranchesFailed { failed, .. } => Facts { count: Some(*failed as u64), ..none },
        Event::RouteDecided { route, reason, .. } => {
            Facts { choice: Some(route), reason: Some(reason), ..none }
        }
        Event::BranchChosen { branch } => Facts { choice: branch.map(|branch| &**branch), ..none },
        Event::GateDecided { approver, reason, .. } => {
            Facts { subject: Some(approver), reason: reason.map(|reason| &**reason), ..none }
        }
        Event::ValidationFinished { rule, errors, .. } => {
            Facts { subject: Some(rule), count: Some(errors.len() as u64), ..none }
        }
        Event::CacheLookedUp { cache, outcome, .. } => {
            Facts { subject: Some(cache), state: Some(outcome.as_str()), ..none }
        }
        Event::StoreFailed { store, backend, operation, .. } => {
            Facts { subject: Some(store), choice: Some(backend), reason: Some(operation), ..none }
        }
        _ => none,
    }
}
