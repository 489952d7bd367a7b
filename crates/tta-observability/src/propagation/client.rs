//! A layer for clients: a request says where it comes from.

use std::task::{Context as Task, Poll};

use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;
use tta_primitives::WorkflowContext;

use super::{AllowedHosts, Headers, inject};

/// Tells the receiver of a request which span sent it.
///
/// The sender is the [`WorkflowContext`] in the extensions of the request, or the span that the application has
/// open inside of it; without such a context it is OpenTelemetry's current span. If there is neither, the trace
/// headers stay as they are. The layer makes no span of its own: the step that sends the request has one.
///
/// Baggage goes to [allowed hosts](Self::baggage_to) alone. For any other host, and for a request whose URI names
/// no host, the header is removed, also if the application set it.
///
/// # Redirects
///
/// A client that follows redirects by itself, as reqwest does, takes the headers along to whatever host it is
/// sent to. Turn that off where you allow baggage, or follow redirects above this layer.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, Request};
/// use tower_layer::Layer;
/// use tower_service::Service;
/// use tta_model::w3c::Baggage;
/// use tta_observability::propagation::{AllowedHosts, InjectLayer};
/// use tta_primitives::WorkflowContext;
///
/// # struct Client;
/// # impl Service<Request<()>> for Client {
/// #     type Response = HeaderMap;
/// #     type Error = std::convert::Infallible;
/// #     type Future = std::future::Ready<Result<HeaderMap, Self::Error>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> { Ok(()).into() }
/// #     fn call(&mut self, request: Request<()>) -> Self::Future { std::future::ready(Ok(request.headers().clone())) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = InjectLayer::new().baggage_to(AllowedHosts::of(["billing.example.com"])?);
/// let mut client = layer.layer(Client);
/// let cx = WorkflowContext::new().with_baggage(Baggage::parse("tier=gold").0);
/// let to = |uri: &str| Request::post(uri).extension(cx.clone()).body(());
/// assert_eq!(client.call(to("https://billing.example.com/bill")?).await?["baggage"], "tier=gold");
/// assert!(client.call(to("https://example.org/")?).await?.get("baggage").is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct InjectLayer {
    hosts: AllowedHosts,
}

impl InjectLayer {
    /// Makes a layer that sends no baggage.
    #[must_use]
    pub const fn new() -> Self {
        Self { hosts: AllowedHosts::none() }
    }

    /// Sends baggage to these hosts.
    #[must_use]
    pub fn baggage_to(self, hosts: AllowedHosts) -> Self {
        Self { hosts }
    }

    /// Writes the headers of one request, for a client that is no tower service.
    ///
    /// The host is the one that the request goes to; without it no baggage is sent.
    pub fn inject(&self, cx: Option<&WorkflowContext>, host: Option<&str>, headers: &mut HeaderMap) {
        let is_allowed = host.is_some_and(|host| self.hosts.allows(host));
        inject(cx, is_allowed, &mut Headers(headers));
    }
}

impl<S> Layer<S> for InjectLayer {
    type Service = InjectService<S>;

    fn layer(&self, inner: S) -> InjectService<S> {
        InjectService { inner, layer: self.clone() }
    }
}

/// A client behind an [`InjectLayer`].
#[derive(Clone, Debug)]
pub struct InjectService<S> {
    inner: S,
    layer: InjectLayer,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for InjectService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let (mut parts, body) = request.into_parts();
        self.layer.inject(parts.extensions.get(), parts.uri.host(), &mut parts.headers);
        self.inner.call(Request::from_parts(parts, body))
    }
}
