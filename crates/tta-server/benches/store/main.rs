//! What it costs to store a span and to find it again: processor time and bytes, at a million spans.
//!
//! - `cargo xtask bench store [-- SPANS [SPANS OF A BATCH [BATCHES AT ONCE]]]`
//! - `cargo xtask bench store -- grow [SPANS]`: a million spans of an hour beside ten million (or so many) of ten hours, and
//!   beside as many of one hour.
//! - `cargo xtask bench store -- small [COMMITS]`: 100,000 commits of ten spans each, as programs send that export every second.
//!
//! With `STORE_KEEP=DIRECTORY` the store is kept there; with `STORE_OPEN=DIRECTORY` one that was kept is opened and asked. Figures are written to `target/bench/store.json`, or `store-grow.json` and `store-small.json`.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

mod ask;
mod fill;
mod made;
mod measure;

use std::error::Error;
use std::path::Path;

use fill::Flow;
use made::Maker;
use measure::{Figures, memory};
use serde_json::json;
use tta_server::{Options, Store, read};

/// How many batches wait at once, by default.
const WAITING: usize = 8;
const BATCH: usize = 512;
const MILLION: usize = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(directory) = std::env::var("STORE_OPEN") {
        return self::kept(Path::new(&directory));
    }
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, otherwise| numbers.get(at).copied().unwrap_or(otherwise);
    match std::env::args().find(|argument| ["grow", "small"].contains(&&argument[..])).as_deref() {
        Some("grow") => grow(number(0, 10 * MILLION)),
        Some(_) => small(number(0, 100_000)),
        None => {
            plain(Flow { spans: number(0, MILLION), batch: number(1, BATCH), waiting: number(2, WAITING) })
        }
    }
}

/// One store, and each of its figures.
fn plain(flow: Flow) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    println!("empty: {} MiB", memory());
    let mut maker = Maker::new(flow.spans);
    let figures = fill_and_ask(directory.path(), &mut maker, flow)?;
    write("store", &figures.json())?;
    if let Ok(keep) = std::env::var("STORE_KEEP") {
        std::fs::rename(directory.keep(), keep)?;
    }
    Ok(())
}

fn fill_and_ask(directory: &Path, maker: &mut Maker, flow: Flow) -> Result<Figures, Box<dyn Error>> {
    let store = Store::open(Options::new(directory))?;
    let mut figures = fill::fill(&store, maker, flow)?;
    figures.0.extend(ask::ask(&store, maker.some_trace())?.0);
    let spans = store.stats().spans;
    drop(store);
    let (store, opened) = ask::open(directory)?;
    assert_eq!(store.stats().spans, spans);
    figures.0.extend(opened.0);
    Ok(figures)
}

/// A million spans of an hour, beside as many as are wanted: of more hours, and of one.
fn grow(spans: usize) -> Result<(), Box<dyn Error>> {
    let flow = |spans| Flow { spans, batch: BATCH, waiting: WAITING };
    let directory = tempfile::tempdir()?;
    let mut maker = Maker::new(MILLION);
    println!("a million spans of an hour:");
    let few = fill_and_ask(directory.path(), &mut maker, flow(MILLION))?;
    println!("{spans} spans, a million an hour:");
    let longer = fill_and_ask(directory.path(), &mut maker, flow(spans - MILLION))?;
    drop(directory);
    println!("{spans} spans of one hour:");
    let directory = tempfile::tempdir()?;
    let denser = fill_and_ask(directory.path(), &mut Maker::new(spans), flow(spans))?;
    println!("{:58}{:>10}{:>10}{:>7}{:>10}{:>7}", "", "1 M", "longer", "times", "denser", "times");
    for (what, value) in &few.0 {
        let (longer, denser) = (longer.get(what).unwrap_or(0.0), denser.get(what).unwrap_or(0.0));
        let (times, as_often) = (longer / value, denser / value);
        println!("{what:58}{value:>10.2}{longer:>10.2}{times:>7.2}{denser:>10.2}{as_often:>7.2}");
    }
    write("store-grow", &json!({ "million": few.json(), "longer": longer.json(), "denser": denser.json() }))
}

/// Many commits of few spans each.
fn small(commits: usize) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let flow = Flow { spans: commits * 10, batch: 10, waiting: 1 };
    let figures = fill_and_ask(directory.path(), &mut Maker::new(flow.spans), flow)?;
    write("store-small", &figures.json())?;
    if let Ok(keep) = std::env::var("STORE_KEEP") {
        std::fs::rename(directory.keep(), keep)?;
    }
    Ok(())
}

/// What a store takes that nobody asks anything, and then each figure of it.
fn kept(directory: &Path) -> Result<(), Box<dyn Error>> {
    let (store, _) = ask::open(directory)?;
    println!("{} spans, {} MiB of memory", store.stats().spans, memory());
    let latest = read::search(&store.reader(), &read::SpanQuery { limit: 1, ..read::SpanQuery::default() })?;
    let mut figures = ask::ask(&store, latest.hits.first().ok_or("the store is empty")?.trace_id)?;
    figures.time("verify", 1, || read::verify(&store.reader()));
    Ok(())
}

fn write(name: &str, figures: &serde_json::Value) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(figures)?)?)
}
