//! What it costs to store a span and to find it again: processor time and bytes, at a million spans.
//!
//! `cargo bench -p tta-server --bench store [-- SPANS [SPANS OF A BATCH [BATCHES AT ONCE]]]`
//!
//! With `STORE_KEEP=DIRECTORY` the store is kept there; with `STORE_OPEN=DIRECTORY` one that was kept is opened, and nothing else is
//! done.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

mod made;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tta_server::read::{self, CostBy, CostQuery, MapBy, RedBy, RedQuery, SpanQuery};
use tta_server::{Options, Store, Traces};

/// How many batches wait at once, by default.
const WAITING: usize = 8;
const HOUR: i64 = 3_600_000_000_000;

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time of one of many executions.
fn time<T>(what: &str, times: u32, mut run: impl FnMut() -> T) {
    run();
    let (before, wall) = (cpu(), Instant::now());
    for _ in 0..times {
        std::hint::black_box(run());
    }
    println!(
        "  {what}: {:.3} ms CPU, {:.3} ms",
        millis((cpu() - before) / times),
        millis(wall.elapsed() / times)
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The memory that the process has now, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4 / 1024
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(kept) = std::env::var("STORE_OPEN") {
        return idle(Path::new(&kept));
    }
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, otherwise| numbers.get(at).copied().unwrap_or(otherwise);
    let size = (number(0, 1_000_000), number(1, 512), number(2, WAITING));
    let directory = tempfile::tempdir()?;
    let store = Store::open(Options::new(directory.path()))?;
    println!("empty: {} MiB", memory());
    let trace = ingest(&store, size)?;
    ask(&store, trace)?;
    let stats = store.stats();
    println!(
        "{} bytes a span on disk, {} files, {} MiB of memory",
        stats.bytes / stats.spans,
        stats.files,
        memory()
    );
    drop(store);
    let (before, wall) = (cpu(), Instant::now());
    let store = Store::open(Options::new(directory.path()))?;
    println!("opens in {:.0} ms, {:.0} ms CPU", millis(wall.elapsed()), millis(cpu() - before));
    assert_eq!((store.stats().spans, store.damage()), (stats.spans, Vec::new()));
    if let Ok(keep) = std::env::var("STORE_KEEP") {
        drop(store);
        std::fs::rename(directory.keep(), keep)?;
    }
    Ok(())
}

/// What a store takes that nobody asks anything.
fn idle(directory: &Path) -> Result<(), Box<dyn Error>> {
    let (before, wall) = (cpu(), Instant::now());
    let store = Store::open(Options::new(directory))?;
    println!(
        "opens {} spans in {:.0} ms, {:.0} ms CPU",
        store.stats().spans,
        millis(wall.elapsed()),
        millis(cpu() - before)
    );
    println!("{} MiB of memory", memory());
    time("verify", 1, || read::verify(&store.reader()));
    Ok(())
}

/// Stores spans, and answers a trace of them.
fn ingest(
    store: &Store,
    (spans, batch, waiting): (usize, usize, usize),
) -> Result<tta_model::TraceId, Box<dyn Error>> {
    let mut maker = made::Maker::new(spans);
    let (mut bytes, mut count, mut scanning, mut all) = (0, 0, Duration::ZERO, Duration::ZERO);
    let started = Instant::now();
    while count < spans {
        let bodies: Vec<bytes::Bytes> = (0..waiting).map(|_| maker.batch(batch).into()).collect();
        bytes += bodies.iter().map(bytes::Bytes::len).sum::<usize>();
        let before = cpu();
        let mut tickets = Vec::new();
        for body in bodies {
            let traces = Traces::scan(body)?;
            count += traces.len();
            tickets.push(traces);
        }
        scanning += cpu() - before;
        let tickets: Result<Vec<_>, _> =
            tickets.into_iter().map(|traces| store.submit(traces.into())).collect();
        for ticket in tickets? {
            ticket.blocking_wait()?;
        }
        all += cpu() - before;
    }
    store.sum_up()?.blocking_wait()?;
    println!(
        "{count} spans of {} B: {:.0} spans a second of CPU, {:.2} us a span, {:.2} us of it to scan; {:.0} s in all",
        bytes / count,
        count as f64 / all.as_secs_f64(),
        all.as_secs_f64() * 1e6 / count as f64,
        scanning.as_secs_f64() * 1e6 / count as f64,
        started.elapsed().as_secs_f64()
    );
    Ok(maker.some_trace())
}

fn ask(store: &Store, trace: tta_model::TraceId) -> Result<(), Box<dyn Error>> {
    let reader = store.reader();
    println!("  the trace has {} spans", read::trace(&reader, trace)?.spans.len());
    time("trace by id", 200, || read::trace(&reader, trace));
    let slow = SpanQuery {
        service: Some(String::from("service-3")),
        status: Some(2),
        min_duration_nanos: 400_000_000,
        limit: 20,
        ..SpanQuery::default()
    };
    println!("  {} found", read::search(&reader, &slow)?.hits.len());
    time("search: service, error, slow", 50, || read::search(&reader, &slow));
    let none = SpanQuery { min_duration_nanos: HOUR, ..slow.clone() };
    time("search: nothing fits in the service", 50, || read::search(&reader, &none));
    let latest = SpanQuery { limit: 20, ..SpanQuery::default() };
    time("search: latest 20", 50, || read::search(&reader, &latest));
    let text = SpanQuery { attributes: vec![(String::from("request.id"), String::from("none"))], ..slow };
    time("search: service, error, slow, attribute that no span has", 3, || read::search(&reader, &text));
    let everywhere = SpanQuery { limit: 20, attributes: text.attributes, ..SpanQuery::default() };
    time("search: attribute that no span has, everywhere", 1, || read::search(&reader, &everywhere));
    let newest = store.stats().newest_unix_nanos.unwrap_or(0);
    let hour = RedQuery { times: newest - HOUR..=newest, by: RedBy::Operation, ..RedQuery::default() };
    println!("  {} series", read::red(&reader, &hour)?.len());
    time("p95 by operation over an hour", 20, || read::red(&reader, &hour));
    let primitives = RedQuery { by: RedBy::Primitive, ..hour.clone() };
    time("p95 by primitive over an hour", 20, || read::red(&reader, &primitives));
    time("heat map of an hour by minute", 20, || {
        read::heatmap(&reader, &RedQuery { step_minutes: 1, ..hour.clone() })
    });
    time("map of services", 20, || read::calls(&reader, &hour.times, MapBy::Service));
    let by_model = CostQuery { times: hour.times, by: CostBy::Model };
    time("cost by model", 5, || read::cost(&reader, &by_model));
    Ok(())
}
