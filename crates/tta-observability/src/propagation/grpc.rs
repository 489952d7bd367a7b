//! Interceptors of tonic.
//!
//! [`ExtractLayer`](super::ExtractLayer) and [`InjectLayer`](super::InjectLayer) work with tonic too. An interceptor
//! is less: on a server it sees the request and not its handling.

use tonic::service::Interceptor;
use tonic::{Request, Status};
use tta_primitives::WorkflowContext;

use super::{AllowedHosts, Headers, extract_trace_context, inject};

/// Reads who sent a gRPC request: puts a [`WorkflowContext`] with the sender as its parent into the request's
/// extensions.
///
/// An interceptor is not there while the request is handled, so OpenTelemetry's current span stays what it was;
/// where that matters use [`ExtractLayer`](super::ExtractLayer).
///
/// # Examples
///
/// ```
/// use tonic::{Request, service::Interceptor};
/// use tta_observability::propagation::ExtractInterceptor;
/// use tta_primitives::WorkflowContext;
///
/// let mut request = Request::new(());
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// request.metadata_mut().insert("traceparent", parent.parse()?);
/// let request = ExtractInterceptor.call(request)?;
/// let cx: &WorkflowContext = request.extensions().get().unwrap();
/// assert_eq!(cx.span_id().unwrap().to_string(), "00f067aa0ba902b7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ExtractInterceptor;

impl Interceptor for ExtractInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let cx = extract_trace_context(&Headers(request.metadata().as_ref())).build();
        request.extensions_mut().insert(cx);
        Ok(request)
    }
}

/// Tells the receiver of a gRPC request which span sent it: the [`WorkflowContext`] in the request's extensions,
/// or the span that is open inside of it, or else OpenTelemetry's current span.
///
/// An interceptor does not see where its channel leads, so it is told. It sends no baggage unless that
/// [host is allowed](Self::baggage_to).
///
/// # Examples
///
/// ```
/// use tonic::{Request, service::Interceptor};
/// use tta_model::w3c::Baggage;
/// use tta_observability::propagation::{AllowedHosts, InjectInterceptor};
/// use tta_primitives::WorkflowContext;
///
/// let hosts = AllowedHosts::of(["*.internal"])?;
/// let mut interceptor = InjectInterceptor::new().baggage_to("billing.internal", &hosts);
/// let mut request = Request::new(());
/// request.extensions_mut().insert(WorkflowContext::new().with_baggage(Baggage::parse("tier=gold").0));
/// assert_eq!(interceptor.call(request)?.metadata().get("baggage").unwrap(), "tier=gold");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct InjectInterceptor {
    sends_baggage: bool,
}

impl InjectInterceptor {
    /// Makes an interceptor that sends no baggage.
    #[must_use]
    pub const fn new() -> Self {
        Self { sends_baggage: false }
    }

    /// Sends baggage if the host of the channel is among the allowed ones.
    #[must_use]
    pub fn baggage_to(self, host: &str, allowed: &AllowedHosts) -> Self {
        Self { sends_baggage: allowed.allows(host) }
    }
}

impl Interceptor for InjectInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let cx = request.extensions().get::<WorkflowContext>().cloned();
        inject(cx.as_ref(), self.sends_baggage, &mut Headers(request.metadata_mut().as_mut()));
        Ok(request)
    }
}
