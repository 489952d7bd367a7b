//! A layer for servers: what a request says becomes the context of its handling.

use std::fmt;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::Request;
use opentelemetry::Context;
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::TraceContextExt;
use tower_layer::Layer;
use tower_service::Service;
use tta_model::w3c::Extracted;
use tta_primitives::{WorkflowContext, WorkflowContextBuilder};

use super::nearest::{self, Received};
use super::{Headers, continued};
use crate::convert::to_otel;

/// Reads who sent a request, and makes the sender's span the parent of what the request causes.
///
/// A [`WorkflowContext`] with the sender as its parent and the baggage of the request goes into the extensions
/// of the request; in axum a handler takes it as `Extension<WorkflowContext>`, in tonic by
/// `request.extensions()`. The sender's span is OpenTelemetry's current one while the service works, so that runs
/// and spans are its children even if the handler does not look at the extension. If the application has a
/// span of its own open for the request, in the same trace, that one stays the current span.
///
/// Malformed headers count as absent. The layer makes no span. A body that is streamed after the service has
/// answered is polled outside of it.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use tower_layer::Layer;
/// use tower_service::Service;
/// use tta_observability::propagation::ExtractLayer;
/// use tta_primitives::WorkflowContext;
///
/// # struct Handler;
/// # impl Service<Request<()>> for Handler {
/// #     type Response = String;
/// #     type Error = std::convert::Infallible;
/// #     type Future = std::future::Ready<Result<String, Self::Error>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> { Ok(()).into() }
/// #     fn call(&mut self, request: Request<()>) -> Self::Future {
/// let cx: &WorkflowContext = request.extensions().get().unwrap();
/// let trace = cx.trace_id().unwrap().to_string();
/// #         std::future::ready(Ok(trace))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut service = ExtractLayer::new().layer(Handler);
/// let request = Request::builder().header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// assert_eq!(service.call(request.body(())?).await?, "4bf92f3577b34da6a3ce929d0e0e4736");
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct ExtractLayer {
    begin: Option<Arc<dyn Fn() -> WorkflowContextBuilder + Send + Sync>>,
}

impl ExtractLayer {
    /// Makes a layer whose contexts have nothing but what the request says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has every context begin with these properties: a name, tags, a timeout, an observer. The sender and the
    /// baggage of the request are set after them.
    #[must_use]
    pub fn contexts(self, begin: impl Fn() -> WorkflowContextBuilder + Send + Sync + 'static) -> Self {
        Self { begin: Some(Arc::new(begin)) }
    }

    fn context(&self, found: Extracted) -> WorkflowContext {
        let begun = self.begin.as_ref().map_or_else(WorkflowContext::builder, |begin| begin());
        continued(begun, found).build()
    }
}

impl fmt::Debug for ExtractLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ExtractLayer {
    type Service = ExtractService<S>;

    fn layer(&self, inner: S) -> ExtractService<S> {
        ExtractService { inner, layer: self.clone() }
    }
}

/// A service behind an [`ExtractLayer`].
#[derive(Clone, Debug)]
pub struct ExtractService<S> {
    inner: S,
    layer: ExtractLayer,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for ExtractService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithContext<S::Future>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let found = super::extract(&Headers(request.headers()));
        let current = handling(&found);
        request.extensions_mut().insert(self.layer.context(found));
        let _attached = current.clone().attach();
        self.inner.call(request).with_context(current)
    }
}

/// The context of OpenTelemetry in which a request is handled.
fn handling(found: &Extracted) -> Context {
    let outer = Context::current();
    let inner = match &found.span {
        Some(sender) if !nearest::is_current_nearer(sender) => {
            outer.with_remote_span_context(to_otel::span_context(sender, true))
        }
        _ => outer,
    };
    inner.with_value(Received(found.clone()))
}
