//! gRPC's question whether a server is well, followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use http::uri::PathAndQuery;
use prost::Message;
use tonic::{Code, Request, Status, Streaming};
use tta_server::Clock;

use super::otlp_grpc::{Plain, channel};
use super::served::{PROTOBUF, Served};
use super::support::{NOW, request, span};

const SERVING: [u8; 2] = [8, 1];
const NOT_SERVING: [u8; 2] = [8, 2];
const SERVICE_UNKNOWN: [u8; 2] = [8, 3];

fn watch(server: &Served, service: &str) -> Streaming<Vec<u8>> {
    let question = String::from(service).encode_to_vec();
    server.runtime.block_on(async {
        let mut client = tonic::client::Grpc::new(channel(server).await);
        client.ready().await.expect("it is ready");
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");
        let answer = client.server_streaming(Request::new(question), path, Plain).await;
        answer.expect("it answers").into_inner()
    })
}

fn next(server: &Served, stream: &mut Streaming<Vec<u8>>) -> Result<Option<Vec<u8>>, Status> {
    server.runtime.block_on(stream.message())
}

#[test]
fn health_is_told_when_it_changes() {
    let now = Arc::new(AtomicU64::new(NOW / 1_000_000_000));
    let seconds = Arc::clone(&now);
    let server = Served::with(|config| {
        config.store.clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Relaxed)));
    });
    let early = request(vec![("shop", vec![span(7, 1)])]);
    assert_eq!(server.post("/v1/traces", PROTOBUF, early).status(), 200);
    let mut streams = [
        watch(&server, ""),
        watch(&server, "opentelemetry.proto.collector.trace.v1.TraceService"),
        watch(&server, "opentelemetry.proto.collector.logs.v1.LogsService"),
        watch(&server, "opentelemetry.proto.collector.metrics.v1.MetricsService"),
    ];
    let mut check = |expect: [u8; 2]| {
        for stream in &mut streams {
            assert_eq!(next(&server, stream).expect("it goes on").expect("it goes on"), expect);
        }
    };
    check(SERVING);
    let mut other = watch(&server, "other");
    assert_eq!(next(&server, &mut other).expect("it goes on").expect("it goes on"), SERVICE_UNKNOWN);

    // The file of tomorrow cannot be made: its name is taken by a directory.
    now.fetch_add(24 * 60 * 60, Relaxed);
    let tomorrow = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(now.load(Relaxed)));
    let taken = server.directory.path().join(format!("{}.000.sqlite", &tomorrow.to_string()[..10]));
    std::fs::create_dir(&taken).expect("it is free");
    let send = || server.post("/v1/traces", PROTOBUF, request(vec![("shop", vec![span(1, 1)])]));
    let refusal = send();
    assert_eq!((refusal.status().as_u16(), refusal.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    // What was stored before is still read.
    assert_eq!((server.count(7), server.count(1), server.get("/api/services").0), (1, 0, 200));
    check(NOT_SERVING);
    std::fs::remove_dir(&taken).expect("it is empty");
    assert_eq!(send().status(), 200);
    check(SERVING);

    // Whoever follows does not keep the server from its end, and hears of it.
    let Served { directory: _directory, handle, runtime } = server;
    assert!(runtime.block_on(handle.shutdown(Duration::from_secs(20))));
    for stream in &mut streams {
        let last = runtime.block_on(stream.message()).expect("it goes on");
        assert_eq!(last.expect("it goes on"), NOT_SERVING);
        assert_eq!(runtime.block_on(stream.message()).expect_err("it ends").code(), Code::Unavailable);
    }
    assert_eq!(runtime.block_on(other.message()).expect_err("it ends").code(), Code::Unavailable);
}
