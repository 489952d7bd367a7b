//! Traces are shown as they come, also after the server was away.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};
use prost::Message;
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use tta::model::name::attribute as a;

use crate::live::Signal;
use crate::query::{MILLI, NOW, span, text};
use crate::serve::stop;
use crate::tta::{Owned, PATIENCE, Running, command, run, until, wait};

/// `tta tail`, followed itself.
struct Tail {
    child: Owned,
    out: Receiver<String>,
    err: Receiver<String>,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let texts = BufReader::new(from).lines().map_while(Result::ok);
        // Whoever does not want more has seen enough.
        texts.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    lines
}

impl Tail {
    fn start(arguments: &[&str]) -> Self {
        Self::run(command(&[&["tail"], arguments].concat()))
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let out = lines(child.stdout.take().expect("it is piped"));
        let err = lines(child.stderr.take().expect("it is piped"));
        let tail = Self { child: Owned(child), out, err };
        assert!(tail.says().starts_with("Following http://127.0.0.1:"));
        tail
    }

    fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("a trace is shown")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("it is JSON")
    }

    /// The next line for people.
    fn says(&self) -> String {
        self.err.recv_timeout(PATIENCE).expect("something is said")
    }

    fn stop(mut self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.0.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        assert_eq!(wait(&mut self.child.0).code(), Some(0));
        assert_eq!(self.out.iter().chain(self.err.iter()).collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// A server at a port, and where it receives.
fn serve(data: &str, port: u16) -> (Running, String) {
    let port = port.to_string();
    let ports = ["--grpc-port", "0", "--http-port", "0", "--port", &port];
    let mut server = Running::start(command(&[&["serve", "--data", data], &ports[..]].concat()));
    let http = server.line("OTLP/HTTP").split_whitespace().last().expect("an address").to_owned();
    server.wait_for("Programs that use");
    (server, http)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends a trace with a root of 100 ms and a call in it, which fails or not.
fn send(http: &str, trace: u128, service: &str, fails: bool) {
    let mut root = span(trace, (1, 0), "digest", (0, 100));
    root.attributes = vec![text(a::WORKFLOW_NAME.key, "reports")];
    let mut call = span(trace, (2, 1), "call", (10, 60));
    call.status = fails.then(|| Status { code: 2, message: String::from("refused") });
    let resource = Resource { attributes: vec![text(a::SERVICE_NAME.key, service)], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![call, root], ..ScopeSpans::default() }];
    let group = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
    let request = reqwest::blocking::Client::new().post(format!("{http}/v1/traces"));
    let answer = request.header("content-type", "application/x-protobuf").body(body).send().unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn traces_are_shown_as_they_come() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let (server, http) = serve(&data.path().display().to_string(), port);
    send(&http, 9, "before", false);
    let url = format!("http://127.0.0.1:{port}/");
    let tail = Tail::start(&["--url", &url]);
    let json = Tail::start(&["--url", &url, "--json"]);
    send(&http, 1, "agent", false);
    let id = |trace: u128| format!("{trace:032x}");
    assert_eq!(tail.line(), format!("11:06:40.000Z  agent  digest  ok       100ms      2 spans  {}", id(1)));
    send(&http, 2, "shop", true);
    assert_eq!(tail.line(), format!("11:06:40.000Z  shop   digest  error    100ms      2 spans  {}", id(2)));
    let expect = |trace: u128, service: &str, errors: u64| {
        json!({
            "trace_id": id(trace), "service": service, "name": "digest", "workflow": "reports", "has_root": true,
            "start_unix_nanos": NOW.to_string(), "duration_nanos": 100 * MILLI, "spans": 2, "errors": errors,
        })
    };
    assert_eq!(json.json(), expect(1, "agent", 0));
    assert_eq!(json.json(), expect(2, "shop", 1));
    tail.stop(Signal::INT);
    // The server ends at once, though it is followed.
    stop(server, Signal::TERM);
    assert!(json.says().ends_with("is gone; waiting until it is back."));
    json.stop(Signal::TERM);
}

#[test]
fn only_what_fits_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let (server, http) = serve(&data.path().display().to_string(), port);
    let url = format!("http://127.0.0.1:{port}");
    let filters: [(&[&str], u128); 4] = [
        (&["--service", "shop"], 2),
        (&["--status", "error"], 3),
        (&["--workflow", "reports", "--min-duration", "100ms", "--service", "shop", "--status", "error"], 4),
        (&["--workflow", "reports"], 1),
    ];
    let tails =
        filters.map(|(filter, first)| (Tail::start(&[&["--url", &url, "--json"], filter].concat()), first));
    let none = Tail::start(&["--url", &url, "--min-duration", "101ms"]);
    for (trace, service, fails) in
        [(1, "agent", false), (2, "shop", false), (3, "agent", true), (4, "shop", true)]
    {
        send(&http, trace, service, fails);
    }
    for (tail, first) in &tails {
        assert_eq!(tail.json()["trace_id"], format!("{first:032x}"));
    }
    stop(server, Signal::INT);
    assert!(none.says().contains("is gone"), "it heard all there was");
    assert!(none.out.try_recv().is_err(), "nothing took that long");
}

#[test]
fn what_came_while_the_connection_was_gone_is_shown_once() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let port = free_port();
    let (server, http) = serve(&directory, port);
    let tail = Tail::start(&["--url", &format!("http://127.0.0.1:{port}"), "--json"]);
    send(&http, 1, "agent", false);
    assert_eq!(tail.json()["trace_id"], format!("{:032x}", 1));
    stop(server, Signal::TERM);
    assert!(tail.says().contains("is gone"));
    // At another port, where nobody follows.
    let (server, http) = serve(&directory, 0);
    for trace in 2..=5 {
        send(&http, trace, "agent", false);
    }
    stop(server, Signal::TERM);
    let (server, http) = serve(&directory, port);
    send(&http, 6, "agent", false);
    assert_eq!(tail.says(), "The server is back.");
    send(&http, 7, "agent", false);
    let seen: Vec<Value> = (2..=7).map(|_| tail.json()["trace_id"].clone()).collect();
    assert_eq!(seen, (2..=7_u128).map(|trace| json!(format!("{trace:032x}"))).collect::<Vec<_>>());
    stop(server, Signal::TERM);
    assert!(tail.says().contains("is gone"));
    tail.stop(Signal::INT);
}

#[test]
fn it_ends_quietly_when_nobody_reads() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let (server, http) = serve(&data.path().display().to_string(), port);
    let mut command = command(&["tail", "--url", &format!("http://127.0.0.1:{port}")]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let err = lines(child.stderr.take().unwrap());
    let mut child = Owned(child);
    assert!(err.recv_timeout(PATIENCE).unwrap().starts_with("Following"));
    let mut trace = 0;
    let status = until("it ends", || {
        trace += 1;
        send(&http, trace, "agent", false);
        child.0.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
    assert_eq!(err.iter().collect::<Vec<_>>(), Vec::<String>::new());
    stop(server, Signal::TERM);
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let tail = |arguments: &[&str]| run(command(&[&["tail"], arguments].concat()));
    tail(&["--url", "http://127.0.0.1:9"]).assert_failed(&[
        "cannot ask http://127.0.0.1:9: ",
        "start `tta serve`, or name a server with --url",
    ]);
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let (server, http) = serve(&data.path().display().to_string(), port);
    let url = format!("http://127.0.0.1:{port}");
    tail(&["--url", &url, "--min-duration", "5"])
        .assert_failed(&["parameter 'min_duration': \"5\" is no duration; write it as in 1.5s"]);
    tail(&["--url", &url, "--token-env", "TTA_NO_SUCH_TOKEN"])
        .assert_failed(&["TTA_NO_SUCH_TOKEN has no token"]);
    // The port for telemetry answers no questions.
    tail(&["--url", &http]).assert_failed(&["not of a server of TTA; look at the address"]);
    stop(server, Signal::TERM);
}
