//! One hop over gRPC. The service is OpenTelemetry's own for spans, since its code is generated already.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TraceContextExt;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tta::propagation::{
    AllowedHosts, ExtractInterceptor, ExtractLayer, InjectInterceptor, extract_trace_context,
};
use tta::{WorkflowContext, step_with};

const TRACE: &str = "12345678901234567890123456789012";

/// What a handler saw: its context's trace, span and baggage, and the current span of OpenTelemetry.
type Seen = [String; 4];

#[derive(Clone, Default)]
struct Service {
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let cx: &WorkflowContext = request.extensions().get().unwrap();
        let sender = cx.span_context().unwrap();
        let current = opentelemetry::Context::current().span().span_context().span_id().to_string();
        let seen =
            [sender.trace_id.to_string(), sender.span_id.to_string(), cx.baggage().to_string(), current];
        self.seen.lock().unwrap().push(seen);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Calls the service from inside of a step, and returns the id of the step's span.
async fn call(channel: Channel, interceptor: InjectInterceptor) -> String {
    let headers =
        [("traceparent", format!("00-{TRACE}-1234567890123456-01")), ("baggage", "a=1;p".to_owned())];
    let cx = extract_trace_context(&headers[..]).build();
    let client = TraceServiceClient::with_interceptor(channel, interceptor);
    let call = step_with("call", move |(): (), cx: WorkflowContext| {
        let mut client = client.clone();
        async move {
            let span = cx.span_id().unwrap().to_string();
            let mut request = Request::new(ExportTraceServiceRequest::default());
            request.extensions_mut().insert(cx);
            client.export(request).await?;
            Ok(span)
        }
    });
    call.run((), &cx).await.unwrap()
}

/// A free port of this machine, and a channel to it.
async fn listen() -> (tonic::transport::server::TcpIncoming, Channel) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    (listener.into(), Channel::from_shared(uri).unwrap().connect_lazy())
}

#[tokio::test]
async fn interceptors_carry_trace_and_baggage() {
    let (listener, channel) = listen().await;
    let service = Service::default();
    let server = TraceServiceServer::with_interceptor(service.clone(), ExtractInterceptor);
    tokio::spawn(Server::builder().add_service(server).serve_with_incoming(listener));
    let allowed = AllowedHosts::of(["127.0.0.1"]).unwrap();
    let denied = call(channel.clone(), InjectInterceptor::new()).await;
    let sent = call(channel, InjectInterceptor::new().baggage_to("127.0.0.1", &allowed)).await;
    let none = opentelemetry::trace::SpanId::INVALID.to_string();
    let expected = [[TRACE, &denied, "", &none], [TRACE, &sent, "a=1;p", &none]];
    assert_eq!(*service.seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn the_layer_for_servers_makes_the_sender_the_current_span() {
    let (listener, channel) = listen().await;
    let service = Service::default();
    let server =
        Server::builder().layer(ExtractLayer::new()).add_service(TraceServiceServer::new(service.clone()));
    tokio::spawn(server.serve_with_incoming(listener));
    let sent = call(channel, InjectInterceptor::new()).await;
    assert_eq!(*service.seen.lock().unwrap(), [[TRACE, &sent, "", &sent]]);
}
