//! Logs and metrics.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    summary_data_point::ValueAtQuantile,
};
use prost::Message;
use tta_server::read::{self, ALWAYS, LogQuery};
use tta_server::{Batch, Logs, Metrics, Rejection, Store};

use super::support::{NOW, id, open, put, request, resource, span, text};

pub(crate) fn store(batch: Batch, store: &Store) {
    store.submit(batch).expect("there is room").blocking_wait().expect("it is written");
}

pub(crate) fn record(n: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: if n.is_multiple_of(2) { NOW + n } else { 0 },
        observed_time_unix_nano: NOW + n,
        severity_number: (n % 24) as i32 + 1,
        body: Some(AnyValue { value: Some(Value::StringValue(format!("Line {n}"))) }),
        trace_id: if n < 10 { 7_u128.to_be_bytes().to_vec() } else { Vec::new() },
        attributes: vec![text("n", n.to_string())],
        ..LogRecord::default()
    }
}

pub(crate) fn logs(service: &str, log_records: Vec<LogRecord>) -> Logs {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: Some(resource(service)), scope_logs, schema_url: String::new() }];
    Logs::scan(ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()).expect("it is a request")
}

#[test]
fn log_records_are_found_by_trace_time_and_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = open(directory.path());
    store(logs("shop", (0..100).map(record).collect()).into(), &kept);
    store(logs("bank", (100..150).map(record).collect()).into(), &kept);
    // The same batch again counts once.
    store(logs("bank", (100..150).map(record).collect()).into(), &kept);
    put(&kept, request(vec![("shop", vec![span(7, 1)])]));
    let reader = kept.reader();
    let trace = read::trace(&reader, id(7)).expect("it is read");
    assert_eq!(
        trace.logs.iter().map(|log| log.record.clone()).collect::<Vec<_>>(),
        (0..10).map(record).collect::<Vec<_>>()
    );
    assert_eq!((trace.spans.len(), trace.logs[0].origin.service(), kept.stats().logs), (1, "shop", 150));
    let mut query = LogQuery { limit: 40, ..LogQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = read::logs(&reader, &query).expect("it is read");
        all.extend(page.records.into_iter().map(|log| log.record));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(all, (0..150).rev().map(record).collect::<Vec<_>>());
    let count = |query: LogQuery| read::logs(&reader, &query).expect("it is read").records.len();
    assert_eq!(count(LogQuery { text: Some(String::from("lINE 14")), ..LogQuery::default() }), 11);
    assert_eq!(
        count(LogQuery { service: Some(String::from("bank")), min_severity: 24, ..LogQuery::default() }),
        2
    );
    let early = NOW as i64 + 3..=NOW as i64 + 7;
    assert_eq!(count(LogQuery { times: early, ..LogQuery::default() }), 5);
}

#[test]
fn a_log_record_with_half_an_id_is_rejected() {
    let half = LogRecord { trace_id: vec![1; 8], ..record(1) };
    let scanned = logs("shop", vec![record(2), half]);
    assert_eq!((scanned.len(), scanned.rejected().reasons().collect()), (1, vec![(Rejection::TraceId, 1)]));
}

pub(crate) fn all_kinds(time: u64) -> Vec<Metric> {
    let number = |value| NumberDataPoint {
        time_unix_nano: time,
        attributes: vec![text("a", "b")],
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        time_unix_nano: time,
        count: 3,
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: time,
        scale: -3,
        positive: Some(Buckets { offset: -4, bucket_counts: vec![1, 300, 70_000] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: time,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 2.0 }],
        ..SummaryDataPoint::default()
    };
    let datas = [
        Data::Gauge(Gauge { data_points: vec![number(1), number(2)] }),
        Data::Sum(Sum { data_points: vec![number(-3)], ..Sum::default() }),
        Data::Histogram(Histogram { data_points: vec![histogram], ..Histogram::default() }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            ..ExponentialHistogram::default()
        }),
        Data::Summary(Summary { data_points: vec![summary] }),
    ];
    let named = datas.into_iter().enumerate();
    named
        .map(|(n, data)| Metric { name: format!("metric-{n}"), data: Some(data), ..Metric::default() })
        .collect()
}

pub(crate) fn metrics(metrics: Vec<Metric>) -> Metrics {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource("shop")), scope_metrics, schema_url: String::new() }];
    let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    Metrics::scan(body.into()).expect("it is a request")
}

#[test]
fn metrics_of_every_kind_come_back_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = open(directory.path());
    let nameless = Metric::default();
    let first = metrics([all_kinds(NOW), vec![nameless]].concat());
    assert_eq!((first.len(), first.rejected().reasons().collect()), (6, vec![(Rejection::NoName, 1)]));
    store(first.into(), &kept);
    store(metrics(all_kinds(NOW + 60)).into(), &kept);
    let reader = kept.reader();
    for (n, expect) in all_kinds(NOW).into_iter().enumerate() {
        let read = |times| read::metrics(&reader, &format!("metric-{n}"), &times).expect("it is read");
        let early = read(0..=NOW as i64 + 59);
        assert_eq!((early.len(), &early[0].metric, early[0].origin.service()), (1, &expect, "shop"));
        assert_eq!(read(ALWAYS).len(), 2);
    }
    let names = read::metric_names(&reader).expect("they are read");
    assert_eq!((names.len(), names[0].points, names[0].last_unix_nanos), (5, 4, NOW as i64 + 60));
}
