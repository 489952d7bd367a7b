//! A live demo ends when it is told to, and loses nothing.
#![cfg(unix)]

use std::collections::HashSet;
use std::path::Path;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::documents;
use crate::programs::get;
use crate::receiver::{Protocol, Receiver, Span};
use crate::tta::{Running, command};

/// `tta demo` without `--exit`, until its first live run has ended.
fn start(input: &Path, more: &[&str]) -> Running {
    let mut command = command(&["demo", "--runs", "2", "--input"]);
    command.arg(input).args(more);
    let mut running = Running::start(command);
    running.wait_for("Going on");
    running.wait_for("success");
    running
}

pub fn send(running: &Running, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

fn check_stop(protocol: Protocol, signal: Signal) {
    let Some(receiver) = Receiver::start() else { return };
    let folder = documents::good();
    let running = start(folder.path(), &["--otlp", &receiver.url(protocol)]);
    send(&running, signal);
    let ended = running.end();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("Stopped."), "{ended:#?}");
    ended.assert_no_panic();

    let spans = receiver.stop();
    let says = format!("{} spans were sent to", spans.len());
    assert!(ended.stderr.contains(&says), "{} arrived: {ended:#?}", spans.len());
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert!(roots.len() >= 3, "two runs and at least one live run, got {}", roots.len());
    let ids: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let parents = spans.iter().map(|span| span.parent_span_id.as_str());
    assert!(parents.filter(|parent| !parent.is_empty()).all(|parent| ids.contains(parent)));
}

#[test]
fn an_interrupt_ends_a_live_demo_over_http() {
    check_stop(Protocol::Http, Signal::INT);
}

#[test]
fn an_interrupt_ends_a_live_demo_over_grpc() {
    check_stop(Protocol::Grpc, Signal::INT);
}

#[test]
fn a_termination_ends_a_live_demo() {
    check_stop(Protocol::Http, Signal::TERM);
}

#[test]
fn a_held_demo_makes_no_more_runs() {
    let folder = documents::good();
    let mut command = command(&["demo", "--hold", "--runs", "2", "--input"]);
    command.arg(folder.path());
    let mut running = Running::start(command);
    running.wait_for("Holding");
    send(&running, Signal::TERM);
    let ended = running.end();
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), "Stopped."), "{ended:#?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_live_demo_needs_no_receiver() {
    let folder = documents::good();
    let running = start(folder.path(), &[]);
    send(&running, Signal::INT);
    let ended = running.end();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_demo_has_a_server_beside_it_that_knows_its_runs() {
    let folder = documents::good();
    let mut command = command(&["demo", "--serve", "--hold", "--runs", "4", "--input"]);
    command.arg(folder.path());
    let mut running = Running::start(command);
    let said = running.line("Server: ");
    let url = said.split_whitespace().nth(1).unwrap().to_owned();
    running.wait_for("Holding");
    let asked = |path: &str| -> serde_json::Value {
        serde_json::from_str(&get(&format!("{url}{path}"), "application/json")).unwrap()
    };
    assert_eq!(asked("/api/services")["data"], serde_json::json!(["tta-demo"]));
    let traces = asked("/api/traces?service=tta-demo");
    assert_eq!(traces["data"].as_array().unwrap().len(), 4, "{traces:#}");
    let found = asked("/api/tta/v1/slo");
    let objectives: Vec<_> = found["objectives"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(objectives, ["documents-are-quick", "documents-succeed"]);
    assert_eq!(found["objectives"][1]["compliance"], 1.0);
    let directory = std::env::temp_dir().join(format!("tta-demo-{}", running.id()));
    assert!(directory.is_dir());
    send(&running, Signal::INT);
    let ended = running.end();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(!directory.exists(), "what a demo kept goes with it");
}
