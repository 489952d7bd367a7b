//! Log records and metrics, compared with a plain look through everything that was sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
};
use prost::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tta_server::read::{self, LogQuery};
use tta_server::{Batch, Clock, Logs, Metrics, Options, Store};

use super::support::{NOW, id, resource, text};

const SERVICES: [&str; 3] = ["shop", "bank", ""];
const WORDS: [&str; 4] = ["Nothing special", "it BROKE", "ünï code", ""];
const NAMES: [&str; 3] = ["requests", "latency", "größe"];
const SPREAD: u64 = 1_000;

fn named(service: &str) -> &str {
    if service.is_empty() { "unknown_service" } else { service }
}

/// A store in which a new day, and so a new file, begins as often as told.
fn store(directory: &std::path::Path) -> (Store, Arc<AtomicU64>) {
    let day = Arc::new(AtomicU64::new(20_000));
    let days = Arc::clone(&day);
    let mut options = Options::new(directory);
    options.max_age = Duration::from_secs(u64::from(u32::MAX));
    options.clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(86_400 * days.load(Relaxed)));
    (Store::open(options).expect("it opens"), day)
}

fn write(store: &Store, batch: Batch) {
    store.submit(batch).expect("there is room").blocking_wait().expect("it is written");
}

fn random_record(random: &mut StdRng) -> LogRecord {
    let mut pick = |list: &[&'static str]| *list.choose(random).expect("it is not empty");
    let body = AnyValue { value: Some(Value::StringValue(pick(&WORDS).to_owned())) };
    let (of_attribute, severity_text) = (pick(&WORDS), pick(&["INFO", "Error", ""]).to_owned());
    let time = NOW + random.random_range(0..SPREAD);
    // Some tell only when they were seen.
    let (happened, seen) = if random.random_range(0..4) == 0 { (0, time) } else { (time, time + 5) };
    let trace =
        if random.random() { random.random_range(1..6_u128).to_be_bytes().to_vec() } else { Vec::new() };
    LogRecord {
        time_unix_nano: happened,
        observed_time_unix_nano: seen,
        severity_number: random.random_range(0..25),
        severity_text,
        body: Some(body),
        attributes: vec![text("note", of_attribute)],
        trace_id: trace,
        ..LogRecord::default()
    }
}

fn logs(service: &str, log_records: Vec<LogRecord>) -> Batch {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let of = ResourceLogs { resource: Some(resource(service)), scope_logs, schema_url: String::new() };
    let body = ExportLogsServiceRequest { resource_logs: vec![of] }.encode_to_vec();
    Logs::scan(body.into()).expect("it is a request").into()
}

fn time(record: &LogRecord) -> i64 {
    let happened =
        if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    happened as i64
}

fn fits(query: &LogQuery, (service, record): &(&str, LogRecord)) -> bool {
    let of = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.to_ascii_lowercase(),
        _ => String::new(),
    };
    let texts =
        [of(&record.body), of(&record.attributes[0].value), record.severity_text.to_ascii_lowercase()];
    query.service.as_deref().is_none_or(|wanted| wanted == named(service))
        && query.times.contains(&time(record))
        && record.severity_number >= i32::from(query.min_severity)
        && query.text.as_ref().is_none_or(|text| {
            let text = text.to_ascii_lowercase();
            texts.iter().any(|found| found.contains(&text))
        })
}

fn random_query(random: &mut StdRng) -> LogQuery {
    let mut query = LogQuery { limit: [4, 19, 1_000][random.random_range(0..3)], ..LogQuery::default() };
    let mut word = |list: &[&str]| list.choose(random).map(|word| String::from(*word));
    query.service = word(&["shop", "unknown_service", "nobody", "-", "-"]).filter(|service| service != "-");
    query.text = word(&["broke", "ünï", "INFO", "no such", "-", "-"]).filter(|text| text != "-");
    query.min_severity = [0, 0, 9, 24][random.random_range(0..4)];
    let from = NOW as i64 + random.random_range(0..SPREAD as i64);
    query.times = match random.random_range(0..3) {
        0 => from..=from + 200,
        1 => from..=i64::MAX,
        _ => query.times,
    };
    query
}

#[test]
fn log_records_are_those_of_a_plain_search() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().expect("a directory");
        let (store, day) = store(directory.path());
        let mut all: Vec<(&str, LogRecord)> = Vec::new();
        for _ in 0..40 {
            let service = *SERVICES.choose(&mut random).expect("it is not empty");
            let records: Vec<LogRecord> =
                (0..random.random_range(1..12)).map(|_| random_record(&mut random)).collect();
            day.fetch_add(u64::from(random.random_range(0..12) == 0), Relaxed);
            write(&store, logs(service, records.clone()));
            all.extend(records.into_iter().map(|record| (service, record)));
        }
        let reader = store.reader();
        for _ in 0..50 {
            let query = random_query(&mut random);
            // Latest first, and of one time what came last.
            let mut expect: Vec<_> = all.iter().rev().filter(|one| fits(&query, one)).collect();
            expect.sort_by_key(|(_, record)| std::cmp::Reverse(time(record)));
            let (mut found, mut page) = (Vec::new(), query.clone());
            loop {
                let read = read::logs(&reader, &page).expect("it is read");
                assert!(read.records.len() == query.limit || read.next.is_none());
                found.extend(read.records);
                page.after = read.next;
                if page.after.is_none() {
                    break;
                }
            }
            let found: Vec<_> = found.iter().map(|log| (log.origin.service(), &log.record)).collect();
            let expect: Vec<_> = expect.iter().map(|(service, record)| (named(service), record)).collect();
            assert_eq!(found, expect, "{query:?}");
        }
        for trace in 1..7_u128 {
            let is_of = |(_, record): &&(&str, LogRecord)| record.trace_id == trace.to_be_bytes();
            let mut expect: Vec<_> = all.iter().filter(is_of).map(|(_, record)| record).collect();
            expect.sort_by_key(|record| time(record));
            let found = read::trace(&reader, id(trace)).expect("it is read").logs;
            assert_eq!(found.iter().map(|log| &log.record).collect::<Vec<_>>(), expect);
            assert!(found.iter().all(|log| log.time_unix_nanos == time(&log.record)));
        }
        assert_eq!((store.stats().logs, store.damage()), (all.len() as u64, Vec::new()));
    }
}

fn random_metric(random: &mut StdRng) -> Metric {
    let name = (*NAMES.choose(random).expect("it is not empty")).to_owned();
    let point = |random: &mut StdRng| NumberDataPoint {
        time_unix_nano: NOW + random.random_range(0..SPREAD),
        attributes: vec![text("zone", "one")],
        ..NumberDataPoint::default()
    };
    let data_points = (0..random.random_range(1..5)).map(|_| point(random)).collect();
    let data = if random.random() {
        Data::Gauge(Gauge { data_points })
    } else {
        Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true })
    };
    Metric { name, data: Some(data), ..Metric::default() }
}

fn points(metric: &Metric) -> Vec<i64> {
    let points = match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        other => panic!("{other:?}"),
    };
    points.iter().map(|point| point.time_unix_nano as i64).collect()
}

#[test]
fn metrics_are_those_of_a_plain_search() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().expect("a directory");
        let (store, day) = store(directory.path());
        let mut all: Vec<(&str, Metric)> = Vec::new();
        for _ in 0..40 {
            let service = *SERVICES.choose(&mut random).expect("it is not empty");
            let metrics: Vec<Metric> =
                (0..random.random_range(1..6)).map(|_| random_metric(&mut random)).collect();
            day.fetch_add(u64::from(random.random_range(0..12) == 0), Relaxed);
            let scope_metrics = vec![ScopeMetrics { metrics: metrics.clone(), ..ScopeMetrics::default() }];
            let resource = Some(resource(service));
            let of = ResourceMetrics { resource, scope_metrics, schema_url: String::new() };
            let body = ExportMetricsServiceRequest { resource_metrics: vec![of] }.encode_to_vec();
            write(&store, Metrics::scan(body.into()).expect("it is a request").into());
            all.extend(metrics.into_iter().map(|metric| (service, metric)));
        }
        let reader = store.reader();
        let mut names: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for (_, metric) in &all {
            let known = names.entry(&metric.name).or_insert((0, 0));
            let times = points(metric);
            *known = (known.0 + times.len() as u64, times.into_iter().fold(known.1, i64::max));
        }
        let found = read::metric_names(&reader).expect("it is read");
        let found: Vec<_> =
            found.iter().map(|metric| (&metric.name[..], (metric.points, metric.last_unix_nanos))).collect();
        assert_eq!(found, names.into_iter().collect::<Vec<_>>());
        for _ in 0..60 {
            let from = NOW as i64 + random.random_range(-100..SPREAD as i64 + 100);
            let times = from..=from + random.random_range(0..300);
            let name = *["requests", "latency", "größe", "none"].choose(&mut random).expect("not empty");
            // What lies between the first and the last point is in the time, also where no point is.
            let is_in = |metric: &Metric| {
                let all = points(metric);
                all.iter().max() >= Some(times.start()) && all.iter().min() <= Some(times.end())
            };
            let expect: Vec<_> =
                all.iter().filter(|(_, metric)| metric.name == name && is_in(metric)).collect();
            let found = read::metrics(&reader, name, &times).expect("it is read");
            let found: Vec<_> = found.iter().map(|found| (found.origin.service(), &found.metric)).collect();
            let expect: Vec<_> = expect.iter().map(|(service, metric)| (named(service), metric)).collect();
            assert_eq!(found, expect, "{name} {times:?}");
        }
        assert_eq!(store.damage(), []);
    }
}
