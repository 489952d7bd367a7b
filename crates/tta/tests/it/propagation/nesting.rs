//! What a request causes is below its sender, whether or not the handler looks at the request.

use std::convert::Infallible;

use axum::http::{HeaderMap, Request};
use tower::{Layer, ServiceExt, service_fn};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info_span};
use tta::propagation::{AllowedHosts, ExtractLayer, InjectLayer, extract_trace_context};
use tta::sampling::Sampler;
use tta::step;

use crate::support::{World, tree};

const TRACE: &str = "12345678901234567890123456789012";
const SENDER: &str = "1234567890123456";

fn request() -> Request<()> {
    Request::post("/").header("traceparent", format!("00-{TRACE}-{SENDER}-01")).body(()).unwrap()
}

/// Handles a request without looking at it: a run, and another below a span of the application.
async fn handle(world: &World) {
    let work = step("work", |()| async {
        tokio::task::yield_now().await;
        Ok(())
    });
    let layer = ExtractLayer::new();
    let service = layer.layer(service_fn(|_: Request<()>| async {
        work.run((), &world.context()).await.unwrap();
        async { work.run((), &world.context()).await.unwrap() }
            .instrument(info_span!("application.inner"))
            .await;
        Ok::<_, Infallible>(())
    }));
    service.oneshot(request()).await.unwrap();
}

async fn check(world: &World) {
    async { handle(world).await }.with_subscriber(world.dispatch.clone()).await;
    let spans = world.spans();
    let expected = "\
workflow.work.execute
  primitive.work.execute
application.inner
  workflow.work.execute
    primitive.work.execute
";
    assert_eq!(tree(&spans), expected);
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
    let below_sender = spans.iter().filter(|span| span.parent.as_deref() == Some(SENDER));
    assert_eq!(below_sender.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_does_is_below_the_sender_on_the_direct_way() {
    check(&World::direct(Sampler::AlwaysOn)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_does_is_below_the_sender_on_the_sdk_way() {
    check(&World::sdk()).await;
}

#[test]
fn a_request_of_reqwest_takes_the_headers_without_a_layer() {
    let headers = [("traceparent", format!("00-{TRACE}-{SENDER}-01")), ("baggage", "a=1".to_owned())];
    let cx = extract_trace_context(&headers[..]).build();
    let layer = InjectLayer::new().baggage_to(AllowedHosts::of(["*.example.com"]).unwrap());
    let sent = |url: &str| -> HeaderMap {
        let mut request = reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
        let host = request.url().host_str().map(str::to_owned);
        layer.inject(Some(&cx), host.as_deref(), request.headers_mut());
        request.headers().clone()
    };
    assert_eq!(sent("https://api.example.com:8443/")["baggage"], "a=1");
    let elsewhere = sent("https://api.example.com@example.org/");
    assert_eq!((elsewhere.len(), &elsewhere["traceparent"]), (1, &headers[0].1.parse().unwrap()));
}
