//! The OpenTelemetry context of a run before its first node, or of one that is not recorded.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tta_model::{Key, SpanId, Value};
use tta_primitives::observe::{Event, NodeFinished, Observation};

/// A context that is current while a run is polled, and to which nothing is added.
#[derive(Debug)]
pub(super) struct Ambient {
    pub(super) context: Context,
    span_id: SpanId,
}

impl Ambient {
    /// Keeps a context; none if its span is not valid.
    pub(super) fn of(context: Context) -> Option<Arc<dyn Observation>> {
        let span_id = SpanId::from_bytes(context.span().span_context().span_id().to_bytes())?;
        Some(Arc::new(Self { context, span_id }))
    }
}

impl Observation for Ambient {
    fn span_id(&self) -> SpanId {
        self.span_id
    }

    fn parent_span_id(&self) -> Option<SpanId> {
        None
    }

    fn within(&self, poll: &mut dyn FnMut()) {
        let _current = self.context.clone().attach();
        poll();
    }

    fn event(&self, _event: &Event<'_>) {}

    fn set_attributes(&self, _attributes: &mut [Option<(Key, Value)>]) {}

    fn finished(self: Arc<Self>, _finished: &NodeFinished<'_>) {}
}
