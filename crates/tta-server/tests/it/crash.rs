//! What was acknowledged survives the process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{count, open, put, request, settle, span};

/// Tells the child which directory to write to.
const DIRECTORY: &str = "TTA_TEST_STORE";
const SPANS: usize = 40;
const ROUNDS: u128 = 10;

fn batch(trace: u128) -> Vec<u8> {
    let spans = (1..=SPANS as u64).map(|n| {
        let mut span = span(trace, n);
        span.parent_span_id = if n == 1 { Vec::new() } else { 1_u64.to_be_bytes().to_vec() };
        span
    });
    request(vec![("shop", spans.collect())])
}

/// Writes batch after batch, and tells of each that was acknowledged, until it is killed.
fn write_for_ever(directory: &Path) {
    let store = open(directory);
    let first = u128::from(store.stats().spans) / SPANS as u128 + 1_000;
    for trace in first.. {
        put(&store, batch(trace));
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {trace}").and_then(|()| out.flush()).expect("somebody listens");
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return write_for_ever(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["crash::nothing_that_was_acknowledged_is_lost_by_a_kill", "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let told = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u128>().ok());
        acknowledged.extend(told.take(10 + 7 * round as usize));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let store = open(directory.path());
    assert_eq!(store.damage(), []);
    for trace in &acknowledged {
        assert_eq!(count(&store, *trace), SPANS, "trace {trace} of {acknowledged:?}");
    }
    // Nothing is there in part, and the sums agree with the spans, those of the last seconds included.
    let stored = store.stats().spans;
    assert!(stored.is_multiple_of(SPANS as u64) && stored >= (acknowledged.len() * SPANS) as u64, "{stored}");
    settle(&store);
    let calls = tta_server::read::calls(
        &store.reader(),
        &tta_server::read::ALWAYS,
        tta_server::read::MapBy::Primitive,
    );
    let called: u64 = calls.expect("it is read").iter().map(|call| call.executions.count).sum();
    assert_eq!(called, stored - stored / SPANS as u64);
}
