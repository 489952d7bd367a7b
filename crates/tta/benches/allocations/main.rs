//! How often one execution of the cases of `overhead` allocates, as JSON.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, dead_code)]

#[path = "../overhead/cases.rs"]
mod cases;
#[path = "../overhead/measure.rs"]
mod measure;
#[path = "../overhead/peers.rs"]
mod peers;

use std::collections::BTreeMap;

use measure::Case;

const EXECUTIONS: u64 = 10_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted =
        |case: &dyn Case| words.is_empty() || words.iter().any(|word| case.name().contains(&**word));
    let all = cases::all().into_iter().chain(peers::all()).filter(|case| is_wanted(&**case));
    let counts: BTreeMap<&str, f64> = all.map(|case| (case.name(), allocations(&*case))).collect();
    println!("{}", serde_json::to_string(&counts).unwrap());
}

fn allocations(case: &dyn Case) -> f64 {
    case.prepare();
    case.execute(EXECUTIONS);
    case.settle();
    case.prepare();
    let info = allocation_counter::measure(|| case.execute(EXECUTIONS));
    case.settle();
    info.count_total as f64 / EXECUTIONS as f64
}
