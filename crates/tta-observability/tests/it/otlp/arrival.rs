//! Everything that was recorded arrives, as what it was.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tta_model::name::attribute::{PROCESS_PID, SERVICE_NAME};
use tta_observability::SpanCounts;
use tta_observability::config::{Compression, OtlpProtocol};
use tta_observability::export::SpanExporter as _;

use super::receiver::Receiver;
use super::{BOTH, config, spans, start};

const ENOUGH: Duration = Duration::from_secs(30);

fn check_counts(counts: &SpanCounts, exported: u64) {
    assert_eq!((counts.exported(), counts.dropped_total()), (exported, 0));
}

/// The spans of the requests that were accepted.
fn accepted(requests: &[Value]) -> Vec<&Value> {
    requests.iter().filter_map(|request| request["spans"].as_array()).flatten().collect()
}

fn check_fields(span: &Value) {
    assert_eq!(span["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span["span_id"], "0000000000000002");
    assert_eq!(span["parent_span_id"], "0000000000000001");
    assert_eq!(span["trace_state"], "ot=th:0,vendor=x");
    assert_eq!(span["flags"], 0x301, "sampled, and the parent is known to be remote");
    assert_eq!((&span["name"], &span["kind"]), (&json!("work"), &json!("client")));
    assert_eq!(span["start"], 1_700_000_000_000_000_001_u64);
    assert_eq!(span["end"], 1_700_000_000_000_000_999_u64);
    assert_eq!(span["status"], json!({"code": "error", "message": "it broke"}));
    let attributes = json!({
        "n": {"int": 2}, "half": {"double": 0.5}, "yes": {"bool": true}, "text": {"string": "grüße"},
        "list": {"array": [{"int": 1}, {"int": 2}]},
    });
    assert_eq!(span["attributes"], attributes);
    assert_eq!(span["dropped_attributes"], 2);
    let event = json!({"name": "happened", "time": 1_700_000_000_000_000_500_u64, "attributes": {"count": {"int": 3}}});
    assert_eq!(span["events"], json!([event]));
    assert_eq!(span["links"][0]["span_id"], "0000000000000063");
    assert_eq!(span["links"][0]["attributes"], json!({"why": {"string": "because"}}));
    assert_eq!(span["resource"][SERVICE_NAME.key], json!({"string": "shop"}));
    assert_eq!(span["resource"][PROCESS_PID.key], json!({"int": std::process::id()}));
    assert_eq!(span["scope"]["name"], "tta");
}

fn check_arrival(protocol: OtlpProtocol, compression: Compression) {
    let Some(receiver) = Receiver::start(0) else { return };
    let mut config = config(protocol, receiver.port(protocol));
    config.service_name = Some("shop".to_owned());
    config.otlp.headers = vec![("authorization".into(), "Bearer x".into()), ("x-team".into(), "a b".into())];
    config.otlp.compression = compression;
    let (mut otlp, counts) = start(&config);
    otlp.export(&spans(1..=2));
    assert_eq!(otlp.flush(ENOUGH), Ok(()));
    check_counts(&counts, 2);
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));

    let requests = receiver.requests();
    let arrived = accepted(&requests);
    assert_eq!(arrived.len(), 2);
    check_fields(arrived[1]);
    assert_eq!(arrived[0]["parent_span_id"], "");
    let headers = &requests[0]["headers"];
    assert_eq!((&headers["authorization"], &headers["x-team"]), (&json!("Bearer x"), &json!("a b")));
    assert!(headers["user-agent"].as_str().is_some_and(|agent| agent.starts_with("tta/")), "{headers}");
    // The receiver's gRPC server decompresses by itself, and does not tell that it did.
    if protocol == OtlpProtocol::HttpProtobuf {
        let encoding = if compression == Compression::Gzip { json!("gzip") } else { Value::Null };
        assert_eq!(requests[0]["encoding"], encoding);
    }
}

#[test]
fn all_fields_arrive_over_grpc() {
    check_arrival(OtlpProtocol::Grpc, Compression::None);
}

#[test]
fn all_fields_arrive_over_http() {
    check_arrival(OtlpProtocol::HttpProtobuf, Compression::None);
}

#[test]
fn all_fields_arrive_compressed() {
    BOTH.into_iter().for_each(|protocol| check_arrival(protocol, Compression::Gzip));
}

/// How many bytes 50 spans take on the wire over gRPC.
fn bytes_sent(compression: Compression) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut config = config(OtlpProtocol::Grpc, listener.local_addr().expect("it is bound").port());
    config.otlp.compression = compression;
    let reading = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("the exporter connects");
        // It ends when the exporter does.
        std::io::copy(&mut connection, &mut std::io::sink()).expect("bytes come")
    });
    let (mut otlp, _) = start(&config);
    otlp.export(&spans(1..=50));
    let limit = Duration::from_secs(1);
    otlp.shutdown(limit).expect_err("nobody answers");
    reading.join().expect("it read to the end")
}

#[test]
fn compression_makes_grpc_requests_smaller() {
    let (plain, compressed) = (bytes_sent(Compression::None), bytes_sent(Compression::Gzip));
    assert!(compressed * 4 < plain, "{compressed} of {plain} bytes");
}

#[test]
fn a_receiver_that_recovers_loses_nothing() {
    for protocol in BOTH {
        let Some(receiver) = Receiver::start(2) else { return };
        let (mut otlp, counts) = start(&config(protocol, receiver.port(protocol)));
        otlp.export(&spans(1..=10));
        let began = Instant::now();
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        assert!(began.elapsed() > Duration::from_secs(2), "the receiver asked for a pause of 1 s, twice");
        check_counts(&counts, 10);
        let requests = receiver.requests();
        assert_eq!(requests.iter().filter(|request| request["refused"] == true).count(), 2);
        assert_eq!(accepted(&requests).len(), 10);
    }
}

#[test]
fn without_a_time_limit_spans_arrive_too() {
    for protocol in BOTH {
        let Some(receiver) = Receiver::start(0) else { return };
        let mut config = config(protocol, receiver.port(protocol));
        config.otlp.timeout = Duration::MAX;
        config.batch.export_timeout = Duration::MAX;
        let (mut otlp, counts) = start(&config);
        otlp.export(&spans(1..=1));
        assert_eq!(otlp.flush(Duration::MAX), Ok(()));
        assert_eq!(otlp.shutdown(Duration::MAX), Ok(()));
        check_counts(&counts, 1);
    }
}

#[test]
fn batches_keep_their_size() {
    let protocol = OtlpProtocol::Grpc;
    let Some(receiver) = Receiver::start(0) else { return };
    let mut config = config(protocol, receiver.port(protocol));
    config.batch.schedule_delay = Duration::MAX;
    config.batch.max_export_batch_size = 10;
    let (mut otlp, counts) = start(&config);
    otlp.export(&spans(1..=25));
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
    check_counts(&counts, 25);
    let sizes: Vec<usize> =
        receiver.requests().iter().filter_map(|request| Some(request["spans"].as_array()?.len())).collect();
    assert_eq!(sizes, [10, 10, 5]);
}
