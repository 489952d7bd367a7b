//! Makes records of finished spans, on the drain thread, so that telling of every step costs the steps nothing.

use tta_model::name::attribute;
use tta_model::name::log::{self, LogEvent};
use tta_model::{ExecutionStatus, LogRecord, SpanContext, SpanRecord, Value};
use tta_primitives::ErrorKind;
use tta_primitives::observe::{NodeInfo, NodeLevel};

use super::tell::{PARALLEL, is_step, value};

/// A finished span, with what is known of it beside its record.
pub(crate) struct Ended<'a> {
    pub(crate) node: &'a NodeInfo,
    pub(crate) status: ExecutionStatus,
    pub(crate) span: &'a SpanRecord,
    /// The role of the node, if the span is that of a node: it was assembled just before.
    pub(crate) role: Option<&'a NodeInfo>,
}

/// The line about the end of a span; none if nothing is to be told.
pub(crate) fn line(ended: &Ended<'_>) -> Option<LogRecord> {
    let event = event_of(ended)?;
    let span = ended.span;
    Some(LogRecord {
        time_unix_nanos: span.end_unix_nanos,
        severity: event.severity.number(),
        event: event.name(),
        body: Value::Text(event.name()),
        attributes: span.attributes.clone(),
        span: Some(SpanContext {
            trace_id: span.trace_id,
            span_id: span.span_id,
            flags: span.flags,
            state: span.state.clone(),
        }),
    })
}

fn event_of(ended: &Ended<'_>) -> Option<&'static LogEvent> {
    match (ended.node.level, ended.status) {
        (NodeLevel::Leaf, _) => None,
        (NodeLevel::Run, ExecutionStatus::Success) => Some(&log::WORKFLOW_COMPLETE),
        (NodeLevel::Run, ExecutionStatus::Cancelled) => Some(&log::WORKFLOW_CANCELLED),
        (NodeLevel::Run, _) => Some(&log::WORKFLOW_FAILED),
        (_, ExecutionStatus::Cancelled) => None,
        (NodeLevel::Role, ExecutionStatus::Success) => {
            is_step(ended.node).then_some(&log::SEQUENTIAL_STEP_COMPLETE)
        }
        (NodeLevel::Role, _) if is_step(ended.node) => Some(&log::SEQUENTIAL_STEP_FAILED),
        (NodeLevel::Role, _) => {
            value(ended.node, attribute::BRANCH_INDEX.key).map(|_| &log::PARALLEL_BRANCH_FAILED)
        }
        (NodeLevel::Node, ExecutionStatus::Success) if ended.node.kind == PARALLEL => {
            Some(&log::PARALLEL_EXECUTION_COMPLETE)
        }
        // The line of the step says the same.
        (NodeLevel::Node, ExecutionStatus::Success) => {
            (!ended.role.is_some_and(is_step)).then_some(&log::PRIMITIVE_COMPLETE)
        }
        (NodeLevel::Node, _) => failed(ended.span),
    }
}

/// The line about an error, where it arose.
fn failed(span: &SpanRecord) -> Option<&'static LogEvent> {
    span.attribute(attribute::ERROR_MESSAGE.key)?;
    let class = span.attribute(attribute::ERROR_TYPE.key).and_then(Value::as_text);
    let is_panic = class == Some(ErrorKind::Panic.as_str());
    Some(if is_panic { &log::PANIC_CAUGHT } else { &log::PRIMITIVE_FAILED })
}
