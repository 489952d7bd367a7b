//! The buffers under many schedules of their threads: whatever the order, every span that ends is taken over or
//! counted as dropped, once.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use tta_model::ExecutionStatus;
use tta_primitives::random;

use crate::counts::{DropReason, SpanCounts};

/// Shuttle's own locks and channel, and small sizes, so that batches fill and the queue overflows.
mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicBool, Ordering};
    pub(super) use shuttle::sync::{Mutex, MutexGuard, mpsc};

    pub(super) const BATCH_SPANS: usize = 2;
    pub(super) const QUEUED_BATCHES: usize = 2;
}

#[path = "buffer.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with other locks")]
#[expect(dead_code, reason = "only the way of a batch is explored here")]
mod buffer;

use buffer::{Buffers, RawSpan};

const THREADS: u64 = 2;
const SPANS: u64 = 5;
const SCHEDULES: usize = 2_000;

fn span() -> RawSpan {
    RawSpan {
        run: 0,
        node: 0,
        span_id: random::span_id(),
        parent: None,
        parent_is_remote: false,
        status: ExecutionStatus::Success,
        start: 1,
        end: 2,
        attributes: 0..0,
        events: 0..0,
        rare: None,
    }
}

fn write_all(buffers: &Buffers) {
    let buffer = buffers.register();
    (0..SPANS).for_each(|_| buffers.write(&buffer, |batch| batch.spans.push(span())));
}

/// Threads write while one sweeps; in the end the way is closed, before or after a last sweep.
fn explore(last_sweep: bool) {
    let counts = Arc::new(SpanCounts::default());
    let (buffers, receiver) = Buffers::new(Arc::clone(&counts));
    let buffers = Arc::new(buffers);
    let writers: Vec<_> = (0..THREADS)
        .map(|_| {
            let buffers = Arc::clone(&buffers);
            thread::spawn(move || write_all(&buffers))
        })
        .collect();
    let mut taken = 0;
    for _ in 0..2 {
        buffers.sweep(|batch| taken += batch.spans.len() as u64);
        taken += receiver.try_iter().map(|batch| batch.spans.len() as u64).sum::<u64>();
    }
    if last_sweep {
        writers.into_iter().for_each(|writer| writer.join().expect("a writer does not panic"));
        buffers.sweep(|batch| taken += batch.spans.len() as u64);
        buffers.close();
    } else {
        buffers.close();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer does not panic"));
    }
    taken += receiver.try_iter().map(|batch| batch.spans.len() as u64).sum::<u64>();
    assert_eq!(counts.recorded(), THREADS * SPANS);
    assert_eq!(taken + counts.dropped_total(), THREADS * SPANS, "{counts:?}");
    if last_sweep {
        assert_eq!(counts.dropped(DropReason::Shutdown), 0, "nothing is left after a last sweep");
    }
}

#[test]
fn every_span_is_taken_over_or_counted_once() {
    shuttle::check_random(|| explore(true), SCHEDULES);
    shuttle::check_pct(|| explore(true), SCHEDULES, 3);
}

#[test]
fn spans_that_end_while_recording_ends_are_counted_once() {
    shuttle::check_random(|| explore(false), SCHEDULES);
    shuttle::check_pct(|| explore(false), SCHEDULES, 3);
}

#[test]
fn a_sweep_finds_every_span_that_ended_before_it() {
    let explore = || {
        let counts = Arc::new(SpanCounts::default());
        let (buffers, receiver) = Buffers::new(Arc::clone(&counts));
        let (buffers, ended) = (Arc::new(buffers), Arc::new(AtomicUsize::new(0)));
        let writer = {
            let (buffers, ended) = (Arc::clone(&buffers), Arc::clone(&ended));
            thread::spawn(move || {
                let buffer = buffers.register();
                for _ in 0..SPANS {
                    buffers.write(&buffer, |batch| batch.spans.push(span()));
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let mut taken = 0;
        for _ in 0..2 {
            let before = ended.load(Ordering::SeqCst);
            buffers.sweep(|batch| taken += batch.spans.len());
            taken += receiver.try_iter().map(|batch| batch.spans.len()).sum::<usize>();
            let dropped = usize::try_from(counts.dropped_total()).expect("few spans");
            assert!(taken + dropped >= before, "{taken} of {before} were found");
        }
        writer.join().expect("a writer does not panic");
    };
    shuttle::check_random(explore, SCHEDULES);
    shuttle::check_pct(explore, SCHEDULES, 3);
}
