//! What an export holds, and what it says when it cannot be.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{export, group, lines, now, post, span};
use crate::live::Signal;
use crate::serve::{start, stop};
use crate::tta::Ended;

#[test]
fn what_was_sent_is_exported_as_it_was_sent() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let old = now() - 7_200_000_000_000;
    let shop = group("shop", vec![span(1, 1, old), span(1, 2, old + 5)]);
    let bank = group("bank", vec![span(1, 3, old + 9)]);
    let first = json!({ "resourceSpans": [shop, bank] });
    let second = json!({ "resourceSpans": [group("bank", vec![span(2, 4, now())])] });
    post(&http, &first);
    post(&http, &second);
    let read = |ended: &Ended| -> Vec<Value> {
        assert!(ended.status.success(), "{ended:#?}");
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(read(&export(&directory, &[])), [first.clone(), second.clone()]);
    assert_eq!(read(&export(&directory, &["--service", "shop"])), std::slice::from_ref(&first));
    assert_eq!(read(&export(&directory, &["--service", "bank"])), [first, second.clone()]);
    assert_eq!(read(&export(&directory, &["--since", "1h"])), [second]);
    let file = data.path().join("out.jsonl").display().to_string();
    let outcome = export(&directory, &["--out", &file, "--json"]).json();
    assert_eq!(
        outcome,
        json!({ "traces": 2, "traces_given_up": 0, "spans": 4, "log_records": 0, "metric_points": 0, "file": file })
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), export(&directory, &[]).stdout);
    stop(server, Signal::TERM);
    // Without the server it is the same.
    assert_eq!(lines(&export(&directory, &[])).len(), 2);
}

#[test]
fn an_export_that_cannot_be_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    export(&directory, &[]).assert_failed(&["is not a store", "--data"]);
    export(&format!("{directory}/none"), &[]).assert_failed(&["there is no folder", "--data"]);
    let (server, _, http) = start(&directory);
    assert_eq!(export(&directory, &[]).stdout, "");
    post(&http, &json!({ "resourceSpans": [group("shop", vec![span(1, 1, now())])] }));
    export(&directory, &["--service", "ship"]).assert_failed(&["service `ship`", "there are: shop"]);
    let file = Path::new(&directory).join("none/out.jsonl").display().to_string();
    export(&directory, &["--out", &file]).assert_failed(&["cannot write", "none/out.jsonl"]);
    stop(server, Signal::TERM);
}

#[test]
fn a_file_is_whole_or_not_there() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let spans = (1..=100).map(|id| span(1, id, now())).collect();
    post(&http, &json!({ "resourceSpans": [group("shop", spans)] }));
    stop(server, Signal::TERM);
    let out = data.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let file = out.join("all.jsonl").display().to_string();
    let names = || -> Vec<String> {
        std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    // Killed by the system on the way, as it would write more than it may.
    let binary = env!("CARGO_BIN_EXE_tta");
    let limited = format!("ulimit -f 1; exec {binary} export --data {directory} --out {file}");
    let killed = Command::new("sh").arg("-c").arg(limited).output().unwrap();
    assert!(!killed.status.success(), "{killed:?}");
    assert!(
        names().iter().all(|name| name.starts_with(".all.jsonl.") && name.ends_with(".part")),
        "{:?}",
        names()
    );
    // What is there stays, unless it is to go.
    std::fs::write(&file, "mine").unwrap();
    export(&directory, &["--out", &file]).assert_failed(&["exists already", "--force"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let ended = export(&directory, &["--out", &file, "--force"]);
    assert!(ended.stdout.starts_with("Wrote 1 traces with 100 spans, 0 log records, 0 points"), "{ended:#?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), export(&directory, &[]).stdout);
    // A table of three that is there already keeps the others from being written.
    let folder = out.display().to_string();
    std::fs::write(out.join("logs.parquet"), "mine").unwrap();
    let tables = ["--format", "parquet", "--out", &folder];
    export(&directory, &tables).assert_failed(&["logs.parquet exists already"]);
    assert!(!out.join("spans.parquet").exists());
    assert!(export(&directory, &[&tables[..], &["--force"]].concat()).status.success());
    assert!(out.join("spans.parquet").exists() && out.join("metrics.parquet").exists());
}

#[test]
fn a_place_that_cannot_be_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    post(&http, &json!({ "resourceSpans": [group("shop", vec![span(1, 1, now())])] }));
    stop(server, Signal::TERM);
    let check = |told: &[&str], says: &[&str]| export(&directory, told).assert_failed(says);
    check(&["--format", "parquet"], &["not written to the standard output", "--out"]);
    check(&["--out", &directory], &["is a folder", "--out"]);
    let full = ["--out", "/dev/full"];
    if Path::new(full[1]).exists() {
        check(&full, &["cannot write /dev/full", "No space left"]);
    }
    let several = ["--out", "a.parquet", "--signals", "traces,logs"];
    check(&several, &["a.parquet is one table", "--format parquet"]);
    let nowhere = format!("{directory}/none/tables");
    check(&["--format", "parquet", "--out", &nowhere], &["cannot make the folder", "none/tables"]);
    let unknown = export(&directory, &["--format", "csv"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(unknown.stderr.contains("jsonl") && unknown.stderr.contains("parquet"), "{unknown:#?}");
    let unknown = export(&directory, &["--signals", "spans"]);
    assert!(unknown.stderr.contains("traces") && unknown.stderr.contains("metrics"), "{unknown:#?}");
}
