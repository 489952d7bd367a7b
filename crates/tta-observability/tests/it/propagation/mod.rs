//! A trace is carried by anything that holds headers, and the nearest span is the one that is told.

mod carriers;
#[cfg(feature = "otlp")]
mod grpc;
#[cfg(feature = "http")]
mod layers;
mod nearest;

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tta_observability::propagation::extract_trace_context;
use tta_primitives::WorkflowContext;

const TRACE: &str = "12345678901234567890123456789012";
const TRACEPARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

/// A context whose runs are children of a span of another process.
fn received() -> WorkflowContext {
    extract_trace_context(&[("traceparent", TRACEPARENT), ("tracestate", "foo=1"), ("baggage", "a=1;p")][..])
        .build()
}

/// A span of the application, below a span of another process or in a trace of its own.
fn application_span(parent: Option<&WorkflowContext>) -> opentelemetry::Context {
    let tracer = SdkTracerProvider::default().tracer("application");
    match parent {
        Some(cx) => tta_observability::propagation::create_linked_span(&tracer, "server", cx),
        None => opentelemetry::Context::new().with_span(tracer.start("server")),
    }
}

/// What says that a span is the sender.
fn traceparent_of(span: &opentelemetry::trace::SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}
