//! Runs the receiver that decodes with OpenTelemetry's own Python code.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The interpreter that `cargo xtask test python` prepares.
const INTERPRETER: &str = "TTA_TEST_PYTHON";

/// A protocol that spans travel by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Grpc,
}

/// A span as it arrived; its attributes have their types beside them: `{"int": 1}`.
#[derive(Clone, Debug, Deserialize)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: String,
    pub name: String,
    pub start: u64,
    pub end: u64,
    pub status: Status,
    pub attributes: Map<String, Value>,
    pub dropped_attributes: u64,
    pub events: Vec<Event>,
    pub resource: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    pub name: String,
    pub attributes: Map<String, Value>,
}

/// A running receiver; it ends with this value.
pub struct Receiver {
    child: Child,
    input: Option<ChildStdin>,
    /// Reads while the demo runs: a receiver whose pipe is full answers nobody.
    reader: Option<JoinHandle<Vec<Value>>>,
    ports: Value,
}

/// The interpreter; without one the test is skipped where a person runs it, and fails in CI.
pub fn interpreter() -> Option<OsString> {
    let python = std::env::var_os(INTERPRETER);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{INTERPRETER} is not set: run `cargo xtask test python`");
        eprintln!("skipped: {INTERPRETER} is not set; run `cargo xtask test python` to prepare it");
    }
    python
}

impl Receiver {
    /// Starts a receiver. Without an interpreter there is none, and the test is skipped where a person
    /// runs it.
    pub fn start() -> Option<Self> {
        let python = interpreter()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tta/tests/receiver/receiver.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let input = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ports = next(&mut lines).expect("the first line tells the ports");
        let reader = std::thread::spawn(move || std::iter::from_fn(|| next(&mut lines)).collect());
        Some(Self { child, input, reader: Some(reader), ports })
    }

    /// The address to give to `--otlp`.
    pub fn url(&self, protocol: Protocol) -> String {
        let (scheme, name) = match protocol {
            Protocol::Http => ("http", "http"),
            Protocol::Grpc => ("grpc", "grpc"),
        };
        format!("{scheme}://127.0.0.1:{}", self.ports[name])
    }

    /// Stops the receiver and returns every span that it was sent.
    pub fn stop(self) -> Vec<Span> {
        self.requests().into_iter().flat_map(spans).collect()
    }

    /// Stops the receiver and returns every request, of whatever signal.
    pub fn requests(mut self) -> Vec<Value> {
        let mut input = self.input.take().expect("it is piped");
        input.write_all(b"shutdown\n").expect("the receiver listens");
        drop(input);
        let reader = self.reader.take().expect("it is taken once");
        let arrived = reader.join().expect("every line is a request");
        self.child.wait().expect("it ends");
        arrived
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It has ended already, unless the test failed before it asked for the spans.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next()?.expect("the receiver writes UTF-8");
    Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")))
}

/// The spans of a request; metrics have none.
fn spans(mut request: Value) -> Vec<Span> {
    if request["signal"] != "traces" {
        return Vec::new();
    }
    serde_json::from_value(request["spans"].take()).unwrap_or_else(|error| panic!("{error}: {request}"))
}
