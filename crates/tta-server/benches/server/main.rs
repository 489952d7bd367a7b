//! What it costs the server to take a span in, on disk before it is acknowledged: processor time of its process, which runs by
//! itself, while this one sends.
//!
//! `cargo xtask bench server [-- SPANS]`, written to `target/bench/server.json`. The bar is 50,000 spans per second of the
//! server's processor time, counted as what can be found afterwards. Beside that it tells of the release binary: its size, the time
//! from start to ready, and the memory of a server that nobody asks anything, with an empty store and with a million spans.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

mod binary;
mod load;
#[path = "../store/made.rs"]
#[expect(dead_code, reason = "the store's bench asks for a trace, this one does not")]
mod made;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Senders, Way};
use rustix::time::{ClockId, clock_gettime};
use tta_server::read::{self, SpanQuery};
use tta_server::{Options, ServerConfig, Store, serve};

const BATCH: usize = 512;
/// How many batches are made before they are sent.
const AHEAD: usize = 64;
/// How many spans are sent before the measurement begins.
const WARM_UP: usize = 64 * BATCH;
const BAR: f64 = 50_000.0;
/// Tells the child which directory to serve.
const DIRECTORY: &str = "TTA_BENCH_SERVER";

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return be_served(Path::new(&directory));
    }
    let spans = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(500_000);
    let mut results = serde_json::Map::new();
    let mut passed = true;
    for way in Way::ALL {
        let result = measure(way, spans)?;
        let met = result["spans_per_cpu_second"].as_f64().is_some_and(|rate| rate > BAR);
        // The bar is about spans as they are measured elsewhere, which are not compressed.
        passed &= met || way == Way::HttpGzip;
        println!("{}: {result:#}", way.name());
        results.insert(way.name().to_owned(), result);
    }
    let binary = binary::measure()?;
    println!("binary: {binary:#}");
    results.insert(String::from("binary"), binary);
    results.insert(String::from("bar_spans_per_cpu_second"), BAR.into());
    results.insert(String::from("passed"), passed.into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("server.json"), serde_json::to_string_pretty(&results)?)?;
    if passed { Ok(()) } else { Err("the bar is not met".into()) }
}

/// Serves until standard input ends, and tells the processor time of all that it did, closing the store included.
fn be_served(directory: &Path) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(serve(ServerConfig::new(Options::new(directory)).any_ports()))?;
    println!("{} {}", server.http, server.grpc);
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    runtime.block_on(server.shutdown(Duration::from_secs(30)));
    let time = clock_gettime(ClockId::ProcessCPUTime);
    println!("{}", Duration::new(time.tv_sec as u64, time.tv_nsec as u32).as_secs_f64());
    Ok(())
}

/// A server in a process of its own.
struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    http: SocketAddr,
    grpc: SocketAddr,
}

impl Server {
    fn start(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(DIRECTORY, directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        lines.read_line(&mut line)?;
        let (http, grpc) = line.trim().split_once(' ').ok_or("it does not tell its ports")?;
        Ok(Self { child, lines, http: http.parse()?, grpc: grpc.parse()? })
    }

    /// The processor time that it took so far, all threads together.
    fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("no fields")?;
        let mut ticks = fields.split(' ').skip(11).map(str::parse::<u64>);
        let user = ticks.next().ok_or("no user time")??;
        let system = ticks.next().ok_or("no system time")??;
        Ok(Duration::from_secs(user + system) / rustix::param::clock_ticks_per_second() as u32)
    }

    /// Ends it; answers the processor time of its life.
    fn end(mut self) -> Result<Duration, Box<dyn Error>> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(Duration::from_secs_f64(line.trim().parse()?))
    }

    /// The most memory that it had at once, in MiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) >> 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its input, and has ended already when all went well.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn measure(way: Way, spans: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path())?;
    let mut senders = Senders::connect(way, server.http, server.grpc)?;
    let mut maker = made::Maker::new(spans + WARM_UP);
    let mut bytes = 0;
    let mut send = |count: usize| -> Result<(usize, Duration), Box<dyn Error>> {
        let (mut sent, mut wall) = (0, Duration::ZERO);
        while sent < count {
            let batches: Vec<Vec<u8>> = (0..AHEAD).map(|_| maker.batch(BATCH)).collect();
            bytes += batches.iter().map(Vec::len).sum::<usize>();
            let packed = batches.into_iter().map(|batch| way.pack(batch)).collect::<Result<_, _>>()?;
            let started = Instant::now();
            senders.send(packed).map_err(|error| -> Box<dyn Error> { error })?;
            wall += started.elapsed();
            sent += AHEAD * BATCH;
        }
        Ok((sent, wall))
    };
    let (warm, _) = send(WARM_UP)?;
    let before = server.cpu()?;
    let (sent, wall) = send(spans)?;
    let peak = server.peak();
    drop(senders);
    // What is put off until the end belongs to the cost.
    let cpu = server.end()?.saturating_sub(before);
    let found = count(directory.path())?;
    if found != warm + sent {
        return Err(format!("{} spans were acknowledged, and {found} are found", warm + sent).into());
    }
    Ok(serde_json::json!({
        "spans": sent,
        "queryable": found - warm,
        "bytes_per_span": bytes / (warm + sent),
        "server_cpu_seconds": cpu.as_secs_f64(),
        "wall_seconds": wall.as_secs_f64(),
        "spans_per_cpu_second": (sent as f64 / cpu.as_secs_f64()).round(),
        "peak_memory_mib": peak,
    }))
}

/// Finds all spans, page by page.
fn count(directory: &Path) -> Result<usize, Box<dyn Error>> {
    let store = Store::open(Options::new(directory))?;
    let reader = store.reader();
    let mut query = SpanQuery { limit: 2_000, ..SpanQuery::default() };
    let mut found = 0;
    loop {
        let page = read::search(&reader, &query)?;
        found += page.hits.len();
        query.after = page.next;
        if query.after.is_none() {
            return Ok(found);
        }
    }
}
