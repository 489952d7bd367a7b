//! Which span a call is made from.
//!
//! Two things say where the caller is: the context that it was given, and OpenTelemetry's current span. They
//! differ where the application opened a span of its own inside a step, and where a step's work was moved to
//! a task that knows nothing of OpenTelemetry.

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceState};
use tta_model::SpanContext;
use tta_model::w3c::{Baggage, Extracted};
use tta_primitives::WorkflowContext;

use crate::convert::{from_otel, to_otel};

/// What the request that is being handled says, in the current context of OpenTelemetry.
#[derive(Debug)]
pub(super) struct Received(pub(super) Extracted);

/// The span that a call is made from, if any.
pub(super) fn span(cx: Option<&WorkflowContext>) -> Option<SpanContext> {
    let given = cx.and_then(WorkflowContext::span_context).filter(|given| !is_current_nearer(given));
    given.or_else(|| Some(current()?.0)).map(with_received_state)
}

/// The baggage of a context; without a context that of the request that is being handled.
pub(super) fn baggage(cx: Option<&WorkflowContext>) -> Baggage {
    let received = || received(|received| received.baggage.clone());
    cx.map(|cx| cx.baggage().clone()).or_else(received).unwrap_or_default()
}

/// Puts back the state of a trace that OpenTelemetry could not take. Its own type refuses keys of level 2 such
/// as `a@b@c`, and with them all the others, so spans inside of the request have none.
fn with_received_state(span: SpanContext) -> SpanContext {
    let lost = received(|received| {
        let sender = received.span.as_ref().filter(|sender| sender.trace_id == span.trace_id)?;
        let is_lost = span.state.is_empty() && to_otel::trace_state(&sender.state) == TraceState::NONE;
        is_lost.then(|| sender.state.clone())
    });
    match lost.flatten() {
        Some(state) => SpanContext { state, ..span },
        None => span,
    }
}

/// Looks at what the request that is being handled says, if there is one.
fn received<T>(look: impl FnOnce(&Extracted) -> T) -> Option<T> {
    Context::map_current(|current| current.get::<Received>().map(|received| look(&received.0)))
}

/// A context of OpenTelemetry whose span is the one that a call is made from.
pub(super) fn otel_parent(cx: &WorkflowContext) -> Context {
    match cx.span_context().filter(|given| !is_current_nearer(given)) {
        Some(given) => {
            // A context outside of a run has no span but the one it was given, which is a caller's.
            let is_remote = cx.path().is_empty();
            Context::current().with_remote_span_context(to_otel::span_context(&given, is_remote))
        }
        None => Context::current(),
    }
}

/// Of two in the same trace the current span is the nearer one, unless it is only the caller's.
pub(super) fn is_current_nearer(given: &SpanContext) -> bool {
    current().is_some_and(|(current, is_remote)| current.trace_id == given.trace_id && !is_remote)
}

/// The application's current span, and whether it is one of another process.
fn current() -> Option<(SpanContext, bool)> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        from_otel::span_context(span).map(|context| (context, span.is_remote()))
    })
}
