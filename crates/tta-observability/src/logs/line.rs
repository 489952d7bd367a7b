//! One line about a run, and the only place where such lines are written.

use tracing::Level;
use tta_model::SpanId;
use tta_model::name::log::{LogEvent, Severity};
use tta_primitives::observe::{NodeInfo, RunInfo};

use crate::clean::shown;

/// What a line is about; each has a target of its own, so that filters can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// Runs: `tta::workflow`.
    Workflow,
    /// Steps and primitives: `tta::primitive`.
    Primitive,
    /// Retries, fallbacks, timeouts, guards and sagas: `tta::recovery`.
    Recovery,
    /// Routes, branches, approvals and validations: `tta::decision`.
    Decision,
    /// Caches: `tta::cache`.
    Cache,
    /// What caches and memories keep their values in: `tta::store`.
    Store,
}

/// A line. What is absent is left out.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) area: Area,
    pub(super) event: &'static LogEvent,
    pub(super) run: &'a RunInfo,
    pub(super) node: &'a NodeInfo,
    pub(super) span_id: Option<SpanId>,
    pub(super) facts: Facts<'a>,
}

/// What a line says beside where it happened.
#[derive(Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    pub(super) step: Option<u64>,
    pub(super) duration_ms: Option<f64>,
    pub(super) status: Option<&'a str>,
    pub(super) error_type: Option<&'a str>,
    /// The message, and where the error arose the chain of its causes, without secrets.
    pub(super) error: Option<&'a str>,
    pub(super) attempt: Option<u64>,
    pub(super) max_attempts: Option<u64>,
    pub(super) delay_ms: Option<f64>,
    pub(super) reason: Option<&'a str>,
    /// What was chosen: a route, a branch, an alternative, a kind of store.
    pub(super) choice: Option<&'a str>,
    /// The name of a shared part: a breaker, a cache, a memory, a rule.
    pub(super) subject: Option<&'a str>,
    pub(super) state: Option<&'a str>,
    /// How many there were: branches, steps, lines that were left out.
    pub(super) count: Option<u64>,
}

macro_rules! areas {
    ($run:ident, $area:expr, $severity:expr, $($argument:expr)?) => {
        match $area {
            Area::Workflow => severities!($run, "tta::workflow", $severity, $($argument)?),
            Area::Primitive => severities!($run, "tta::primitive", $severity, $($argument)?),
            Area::Recovery => severities!($run, "tta::recovery", $severity, $($argument)?),
            Area::Decision => severities!($run, "tta::decision", $severity, $($argument)?),
            Area::Cache => severities!($run, "tta::cache", $severity, $($argument)?),
            Area::Store => severities!($run, "tta::store", $severity, $($argument)?),
        }
    };
}

macro_rules! severities {
    ($run:ident, $target:literal, $severity:expr, $($argument:expr)?) => {
        match $severity {
            Severity::Debug => $run!($target, Level::DEBUG, $($argument)?),
            Severity::Info => $run!($target, Level::INFO, $($argument)?),
            Severity::Warn => $run!($target, Level::WARN, $($argument)?),
            Severity::Error => $run!($target, Level::ERROR, $($argument)?),
        }
    };
}

macro_rules! is_on {
    ($target:literal, $level:expr,) => {
        tracing::enabled!(target: $target, $level)
    };
}

macro_rules! write_line {
    ($target:literal, $level:expr, $line:expr) => {{
        let Line { event, run, node, span_id, facts, .. } = $line;
        tracing::event!(
            target: $target,
            $level,
            trace_id = %run.trace_id,
            span_id = span_id.map(tracing::field::display),
            workflow_id = &*shown(run.ids.workflow_id()),
            correlation_id = &*shown(run.ids.correlation_id()),
            workflow = &*shown(&run.workflow_name),
            primitive = &*shown(&node.name),
            primitive_type = &*shown(&node.kind),
            path = Some(&*shown(&node.path)).filter(|path| !path.is_empty()),
            step = facts.step,
            duration_ms = facts.duration_ms,
            status = facts.status,
            error_type = facts.error_type,
            error = facts.error,
            attempt = facts.attempt,
            max_attempts = facts.max_attempts,
            delay_ms = facts.delay_ms,
            reason = facts.reason.map(shown).as_deref(),
            choice = facts.choice.map(shown).as_deref(),
            subject = facts.subject.map(shown).as_deref(),
            state = facts.state,
            count = facts.count,
            "{}",
            event.name
        )
    }};
}

/// Whether anybody wants lines of an area and a severity.
#[inline]
pub(super) fn is_wanted(area: Area, event: &LogEvent) -> bool {
    areas!(is_on, area, event.severity,)
}

/// Writes a line, if anybody wants it.
pub(super) fn write(line: Line<'_>) {
    areas!(write_line, line.area, line.event.severity, line);
}
