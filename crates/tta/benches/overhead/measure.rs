//! Measures cases in turn.

use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// One thing to measure.
pub(crate) trait Case {
    fn name(&self) -> &'static str;

    /// Runs the work that many times on this thread.
    fn execute(&self, executions: u64);

    /// Does what must be done before a measurement.
    fn prepare(&self) {}

    /// Does what must be done after a measurement.
    fn settle(&self) {}

    /// The nanoseconds of one execution, from a measurement of its own kind instead of the usual one.
    fn measured(&self, _executions: u64) -> Option<f64> {
        None
    }
}

/// What was measured of a case.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub case: &'static str,
    /// CPU time of the thread for one execution.
    pub median_ns: f64,
    /// The same in the round that was disturbed least.
    #[serde(skip)]
    pub(crate) best_ns: f64,
    /// Allocations of the thread for one execution.
    pub allocations: Option<f64>,
    /// How many times the cost of a bare call.
    pub ratio_to_bare: f64,
    /// How many times cheaper than the same with tracing and tracing-opentelemetry.
    pub ratio_to_tracing: f64,
}

pub(crate) const BARE: &str = "bare async call";
pub(crate) const TRACING: &str = "tracing + tracing-opentelemetry, 8 attributes";

pub(crate) fn run(
    cases: &mut [Box<dyn Case>],
    rounds: usize,
    executions: u64,
    allocations: &HashMap<String, f64>,
) -> Vec<Figure> {
    let mut samples: Vec<Vec<f64>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            case.prepare();
            let nanos = case.measured(executions).unwrap_or_else(|| one(&**case, executions));
            case.settle();
            // The first round warms up.
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    let best: Vec<f64> =
        samples.iter().map(|samples| samples.iter().copied().fold(f64::MAX, f64::min)).collect();
    let medians: Vec<f64> = samples.into_iter().map(median).collect();
    let of =
        |name| cases.iter().zip(&medians).find(|(case, _)| case.name() == name).map_or(f64::NAN, |(_, m)| *m);
    let (bare, tracing) = (of(BARE), of(TRACING));
    let figure = |case: &dyn Case, median_ns: f64, best_ns: f64| Figure {
        case: case.name(),
        median_ns,
        best_ns,
        allocations: allocations.get(case.name()).copied(),
        ratio_to_bare: median_ns / bare,
        ratio_to_tracing: tracing / median_ns,
    };
    cases
        .iter()
        .zip(medians.iter().zip(best))
        .map(|(case, (median, best))| figure(&**case, *median, best))
        .collect()
}

/// What an execution costs after many, in units of what it costs at first.
pub(crate) fn slope(case: &dyn Case, executions: u64) -> f64 {
    let part = executions / 20;
    let costs: Vec<f64> = (0..20)
        .map(|_| {
            let cost = one(case, part);
            case.settle();
            cost
        })
        .collect();
    median(costs[15..].to_vec()) / median(costs[1..6].to_vec())
}

pub(crate) fn thread_nanos() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn one(case: &dyn Case, executions: u64) -> f64 {
    let start = thread_nanos();
    case.execute(executions);
    (thread_nanos() - start) / executions as f64
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs a future that is ready after a few polls, on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut task = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return output;
        }
    }
}
