//! Runs the binary.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take before a test gives up on it, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a command came to.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// The command, as in a process environment without any setting of OpenTelemetry or TTA but one: it shows its metrics
/// at a free port, since other tests run beside this one.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tta"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("OTEL_") || name.starts_with("TTA_") {
            command.env_remove(&variable);
        }
    }
    command.env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `tta demo --exit` over a folder.
pub fn demo(input: &Path, arguments: &[&str]) -> Command {
    let mut command = command(&["demo", "--exit", "--input"]);
    command.arg(input).args(arguments);
    command
}

/// Runs a command to its end, or kills it when patience is over.
pub fn run(mut command: Command) -> Ended {
    let began = Instant::now();
    let mut child = command.spawn().expect("the binary starts");
    let stdout = read(child.stdout.take().expect("it is piped"));
    let stderr = read(child.stderr.take().expect("it is piped"));
    let status = wait(&mut child);
    let took = began.elapsed();
    Ended { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), took }
}

/// Waits for the end of a process, or kills it when patience is over.
pub fn wait(child: &mut Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("still running after {PATIENCE:?}");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).expect("the command writes UTF-8");
        text
    })
}

impl Ended {
    /// It succeeded; returns what it printed as JSON.
    pub fn json(&self) -> serde_json::Value {
        assert!(self.status.success(), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// It failed as commands do: with code 1, and without a trace of a panic.
    #[track_caller]
    pub fn assert_failed(&self, says: &[&str]) {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        self.assert_no_panic();
        for part in says {
            assert!(self.stderr.contains(part), "it does not say {part:?}: {self:#?}");
        }
    }

    #[track_caller]
    pub fn assert_no_panic(&self) {
        for trace in ["panicked", "RUST_BACKTRACE", "unwrap()"] {
            assert!(!self.stderr.contains(trace), "{self:#?}");
        }
    }
}

/// A process that does not outlive its test.
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It has ended already, unless the test failed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until there is an answer, or gives up when patience is over.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A command that goes on until it is stopped.
pub struct Running {
    child: Owned,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let stderr = read(child.stderr.take().expect("it is piped"));
        Self { child: Owned(child), lines, stderr }
    }

    /// Reads until a line begins with this, and answers it.
    pub fn line(&mut self, start: &str) -> String {
        let mut lines = self.lines.by_ref().map(|line| line.expect("the command writes UTF-8"));
        lines.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line begins with {start:?}"))
    }

    /// Reads until a line begins with this.
    pub fn wait_for(&mut self, start: &str) {
        let mut lines = self.lines.by_ref().map(|line| line.expect("the command writes UTF-8"));
        assert!(lines.any(|line| line.trim_start().starts_with(start)), "no line begins with {start:?}");
    }

    /// Reads the outcome as JSON, up to the empty line after it.
    pub fn json(&mut self) -> serde_json::Value {
        let lines = self.lines.by_ref().map(|line| line.expect("the command writes UTF-8"));
        let text: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        serde_json::from_str(&text.join("\n")).unwrap_or_else(|error| panic!("{error}: {text:#?}"))
    }

    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let began = Instant::now();
        let stdout: Vec<String> = self.lines.map(|line| line.expect("the command writes UTF-8")).collect();
        let status = wait(&mut self.child.0);
        let stderr = self.stderr.join().unwrap();
        Ended { status, stdout: stdout.join("\n"), stderr, took: began.elapsed() }
    }
}
