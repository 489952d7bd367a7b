//! Runs the receiver that decodes with OpenTelemetry's own Python code.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tta_observability::config::OtlpProtocol;

/// The interpreter that `cargo xtask test python` prepares.
const INTERPRETER: &str = "TTA_TEST_PYTHON";

/// A running receiver; it ends with this value.
pub(super) struct Receiver {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    ports: Value,
}

impl Receiver {
    /// Starts a receiver that refuses the first requests. Without an interpreter there is none, and the
    /// test is skipped where a person runs it.
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    pub(super) fn start(refused: usize) -> Option<Self> {
        let Some(python) = std::env::var_os(INTERPRETER) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{INTERPRETER} is not set: run `cargo xtask test python`"
            );
            eprintln!("skipped: {INTERPRETER} is not set; run `cargo xtask test python` to prepare it");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tta/tests/receiver/receiver.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--fail", &refused.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let input = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ports = next(&mut lines).expect("the first line tells the ports");
        Some(Self { child, input, lines, ports })
    }

    pub(super) fn port(&self, protocol: OtlpProtocol) -> u16 {
        let name = if protocol == OtlpProtocol::Grpc { "grpc" } else { "http" };
        let port = self.ports[name].as_u64().expect("a port");
        u16::try_from(port).expect("a port has 16 bits")
    }

    /// Stops the receiver and returns one line for every request that it had.
    pub(super) fn requests(mut self) -> Vec<Value> {
        let mut input = self.input.take().expect("it is piped");
        input.write_all(b"shutdown\n").expect("the receiver listens");
        drop(input);
        let requests = std::iter::from_fn(|| next(&mut self.lines)).collect();
        self.child.wait().expect("it ends");
        requests
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It has ended already, unless the test failed before it asked for the requests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next()?.expect("the receiver writes UTF-8");
    Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")))
}
