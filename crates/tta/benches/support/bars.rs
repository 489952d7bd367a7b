//! Bars: what was measured, and whether it is enough.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// A promise, and whether the measurement keeps it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) promise: String,
    pub(crate) measured: String,
    pub(crate) is_met: bool,
}

impl Bar {
    pub(crate) fn new(promise: impl Into<String>, measured: impl Into<String>, is_met: bool) -> Self {
        Self { promise: promise.into(), measured: measured.into(), is_met }
    }
}

pub(crate) fn print(bars: &[Bar]) {
    println!();
    for Bar { promise, measured, is_met } in bars {
        println!("{} {promise}: {measured}", if *is_met { "PASS" } else { "MISS" });
    }
}

/// Writes the result to `target/bench/NAME.json`.
pub(crate) fn write_json(name: &str, result: &impl Serialize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.json"));
    fs::write(&file, serde_json::to_string_pretty(result).unwrap()).unwrap();
    println!("\nwritten to {}", file.canonicalize().unwrap().display());
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
