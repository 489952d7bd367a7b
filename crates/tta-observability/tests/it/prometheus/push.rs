//! Pushes to a gateway.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tta_observability::export::prometheus::{Format, PushError, PushGateway, Pusher, encode};
use tta_observability::metrics::Snapshot;

use super::browse::ENOUGH;
use super::{lookups, resource};

const SOON: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(1_000_000);

/// What a gateway got.
#[derive(Debug)]
struct Pushed {
    method: String,
    path: String,
    kind: String,
    body: String,
}

/// A server that takes whatever is pushed, and answers with a status.
struct Gateway {
    address: SocketAddr,
    pushed: mpsc::Receiver<Pushed>,
    /// Ends it when it is dropped.
    _running: oneshot::Sender<Infallible>,
}

impl Gateway {
    /// Refuses the first pushes.
    fn start(refused: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("it is bound");
        let (tell, pushed) = mpsc::channel();
        let (running, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, tell, Arc::new(AtomicI64::new(refused))) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, pushed, _running: running }
    }

    fn next(&self) -> Pushed {
        self.pushed.recv_timeout(ENOUGH).expect("a push comes")
    }

    fn settings(&self, interval: Duration) -> PushGateway {
        PushGateway { interval, ..PushGateway::new(format!("http://{}", self.address), "batch") }
    }
}

async fn serve(listener: TcpListener, tell: mpsc::Sender<Pushed>, refused: Arc<AtomicI64>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (tell, refused) = (tell.clone(), Arc::clone(&refused));
        let service = service_fn(move |request| take(request, tell.clone(), Arc::clone(&refused)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn take(
    request: Request<Incoming>,
    tell: mpsc::Sender<Pushed>,
    refused: Arc<AtomicI64>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let kind = head.headers.get("content-type").map(|kind| kind.to_str().expect("text").to_owned());
    let pushed = Pushed {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        kind: kind.unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).expect("the text is UTF-8"),
    };
    // The test may be over.
    let _ = tell.send(pushed);
    let is_refused = refused.fetch_sub(1, Ordering::Relaxed) > 0;
    let mut response = Response::new(Full::new(Bytes::from(if is_refused { "labels clash\n" } else { "" })));
    *response.status_mut() = if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(response)
}

/// Counts up with every snapshot.
fn counting() -> impl Fn() -> Snapshot + Send + Sync + 'static {
    let count = AtomicI64::new(0);
    move || lookups(count.fetch_add(1, Ordering::Relaxed))
}

fn start(settings: &PushGateway) -> Pusher {
    settings.start(counting(), &resource()).expect("the settings are good")
}

#[test]
fn pushes_come_again_and_again() {
    let gateway = Gateway::start(0);
    let pusher = start(&gateway.settings(SOON));
    for n in 0..3 {
        let pushed = gateway.next();
        assert_eq!((pushed.method.as_str(), pushed.path.as_str()), ("PUT", "/metrics/job/batch"));
        assert_eq!(pushed.kind, "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(pushed.body, encode(lookups(n), &resource(), Format::Classic));
    }
    pusher.shutdown(ENOUGH).expect("the gateway takes the last push");
}

#[test]
fn the_last_push_comes_at_the_end() {
    let gateway = Gateway::start(0);
    let grouping = vec![("path".to_owned(), "/var/tmp".to_owned()), ("empty".to_owned(), String::new())];
    let settings = PushGateway { grouping, ..gateway.settings(NEVER) };
    start(&settings).shutdown(ENOUGH).expect("the gateway takes it");
    let pushed = gateway.next();
    assert_eq!(pushed.path, "/metrics/job/batch/path@base64/L3Zhci90bXA=/empty@base64/=");
    assert!(pushed.body.ends_with("\ncache_total 0\n"), "{}", pushed.body);
    assert!(gateway.pushed.try_recv().is_err(), "one push is enough");
}

#[test]
fn what_the_gateway_refuses_is_told_and_the_next_push_follows() {
    let gateway = Gateway::start(3);
    let pusher = start(&gateway.settings(SOON));
    for n in 0..5 {
        assert!(gateway.next().body.ends_with(&format!("cache_total {n}\n")));
    }
    pusher.shutdown(ENOUGH).expect("it takes the others");

    let gateway = Gateway::start(1);
    let error = start(&gateway.settings(NEVER)).shutdown(ENOUGH).expect_err("it refuses the first");
    assert!(
        matches!(&error, PushError::Refused { status, text, .. } if *status == 400 && text == "labels clash")
    );
    let said = error.to_string();
    assert!(
        said.contains("/metrics/job/batch did not take the metrics: 400 Bad Request: labels clash"),
        "{said}"
    );
}

#[test]
fn a_dead_address_is_an_error_and_not_a_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let settings = PushGateway { interval: SOON, ..PushGateway::new(format!("http://{address}"), "batch") };
    let begun = Instant::now();
    let error = start(&settings).shutdown(ENOUGH).expect_err("nobody is there");
    assert!(matches!(error, PushError::Unreachable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains(&address.to_string()) && said.contains("refused"), "{said}");
    assert!(said.contains("start a Pushgateway"), "{said}");
    assert!(begun.elapsed() < ENOUGH);
}

#[cfg(feature = "otlp")]
#[test]
fn a_gateway_without_tls_gets_nothing_where_tls_is_asked_for() {
    let gateway = Gateway::start(0);
    let settings = PushGateway { url: format!("https://{}", gateway.address), ..gateway.settings(NEVER) };
    let error = start(&settings).shutdown(ENOUGH).expect_err("it speaks no TLS");
    assert!(matches!(error, PushError::Unreachable { .. }), "{error}");
    assert!(gateway.pushed.try_recv().is_err());
}

#[test]
fn a_gateway_that_never_answers_is_left_in_time() {
    // It is connected to by the system, and accepts nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it is bound");
    let settings = PushGateway { interval: SOON, ..PushGateway::new(format!("http://{address}"), "batch") };
    let check = |settings: PushGateway, limit: Duration| {
        let error = start(&settings).shutdown(limit).expect_err("it never answers");
        assert!(error.to_string().contains("did not take the metrics within 50ms"), "{error}");
    };
    let short = Duration::from_millis(50);
    check(settings.clone(), short);
    check(PushGateway { timeout: short, interval: NEVER, ..settings }, ENOUGH);
}

#[test]
fn a_panic_in_the_snapshot_stops_no_later_push() {
    let gateway = Gateway::start(0);
    let is_first = AtomicBool::new(true);
    let source = move || {
        assert!(!is_first.swap(false, Ordering::Relaxed), "the snapshot is broken");
        lookups(5)
    };
    let pusher = gateway.settings(SOON).start(source, &resource()).expect("the settings are good");
    assert!(gateway.next().body.ends_with("cache_total 5\n"));
    pusher.shutdown(ENOUGH).expect("the gateway takes the last push");

    let broken = || -> Snapshot { panic!("the snapshot is broken") };
    let pusher = gateway.settings(NEVER).start(broken, &resource()).expect("the settings are good");
    assert_eq!(pusher.shutdown(ENOUGH), Err(PushError::Unread));
}

#[test]
fn a_dropped_pusher_ends_without_a_push() {
    let gateway = Gateway::start(0);
    drop(start(&gateway.settings(NEVER)));
    assert!(gateway.pushed.try_recv().is_err());
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let check = |settings: PushGateway, says: &str| {
        let error = settings.start(counting(), &resource()).expect_err("it cannot work").to_string();
        assert!(error.contains(says), "{error}");
    };
    let good = PushGateway::new("http://localhost:9091", "batch");
    check(PushGateway { url: "localhost".to_owned(), ..good.clone() }, "http://");
    check(PushGateway { job: String::new(), ..good.clone() }, "name the program");
    check(
        PushGateway { interval: Duration::ZERO, ..good.clone() },
        "the interval of the Pushgateway is zero",
    );
    check(PushGateway { timeout: Duration::ZERO, ..good.clone() }, "the timeout of the Pushgateway is zero");
    assert_eq!(good.target().unwrap().to_string(), "http://localhost:9091/metrics/job/batch");
}

#[tokio::test]
async fn a_pusher_may_be_started_and_ended_inside_of_a_runtime() {
    let gateway = Gateway::start(0);
    start(&gateway.settings(NEVER)).shutdown(ENOUGH).expect("the gateway takes it");
    drop(start(&gateway.settings(SOON)));
}

#[cfg(feature = "otlp")]
#[tokio::test]
async fn a_receiver_of_spans_that_hangs_leaves_time_for_the_last_push() {
    use tta_observability::Telemetry;
    use tta_observability::config::{Config, ExporterKind, OtlpEndpoint, OtlpProtocol, PushConfig};
    use tta_primitives::{WorkflowContext, step};

    let gateway = Gateway::start(0);
    // The system takes the connection, and nobody ever answers.
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let mut config = Config::silent();
    config.exporters = vec![ExporterKind::Otlp];
    let url = format!("http://{}", hangs.local_addr().expect("it is bound"));
    config.otlp.endpoint = OtlpEndpoint::base(url, OtlpProtocol::HttpProtobuf).expect("an address");
    config.metrics.push = Some(PushConfig {
        url: format!("http://{}", gateway.address),
        job: Some("batch".to_owned()),
        grouping: Vec::new(),
        interval: NEVER,
    });
    let (observer, guard) = Telemetry::with_config(config).build().expect("it is set up");
    let cx = WorkflowContext::builder().observer(observer.expect("it is on")).build();
    step("a", |n: u64| async move { Ok(n) }).run(1, &cx).await.expect("it succeeds");
    assert!(guard.shutdown(Duration::from_secs(2)).is_err(), "the span was not taken");
    assert!(gateway.next().body.contains("tta_workflow_executions_total"));
}
