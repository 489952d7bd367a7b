//! What observing one execution of one primitive costs the thread that runs it.
//!
//! Every case runs the same work, an async function that adds one, in turn with all others in every round,
//! so that what disturbs the machine disturbs all alike. A figure is the median over the rounds of the CPU time
//! of the thread, for one execution. Allocations are counted apart. The result is printed as a table and
//! written to `target/bench/overhead.json`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

mod cases;
mod measure;
mod peers;

use std::fs;
use std::path::Path;

use measure::{Case, Figure};

/// How often each case is measured.
const ROUNDS: usize = 31;
/// How many executions one measurement runs.
const EXECUTIONS: u64 = 20_000;

fn main() {
    let mut all: Vec<Box<dyn Case>> = Vec::new();
    all.extend(cases::all());
    all.extend(peers::all());
    // Words on the command line choose among the cases; the baselines are always there.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |case: &str| words.is_empty() || words.iter().any(|word| case.contains(word.as_str()));
    all.retain(|case| wanted(case.name()) || [measure::BARE, measure::TRACING].contains(&case.name()));
    let figures = measure::run(&mut all, ROUNDS, EXECUTIONS);
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
            "{:<46} {:>9.1} {:>8.1} {:>8.2} {:>8.1} {:>11.2}",
            figure.case,
            figure.median_ns,
            figure.best_ns,
            figure.allocations,
            figure.ratio_to_bare,
            figure.ratio_to_tracing
        );
    }
}

fn write_json(figures: &[Figure]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("overhead.json");
    fs::write(&file, serde_json::to_string_pretty(figures).unwrap()).unwrap();
    println!("\nwritten to {}", file.canonicalize().unwrap().display());
}
