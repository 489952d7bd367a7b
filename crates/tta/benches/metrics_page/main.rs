//! The page of metrics after a million label values: how long a scrape takes, how large the page is, and what all of
//! it takes of memory.
//!
//! Nodes are made by the thousand, and routes, which are labels that come with data, by the million. Then the page is
//! fetched over HTTP in each format, in turn, as Prometheus does it. A figure is the median of the scrapes. The result
//! is printed and written to `target/bench/metrics_page.json`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../support/bars.rs"]
mod bars;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/run.rs"]
mod run;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use bars::{Bar, median};
use memory::{mebibytes, resident};
use run::block_on;
use serde::Serialize;
use tta::config::{Config, MetricsExporter};
use tta::observe::{Event, Observer};
use tta::sampling::Sampler;
use tta::{Guard, Telemetry, WorkflowContext, step, step_with};
use tta_model::name::metric;

/// How many label values.
const NAMES: u64 = 1_000_000;
/// How many nodes, each with a name of its own.
const NODES: u64 = 20_000;
/// How often the page is fetched in each format.
const SCRAPES: usize = 21;
/// How long a scrape may take, in milliseconds.
const BAR_MS: f64 = 1_000.0;

/// What a client may ask for.
const FORMATS: [(&str, &str); 3] = [
    ("OpenMetrics", "Accept: application/openmetrics-text;version=1.0.0\r\n"),
    ("OpenMetrics, gzip", "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n"),
    ("classic", "Accept: text/plain\r\n"),
];

#[derive(Debug, Serialize)]
struct Figure {
    format: &'static str,
    median_ms: f64,
    slowest_ms: f64,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct Memory {
    before: u64,
    counted: u64,
    scraped: u64,
}

fn main() {
    let mut config = Config::silent();
    config.metrics.exporters = vec![MetricsExporter::Prometheus];
    config.metrics.address = ([127, 0, 0, 1], 0).into();
    config.metrics.is_page_required = true;
    config.sampler = Sampler::AlwaysOff;
    let (observer, guard) = Telemetry::with_config(config).build().unwrap();
    let address = guard.metrics_address().unwrap();
    let before = resident();
    count(observer.unwrap());
    let counted = resident();
    check(&guard);
    let snapshot_ms = median((0..SCRAPES).map(|_| millis(|| guard.metrics().snapshot()).0).collect());
    let figures = scrape(address);
    let memory = Memory { before, counted, scraped: resident() };
    print_table(&figures, &memory, snapshot_ms);
    let bars: Vec<Bar> = figures.iter().map(bar).collect();
    bars::print(&bars);
    bars::write_json("metrics_page", &(figures, snapshot_ms, memory, bars));
}

/// Makes the label values.
fn count(observer: Arc<dyn Observer>) {
    let context = WorkflowContext::builder().workflow_name("measured").observer(observer).build();
    for n in 0..NODES {
        let flow = step(format!("step {n}"), |n: u64| async move { Ok(n) });
        block_on(flow.run(n, &context)).unwrap();
    }
    let deciding = step_with("decide", |names: u64, cx: WorkflowContext| async move {
        for n in 0..names {
            let (route, reason) = (format!("route {n}").into(), "measured".into());
            let event = Event::RouteDecided {
                route: &route,
                reason: &reason,
                strategy: "function",
                saved_micro_usd: 0,
            };
            cx.emit(&event);
        }
        Ok(names)
    });
    block_on(deciding.run(NAMES, &context)).unwrap();
}

/// Nothing is lost: what has no series of its own is in one for the rest.
fn check(guard: &Guard) {
    let snapshot = guard.metrics().snapshot();
    assert_eq!(snapshot.total(&metric::TTA_ROUTER_DECISIONS_TOTAL, &[]), NAMES as f64);
    assert_eq!(snapshot.total(&metric::PRIMITIVE_EXECUTION_COUNT, &[]), (NODES + 1) as f64);
}

fn scrape(address: SocketAddr) -> Vec<Figure> {
    let mut samples = FORMATS.map(|_| Vec::new());
    let mut bytes = [0; FORMATS.len()];
    for _ in 0..SCRAPES {
        for (at, (_, accept)) in FORMATS.iter().enumerate() {
            let (took, page) = millis(|| fetch(address, accept));
            samples[at].push(took);
            bytes[at] = page.len();
        }
    }
    let figure = |((&(format, _), samples), bytes): ((&(&'static str, _), Vec<f64>), usize)| Figure {
        format,
        slowest_ms: samples.iter().copied().fold(0.0, f64::max),
        median_ms: median(samples),
        bytes,
    };
    FORMATS.iter().zip(samples).zip(bytes).map(figure).collect()
}

fn millis<T>(what: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let result = what();
    (began.elapsed().as_secs_f64() * 1e3, result)
}

/// The body of the page, over a connection of its own.
fn fetch(address: SocketAddr, accept: &str) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n{accept}Connection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

fn bar(figure: &Figure) -> Bar {
    let Figure { format, median_ms, slowest_ms, .. } = figure;
    let promise = format!("{format}: a scrape takes less than {BAR_MS:.0} ms");
    let measured = format!("{median_ms:.1} ms, at most {slowest_ms:.1} ms");
    Bar::new(promise, measured, *slowest_ms < BAR_MS)
}

fn print_table(figures: &[Figure], memory: &Memory, snapshot_ms: f64) {
    println!("{:<20} {:>10} {:>11} {:>12}", "format", "median ms", "slowest ms", "bytes");
    for Figure { format, median_ms, slowest_ms, bytes } in figures {
        println!("{format:<20} {median_ms:>10.1} {slowest_ms:>11.1} {bytes:>12}");
    }
    println!("\na snapshot alone takes {snapshot_ms:.1} ms");
    println!(
        "resident set: {:.1} MiB before, {:.1} MiB with everything counted, {:.1} MiB after the scrapes",
        mebibytes(memory.before),
        mebibytes(memory.counted),
        mebibytes(memory.scraped)
    );
}
