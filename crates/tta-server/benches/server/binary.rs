//! The program as it is shipped: its size, how soon it is ready, and the memory that it takes while nobody asks anything.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tta_server::{Options, Store, Traces};

use crate::made::Maker;

/// Names the release binary; `cargo xtask bench server` builds and names it.
const BINARY: &str = "TTA_BENCH_BINARY";
const BATCH: usize = 512;
const MILLION: usize = 1_000_000;
/// How often each start is measured; the median counts.
const STARTS: usize = 5;
/// How long it rests before its memory counts.
const REST: Duration = Duration::from_secs(10);

/// What there is to tell of the binary; null if none is named.
pub(crate) fn measure() -> Result<Value, Box<dyn Error>> {
    let Some(binary) = std::env::var_os(BINARY) else {
        println!("no binary is named in {BINARY}; `cargo xtask bench server` builds one and measures it");
        return Ok(Value::Null);
    };
    let binary = Path::new(&binary);
    let bytes = std::fs::metadata(binary)?.len();
    let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fill(full.path())?;
    Ok(json!({
        "bytes": bytes,
        "megabytes": (bytes as f64 / 1e5).round() / 10.0,
        "empty": served(binary, empty.path())?,
        "million_spans": served(binary, full.path())?,
    }))
}

fn fill(directory: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open(Options::new(directory))?;
    let mut maker = Maker::new(MILLION);
    for _ in 0..=MILLION / BATCH {
        store.submit(Traces::scan(maker.batch(BATCH).into())?.into())?.blocking_wait()?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "another process rests, and no test waits")]
fn served(binary: &Path, directory: &Path) -> Result<Value, Box<dyn Error>> {
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(Served::start(binary, directory)?.1);
    }
    let (server, start) = Served::start(binary, directory)?;
    starts.push(start);
    starts.sort_by(|one, other| one.wall.total_cmp(&other.wall));
    std::thread::sleep(REST);
    let Start { wall, cpu } = starts[STARTS / 2];
    Ok(json!({
        "ready_ms": wall,
        "ready_cpu_ms": cpu,
        "idle_memory_mib": server.memory("VmRSS:")?,
        "idle_memory_of_its_own_mib": server.memory("RssAnon:")?,
    }))
}

/// From the start of the process to its first answer of `/readyz`, in milliseconds.
struct Start {
    wall: f64,
    cpu: f64,
}

/// The program, serving.
struct Served {
    child: Child,
    /// What it prints; it ends when nobody can read that.
    lines: BufReader<ChildStdout>,
}

impl Served {
    fn start(binary: &Path, directory: &Path) -> Result<(Self, Start), Box<dyn Error>> {
        let started = Instant::now();
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(directory);
        command.args(["--port", "0", "--http-port", "0", "--grpc-port", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut served = Self { child, lines };
        let mut line = String::new();
        served.lines.read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").ok_or("it does not tell its address")?.1.to_owned();
        while !is_ready(&address) {
            if let Some(status) = served.child.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
        }
        let wall = started.elapsed().as_secs_f64() * 1e3;
        let start = Start { wall, cpu: served.cpu_millis()? };
        Ok((served, start))
    }

    /// The processor time of all its threads, in milliseconds.
    fn cpu_millis(&self) -> Result<f64, Box<dyn Error>> {
        let mut nanos = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let run = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += run.split(' ').next().ok_or("no time")?.parse::<f64>()?;
        }
        Ok(nanos / 1e6)
    }

    /// A line of its status, in MiB.
    fn memory(&self, line: &str) -> Result<f64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
        Ok((found.trim().trim_end_matches(" kB").parse::<f64>()? / 102.4).round() / 10.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(address: &str) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
