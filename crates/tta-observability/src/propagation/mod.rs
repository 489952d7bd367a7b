//! Carries a trace from one process to the next.
//!
//! A trace stays connected only if each process reads who called it and tells whom it calls. The headers are
//! those of W3C Trace Context and W3C Baggage, read strictly: a malformed one counts as absent. They travel in
//! anything that can [`Extract`] and [`Inject`]: `http` headers and gRPC metadata ([`Headers`]), the headers of
//! a message ([`MessageHeaders`]), environment variables ([`environment`], [`CommandEnvironment`]), and maps of
//! strings.
//!
//! | where | server | client |
//! |---|---|---|
//! | tower, axum, hyper, tonic | [`ExtractLayer`] | [`InjectLayer`] |
//! | tonic, as an interceptor | [`ExtractInterceptor`] | [`InjectInterceptor`] |
//! | reqwest | | [`InjectLayer`] around the client, or [`InjectLayer::inject`] |
//! | anything else | [`extract_trace_context`] | [`inject_trace_context`], [`inject_baggage`] |
//!
//! # Baggage
//!
//! Baggage holds what the application says of its users, so it never leaves unasked: layers and interceptors
//! send it to [allowed hosts](AllowedHosts) alone, none by default, and [`inject_trace_context`] never does.
//! `traceparent` and `tracestate` go everywhere.

mod carrier;
#[cfg(feature = "http")]
mod client;
#[cfg(feature = "otlp")]
mod grpc;
#[cfg(feature = "http")]
mod headers;
mod hosts;
mod nearest;
#[cfg(feature = "http")]
mod server;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer};
use tta_model::w3c::{self, Baggage, Extracted};
use tta_primitives::{WorkflowContext, WorkflowContextBuilder};

pub use carrier::{CommandEnvironment, MessageHeaders, environment};
#[cfg(feature = "http")]
pub use client::{InjectLayer, InjectService};
#[cfg(feature = "otlp")]
pub use grpc::{ExtractInterceptor, InjectInterceptor};
#[cfg(feature = "http")]
pub use headers::Headers;
pub use hosts::{AllowedHosts, HostPatternError};
#[cfg(feature = "http")]
pub use server::{ExtractLayer, ExtractService};
pub use tta_model::w3c::{Extract, Inject};

use crate::convert::to_otel;

/// Begins a context of what a carrier says: runs of it are children of the sender's span and have its baggage.
///
/// What breaks the rules counts as absent; without a valid `traceparent` a run begins a trace of its own.
///
/// # Examples
///
/// ```
/// use tta_observability::propagation::extract_trace_context;
///
/// let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("baggage", "tier=gold")];
/// let cx = extract_trace_context(&headers[..]).workflow_name("report").build();
/// assert_eq!(cx.trace_id().unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(cx.baggage().get("tier"), Some("gold"));
/// ```
pub fn extract_trace_context<C: Extract + ?Sized>(carrier: &C) -> WorkflowContextBuilder {
    continued(WorkflowContext::builder(), extract(carrier))
}

/// Writes the position of a context in its trace into a carrier, as the parent of whatever the receiver does.
///
/// The parent is the step of the context, or a span that the application has open inside of it. Baggage is not
/// sent, and one that an earlier request left in the carrier is removed; see [`inject_baggage`]. A context that
/// is in no trace yet leaves the trace headers of the carrier alone.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use tta_observability::propagation::{extract_trace_context, inject_trace_context};
///
/// let received = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
/// let cx = extract_trace_context(&received[..]).build();
/// let mut sent = BTreeMap::new();
/// inject_trace_context(&cx, &mut sent);
/// assert_eq!(sent["traceparent"], received[0].1);
/// ```
pub fn inject_trace_context<C: Inject + ?Sized>(cx: &WorkflowContext, carrier: &mut C) {
    inject(Some(cx), false, carrier);
}

/// Writes the baggage of a context into a carrier; call it only for a receiver that you trust with all of it.
///
/// # Examples
///
/// ```
/// use tta_model::w3c::Baggage;
/// use tta_observability::propagation::{inject_baggage, inject_trace_context};
/// use tta_primitives::WorkflowContext;
///
/// let cx = WorkflowContext::new().with_baggage(Baggage::parse("tier=gold").0);
/// let mut message = Vec::new();
/// inject_trace_context(&cx, &mut message);
/// assert!(message.is_empty());
/// inject_baggage(&cx, &mut message);
/// assert_eq!(message, [("baggage".to_owned(), "tier=gold".to_owned())]);
/// ```
pub fn inject_baggage<C: Inject + ?Sized>(cx: &WorkflowContext, carrier: &mut C) {
    set_baggage(cx.baggage(), carrier);
}

/// Starts a span of the application's tracer as a child of a context's span, with the attributes that describe
/// the context ([`WorkflowContext::to_otel_context`]).
///
/// The result is an OpenTelemetry context with that span: attach it, or poll a future with it. The span ends
/// when it is ended or when the last clone of the context is dropped.
///
/// # Examples
///
/// ```
/// use opentelemetry::trace::{TraceContextExt, TracerProvider};
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use tta_observability::propagation::{create_linked_span, extract_trace_context};
///
/// let provider = SdkTracerProvider::default();
/// let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
/// let cx = extract_trace_context(&headers[..]).build();
/// let linked = create_linked_span(&provider.tracer("app"), "read file", &cx);
/// let _attached = linked.clone().attach();
/// assert_eq!(linked.span().span_context().trace_id().to_string(), cx.trace_id().unwrap().to_string());
/// linked.span().end();
/// ```
pub fn create_linked_span<T>(tracer: &T, name: impl Into<Cow<'static, str>>, cx: &WorkflowContext) -> Context
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let parent = nearest::otel_parent(cx);
    let builder = tracer.span_builder(name).with_attributes(to_otel::attributes(&cx.to_otel_context()));
    parent.with_span(tracer.build_with_context(builder, &parent))
}

/// Makes the runs of a context go on where a sender was.
fn continued(begun: WorkflowContextBuilder, found: Extracted) -> WorkflowContextBuilder {
    let begun = begun.baggage(found.baggage);
    match found.span {
        Some(span) => begun.parent(span),
        None => begun,
    }
}

/// Writes where the caller is, and its baggage if the receiver may have it.
fn inject<C: Inject + ?Sized>(cx: Option<&WorkflowContext>, may_have_baggage: bool, carrier: &mut C) {
    let baggage = if may_have_baggage { nearest::baggage(cx) } else { Baggage::new() };
    match nearest::span(cx) {
        Some(span) => w3c::inject(&span, &baggage, carrier),
        None => set_baggage(&baggage, carrier),
    }
}

fn set_baggage<C: Inject + ?Sized>(baggage: &Baggage, carrier: &mut C) {
    if baggage.is_empty() {
        carrier.unset(w3c::BAGGAGE);
    } else {
        carrier.set(w3c::BAGGAGE, baggage.to_string());
    }
}

/// Reads what a carrier holds, and counts the members of its baggage that were left out.
fn extract(carrier: &(impl Extract + ?Sized)) -> Extracted {
    let found = w3c::extract(carrier);
    let dropped = found.dropped.invalid + found.dropped.excess;
    if dropped > 0 {
        BAGGAGE_DROPPED.fetch_add(dropped as u64, Ordering::Relaxed);
    }
    found
}

/// Members of baggage that were left out since the process began: carriers belong to no recorder.
static BAGGAGE_DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many members of baggage were left out since the process began.
pub(crate) fn baggage_dropped() -> u64 {
    BAGGAGE_DROPPED.load(Ordering::Relaxed)
}
