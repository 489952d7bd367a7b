//! The ids of the run inside of which a line is written.
//!
//! They lie in OpenTelemetry's current context, which is current while a step is polled, whatever thread polls it.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tta_model::{SpanContext, SpanId, Text, TraceId};
use tta_primitives::observe::RunIds;

use crate::convert::from_otel;

/// The ids of a run in a context.
#[derive(Debug)]
struct Current(RunIds);

/// The context with the ids of a run.
pub(crate) fn with_ids(context: &Context, ids: &RunIds) -> Context {
    context.with_value(Current(ids.clone()))
}

/// What identifies the place where a line is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    pub(super) span: Option<SpanContext>,
    pub(super) workflow_id: Option<Text>,
    pub(super) correlation_id: Option<Text>,
}

/// The ids of the place where the caller stands.
pub(super) fn current() -> Ids {
    Context::map_current(|cx| {
        let span = cx.has_active_span().then(|| from_otel::span_context(cx.span().span_context())).flatten();
        let run = cx.get::<Current>().map(|current| &current.0);
        Ids {
            span,
            workflow_id: run.map(|ids| ids.workflow_id().to_owned().into()),
            correlation_id: run.map(|ids| ids.correlation_id().to_owned().into()),
        }
    })
}

/// The span that is current, if it belongs to a trace.
pub(super) fn current_span_in(trace_id: TraceId) -> Option<SpanId> {
    Context::map_current(|cx| {
        let span = from_otel::span_context(cx.span().span_context())?;
        (span.trace_id == trace_id).then_some(span.span_id)
    })
}
