//! How much the drain thread takes over: executions for each second of its CPU time.
//!
//! One thread executes in parts and waits after each until the drain thread has everything, so that nothing is
//! dropped. What the drain thread used meanwhile is read from Linux. Its exporter throws everything away: what an
//! exporter costs is its own. The cases take turns in every round; a figure is the median over the rounds. The result
//! is printed and written to `target/bench/drain.json`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../support/bars.rs"]
mod bars;
#[path = "../support/run.rs"]
mod run;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bars::{Bar, median};
use run::block_on;
use serde::Serialize;
use tta::config::SpanLimits;
use tta::export::{FlushError, SpanExporter};
use tta::logs::LogSink;
use tta::metrics::Metrics;
use tta::recorder::{Drain, Outlets, Recorder};
use tta::sampling::Sampler;
use tta::{Description, Flow, Primitive, Result, Role, SpanCounts, WorkflowContext, step};
use tta_model::SpanRecord;

/// How often each case is measured.
const ROUNDS: usize = 11;
/// How many executions one measurement has.
const EXECUTIONS: u64 = 500_000;
/// How many are executed before the drain thread is waited for: fewer than it has room for.
const PART: u64 = 20_000;
/// Executions for each second of the drain thread's CPU time.
const BAR: f64 = 1_000_000.0;
/// More than the drain thread ever needs.
const ENOUGH: Duration = Duration::from_secs(30);

struct Case {
    name: &'static str,
    has_logs: bool,
    /// Whether each execution is a run of two steps, or one of a step within a long run.
    is_run: bool,
}

const CASES: [Case; 4] = [
    Case { name: "one step, spans", has_logs: false, is_run: false },
    Case { name: "one step, spans and logs", has_logs: true, is_run: false },
    Case { name: "a run of two steps, spans", has_logs: false, is_run: true },
    Case { name: "a run of two steps, spans and logs", has_logs: true, is_run: true },
];

#[derive(Debug, Serialize)]
struct Figure {
    case: &'static str,
    /// CPU time of the drain thread for one execution of one primitive.
    nanos_of_execution: f64,
    nanos_of_span: f64,
    executions_per_core_second: f64,
}

/// What one measurement came to.
struct Sample {
    nanos: f64,
    executions: u64,
    spans: u64,
}

fn main() {
    // Words on the command line choose among the cases.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted =
        |case: &&Case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (case, samples) in cases.iter().zip(&mut samples) {
            let sample = measure(case);
            // The first round warms up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let figures: Vec<Figure> =
        cases.iter().zip(&samples).map(|(case, samples)| figure(case, samples)).collect();
    print_table(&figures);
    let bars: Vec<Bar> = figures.iter().map(bar).collect();
    bars::print(&bars);
    bars::write_json("drain", &(figures, bars));
}

fn figure(case: &Case, samples: &[Sample]) -> Figure {
    let median_of = |each: fn(&Sample) -> f64| median(samples.iter().map(each).collect());
    let nanos = median_of(|sample| sample.nanos / sample.executions as f64);
    Figure {
        case: case.name,
        nanos_of_execution: nanos,
        nanos_of_span: median_of(|sample| sample.nanos / sample.spans as f64),
        executions_per_core_second: 1e9 / nanos,
    }
}

fn bar(figure: &Figure) -> Bar {
    let each = figure.executions_per_core_second;
    Bar::new(
        format!("{}: at least {BAR:.0} executions a core-second", figure.case),
        format!("{each:.0}"),
        each >= BAR,
    )
}

fn print_table(figures: &[Figure]) {
    println!("{:<36} {:>13} {:>9} {:>24}", "case", "ns/execution", "ns/span", "executions/core-second");
    for Figure { case, nanos_of_execution, nanos_of_span, executions_per_core_second } in figures {
        println!(
            "{case:<36} {nanos_of_execution:>13.1} {nanos_of_span:>9.1} {executions_per_core_second:>24.0}"
        );
    }
}

fn measure(case: &Case) -> Sample {
    let counts = Arc::new(SpanCounts::default());
    let (recorder, finished) =
        Recorder::direct(Sampler::AlwaysOn, SpanLimits::default(), Arc::clone(&counts), Metrics::new());
    let logs: LogSink = Arc::new(|line| drop(black_box(line)));
    let logs = case.has_logs.then_some(logs);
    let outlets = Outlets { exporters: vec![Box::new(Discard)], logs, ..Outlets::default() };
    let drain = Drain::start(finished, outlets, Arc::clone(&counts)).unwrap();
    let context = WorkflowContext::builder().workflow_name("measured").observer(Arc::new(recorder)).build();
    let part = |executions| {
        let executed = if case.is_run { runs(executions, &context) } else { steps(executions, &context) };
        drain.flush(ENOUGH).unwrap();
        executed
    };
    part(PART);
    let (thread, recorded) = (thread_named("tta-drain"), counts.recorded());
    let before = nanos_on_cpu(&thread);
    let executions = (0..EXECUTIONS / PART).map(|_| part(PART)).sum();
    let nanos = nanos_on_cpu(&thread) - before;
    assert_eq!(counts.dropped_total(), 0, "a measurement without some of the work is none");
    let spans = counts.recorded() - recorded;
    drain.stop(ENOUGH).unwrap();
    Sample { nanos, executions, spans }
}

fn leaf(name: &'static str) -> Flow<u64, u64> {
    step(name, |n: u64| async move { Ok(n + 1) })
}

/// Executes a step many times in one run.
fn steps(executions: u64, context: &WorkflowContext) -> u64 {
    let flow = Flow::new(Repeat { leaf: leaf("leaf"), executions });
    block_on(flow.run(0, context)).unwrap();
    executions
}

/// Runs two steps one after the other, many times: with the two steps, each run executes three primitives.
fn runs(executions: u64, context: &WorkflowContext) -> u64 {
    let flow = leaf("one") >> leaf("two");
    // Each run has six spans, and the drain thread has room for no more of them at once than of steps.
    let runs = executions / 6;
    for n in 0..runs {
        block_on(flow.run(n, context)).unwrap();
    }
    runs * 3
}

struct Repeat {
    leaf: Flow<u64, u64>,
    executions: u64,
}

impl Primitive for Repeat {
    type In = u64;
    type Out = u64;

    async fn run(&self, mut n: u64, cx: &WorkflowContext) -> Result<u64> {
        for _ in 0..self.executions {
            n = self.leaf.run(n, cx).await?;
        }
        Ok(n)
    }

    fn describe(&self) -> Description {
        Description::new("repeat").child(Role::Inner, &self.leaf)
    }
}

struct Discard;

impl SpanExporter for Discard {
    fn export(&mut self, spans: &[SpanRecord]) {
        black_box(spans);
    }

    fn flush(&mut self, _timeout: Duration) -> std::result::Result<(), FlushError> {
        Ok(())
    }
}

/// The folder in which Linux tells of the thread of this name.
fn thread_named(name: &str) -> PathBuf {
    let threads = fs::read_dir("/proc/self/task").expect("this benchmark runs on Linux");
    let is_it =
        |thread: &PathBuf| fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name);
    threads.map(|thread| thread.unwrap().path()).find(is_it).expect("the thread runs")
}

/// The CPU time of a thread so far.
fn nanos_on_cpu(thread: &Path) -> f64 {
    let text = fs::read_to_string(thread.join("schedstat")).expect("the kernel accounts for threads");
    text.split_whitespace().next().unwrap().parse().unwrap()
}
