//! The exporters that programs really use: each span they send is there once, with the types that were given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use opentelemetry::trace::{Span as _, Status, Tracer as _, TracerProvider as _};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::{
    Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tta_server::read::{self, ALWAYS, LogQuery};

use super::served::Served;

const COUNT: usize = 1_500;
const TEXT: &str = "grüße";
/// The interpreter that `cargo xtask test python` prepares, and the folder of `cargo xtask test node`.
const PYTHON: &str = "TTA_TEST_PYTHON";
const NODE: &str = "TTA_TEST_NODE";

/// What a sender says it sent: trace and span ids.
type Sent = BTreeSet<(u128, u64)>;

/// Checks that everything that was sent is there once, and nothing else.
fn check(server: &Served, sent: &Sent, large: i64) {
    assert_eq!(sent.len(), COUNT);
    let reader = server.handle.reader();
    let traces: BTreeSet<u128> = sent.iter().map(|(trace, _)| *trace).collect();
    let mut found = Sent::new();
    for trace in traces {
        for stored in read::trace(&reader, super::support::id(trace)).expect("it is read").spans {
            let span = stored.span;
            let id = u64::from_be_bytes(span.span_id[..].try_into().expect("8 bytes"));
            assert!(found.insert((trace, id)), "{id:016x} is there twice");
            let value = |key: &str| {
                let found = span.attributes.iter().find(|attribute| attribute.key == key);
                found.and_then(|attribute| attribute.value.clone()?.value)
            };
            let item = |text: &str| AnyValue { value: Some(Any::StringValue(text.to_owned())) };
            assert_eq!(value("text"), Some(Any::StringValue(TEXT.to_owned())));
            assert_eq!(value("int"), Some(Any::IntValue(-42)));
            assert_eq!(value("large"), Some(Any::IntValue(large)));
            assert_eq!(value("float"), Some(Any::DoubleValue(1.5)));
            assert_eq!(value("bool"), Some(Any::BoolValue(true)));
            assert_eq!(
                value("list"),
                Some(Any::ArrayValue(ArrayValue { values: vec![item("a"), item("b")] }))
            );
            let n = number(&span.events);
            assert_eq!(span.name, format!("operation {}", n % 3));
            let status = span.status.map(|status| (status.code, status.message)).unwrap_or_default();
            let expect = if n % 2 == 1 { (2, String::from("it failed")) } else { (0, String::new()) };
            assert_eq!(status, expect);
            assert_eq!(stored.origin.scope.name, "sender");
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        }
    }
    assert_eq!(&found, sent);
    assert_eq!(server.handle.stats().spans, COUNT as u64);
}

/// The number of a span, which its only event tells.
fn number(events: &[Event]) -> i64 {
    assert_eq!((events.len(), &events[0].name[..], events[0].attributes.len()), (1, "happened", 1));
    let number = &events[0].attributes[0];
    match number.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::IntValue(n)) if number.key == "n" => *n,
        other => panic!("{other:?}"),
    }
}

/// Checks the one log record and the one metric that a sender sends beside its spans.
fn check_others(server: &Served) {
    let reader = server.handle.reader();
    let logs = read::logs(&reader, &LogQuery::default()).expect("they are read").records;
    assert_eq!(logs.len(), 1);
    let body = logs[0].record.body.as_ref().and_then(|body| body.value.as_ref());
    assert_eq!(body, Some(&Any::StringValue(String::from("a line of the sender"))));
    assert_eq!((logs[0].record.severity_number, &logs[0].origin.scope.name[..]), (13, "sender"));
    let found = read::metrics(&reader, "things", &ALWAYS).expect("they are read");
    assert_eq!(found.len(), 1);
    let Some(Data::Sum(sum)) = &found[0].metric.data else { panic!("{found:?}") };
    assert_eq!((sum.is_monotonic, sum.data_points.len()), (true, 1));
    assert_eq!(sum.data_points[0].value, Some(Number::AsInt(3)));
}

/// Runs a sender, which tells its ids as JSON in its last line.
fn run(command: &mut Command) -> Sent {
    let output = command.output().expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let last = text.lines().last().unwrap_or_else(|| panic!("it tells nothing: {errors}"));
    let ids: Vec<(String, String)> = serde_json::from_str(last).expect("it tells its ids");
    let read = |(trace, span): (String, String)| {
        let trace = u128::from_str_radix(&trace, 16).expect("digits");
        (trace, u64::from_str_radix(&span, 16).expect("digits"))
    };
    ids.into_iter().map(read).collect()
}

/// What was prepared; without it the test is skipped where a person runs it, and fails in CI.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn prepared(variable: &str, step: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        let how = format!("{variable} is not set: run `cargo xtask test {step}`");
        assert!(std::env::var_os("CI").is_none(), "{how}");
        eprintln!("skipped: {how}");
    }
    found
}

fn senders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("senders")
}

#[test]
fn python() {
    let Some(python) = prepared(PYTHON, "python") else { return };
    for (protocol, packing) in [("http", "plain"), ("http", "gzip"), ("grpc", "plain"), ("grpc", "gzip")] {
        let server = Served::new();
        let address = if protocol == "grpc" { server.handle.grpc } else { server.handle.http };
        let mut command = Command::new(&python);
        command.arg(senders().join("send.py")).args([protocol, packing, &address.to_string()]);
        let sent = run(command.arg(COUNT.to_string()));
        check(&server, &sent, (1 << 53) + 1);
        let reader = server.handle.reader();
        check_others(&server);
        let services = read::services(&reader).expect("they are read");
        assert!(services.contains(&format!("python-{protocol}-{packing}")), "{services:?}");
    }
}

#[test]
fn javascript() {
    let Some(folder) = prepared(NODE, "node") else { return };
    // Modules are looked for from where the program lies.
    let program = folder.join("send.mjs");
    std::fs::copy(senders().join("send.mjs"), &program).expect("it is copied");
    for (protocol, packing) in [
        ("proto", "plain"),
        ("proto", "gzip"),
        ("json", "plain"),
        ("json", "gzip"),
        ("grpc", "plain"),
        ("grpc", "gzip"),
    ] {
        let server = Served::new();
        let address = if protocol == "grpc" { server.handle.grpc } else { server.handle.http };
        let mut command = Command::new("node");
        command.arg(&program).args([protocol, packing, &address.to_string(), &COUNT.to_string()]);
        check(&server, &run(&mut command), (1 << 52) + 1);
        check_others(&server);
    }
}

/// Sends spans with OpenTelemetry's SDK for Rust.
fn send(exporter: SpanExporter) -> Sent {
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let tracer = provider.tracer("sender");
    let mut sent = Sent::new();
    for n in 0..COUNT {
        let mut span = tracer.start(format!("operation {}", n % 3));
        span.set_attribute(KeyValue::new("text", TEXT));
        span.set_attribute(KeyValue::new("int", -42));
        span.set_attribute(KeyValue::new("large", i64::MAX));
        span.set_attribute(KeyValue::new("float", 1.5));
        span.set_attribute(KeyValue::new("bool", true));
        let list: Vec<StringValue> = vec!["a".into(), "b".into()];
        span.set_attribute(KeyValue::new("list", Value::Array(Array::String(list))));
        span.add_event("happened", vec![KeyValue::new("n", n as i64)]);
        if n % 2 == 1 {
            span.set_status(Status::error("it failed"));
        }
        let context = span.span_context();
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        sent.insert((trace, u64::from_be_bytes(context.span_id().to_bytes())));
        span.end();
        if n % 500 == 499 {
            provider.force_flush().expect("it is sent");
        }
    }
    provider.shutdown().expect("it is sent");
    sent
}

#[test]
fn rust_over_http() {
    for (protocol, gzip) in [
        (Protocol::HttpBinary, false),
        (Protocol::HttpBinary, true),
        (Protocol::HttpJson, false),
        (Protocol::HttpJson, true),
    ] {
        let server = Served::new();
        let endpoint = format!("http://{}/v1/traces", server.handle.http);
        let mut exporter =
            SpanExporter::builder().with_http().with_protocol(protocol).with_endpoint(endpoint);
        if gzip {
            exporter = exporter.with_compression(Compression::Gzip);
        }
        check(&server, &send(exporter.build().expect("it is set up")), i64::MAX);
    }
}

#[test]
fn rust_over_grpc() {
    for gzip in [false, true] {
        let server = Served::new();
        let _guard = server.runtime.enter();
        let endpoint = format!("http://{}", server.handle.grpc);
        let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        if gzip {
            exporter = exporter.with_compression(Compression::Gzip);
        }
        check(&server, &send(exporter.build().expect("it is set up")), i64::MAX);
    }
}
