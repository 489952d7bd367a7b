//! The layers for servers and clients.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use http::{HeaderMap, Request};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tower_layer::Layer;
use tower_service::Service;
use tta_model::w3c::Baggage;
use tta_observability::propagation::{AllowedHosts, ExtractLayer, InjectLayer};
use tta_primitives::WorkflowContext;

use super::{TRACE, TRACEPARENT, application_span, received, traceparent_of};

/// A service of one function.
#[derive(Clone)]
struct Handler<F>(F);

impl<F: FnMut(Request<()>) -> R, R: Future + Send + 'static> Service<Request<()>> for Handler<F> {
    type Response = R::Output;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<R::Output, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let begun = Request::post("https://allowed.example:8443/path");
    headers
        .iter()
        .fold(begun, |begun, (name, value)| begun.header(*name, *value))
        .body(())
        .expect("a request")
}

/// The current span, as a receiver would be told.
fn current() -> String {
    Context::map_current(|current| traceparent_of(current.span().span_context()))
}

async fn context_in_handler(layer: &ExtractLayer, headers: &[(&str, &str)]) -> WorkflowContext {
    let handler =
        |request: Request<()>| async move { request.extensions().get::<WorkflowContext>().cloned() };
    layer.layer(Handler(handler)).call(request(headers)).await.unwrap().expect("every request has a context")
}

#[tokio::test]
async fn a_request_has_a_context_that_says_what_its_headers_say() {
    let layer = ExtractLayer::new();
    let cx = context_in_handler(&layer, &[("traceparent", TRACEPARENT), ("baggage", "a=1;p")]).await;
    assert_eq!(
        (cx.trace_id().unwrap().to_string(), cx.baggage().to_string()),
        (TRACE.into(), "a=1;p".into())
    );
    let cx = context_in_handler(&layer, &[("traceparent", "malformed"), ("baggage", "a=1")]).await;
    assert_eq!((cx.span_context(), cx.baggage().len()), (None, 1));
    assert_eq!(context_in_handler(&layer, &[]).await.span_context(), None);
}

#[tokio::test]
async fn contexts_begin_as_the_application_says() {
    let layer = ExtractLayer::new()
        .contexts(|| WorkflowContext::builder().workflow_name("relay").baggage(Baggage::parse("mine=1").0));
    let cx = context_in_handler(&layer, &[("traceparent", TRACEPARENT), ("baggage", "a=1")]).await;
    assert_eq!((cx.workflow_name(), cx.trace_id().unwrap().to_string()), (Some("relay"), TRACE.into()));
    assert_eq!(cx.baggage().to_string(), "a=1", "the request's own");
}

#[tokio::test]
async fn the_sender_is_the_current_span_whenever_the_service_works() {
    let handler = |_| {
        let called = current();
        async move {
            let first = current();
            tokio::task::yield_now().await;
            [called, first, current()]
        }
    };
    let mut service = ExtractLayer::new().layer(Handler(handler));
    let answer = service.call(request(&[("traceparent", TRACEPARENT)]));
    assert_ne!(current(), TRACEPARENT, "only while the service is polled");
    assert_eq!(answer.await.unwrap(), [TRACEPARENT; 3]);
    assert_ne!(current(), TRACEPARENT);
}

#[tokio::test]
async fn an_open_span_of_the_application_stays_current_in_its_own_trace() {
    let mut service = ExtractLayer::new().layer(Handler(|_| async { current() }));
    let server = application_span(Some(&received()));
    let own = traceparent_of(server.span().span_context());
    let answer = {
        let _attached = server.attach();
        service.call(request(&[("traceparent", TRACEPARENT)]))
    };
    assert_eq!(answer.await.unwrap(), own);
    // In another trace the sender's span is what connects.
    let answer = {
        let _attached = application_span(None).attach();
        service.call(request(&[("traceparent", TRACEPARENT)]))
    };
    assert_eq!(answer.await.unwrap(), TRACEPARENT);
}

#[tokio::test]
async fn a_request_within_a_request_has_the_nearer_sender() {
    let inner = TRACEPARENT.replace("1234567890123456-", "6543210987654321-");
    let within = inner.clone();
    let handler = move |_| {
        let mut service = ExtractLayer::new().layer(Handler(|_| async { current() }));
        let answer = service.call(request(&[("traceparent", &within)]));
        async move { answer.await.unwrap() }
    };
    let mut service = ExtractLayer::new().layer(Handler(handler));
    assert_eq!(service.call(request(&[("traceparent", TRACEPARENT)])).await.unwrap(), inner);
}

/// The headers that leave, of a request with a context or without.
async fn sent(layer: &InjectLayer, cx: Option<WorkflowContext>, mut request: Request<()>) -> HeaderMap {
    request.extensions_mut().extend(
        cx.map(|cx| {
            let mut extensions = http::Extensions::new();
            extensions.insert(cx);
            extensions
        })
        .unwrap_or_default(),
    );
    layer
        .layer(Handler(|request: Request<()>| async move { request.headers().clone() }))
        .call(request)
        .await
        .unwrap()
}

fn to_allowed() -> InjectLayer {
    InjectLayer::new().baggage_to(AllowedHosts::of(["allowed.example"]).expect("a host"))
}

#[tokio::test]
async fn a_request_names_its_sender_and_loses_what_an_earlier_one_left() {
    let old =
        [("traceparent", "old"), ("tracestate", "old=1"), ("tracestate", "old=2"), ("baggage", "old=1")];
    let headers = sent(&InjectLayer::new(), Some(received()), request(&old)).await;
    assert_eq!(headers.len(), 2);
    assert_eq!(
        (&headers["traceparent"], &headers["tracestate"]),
        (&TRACEPARENT.parse().unwrap(), &"foo=1".parse().unwrap())
    );
}

#[tokio::test]
async fn without_a_context_the_current_span_is_the_sender() {
    let span = application_span(None);
    let own = traceparent_of(span.span().span_context());
    let _attached = span.attach();
    let headers = sent(&InjectLayer::new(), None, request(&[])).await;
    assert_eq!(headers["traceparent"], *own);
}

#[tokio::test]
async fn without_either_trace_headers_stay_and_baggage_goes() {
    let own = [("traceparent", TRACEPARENT), ("baggage", "a=1")];
    let headers = sent(&InjectLayer::new(), None, request(&own)).await;
    assert_eq!((headers.len(), &headers["traceparent"]), (1, &TRACEPARENT.parse().unwrap()));
}

#[tokio::test]
async fn baggage_goes_to_the_host_of_the_uri_if_it_is_allowed() {
    let headers = sent(&to_allowed(), Some(received()), request(&[])).await;
    assert_eq!(headers["baggage"], "a=1;p");
    for uri in
        ["https://other.example/", "https://allowed.example@other.example/", "/path", "other.example:80"]
    {
        let mut request = request(&[("host", "allowed.example"), ("baggage", "mine=1")]);
        *request.uri_mut() = uri.parse().unwrap();
        let headers = sent(&to_allowed(), Some(received()), request).await;
        assert!(!headers.contains_key("baggage"), "{uri}");
        assert_eq!(headers["traceparent"], TRACEPARENT, "{uri}");
    }
    assert!(!sent(&InjectLayer::new(), Some(received()), request(&[])).await.contains_key("baggage"));
}

#[tokio::test]
async fn a_handler_that_looks_at_nothing_hands_trace_and_baggage_on() {
    let handler = |_| async { sent(&to_allowed(), None, request(&[])).await };
    let mut service = ExtractLayer::new().layer(Handler(handler));
    // OpenTelemetry's own type has no room for the first key.
    let state = "a@b@c=1,foo=2";
    let received = [("traceparent", TRACEPARENT), ("tracestate", state), ("baggage", "a=1;p")];
    let headers = service.call(request(&received)).await.unwrap();
    for (name, value) in received {
        assert_eq!(headers[name], value);
    }
}
