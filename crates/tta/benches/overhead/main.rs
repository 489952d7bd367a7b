//! What observing one execution of one primitive costs the thread that runs it.
//!
//! Every case runs the same work, an async function that adds one, in turn with all others in every round,
//! so that what disturbs the machine disturbs all alike. A figure is the median over the rounds of the CPU time
//! of the thread, for one execution. Allocations are counted by the benchmark `allocations`. The result is printed as a table and
//! written to `target/bench/overhead.json`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

mod cases;
mod measure;
mod peers;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use measure::{Case, Figure};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// How often each case is measured.
const ROUNDS: usize = 31;
/// How many executions one measurement runs: enough that what the case before left in the caches matters little, and
/// fewer than the recorder's queue holds.
const EXECUTIONS: u64 = 60_000;

fn main() {
    // As in a program without a subscriber. The peers set theirs for a while; without this one, tracing would take every
    // line for wanted once they are gone.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(LevelFilter::OFF)).unwrap();
    let mut all: Vec<Box<dyn Case>> = Vec::new();
    all.extend(cases::all());
    all.extend(peers::all());
    // Words on the command line choose among the cases; the baselines are always there.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |case: &str| words.is_empty() || words.iter().any(|word| case.contains(word.as_str()));
    all.retain(|case| wanted(case.name()) || [measure::BARE, measure::TRACING].contains(&case.name()));
    let figures = measure::run(&mut all, ROUNDS, EXECUTIONS, &allocations(&words));
    print_table(&figures);
    let slope = measure::slope(&cases::sampled(), 1_000_000);
    println!("\nafter 1,000,000 executions one costs {slope:.2} times what it cost at first");
    write_json(&figures);
}

fn print_table(figures: &[Figure]) {
    println!(
        "{:<46} {:>9} {:>8} {:>8} {:>8} {:>11}",
        "case", "median ns", "best ns", "allocs", "/ bare", "tracing /"
    );
    for figure in figures {
        println!(
            "{:<46} {:>9.1} {:>8.1} {:>8} {:>8.1} {:>11.2}",
            figure.case,
            figure.median_ns,
            figure.best_ns,
            figure.allocations.map_or_else(|| "-".to_owned(), |count| format!("{count:.2}")),
            figure.ratio_to_bare,
            figure.ratio_to_tracing
        );
    }
}

/// Allocations of each case, by the benchmark that counts them: an allocator that counts costs time.
fn allocations(words: &[String]) -> HashMap<String, f64> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "--quiet", "--package", "tta", "--bench", "allocations", "--"]).args(words);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn write_json(figures: &[Figure]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("overhead.json");
    fs::write(&file, serde_json::to_string_pretty(figures).unwrap()).unwrap();
    println!("\nwritten to {}", file.canonicalize().unwrap().display());
}
