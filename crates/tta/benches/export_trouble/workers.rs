//! The two threads of the host: they run flows, and know what it cost them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tta::{Flow, WorkflowContext, step};

use crate::run::block_on;

/// Each run executes three primitives: two steps, and what puts them one after the other.
pub(crate) const EXECUTIONS_OF_RUN: u64 = 3;
/// The run, the three primitives, and the places of two of them.
pub(crate) const SPANS_OF_RUN: u64 = 6;
/// The end of the run, of what it consists of, and of the two steps.
pub(crate) const LINES_OF_RUN: u64 = 4;

const THREADS: usize = 2;
/// How many runs a thread makes without a pause.
const BURST: u64 = 320;
/// How long it pauses then, so that a good receiver gets everything.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Workers {
    orders: Vec<Sender<Order>>,
    done: Receiver<Work>,
}

struct Order {
    context: WorkflowContext,
    until: Instant,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// All runs.
    pub(crate) runs: u64,
    measured_runs: u64,
    nanos: f64,
}

impl Work {
    /// The CPU time of the thread for one execution.
    pub(crate) fn nanos_of_execution(&self) -> f64 {
        self.nanos / (self.measured_runs * EXECUTIONS_OF_RUN) as f64
    }
}

impl Workers {
    pub(crate) fn start() -> Self {
        let (results, done) = channel();
        let start = |_| {
            let (order, orders) = channel();
            let results = results.clone();
            thread::spawn(move || work(&orders, &results));
            order
        };
        Self { orders: (0..THREADS).map(start).collect(), done }
    }

    /// Runs flows in a context for some time, and calls `look` meanwhile, again and again.
    pub(crate) fn work(&self, context: &WorkflowContext, duration: Duration, look: impl FnMut()) -> Work {
        let until = Instant::now() + duration;
        for order in &self.orders {
            order.send(Order { context: context.clone(), until }).unwrap();
        }
        self.wait(look)
    }

    fn wait(&self, mut look: impl FnMut()) -> Work {
        let mut all = Work::default();
        let mut left = self.orders.len();
        while left > 0 {
            look();
            if let Ok(work) = self.done.recv_timeout(PAUSE) {
                all.runs += work.runs;
                all.measured_runs += work.measured_runs;
                all.nanos += work.nanos;
                left -= 1;
            }
        }
        all
    }
}

fn work(orders: &Receiver<Order>, results: &Sender<Work>) {
    let flow = flow();
    for Order { context, until } in orders {
        // The first burst finds what it needs in the caches of the last one, and is not measured.
        burst(&flow, BURST, &context);
        let mut work = Work { runs: BURST, ..Work::default() };
        while Instant::now() < until {
            thread::sleep(PAUSE);
            let before = thread_nanos();
            burst(&flow, BURST, &context);
            work.nanos += thread_nanos() - before;
            work.runs += BURST;
            work.measured_runs += BURST;
        }
        results.send(work).unwrap();
    }
}

pub(crate) fn flow() -> Flow<u64, u64> {
    step("one", |n: u64| async move { Ok(n + 1) }) >> step("two", |n: u64| async move { Ok(n + 2) })
}

pub(crate) fn burst(flow: &Flow<u64, u64>, runs: u64, context: &WorkflowContext) {
    for n in 0..runs {
        block_on(flow.run(n, context)).unwrap();
    }
}

fn thread_nanos() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
