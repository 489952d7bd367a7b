//! A dead or silent receiver costs no time beyond the limit, and every span is accounted for.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tta_observability::DropReason;
use tta_observability::config::{Config, OtlpEndpoint, OtlpProtocol};
use tta_observability::export::SpanExporter as _;
use tta_observability::export::otlp::OtlpError;

use super::{BOTH, config, spans, start};

const LIMIT: Duration = Duration::from_millis(500);
/// Far beyond the limit, for a machine that is busy with other things.
const MARGIN: Duration = Duration::from_secs(5);

/// Flushes and shuts down within the limits; all 40 spans end as dropped, none silently.
fn check_bounded(config: &Config, says: &[&str]) {
    let (mut otlp, counts) = start(config);
    let gauge = otlp.gauge();
    otlp.export(&spans(1..=40));
    let began = Instant::now();
    let error = otlp.flush(LIMIT).expect_err("nobody takes them");
    assert_eq!(error.unsent, 40);
    for part in says {
        assert!(error.reason.contains(part), "{:?} does not say {part:?}", error.reason);
    }
    assert_eq!(otlp.shutdown(LIMIT).expect_err("nobody took them").unsent, 40);
    assert!(began.elapsed() < MARGIN, "took {:?}", began.elapsed());
    assert_eq!((counts.exported(), counts.dropped_total()), (0, 40));
    assert_eq!(gauge.queue_length(), 0);

    otlp.export(&spans(1..=2));
    assert_eq!(counts.dropped(DropReason::Shutdown), 42, "what comes after the end is counted too");
    assert_eq!(otlp.shutdown(LIMIT), Ok(()), "a second end has nothing to do");
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn a_closed_port_is_told_and_bounded() {
    for protocol in BOTH {
        let port = closed_port();
        let port_says = format!("127.0.0.1:{port}");
        check_bounded(&config(protocol, port), &[&port_says, "refused", "start an OTLP receiver there"]);
    }
}

#[test]
fn a_listener_that_never_answers_is_bounded() {
    for protocol in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        check_bounded(&config(protocol, port), &["did not take them in time"]);
    }
}

#[test]
fn a_batch_is_given_up_when_its_time_is_over() {
    for protocol in BOTH {
        let mut config = config(protocol, closed_port());
        config.batch.export_timeout = Duration::from_millis(300);
        config.batch.max_export_batch_size = 20;
        let (mut otlp, counts) = start(&config);
        otlp.export(&spans(1..=40));
        // A batch may be given up before the flush begins, and then it is not what the flush could not send.
        let _ = otlp.flush(Duration::from_secs(30));
        assert_eq!((counts.exported(), counts.dropped(DropReason::ExportFailed)), (0, 40));
        assert_eq!(otlp.gauge().export_errors(), 2);
        assert_eq!(otlp.shutdown(LIMIT), Ok(()));
    }
}

#[test]
fn a_full_queue_drops_what_is_new() {
    let mut config = config(OtlpProtocol::Grpc, closed_port());
    config.batch.max_queue_size = 30;
    let (mut otlp, counts) = start(&config);
    otlp.export(&spans(1..=40));
    otlp.export(&spans(41..=50));
    assert_eq!(counts.dropped(DropReason::QueueFull), 20);
    assert_eq!(otlp.gauge().queue_length(), 30);
    assert_eq!(otlp.shutdown(Duration::ZERO).expect_err("nobody takes them").unsent, 30);
    assert_eq!(counts.dropped(DropReason::Shutdown), 30);
}

#[test]
fn dropped_without_an_end_it_counts_what_it_had() {
    let (mut otlp, counts) = start(&config(OtlpProtocol::HttpProtobuf, closed_port()));
    let gauge = otlp.gauge();
    otlp.export(&spans(1..=3));
    drop(otlp);
    let began = Instant::now();
    while gauge.queue_length() > 0 && began.elapsed() < MARGIN {
        std::thread::yield_now();
    }
    assert_eq!(counts.dropped(DropReason::Shutdown), 3);
}

#[test]
fn starts_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut config = config(OtlpProtocol::HttpProtobuf, closed_port());
        drop(start(&config));
        config.otlp.certificate = Some("/does/not/exist.pem".into());
        config.otlp.endpoint = OtlpEndpoint::Base("https://localhost:1".to_owned());
        for protocol in BOTH {
            config.otlp.protocol = protocol;
            let error = refused(&config);
            assert!(matches!(error, OtlpError::File { .. }), "{error}");
        }
    });
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let mut config = config(OtlpProtocol::Grpc, 1);
    config.otlp.headers = vec![("authorization".into(), "s3cret\n".into())];
    let error = refused(&config).to_string();
    assert!(error.contains("authorization") && !error.contains("s3cret"), "{error}");
    config.otlp.headers.clear();
    for protocol in BOTH {
        config.otlp.protocol = protocol;
        config.otlp.endpoint = OtlpEndpoint::Exact("http://a b".to_owned());
        assert!(matches!(refused(&config), OtlpError::Endpoint { .. }));
    }
}

pub(super) fn refused(config: &Config) -> OtlpError {
    use tta_observability::export::otlp::Otlp;
    let resource = tta_observability::resource::Resource::detect(config);
    Otlp::new(&config.otlp, &config.batch, &resource, Default::default()).expect_err("it can never work")
}
