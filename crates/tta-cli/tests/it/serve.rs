//! `tta serve`, with `tta demo` as its sender.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::documents;
use crate::live::{Signal, send};
use crate::tta::{Running, command, demo, run};

/// Starts a server on free ports; answers where its pages are, and where it receives.
pub fn start(data: &str) -> (Running, String, String) {
    let mut server = Running::start(command(&[
        "serve",
        "--data",
        data,
        "--grpc-port",
        "0",
        "--http-port",
        "0",
        "--port",
        "0",
    ]));
    let open = server.line("Open").split_whitespace().last().expect("an address").to_owned();
    let http = server.line("OTLP/HTTP").split_whitespace().last().expect("an address").to_owned();
    server.wait_for("Programs that use");
    (server, open, http)
}

/// How many spans a server has, as it tells on its page of metrics.
fn kept(open: &str) -> u64 {
    let address = open.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("it accepts");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it is text");
    let mut lines = page.lines();
    let line = lines.find_map(|line| line.strip_prefix("tta_server_store_records{signal=\"traces\"} "));
    line.expect("it is there").parse().expect("a number")
}

pub fn stop(server: Running, signal: Signal) {
    send(&server, signal);
    let ended = server.end();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.stdout.contains("all that was acknowledged is on disk"), "{ended:#?}");
}

#[test]
fn what_the_demo_sends_is_kept_until_the_next_start() {
    let data = tempfile::tempdir().expect("a directory");
    let directory = data.path().join("new").display().to_string();
    let (server, open, http) = start(&directory);
    let folder = documents::good();
    let outcome = run(demo(folder.path(), &["--json", "--runs", "5", "--otlp", &http]));
    outcome.json();
    let spans = kept(&open);
    assert!(spans > 5, "{spans}");
    stop(server, Signal::TERM);
    let (server, open, _) = start(&directory);
    assert_eq!(kept(&open), spans);
    stop(server, Signal::INT);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let data = tempfile::tempdir().expect("a directory");
    let directory = data.path().display().to_string();
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("it is bound").port().to_string();
    let ports = ["--grpc-port", "0", "--http-port", "0", "--port"];
    let serve = |last: &[&str]| {
        let all = [&["serve", "--data", &directory], &ports[..], last].concat();
        run(command(&all))
    };
    serve(&[&port]).assert_failed(&[&format!("port {port} for"), "is taken", "choose another port"]);
    serve(&["0", "--listen", "0.0.0.0"]).assert_failed(&["set a token"]);
    serve(&["0", "--token-env", "TTA_NO_SUCH_TOKEN"]).assert_failed(&["TTA_NO_SUCH_TOKEN holds no token"]);
    let (server, ..) = start(&directory);
    serve(&["0"]).assert_failed(&["is in use by process", "stop the other server"]);
    stop(server, Signal::TERM);
}
