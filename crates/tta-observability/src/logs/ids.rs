//! The ids of the run inside of which a line is written.
//!
//! They lie in OpenTelemetry's current context, which is current while a step is polled, whatever thread polls it.

use std::panic::catch_unwind;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::level_filters::LevelFilter;
use tta_model::{SpanContext, SpanId, Text, TraceId};
use tta_primitives::observe::RunIds;

use crate::clean;
use crate::convert::from_otel;

/// The ids of a run in a context.
#[derive(Debug)]
struct Current(RunIds);

/// The context with the ids of a run, if anybody listens to lines: they cost every poll of every node in it a few
/// nanoseconds.
pub(crate) fn with_ids(context: Context, ids: &RunIds) -> Context {
    if LevelFilter::current() == LevelFilter::OFF {
        return context;
    }
    context.with_value(Current(ids.clone()))
}

/// What identifies the place where a line is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    pub(super) span: Option<SpanContext>,
    pub(super) workflow_id: Option<Text>,
    pub(super) correlation_id: Option<Text>,
}

/// The ids of the place where a line of a target is written.
pub(super) fn current(target: &str) -> Ids {
    // What OpenTelemetry says about its contexts it may say while it changes them.
    if target.starts_with("opentelemetry") {
        return Ids::default();
    }
    with_current(|cx| {
        let span = cx.has_active_span().then(|| from_otel::span_context(cx.span().span_context())).flatten();
        let run = cx.get::<Current>().map(|current| &current.0);
        Ids {
            span,
            workflow_id: run.map(|ids| shown(ids.workflow_id())),
            correlation_id: run.map(|ids| shown(ids.correlation_id())),
        }
    })
}

/// An id that may have come with data.
fn shown(id: &str) -> Text {
    clean::shown(id).into_owned().into()
}

/// The span that is current, if it belongs to a trace.
pub(super) fn current_span_in(trace_id: TraceId) -> Option<SpanId> {
    with_current(|cx| {
        let span = from_otel::span_context(cx.span().span_context())?;
        (span.trace_id == trace_id).then_some(span.span_id)
    })
}

/// Whether this thread still has a current context.
struct Usable(bool);

impl Usable {
    /// Comes after OpenTelemetry's own, and so goes before it when the thread ends.
    fn new() -> Self {
        Self(catch_unwind(|| Context::map_current(|_| ())).is_ok())
    }
}

impl Drop for Usable {
    /// What has nothing to do at the end is not known to have ended.
    fn drop(&mut self) {
        self.0 = false;
    }
}

thread_local! {
    static USABLE: Usable = Usable::new();
}

/// Looks at the current context; there is none while a thread ends. Lines are written then too, by what the thread has
/// kept, and OpenTelemetry would panic, which ends the whole process there.
fn with_current<T: Default>(look: impl FnOnce(&Context) -> T) -> T {
    match USABLE.try_with(|usable| usable.0) {
        Ok(true) => Context::map_current(look),
        _ => T::default(),
    }
}
