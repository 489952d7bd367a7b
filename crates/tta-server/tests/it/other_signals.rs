//! Logs and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

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
use tta_server::read::{self, ALWAYS, Arrivals, LogQuery, StoredLog};
use tta_server::{Batch, Clock, Logs, Metrics, Options, Rejection, Store};

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
    assert_eq!(read::trace_logs(&reader, id(7)).expect("it is read"), trace.logs);
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
fn a_search_in_log_records_ends_early_and_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().expect("a directory");
    let day = Arc::new(AtomicU64::new(20_000));
    let mut options = Options::new(directory.path());
    options.max_age = Duration::from_secs(u64::from(u32::MAX));
    let today = Arc::clone(&day);
    options.clock =
        Clock::new(move || UNIX_EPOCH + Duration::from_secs(86_400 * today.load(Ordering::Relaxed)));
    let kept = Store::open(options).expect("it opens");
    // Records of the same times in several files.
    for file in 0..3 {
        day.store(20_000 + file, Ordering::Relaxed);
        let service = if file == 1 { "bank" } else { "shop" };
        let records = (file..600).map(|n| record(n / 3 * 3 + file % 2)).collect();
        store(logs(service, records).into(), &kept);
    }
    assert_eq!(kept.stats().files, 3);
    let reader = kept.reader();
    let pages = |query: &LogQuery| {
        let (mut query, mut found, mut pages, mut short) = (query.clone(), Vec::new(), 0, 0);
        loop {
            let page = read::logs(&reader, &query).expect("it is read");
            assert!(page.records.len() <= query.limit);
            (pages, short) = (pages + 1, short + u64::from(page.records.len() < query.limit));
            found.extend(page.records);
            query.after = page.next;
            if query.after.is_none() {
                return (found, pages, short);
            }
        }
    };
    for (text, service, min_severity) in [
        (None, None, 0),
        (Some("lINE 14"), None, 0),
        (Some("line 5"), Some("shop"), 9),
        (Some("no"), None, 0),
    ] {
        let (text, service) = (text.map(String::from), service.map(String::from));
        let all = LogQuery { text, service, min_severity, limit: 10_000, ..LogQuery::default() };
        let (expect, whole, _) = pages(&all);
        let is = |log: &StoredLog| log.record.severity_number >= i32::from(min_severity);
        assert!(whole == 1 && expect.is_sorted_by(|one, other| one.time_unix_nanos >= other.time_unix_nanos));
        assert!(expect.iter().all(is));
        for (limit, most_records) in [(1, usize::MAX), (7, 0), (7, 1), (7, 100), (200, 50)] {
            let (found, pages, short) = pages(&LogQuery { limit, most_records, ..all.clone() });
            assert_eq!(found, expect, "{limit} {most_records}");
            assert!(all.text.is_none() || most_records > 1_000 || pages > 5 && short > 0, "{pages} {short}");
        }
    }
    let found = pages(&LogQuery { text: Some(String::from("line 14")), ..LogQuery::default() }).0.len();
    let mentioned = |n: u64| format!("Line {n}").contains("Line 14");
    let sent = (0..3_u64).flat_map(|file| (file..600_u64).map(move |n| n / 3 * 3 + file % 2));
    assert_eq!(found, sent.filter(|n| mentioned(*n)).count());
}

#[test]
fn all_log_records_are_read_in_the_order_in_which_they_came() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = open(directory.path());
    // Of two days, and so of two files, the later one first.
    const DAY: u64 = 86_400_000_000_000;
    let earlier = |n: u64| LogRecord { time_unix_nano: NOW - DAY + n, ..record(n) };
    store(logs("shop", (0..100).rev().map(record).collect()).into(), &kept);
    store(logs("bank", (100..150).map(earlier).collect()).into(), &kept);
    let reader = kept.reader();
    let all = |query: Arrivals| {
        let (mut found, mut query) = (Vec::new(), query);
        loop {
            let page = read::arrived_logs(&reader, &query).expect("it is read");
            assert!(page.records.len() <= query.limit.max(1));
            found.extend(page.records.into_iter().map(|log| log.record));
            query.after = page.next;
            if query.after.is_none() {
                return found;
            }
        }
    };
    let expect: Vec<_> = (0..100).rev().map(record).chain((100..150).map(earlier)).collect();
    for limit in [0, 1, 7, 50, 150, 1_000] {
        let found = all(Arrivals { limit, ..Arrivals::default() });
        assert!(found == expect || found == [&expect[100..], &expect[..100]].concat(), "pages of {limit}");
    }
    let of = |service: &str| Arrivals { service: Some(service.into()), limit: 9, ..Arrivals::default() };
    assert_eq!(all(of("bank")), expect[100..]);
    assert_eq!(all(of("ship")), []);
    let times = NOW as i64 + 3..=NOW as i64 + 7;
    assert_eq!(all(Arrivals { times, limit: 2, ..of("shop") }), (3..8).rev().map(record).collect::<Vec<_>>());
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
    let nameless = |metric: Metric| Metric { name: String::new(), ..metric };
    let bad: Vec<Metric> = all_kinds(NOW).into_iter().map(nameless).chain([Metric::default()]).collect();
    let first = metrics([all_kinds(NOW), bad].concat());
    // What is rejected is counted in points, and what has none is not passed over in silence.
    assert_eq!((first.len(), first.rejected().reasons().collect()), (6, vec![(Rejection::NoName, 6 + 1)]));
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
