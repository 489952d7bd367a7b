//! Starting, being looked at, and ending.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use tta_server::{OpenError, Options, ServeError, ServerConfig, serve};

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
fn a_live_feed_ends_with_the_server() {
    let Served { handle, runtime, directory: _directory } = Served::new();
    let mut stream = TcpStream::connect(handle.query).expect("it accepts");
    write!(stream, "GET /api/tta/v1/live HTTP/1.1\r\nHost: {}\r\n\r\n", handle.query).expect("it reads");
    let mut begin = [0; 15];
    std::io::Read::read_exact(&mut stream, &mut begin).expect("it answers");
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    assert!(runtime.block_on(handle.shutdown(Duration::from_secs(30))), "nobody has to be cut off");
}
