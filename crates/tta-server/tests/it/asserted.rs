//! What must hold for any input, shared by the tests, the seed corpus and the fuzz targets.

use std::sync::LazyLock;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::runtime::Runtime;
use tta_server::api::ApiState;
use tta_server::{Logs, Metrics, Options, Signal, Store, Traces, json_to_protobuf};

/// The most bytes that JSON may become.
const MOST: usize = 1 << 20;

/// What the scanner keeps of a request is what a decoder makes of it.
pub(crate) fn otlp_protobuf(bytes: &[u8]) {
    traces(bytes);
    logs(bytes);
    metrics(bytes);
}

fn traces(bytes: &[u8]) {
    let decoded = ExportTraceServiceRequest::decode(bytes);
    let scanned = match Traces::scan(bytes.to_vec().into()) {
        Ok(scanned) => scanned,
        Err(malformed) => {
            return assert!(
                decoded.is_err() || has_deep_groups(&malformed.to_string()),
                "a decoder reads it: {malformed}"
            );
        }
    };
    if let Ok(decoded) = decoded
        && !has_deep_groups(&scanned.rejected().to_string())
    {
        let spans: Vec<&Span> = decoded
            .resource_spans
            .iter()
            .flat_map(|group| &group.scope_spans)
            .flat_map(|group| &group.spans)
            .collect();
        let valid = spans.iter().filter(|span| is_valid(span)).count();
        assert_eq!(scanned.len(), valid, "{:?}", scanned.rejected());
        assert_eq!(scanned.len() + scanned.rejected().count() as usize, spans.len());
    }
}

/// Whether there are groups as deep as a decoder, but not the scanner, passes by.
fn has_deep_groups(why: &str) -> bool {
    why.contains("groups are nested too deep")
}

/// Whether a span is one by OTLP's rules, and can be indexed.
fn is_valid(span: &Span) -> bool {
    let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
    let is_time = |time: u64| time != 0 && i64::try_from(time).is_ok();
    is_id(&span.trace_id, 16)
        && is_id(&span.span_id, 8)
        && matches!(span.parent_span_id.len(), 0 | 8)
        && is_time(span.start_time_unix_nano)
        && is_time(span.end_time_unix_nano)
}

fn logs(bytes: &[u8]) {
    let decoded = ExportLogsServiceRequest::decode(bytes);
    let scanned = match Logs::scan(bytes.to_vec().into()) {
        Ok(scanned) => scanned,
        Err(malformed) => {
            return assert!(
                decoded.is_err() || has_deep_groups(&malformed.to_string()),
                "a decoder reads it: {malformed}"
            );
        }
    };
    if let Ok(decoded) = decoded {
        let groups = decoded.resource_logs.iter().flat_map(|group| &group.scope_logs);
        let records: usize = groups.map(|group| group.log_records.len()).sum();
        assert_eq!(scanned.len() + scanned.rejected().count() as usize, records);
    }
}

fn metrics(bytes: &[u8]) {
    let decoded = ExportMetricsServiceRequest::decode(bytes);
    let scanned = match Metrics::scan(bytes.to_vec().into()) {
        Ok(scanned) => scanned,
        Err(malformed) => {
            return assert!(
                decoded.is_err() || has_deep_groups(&malformed.to_string()),
                "a decoder reads it: {malformed}"
            );
        }
    };
    if let Ok(decoded) = decoded
        && scanned.rejected().count() == 0
    {
        let groups = decoded.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
        let points: usize = groups.flat_map(|group| &group.metrics).map(points).sum();
        // Of a metric with points of two kinds a decoder reads the last, and the scanner counts both.
        assert!(scanned.len() >= points, "{} {points}", scanned.len());
    }
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}

/// What is translated from JSON is protobuf of OTLP, and the scanner reads it as such.
pub(crate) fn otlp_json(bytes: &[u8]) {
    if let Ok(protobuf) = json_to_protobuf(Signal::Traces, bytes, MOST) {
        ExportTraceServiceRequest::decode(&protobuf[..]).expect("it is protobuf");
        traces(&protobuf);
    }
    if let Ok(protobuf) = json_to_protobuf(Signal::Logs, bytes, MOST) {
        ExportLogsServiceRequest::decode(&protobuf[..]).expect("it is protobuf");
        logs(&protobuf);
    }
    if let Ok(protobuf) = json_to_protobuf(Signal::Metrics, bytes, MOST) {
        ExportMetricsServiceRequest::decode(&protobuf[..]).expect("it is protobuf");
        metrics(&protobuf);
    }
}

/// An API over a store with a few traces, and what it runs on.
struct Asked {
    runtime: Runtime,
    api: ApiState,
    _store: Store,
    _directory: tempfile::TempDir,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(Options::new(directory.path())).expect("it opens");
    let json = include_bytes!("asserted.json");
    let body = json_to_protobuf(Signal::Traces, json, MOST).expect("it is OTLP");
    let ticket = store.submit(Traces::scan(body.into()).expect("it is OTLP").into()).expect("there is room");
    ticket.blocking_wait().expect("it is written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Asked { runtime, api: ApiState::new(store.reader()), _store: store, _directory: directory }
});

/// The routes that take questions, by the first byte of the input. The live feed is not among them, as it has no end.
const ROUTES: [&str; 24] = [
    "/api/tta/v1/traces?",
    "/api/tta/v1/traces/",
    "/api/tta/v1/flame?",
    "/api/tta/v1/compare?",
    "/api/tta/v1/services?",
    "/api/tta/v1/primitives?",
    "/api/tta/v1/red?",
    "/api/tta/v1/heatmap?",
    "/api/tta/v1/map?",
    "/api/tta/v1/cost?",
    "/api/tta/v1/logs?",
    "/api/tta/v1/stats?",
    "/api/traces?",
    "/api/traces?service=shop&",
    "/api/traces/",
    "/api/services/",
    "/api/operations?",
    "/api/dependencies?",
    "/api/v3/traces?",
    "/api/v3/traces/",
    "/api/v3/operations?",
    "/api/v3/services?",
    "/api/tta/v1/slo?",
    "/api/",
];

/// Whatever is asked, the answer is JSON, or says what is wrong with the question, and never that the server failed.
pub(crate) fn query(bytes: &[u8]) {
    let Some((route, rest)) = bytes.split_first() else { return };
    let route = ROUTES[usize::from(*route) % ROUTES.len()];
    let rest = String::from_utf8_lossy(rest);
    let Ok(address) = format!("{route}{rest}").parse::<http::Uri>() else { return };
    if address.path().ends_with("/live") {
        return;
    }
    let (status, body) = ASKED.runtime.block_on(ASKED.api.ask(&address));
    let body = String::from_utf8_lossy(&body);
    assert!(matches!(status, 200 | 400 | 404 | 405 | 501), "{address}: {status} {body}");
    if status == 200 || route.starts_with("/api/tta/v1") {
        let json = serde_json::from_str::<serde_json::Value>(&body);
        assert!(json.is_ok(), "{address}: {status} {json:?}: {body}");
    }
}
