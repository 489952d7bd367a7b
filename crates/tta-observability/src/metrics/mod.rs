//! Counts and distributions of everything that runs, exact whatever becomes of the spans.
//!
//! Each thread counts the executions that end on it in cells of its own, with a few plain additions; nothing is
//! queued, so nothing can be lost, and a run that is not sampled counts like any other. Who reads adds the cells of all
//! threads. One count is shown by several metrics: they are made when they are read.

mod bins;
mod cell;
mod collect;
mod exemplars;
mod meter;
mod objectives;
mod shard;
mod slots;
mod snapshot;
mod tally;
pub(crate) mod telemetry;
mod views;
mod window;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tta_model::name::metric::Metric;
use tta_model::{SpanRecord, Text};
use tta_primitives::clock::Anchor;
use tta_primitives::observe::{NodeInfo, NodeLevel};

pub use bins::RELATIVE_ERROR;
pub use slots::MAX_KINDS;
pub use snapshot::{Distribution, Exemplar, ExponentialBuckets, Family, Labels, Point, Series, Snapshot};
pub use tally::MAX_SERIES;
pub use views::ExecutionStats;
pub use window::Window;

pub(crate) use slots::Limit;

use collect::Families;
use exemplars::Exemplars;
use shard::{Core, Sums};
use tally::Admitted;
use window::Windows;

/// Everything that is counted. Cloning it shares it.
#[derive(Clone)]
pub struct Metrics {
    core: Arc<Core>,
    read: Arc<Read>,
    /// Threads keep the core; this says whether anybody still needs it.
    _alive: Arc<()>,
}

/// What is kept for those who read.
struct Read {
    start: Instant,
    start_unix_nanos: u64,
    admitted: Admitted<&'static str>,
    exemplars: Mutex<Exemplars>,
    windows: Mutex<Windows>,
    sources: Mutex<Vec<Source>>,
}

/// Measures something when it is read, as the length of a queue is.
type Source = Box<dyn Fn(Add<'_>) + Send>;
/// Adds a point to the series of a metric with these labels, in the order of the metric's table.
pub(crate) type Add<'a> = &'a mut dyn FnMut(&'static Metric, &[Option<Text>], Point);

impl Metrics {
    /// Starts to count.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Vec::new())
    }

    /// Starts to count, and counts what succeeds within these limits apart.
    pub(crate) fn with_limits(limits: Vec<Limit>) -> Self {
        let alive = Arc::new(());
        let read = Read {
            start: Instant::now(),
            start_unix_nanos: Anchor::read().unix_nanos,
            admitted: Admitted::default(),
            exemplars: Mutex::default(),
            windows: Mutex::default(),
            sources: Mutex::default(),
        };
        Self {
            core: Arc::new(Core::new(limits, Arc::downgrade(&alive))),
            read: Arc::new(read),
            _alive: alive,
        }
    }

    /// All metrics at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_with(false)
    }

    /// All metrics at this moment, with exponential buckets where they are kept.
    #[must_use]
    pub fn exponential_snapshot(&self) -> Snapshot {
        self.snapshot_with(true)
    }

    /// What the executions of each primitive came to in a window, by address.
    #[must_use]
    pub fn primitives(&self, window: Window) -> Vec<ExecutionStats> {
        self.statistics(window, false)
    }

    /// What the runs of each workflow came to in a window, by name.
    #[must_use]
    pub fn workflows(&self, window: Window) -> Vec<ExecutionStats> {
        self.statistics(window, true)
    }

    /// Lets the windows slide. To be called about once a second.
    pub(crate) fn tick(&self) {
        let now = self.read.start.elapsed();
        let is_due = lock(&self.read.windows).is_due(now);
        if is_due {
            let sums = self.core.sums();
            lock(&self.read.windows).turn(now, &sums.cells);
        }
    }

    /// Adds families that are measured when they are read.
    pub(crate) fn add_source(&self, source: impl Fn(Add<'_>) + Send + 'static) {
        lock(&self.read.sources).push(Box::new(source));
    }

    /// The kind of execution for which spans of a node are examples; 0 for none.
    pub(crate) fn example_of(&self, node: &NodeInfo, class: u32) -> u32 {
        match node.level {
            NodeLevel::Run | NodeLevel::Node => self.core.number(node, class),
            NodeLevel::Role | NodeLevel::Leaf => 0,
        }
    }

    /// Keeps spans as examples of how long executions of their kinds take.
    pub(crate) fn keep_examples(&self, spans: &[SpanRecord], kinds: &[u32]) {
        let mut exemplars = lock(&self.read.exemplars);
        for (span, kind) in spans.iter().zip(kinds).filter(|(_, kind)| **kind != 0) {
            let exemplar = Exemplar {
                value: span.duration_nanos() as f64 * 1e-6,
                time_unix_nanos: span.end_unix_nanos,
                trace_id: span.trace_id,
                span_id: span.span_id,
            };
            exemplars.keep(*kind as usize, exemplar);
        }
    }

    fn statistics(&self, window: Window, runs: bool) -> Vec<ExecutionStats> {
        self.tick();
        let (kinds, sums) = self.sums();
        let recent = lock(&self.read.windows).recent(window, self.read.start.elapsed(), &sums.cells);
        views::statistics(&kinds, &sums.cells, &recent, |kind| kind.is_run == runs)
    }

    /// The kinds and what was counted of them. Kinds that came in between are left out.
    fn sums(&self) -> (Vec<slots::Kind>, Sums) {
        let sums = self.core.sums();
        (self.core.kinds(), sums)
    }

    fn snapshot_with(&self, exponential: bool) -> Snapshot {
        let (kinds, sums) = self.sums();
        let mut families = Families::new(&self.read.admitted, exponential);
        families.add_sums(&kinds, &sums, &lock(&self.read.exemplars));
        for source in lock(&self.read.sources).iter() {
            source(&mut |metric, values, point| families.add(metric, values, point));
        }
        Snapshot {
            start_unix_nanos: self.read.start_unix_nanos,
            time_unix_nanos: Anchor::read().unix_nanos.max(self.read.start_unix_nanos),
            families: families.finish(),
        }
    }

    /// How long counting has gone on, by a monotonic clock.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.read.start.elapsed()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("uptime", &self.uptime()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
