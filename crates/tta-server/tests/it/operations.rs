//! Starting, being looked at, and ending.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use tta_server::{OpenError, Options, ServeError, ServerConfig, serve};

use super::otlp_grpc::{Plain, channel};
use super::served::{PROTOBUF, Served, client};
use super::support::{count, open, request, span};

fn batch(trace: u128, spans: u64) -> Vec<u8> {
    request(vec![("shop", (1..=spans).map(|id| span(trace, id)).collect())])
}

fn start(change: impl FnOnce(&mut ServerConfig)) -> Result<(), ServeError> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = ServerConfig::new(Options::new(directory.path())).any_ports();
    change(&mut config);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(serve(config)).map(drop)
}

#[test]
fn a_port_that_is_taken_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("it is bound").port();
    let error = start(|config| config.http_port = port).expect_err("it is taken");
    let expect = format!(
        "port {port} for OTLP over HTTP is taken; stop the program that listens on it, or choose another port"
    );
    assert_eq!(error.to_string(), expect);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let error = start(|config| config.listen = everywhere).expect_err("there is no token");
    assert!(matches!(error, ServeError::TokenNeeded(_)), "{error}");
    let empty = start(|config| config.token = Some(String::new())).expect_err("it is empty");
    assert!(matches!(empty, ServeError::BadToken), "{empty}");

    let server = Served::with(|config| {
        config.listen = everywhere;
        config.token = Some(String::from("secret"));
    });
    let ask = |port: u16, path: &str, token: Option<&str>| {
        let request =
            client().post(format!("http://127.0.0.1:{port}{path}")).header("content-type", PROTOBUF);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.body(batch(1, 1)).send().expect("it answers").status().as_u16()
    };
    let (http, query) = (server.handle.http.port(), server.handle.query.port());
    assert_eq!(ask(http, "/v1/traces", None), 401);
    assert_eq!(ask(http, "/v1/traces", Some("secre")), 401);
    assert_eq!(ask(query, "/metrics", None), 401);
    assert_eq!(server.handle.stats().spans, 0);
    assert_eq!(ask(http, "/v1/traces", Some("secret")), 200);
    assert_eq!(server.count(1), 1);
}

#[test]
fn a_directory_has_one_server() {
    let server = Served::new();
    let directory = server.directory.path().to_owned();
    let error = start(|config| config.store = Options::new(directory)).expect_err("it is in use");
    assert!(matches!(error, ServeError::Store(OpenError::Locked { .. })), "{error}");
}

#[test]
fn the_server_tells_of_itself() {
    let server = Served::new();
    let mut bad = span(2, 9);
    bad.span_id = vec![0; 8];
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1, 7)).status(), 200);
    assert_eq!(server.post("/v1/traces", PROTOBUF, request(vec![("shop", vec![bad])])).status(), 200);
    assert_eq!(server.post("/v1/traces", PROTOBUF, b"no".to_vec()).status(), 400);
    assert_eq!(server.get("/healthz"), (200, String::from("ok\n")));
    assert_eq!(server.get("/readyz"), (200, String::from("ready\n")));
    let (status, page) = server.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "tta_server_received_records_total{signal=\"traces\"} 8",
        "tta_server_accepted_records_total{signal=\"traces\"} 7",
        "tta_server_accepted_records_total{signal=\"logs\"} 0",
        "tta_server_rejected_records_total{signal=\"traces\",reason=\"span_id\"} 1",
        "tta_server_refused_requests_total{reason=\"malformed\"} 1",
        "tta_server_received_batches_total{signal=\"traces\"} 3",
        "tta_server_commit_duration_seconds_count{signal=\"traces\"} 2",
        "tta_server_store_records{signal=\"traces\"} 7",
        "tta_server_store_ready 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
    }
}

#[test]
fn a_store_that_cannot_be_written_makes_it_unready() {
    let server = Served::new();
    std::fs::rename(server.directory.path(), server.directory.path().with_extension("away"))
        .expect("it is moved");
    let (status, why) = server.get("/readyz");
    assert!(status == 503 && why.contains("cannot write to"), "{status} {why}");
    assert_eq!(server.get("/healthz").0, 200);
    std::fs::rename(server.directory.path().with_extension("away"), server.directory.path())
        .expect("it is back");
    assert_eq!(server.get("/readyz").0, 200);
}

#[test]
fn ending_answers_what_was_begun_and_keeps_all_of_it() {
    let server = Served::new();
    let Served { directory, handle, runtime } = server;
    let body = batch(5, 3);
    let http = handle.http;
    let mut stream = TcpStream::connect(http).expect("it accepts");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {http}\r\nContent-Type: {PROTOBUF}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    // With this answer the request has surely begun.
    let mut answer = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut answer).expect("it answers");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (drained, rest) = std::thread::scope(|scope| {
        let ending = scope.spawn(|| runtime.block_on(handle.shutdown(Duration::from_secs(10))));
        stream.write_all(&body).expect("it reads");
        let mut rest = String::new();
        let _ = std::io::Read::read_to_string(&mut stream, &mut rest);
        (ending.join().expect("it ends"), rest)
    });
    assert!(drained);
    assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    assert!(TcpStream::connect(http).is_err(), "nobody listens any more");
    let store = open(directory.path());
    assert_eq!(count(&store, 5), 3);
}

#[test]
fn the_root_names_what_is_there() {
    let server = Served::new();
    let (status, body) = server.get("/");
    assert_eq!(status, 200);
    let contents: serde_json::Value = serde_json::from_str(&body).expect("it is JSON");
    let lists = ["jaeger", "health"].into_iter().flat_map(|list| contents[list].as_array().expect("a list"));
    for path in lists.chain([&contents["api"]]) {
        let path = path.as_str().expect("a path");
        let (status, body) = server.get(path);
        assert!(status == 200 || status == 400 && !path.ends_with(".json"), "{path}: {status} {body}");
    }
}

/// A task that has ended is counted for a moment longer.
fn await_end_of_tasks(runtime: &tokio::runtime::Runtime) {
    let begun = std::time::Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} tasks", runtime.metrics().num_alive_tasks());
        std::thread::yield_now();
    }
}

#[test]
fn a_listener_to_events_does_not_hold_up_the_end() {
    let Served { directory: _directory, handle, runtime } = Served::new();
    let query = handle.query;
    let mut stream = TcpStream::connect(query).expect("it accepts");
    let request = format!("GET /api/tta/v1/live HTTP/1.1\r\nHost: {query}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut head = [0; 15];
    std::io::Read::read_exact(&mut stream, &mut head).expect("it answers");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    assert!(runtime.block_on(handle.shutdown(Duration::from_secs(30))), "it ended within the time");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).expect("it ends");
    assert!(rest.ends_with("0\r\n\r\n"), "the answer is whole: {rest}");
    await_end_of_tasks(&runtime);
}

#[test]
fn nothing_runs_after_the_end() {
    let server = Served::new();
    let client = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let client = client.expect("a runtime");
    let channel = client.block_on(channel(&server));
    // A call whose message never comes.
    let call = client.spawn(async move {
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.expect("it is ready");
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let path = http::uri::PathAndQuery::from_static(path);
        let nothing = futures::stream::pending::<Vec<u8>>();
        grpc.client_streaming::<_, _, Vec<u8>, _>(tonic::Request::new(nothing), path, Plain).await.err()
    });
    let Served { directory, handle, runtime } = server;
    // Three ports, a connection, and the call, which is a task of its own.
    while runtime.metrics().num_alive_tasks() < 5 {
        std::thread::yield_now();
    }
    assert!(!runtime.block_on(handle.shutdown(Duration::ZERO)), "the call was cut off");
    await_end_of_tasks(&runtime);
    assert!(client.block_on(call).expect("it ends").is_some());
    // The store is closed: another one can have the directory.
    assert_eq!(open(directory.path()).stats().spans, 0);
}

#[test]
fn a_request_that_is_cut_off_leaves_nothing_behind() {
    for _ in 0..3 {
        let Served { directory, handle, runtime } = Served::new();
        let (http, query) = (handle.http, handle.query);
        // So large that it is scanned on a thread that nothing can end.
        let body = batch(9, 20_000);
        let sender = std::thread::spawn(move || {
            let request = client().post(format!("http://{http}/v1/traces")).header("content-type", PROTOBUF);
            request.body(body).send().is_ok_and(|answer| answer.status() == 200)
        });
        let has_come = || {
            let page = client().get(format!("http://{query}/metrics")).send().and_then(|page| page.text());
            page.expect("it answers").contains("tta_server_received_batches_total{signal=\"traces\"} 1")
        };
        while !has_come() {
            std::thread::yield_now();
        }
        runtime.block_on(handle.shutdown(Duration::ZERO));
        // Nobody holds the store any more, and the batch is there as a whole or not at all.
        let stored = count(&open(directory.path()), 9);
        let was_acknowledged = sender.join().expect("it ends");
        assert!(stored == 20_000 || stored == 0 && !was_acknowledged, "{stored} {was_acknowledged}");
    }
}
