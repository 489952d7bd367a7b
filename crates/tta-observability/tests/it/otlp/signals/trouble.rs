//! Receivers that are dead, busy or choosy: nothing is lost in silence, and nobody waits beyond the limit.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tta_observability::DropReason;
use tta_observability::config::{OtlpEndpoint, OtlpProtocol, Temporality};
use tta_observability::export::SpanExporter as _;
use tta_observability::export::otlp::{OtlpError, OtlpMetrics};
use tta_observability::resource::Resource;

use super::super::{BOTH, spans};
use super::server::{Answer, HttpServer, grpc_logs, grpc_metrics};
use super::{ENOUGH, MINUTE, START, calls, config, counted, record, set, start_logs, start_metrics};

const LIMIT: Duration = Duration::from_millis(500);
/// Far beyond the limit, for a machine that is busy with other things.
const MARGIN: Duration = Duration::from_secs(5);

fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

fn plain(status: u16) -> Answer {
    Answer::Http(status, Vec::new(), Vec::new())
}

fn busy(seconds: u64) -> Answer {
    Answer::Http(503, vec![("retry-after", seconds.to_string())], Vec::new())
}

/// The one point of a request: its start, its time and its count.
fn point(request: &ExportMetricsServiceRequest) -> (u64, u64, i64) {
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Sum(sum)) = &metric.data else { panic!("no sum: {metric:?}") };
    let NumberDataPoint { start_time_unix_nano, time_unix_nano, value, .. } = &sum.data_points[0];
    let Some(Number::AsInt(count)) = value else { panic!("no integer: {value:?}") };
    (*start_time_unix_nano, *time_unix_nano, *count)
}

fn points(server: &HttpServer) -> Vec<(u64, u64, i64)> {
    let arrivals = server.arrivals();
    let decoded = arrivals.iter().map(|arrival| {
        assert_eq!(arrival.path, "/v1/metrics");
        ExportMetricsServiceRequest::decode(&*arrival.body).expect("it decodes")
    });
    decoded.map(|request| point(&request)).collect()
}

#[test]
fn a_dead_receiver_is_told_and_bounded() {
    for protocol in BOTH {
        let config = config(protocol, closed_port());
        let began = Instant::now();
        let mut metrics = start_metrics(&config, &counted(calls(1, 5)));
        let reason = metrics.flush(LIMIT).expect_err("nobody takes them").reason;
        assert!(reason.contains("refused") && reason.contains("OTEL_METRICS_EXPORTER=none"), "{reason}");
        metrics.shutdown(LIMIT).expect_err("nobody took them");
        assert_eq!(metrics.shutdown(LIMIT), Ok(()), "a second end has nothing to do");
        metrics.flush(LIMIT).expect_err("they are sent no more");
        assert_eq!(metrics.gauge().export_errors(), 2);
        assert!(metrics.gauge().last_error().is_some_and(|error| error.contains("refused")));

        let (mut logs, counts) = start_logs(&config);
        let sink = logs.sink();
        (0..40_i64).for_each(|n| sink.push(record(9, n)));
        let error = logs.flush(LIMIT).expect_err("nobody takes them");
        assert_eq!(error.unsent, 40);
        assert!(
            error.reason.contains("refused") && error.reason.contains("OTEL_LOGS_EXPORTER=none"),
            "{error}"
        );
        assert_eq!(logs.shutdown(LIMIT).expect_err("nobody took them").unsent, 40);
        sink.push(record(9, "late"));
        assert_eq!((counts.recorded(), counts.exported(), counts.dropped(DropReason::Shutdown)), (41, 0, 41));
        assert_eq!(sink.queue_length(), 0);
        assert!(began.elapsed() < MARGIN * 2, "took {:?}", began.elapsed());
    }
}

#[test]
fn a_listener_that_never_answers_is_bounded() {
    for protocol in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut config = config(protocol, listener.local_addr().expect("it is bound").port());
        // A collection is on its way when the end comes.
        config.metric_reader.interval = Duration::from_millis(1);
        let mut metrics = start_metrics(&config, &counted(calls(1, 5)));
        let (mut logs, counts) = start_logs(&config);
        logs.sink().push(record(9, "lost"));
        let (_accepted, _) = listener.accept().expect("something connects");
        let began = Instant::now();
        let reason = metrics.shutdown(LIMIT).expect_err("nobody answers").reason;
        assert!(reason.contains("did not take them in time"), "{reason}");
        assert_eq!(logs.shutdown(LIMIT).expect_err("nobody answers").unsent, 1);
        assert!(began.elapsed() < MARGIN, "took {:?}", began.elapsed());
        assert_eq!((counts.recorded(), counts.dropped(DropReason::Shutdown)), (1, 1));
    }
}

#[test]
fn what_a_failed_collection_had_is_in_the_next() {
    for (temporality, expect) in [
        (Temporality::Cumulative, [(START, 4, 5), (START, 6, 7), (START, 7, 9)]),
        (Temporality::Delta, [(START, 4, 5), (START, 6, 7), (START + 6 * MINUTE, 7, 2)]),
    ] {
        let server = HttpServer::start(vec![plain(400), plain(200)]);
        let mut config = config(OtlpProtocol::HttpProtobuf, server.port);
        config.metric_reader.temporality = temporality;
        let counted = counted(calls(4, 5));
        let mut otlp = start_metrics(&config, &counted);
        otlp.flush(ENOUGH).expect_err("it is refused");
        set(&counted, calls(6, 7));
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        set(&counted, calls(7, 9));
        assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
        let expect = expect.map(|(start, minutes, count)| (start, START + minutes * MINUTE, count));
        assert_eq!(points(&server), expect, "{temporality:?}");
        assert_eq!(otlp.gauge().export_errors(), 1);
    }
}

#[test]
fn a_broken_connection_is_tried_again() {
    let server = HttpServer::start(vec![Answer::HangUp, plain(502), plain(504)]);
    let config = config(OtlpProtocol::HttpProtobuf, server.port);
    let otlp = start_metrics(&config, &counted(calls(1, 5)));
    assert_eq!(otlp.flush(ENOUGH), Ok(()));
    assert_eq!(points(&server), [(START, START + MINUTE, 5); 4]);
    let arrivals = server.arrivals();
    // The first three pauses are about 0.2, 0.4 and 0.8 s, each at least four fifths of that.
    let least = [160, 320, 640].map(Duration::from_millis);
    for (pair, least) in arrivals.windows(2).zip(least) {
        assert!(pair[1].at - pair[0].at >= least, "{:?} after {least:?}", pair[1].at - pair[0].at);
    }
    assert_eq!(otlp.gauge().export_errors(), 0, "no batch was given up");
}

#[test]
fn a_pause_that_was_asked_for_is_kept_over_http() {
    let date: fn() -> Answer = || {
        // A date has whole seconds, so it may be up to a second nearer than it says.
        let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(3));
        Answer::Http(429, vec![("retry-after", date)], Vec::new())
    };
    for answer in [|| busy(1), date] {
        let server = HttpServer::start(vec![answer()]);
        let (mut otlp, counts) = start_logs(&config(OtlpProtocol::HttpProtobuf, server.port));
        otlp.sink().push(record(9, "patient"));
        assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
        let arrivals = server.arrivals();
        assert_eq!(arrivals.len(), 2);
        assert!(arrivals.iter().all(|arrival| arrival.path == "/v1/logs"));
        assert!(arrivals[1].at - arrivals[0].at >= Duration::from_secs(1));
        assert_eq!((counts.exported(), counts.dropped_total()), (1, 0));
    }
}

#[test]
fn a_pause_outlives_the_batch_that_it_was_asked_for() {
    let server = HttpServer::start(vec![busy(2)]);
    let mut config = config(OtlpProtocol::HttpProtobuf, server.port);
    config.log_batch.export_timeout = Duration::from_secs(1);
    let (otlp, counts) = start_logs(&config);
    let sink = otlp.sink();
    sink.push(record(9, "given up"));
    assert_eq!(otlp.flush(ENOUGH).expect_err("its time is over before the pause is").unsent, 1);
    // The second batch may be given up too; the one that gets through comes after the pause.
    while counts.exported() == 0 {
        sink.push(record(9, "patient"));
        let _ = otlp.flush(ENOUGH);
    }
    let arrivals = server.arrivals();
    // One more may have been on its way before it was known that the second had got through.
    assert!(arrivals.len() >= 2);
    assert!(arrivals[1].at - arrivals[0].at >= Duration::from_secs(2));
    assert_eq!(counts.recorded(), counts.exported() + counts.dropped(DropReason::ExportFailed));
}

#[test]
fn a_pause_outlives_the_batch_of_spans_that_it_was_asked_for() {
    let server = HttpServer::start(vec![busy(2)]);
    let mut config = super::super::config(OtlpProtocol::HttpProtobuf, server.port);
    config.batch.export_timeout = Duration::from_secs(1);
    let (mut otlp, counts) = super::super::start(&config);
    otlp.export(&spans(1..=1));
    assert_eq!(otlp.flush(ENOUGH).expect_err("its time is over before the pause is").unsent, 1);
    // The second batch may be given up too; the one that gets through comes after the pause.
    while counts.exported() == 0 {
        otlp.export(&spans(2..=2));
        let _ = otlp.flush(ENOUGH);
    }
    let arrivals = server.arrivals();
    // One more may have been on its way before it was known that the second had got through.
    assert!(arrivals.len() >= 2);
    assert!(arrivals.iter().all(|arrival| arrival.path == "/v1/traces"));
    assert!(arrivals[1].at - arrivals[0].at >= Duration::from_secs(2));
    assert_eq!(otlp.gauge().queue_length(), 0);
}

#[test]
fn a_pause_that_was_asked_for_is_kept_over_grpc() {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
    let server = grpc_metrics(vec![
        Err(Status::with_error_details(Code::ResourceExhausted, "full", details)),
        Err(Status::unavailable("not yet")),
    ]);
    let mut otlp = start_metrics(&config(OtlpProtocol::Grpc, server.port), &counted(calls(1, 5)));
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
    let arrivals = server.arrivals();
    assert_eq!(arrivals.len(), 3);
    assert!(arrivals[1].0 - arrivals[0].0 >= Duration::from_secs(1));
    assert!(arrivals.iter().all(|(_, request)| point(request) == (START, START + MINUTE, 5)));
}

#[test]
fn what_would_fail_again_is_not_sent_again() {
    let said =
        tonic_types::Status { code: 3, message: "the unit is missing".to_owned(), details: Vec::new() };
    let server = HttpServer::start(vec![Answer::Http(400, Vec::new(), said.encode_to_vec())]);
    let otlp = start_metrics(&config(OtlpProtocol::HttpProtobuf, server.port), &counted(calls(1, 5)));
    let reason = otlp.flush(ENOUGH).expect_err("it is refused").reason;
    assert!(reason.contains("it answered 400 Bad Request: the unit is missing"), "{reason}");
    assert_eq!(server.arrivals().len(), 1);

    let server =
        grpc_logs(vec![Err(Status::resource_exhausted("never again")), Err(Status::unauthenticated("who"))]);
    let (otlp, counts) = start_logs(&config(OtlpProtocol::Grpc, server.port));
    for says in ["never again", "OTEL_EXPORTER_OTLP_HEADERS"] {
        otlp.sink().push(record(9, "lost"));
        // The batch may be given up before the flush begins, and then it is not what the flush could not send.
        let _ = otlp.flush(ENOUGH);
        let error = otlp.gauge().last_error().expect("a batch was given up");
        assert!(error.contains(says), "{error}");
    }
    assert_eq!((server.arrivals().len(), otlp.gauge().export_errors()), (2, 2));
    assert_eq!((counts.exported(), counts.dropped(DropReason::ExportFailed)), (0, 2));
}

#[test]
fn a_batch_that_is_refused_is_told_although_the_next_one_arrives() {
    let server = HttpServer::start(vec![plain(400)]);
    let mut config = config(OtlpProtocol::HttpProtobuf, server.port);
    config.log_batch.max_export_batch_size = 5;
    let (otlp, counts) = start_logs(&config);
    let sink = otlp.sink();
    let error = loop {
        // Refused before the flush, it is not what the flush could not send; so the next one is refused too.
        (0..10_i64).for_each(|n| sink.push(record(9, n)));
        match otlp.flush(ENOUGH) {
            Err(error) => break error,
            Ok(()) => server.answer_next(plain(400)),
        }
    };
    assert!(error.reason.contains("it answered 400"), "{error}");
    assert_eq!(counts.recorded(), counts.exported() + counts.dropped_total());
}

fn partial(rejected: i64) -> logs::ExportLogsServiceResponse {
    let partial = logs::ExportLogsPartialSuccess {
        rejected_log_records: rejected,
        error_message: "too old".to_owned(),
    };
    logs::ExportLogsServiceResponse { partial_success: Some(partial) }
}

#[test]
fn what_is_refused_of_an_accepted_request_is_dropped() {
    let http = HttpServer::start(vec![
        Answer::Http(200, Vec::new(), partial(3).encode_to_vec()),
        Answer::Http(200, Vec::new(), partial(0).encode_to_vec()),
    ]);
    let grpc = grpc_logs(vec![Ok(partial(3)), Ok(partial(0))]);
    for (protocol, port) in [(OtlpProtocol::HttpProtobuf, http.port), (OtlpProtocol::Grpc, grpc.port)] {
        let mut config = config(protocol, port);
        // Together, so that all are one request.
        config.log_batch.schedule_delay = Duration::MAX;
        let (otlp, counts) = start_logs(&config);
        let sink = otlp.sink();
        (0..10_i64).for_each(|n| sink.push(record(9, n)));
        let error = otlp.flush(ENOUGH).expect_err("three are refused");
        assert_eq!(error.unsent, 3);
        assert!(error.reason.contains("it refused 3 log records: too old"), "{error}");
        sink.push(record(9, "warned about"));
        assert_eq!(otlp.flush(ENOUGH), Ok(()));
        assert_eq!((counts.exported(), counts.dropped(DropReason::ExportFailed)), (8, 3));
        assert_eq!(otlp.gauge().export_errors(), 0, "it was delivered");
    }
}

#[test]
fn every_record_is_sent_or_counted_as_dropped() {
    let server = HttpServer::start(vec![plain(500), plain(200), plain(400)]);
    let mut config = config(OtlpProtocol::HttpProtobuf, server.port);
    (config.log_batch.max_queue_size, config.log_batch.max_export_batch_size) = (64, 8);
    let (mut otlp, counts) = start_logs(&config);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sink = otlp.sink();
            std::thread::spawn(move || (0..500_i64).for_each(|n| sink.push(record(9, n))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    // Batches are refused before it or during it.
    let _ = otlp.shutdown(ENOUGH);
    let arrived: usize = server.arrivals().iter().map(|arrival| records(&arrival.body)).sum();
    assert_eq!(counts.recorded(), 2_000);
    assert_eq!(counts.exported() + counts.dropped_total(), 2_000);
    assert_eq!(counts.exported() + counts.dropped(DropReason::ExportFailed), arrived as u64);
    assert_eq!(counts.dropped(DropReason::Shutdown), 0);
}

fn records(body: &[u8]) -> usize {
    let request = logs::ExportLogsServiceRequest::decode(body).expect("it decodes");
    request.resource_logs[0].scope_logs[0].log_records.len()
}

#[test]
fn a_full_queue_drops_what_is_new() {
    let mut config = config(OtlpProtocol::Grpc, closed_port());
    config.log_batch.max_queue_size = 30;
    let (mut otlp, counts) = start_logs(&config);
    let sink = otlp.sink();
    (0..50_i64).for_each(|n| sink.push(record(9, n)));
    assert_eq!((counts.dropped(DropReason::QueueFull), otlp.gauge().queue_length()), (20, 30));
    assert_eq!(otlp.shutdown(Duration::ZERO).expect_err("nobody takes them").unsent, 30);
    assert_eq!(counts.dropped(DropReason::Shutdown), 30);
}

#[test]
fn the_end_does_not_wait_for_a_pause_of_our_own() {
    let server = HttpServer::start((0..6).map(|_| plain(503)).collect());
    let mut config = config(OtlpProtocol::HttpProtobuf, server.port);
    config.metric_reader.interval = Duration::from_millis(1);
    let counted = counted(calls(1, 5));
    let mut otlp = start_metrics(&config, &counted);
    // The pause after the sixth attempt is five seconds, or nearly.
    let began = Instant::now();
    while server.arrivals().len() < 6 && began.elapsed() < ENOUGH {
        std::thread::yield_now();
    }
    set(&counted, calls(2, 6));
    let began = Instant::now();
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(points(&server).last(), Some(&(START, START + 2 * MINUTE, 6)));
}

#[test]
fn metrics_that_cannot_be_read_are_told_and_read_again() {
    let server = HttpServer::start(Vec::new());
    let config = config(OtlpProtocol::HttpProtobuf, server.port);
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let resource = Resource::detect(&config);
    let otlp = OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, &resource, move |_| {
        assert!(!is_broken.load(std::sync::atomic::Ordering::Relaxed), "as the test asks for");
        calls(1, 5)
    });
    let otlp = otlp.expect("the settings are good");
    let reason = otlp.flush(ENOUGH).expect_err("there are none").reason;
    assert!(reason.contains("a panic"), "{reason}");
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(otlp.flush(ENOUGH), Ok(()));
    assert_eq!(points(&server), [(START, START + MINUTE, 5)]);
}

#[test]
fn nothing_counted_is_not_sent() {
    let server = HttpServer::start(Vec::new());
    let config = config(OtlpProtocol::HttpProtobuf, server.port);
    let mut otlp = start_metrics(&config, &counted(super::snapshot(1, Vec::new())));
    assert_eq!(otlp.shutdown(ENOUGH), Ok(()));
    assert!(server.arrivals().is_empty());
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let start = |config: &tta_observability::config::Config| {
        let resource = Resource::detect(config);
        OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, &resource, |_| calls(1, 1))
    };
    for protocol in BOTH {
        let mut config = config(protocol, 1);
        config.otlp_metrics.endpoint = OtlpEndpoint::Exact("http://a b".to_owned());
        assert!(matches!(start(&config), Err(OtlpError::Endpoint { .. })));
    }
    let mut config = config(OtlpProtocol::HttpProtobuf, 1);
    config.otlp_metrics.endpoint = OtlpEndpoint::Base("h:1".to_owned());
    assert!(matches!(start(&config), Err(OtlpError::Endpoint { .. })), "an address for gRPC");
    config.otlp_metrics.endpoint = OtlpEndpoint::Local;
    config.metric_reader.interval = Duration::ZERO;
    let error = start(&config).expect_err("it would never rest").to_string();
    assert!(error.contains("OTEL_METRIC_EXPORT_INTERVAL"), "{error}");
}
