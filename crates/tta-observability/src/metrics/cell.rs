//! The counts of one thread for the executions of one kind.
//!
//! Only its thread writes to a cell, so that counting is a load, an addition and a store, without a lock and
//! without waiting for other cores; who reads adds the cells of all threads. A reader sees each number as it is or
//! as it just was, and all of them once the thread has handed over whatever else made the reader look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tta_model::ExecutionStatus;
use tta_model::name::metric::BUCKETS_MS;

use super::bins::{self, Bins, OCTAVES, STEPS};

/// The buckets of durations, and the one above them. They follow from the bins, and are exact.
pub(super) const BUCKETS: usize = BUCKETS_MS.len() + 1;
/// How many classes of errors a cell keeps apart; the rest is counted under the word for all others.
const ERROR_CLASSES: usize = 64;
/// The number of statuses.
const STATUSES: usize = 4;

/// The upper bounds of the buckets, in nanoseconds.
const BOUNDS: [u64; BUCKETS_MS.len()] = bounds();

const fn bounds() -> [u64; BUCKETS_MS.len()] {
    let mut bounds = [0; BUCKETS_MS.len()];
    let mut bucket = 0;
    while bucket < bounds.len() {
        bounds[bucket] = (BUCKETS_MS[bucket] * 1e6 + 0.5) as u64;
        bucket += 1;
    }
    bounds
}

/// The bins in which a bound of the buckets lies, by the octave: few are compared with a value.
const BOUNDS_IN: [[u8; STEPS]; OCTAVES] = bounds_in();
/// No bound.
const NO_BOUND: u8 = u8::MAX;

const fn bounds_in() -> [[u8; STEPS]; OCTAVES] {
    let mut bins = [[NO_BOUND; STEPS]; OCTAVES];
    let mut bound = 0;
    while bound < BOUNDS.len() {
        let (octave, place) = bins::place(BOUNDS[bound]);
        bins[octave][place] = bound as u8;
        bound += 1;
    }
    bins
}

/// The bucket of what lies in a bin, up to a bound if there is one in it.
fn bucket_of(octave: usize, place: usize) -> usize {
    BOUNDS.partition_point(|bound| bins::place(*bound) < (octave, place))
}

type Octave = Box<[AtomicU64; STEPS]>;

/// What one thread counts of the executions of one kind.
#[derive(Debug)]
pub(super) struct Cell {
    started: AtomicU64,
    ended: [AtomicU64; STATUSES],
    nanos: AtomicU64,
    /// Without those that [`above`](Self::above) has: each number only grows, so whatever a reader sees of them only
    /// grows too. If one were a part of the other, what lies between both would shrink as seen between two steps.
    bins: [OnceLock<Octave>; OCTAVES],
    /// How many lie in the bin of a bound, and above the bound.
    above: [AtomicU64; BOUNDS.len()],
    /// Successes within each of the limits that objectives set.
    in_time: Box<[(u64, AtomicU64)]>,
    retries: AtomicU64,
    lookups: AtomicU64,
    hits: AtomicU64,
    errors: Mutex<Vec<ErrorCount>>,
}

/// How often an error of a class ended an execution with a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorCount {
    pub(super) status: ExecutionStatus,
    pub(super) class: &'static str,
    pub(super) count: u64,
}

/// Adds to a number that only this thread changes.
#[inline]
fn bump(number: &AtomicU64, by: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Cell {
    /// Makes a cell that counts successes within these limits, in nanoseconds, apart.
    pub(super) fn new(limits: &[u64]) -> Self {
        Self {
            started: AtomicU64::new(0),
            ended: Default::default(),
            nanos: AtomicU64::new(0),
            bins: std::array::from_fn(|_| OnceLock::new()),
            above: std::array::from_fn(|_| AtomicU64::new(0)),
            in_time: limits.iter().map(|limit| (*limit, AtomicU64::new(0))).collect(),
            retries: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            errors: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn start(&self) {
        bump(&self.started, 1);
    }

    #[inline]
    pub(super) fn end(&self, nanos: u64, status: ExecutionStatus) {
        let (octave, place) = bins::place(nanos);
        bump(&self.ended[status as usize], 1);
        bump(&self.nanos, nanos);
        let bins = self.bins[octave].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        let bound = BOUNDS_IN[octave][place];
        if bound != NO_BOUND && nanos > BOUNDS[usize::from(bound)] {
            bump(&self.above[usize::from(bound)], 1);
        } else {
            bump(&bins[place], 1);
        }
        if status == ExecutionStatus::Success {
            let in_time = self.in_time.iter().filter(|(limit, _)| nanos <= *limit);
            in_time.for_each(|(_, count)| bump(count, 1));
        }
    }

    #[cold]
    pub(super) fn fail(&self, status: ExecutionStatus, class: &'static str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        count_error(&mut errors, ErrorCount { status, class, count: 1 });
    }

    pub(super) fn count_retries(&self, retries: u64) {
        bump(&self.retries, retries);
    }

    pub(super) fn count_lookup(&self, hit: bool) {
        bump(&self.lookups, 1);
        bump(&self.hits, u64::from(hit));
    }

    /// Adds what was counted to a sum.
    pub(super) fn add_to(&self, sum: &mut CellSum) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        // The ends before the starts, so that nothing seems to end before it starts.
        for (sum, count) in sum.ended.iter_mut().zip(&self.ended) {
            *sum += read(count);
        }
        for (octave, bins) in self.bins.iter().enumerate() {
            let places = bins.get().into_iter().flat_map(|bins| bins.iter().enumerate());
            for (place, count) in places {
                let count = read(count);
                let bound = BOUNDS_IN[octave][place];
                let above = self.above.get(usize::from(bound)).map_or(0, read);
                sum.bins.add_at(octave * STEPS + place, count + above);
                let first = bucket_of(octave, place);
                sum.buckets[first] += count;
                sum.buckets[(first + 1).min(BUCKETS - 1)] += above;
            }
        }
        sum.in_time.resize(self.in_time.len(), 0);
        for (sum, (_, count)) in sum.in_time.iter_mut().zip(&self.in_time) {
            *sum += read(count);
        }
        sum.nanos += u128::from(read(&self.nanos));
        sum.retries += read(&self.retries);
        sum.lookups += read(&self.lookups);
        sum.hits += read(&self.hits);
        sum.started += read(&self.started);
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.iter().for_each(|error| count_error(&mut sum.errors, *error));
    }
}

/// What several threads counted of the executions of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CellSum {
    pub(super) started: u64,
    /// By status.
    pub(super) ended: [u64; STATUSES],
    pub(super) nanos: u128,
    pub(super) buckets: [u64; BUCKETS],
    pub(super) bins: Bins,
    pub(super) in_time: Vec<u64>,
    pub(super) retries: u64,
    pub(super) lookups: u64,
    pub(super) hits: u64,
    pub(super) errors: Vec<ErrorCount>,
}

impl CellSum {
    pub(super) fn executions(&self) -> u64 {
        self.ended.iter().sum()
    }

    pub(super) fn ended(&self, status: ExecutionStatus) -> u64 {
        self.ended[status as usize]
    }

    /// Executions that have started and not ended.
    pub(super) fn active(&self) -> u64 {
        self.started.saturating_sub(self.executions())
    }
}

fn count_error(errors: &mut Vec<ErrorCount>, error: ErrorCount) {
    let position = |class| {
        errors.iter().position(|known: &ErrorCount| (known.status, known.class) == (error.status, class))
    };
    let class = match position(error.class) {
        None if errors.len() >= ERROR_CLASSES => tta_model::name::metric::OTHER,
        _ => error.class,
    };
    match position(class) {
        Some(at) => errors[at].count += error.count,
        None => errors.push(ErrorCount { class, ..error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(cell: &Cell) -> CellSum {
        let mut sum = CellSum::default();
        cell.add_to(&mut sum);
        sum
    }

    #[test]
    fn durations_fall_into_the_buckets_whose_bounds_include_them() {
        for (bucket, bound) in BUCKETS_MS.iter().enumerate() {
            let nanos = (bound * 1e6).round() as u64;
            let cell = Cell::new(&[]);
            cell.end(nanos, ExecutionStatus::Success);
            cell.end(nanos + 1, ExecutionStatus::Success);
            let sum = sum(&cell);
            assert_eq!((sum.buckets[bucket], sum.buckets[bucket + 1]), (1, 1), "{bound} ms");
        }
        let cell = Cell::new(&[]);
        cell.end(0, ExecutionStatus::Success);
        cell.end(u64::MAX, ExecutionStatus::Error);
        let sum = sum(&cell);
        assert_eq!((sum.buckets[0], sum.buckets[BUCKETS - 1]), (1, 1));
        assert_eq!(sum.bins.count(), 2);
    }

    #[test]
    fn no_bucket_shrinks_while_another_thread_counts() {
        let cell = Cell::new(&[]);
        // Above the bound of 5 ms, and in its bin.
        let nanos = 5_000_001;
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..3_000_000).for_each(|_| cell.end(nanos, ExecutionStatus::Success));
                is_done.store(true, Ordering::Release);
            });
            let mut last = CellSum::default();
            while !is_done.load(Ordering::Acquire) {
                let now = sum(&cell);
                let pairs = now.buckets.iter().zip(last.buckets);
                assert!(
                    pairs.clone().all(|(now, last)| *now >= last),
                    "{:?} {:?}",
                    last.buckets,
                    now.buckets
                );
                last = now;
            }
        });
        assert_eq!(sum(&cell).bins.count(), 3_000_000);
    }

    #[test]
    fn a_failure_is_never_in_time() {
        let cell = Cell::new(&[1_000, 2_000]);
        cell.end(1_000, ExecutionStatus::Success);
        cell.end(1_001, ExecutionStatus::Success);
        cell.end(10, ExecutionStatus::Error);
        cell.fail(ExecutionStatus::Error, "io");
        let sum = sum(&cell);
        assert_eq!(sum.in_time, [1, 2]);
        assert_eq!(sum.executions(), 3);
        assert_eq!(sum.errors, [ErrorCount { status: ExecutionStatus::Error, class: "io", count: 1 }]);
    }

    #[test]
    fn classes_of_errors_are_bounded() {
        let mut errors = Vec::new();
        for n in 0..ERROR_CLASSES + 10 {
            let class: &'static str = Box::leak(format!("class {n}").into_boxed_str());
            count_error(&mut errors, ErrorCount { status: ExecutionStatus::Error, class, count: 1 });
        }
        assert_eq!(errors.len(), ERROR_CLASSES + 1);
        assert_eq!(errors.iter().map(|error| error.count).sum::<u64>(), ERROR_CLASSES as u64 + 10);
    }
}
