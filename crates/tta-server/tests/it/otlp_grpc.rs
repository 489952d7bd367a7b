//! OTLP over gRPC, with tonic on the other side.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, logs_service_client::LogsServiceClient,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, trace_service_client::TraceServiceClient,
};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tta_server::Limits;

use super::served::Served;
use super::support::{request, span};

fn batch(trace: u128, spans: u64) -> ExportTraceServiceRequest {
    let body = request(vec![("shop", (1..=spans).map(|id| span(trace, id)).collect())]);
    ExportTraceServiceRequest::decode(&body[..]).expect("it is a request")
}

pub(super) async fn channel(server: &Served) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", server.handle.grpc)).expect("an address");
    endpoint.connect().await.expect("it accepts")
}

fn export(
    server: &Served,
    request: ExportTraceServiceRequest,
    gzip: bool,
) -> Result<ExportTraceServiceResponse, Status> {
    server.runtime.block_on(async {
        let mut client = TraceServiceClient::new(channel(server).await);
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        Ok(client.export(request).await?.into_inner())
    })
}

#[test]
fn the_three_services_take_what_they_are_for() {
    let server = Served::new();
    for (trace, gzip) in [(1, false), (2, true)] {
        let answer = export(&server, batch(trace, 5), gzip).expect("it is taken");
        assert_eq!(answer, ExportTraceServiceResponse::default());
        assert_eq!(server.count(trace), 5);
    }
    server.runtime.block_on(async {
        let channel = channel(&server).await;
        let logs = LogsServiceClient::new(channel.clone()).export(ExportLogsServiceRequest::default()).await;
        logs.expect("it is taken");
        let metrics = MetricsServiceClient::new(channel).export(ExportMetricsServiceRequest::default()).await;
        metrics.expect("it is taken");
    });
}

#[test]
fn a_few_bad_spans_are_told_of() {
    let server = Served::new();
    let mut request = batch(3, 3);
    request.resource_spans[0].scope_spans[0].spans[1].span_id = vec![0; 8];
    let partial = export(&server, request, false).expect("it is taken").partial_success;
    assert_eq!(partial.expect("one was rejected").rejected_spans, 1);
    assert_eq!(server.count(3), 2);
}

#[test]
fn each_mistake_has_its_code() {
    let server = Served::limited(Limits { max_bytes: 10_000, ..Limits::default() });
    for gzip in [false, true] {
        let status = export(&server, batch(1, 200), gzip).expect_err("it is too large");
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.get_details_retry_info().is_none(), "it will never fit");
    }
    let busy = Served::limited(Limits { max_bytes_at_once: 1_000, ..Limits::default() });
    let status = export(&busy, batch(1, 100), false).expect_err("it is busy");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    assert_eq!(server.handle.stats().spans, 0);
}

/// Sends a message of bytes to a path.
fn call(server: &Served, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    server.runtime.block_on(async {
        let mut client = tonic::client::Grpc::new(channel(server).await);
        client.ready().await.expect("it is ready");
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = client.unary(tonic::Request::new(message), path, Plain).await?;
        Ok(answer.into_inner())
    })
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl tonic::codec::Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(out, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, input: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; bytes::Buf::remaining(input)];
        bytes::Buf::copy_to_slice(input, &mut item);
        Ok(Some(item))
    }
}

#[test]
fn what_is_no_request_is_told_apart() {
    let server = Served::new();
    let traces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let status = call(&server, traces, b"no protobuf".to_vec()).expect_err("it is no request");
    assert_eq!(status.code(), Code::InvalidArgument);
    for unknown in
        ["/opentelemetry.proto.collector.trace.v1.TraceService/Import", "/some.Service/Export", "/x"]
    {
        let status = call(&server, unknown, Vec::new()).expect_err("it is not known");
        assert_eq!(status.code(), Code::Unimplemented, "{unknown}");
    }
}

#[test]
fn health_is_told() {
    let server = Served::new();
    let check = "/grpc.health.v1.Health/Check";
    assert_eq!(call(&server, check, Vec::new()).expect("it is well"), [8, 1]);
    let service = String::from("opentelemetry.proto.collector.trace.v1.TraceService").encode_to_vec();
    assert_eq!(call(&server, check, service).expect("it is well"), [8, 1]);
    let other = String::from("other").encode_to_vec();
    assert_eq!(call(&server, check, other).expect_err("it is not here").code(), Code::NotFound);
}
