//! Every span is accounted for, also when more end than can be taken over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tta::export::{FlushError, SpanExporter};
use tta::model::SpanRecord;
use tta::observe::Observer;
use tta::{DropReason, Flow, Guard, Telemetry, WorkflowContext, step};

use crate::recording::ENOUGH;

/// Counts spans, and may hold the first ones up until it is released.
#[derive(Clone)]
struct Gate {
    taken: Arc<AtomicU64>,
    released: Arc<Mutex<Option<Receiver<()>>>>,
}

impl SpanExporter for Gate {
    fn export(&mut self, spans: &[SpanRecord]) {
        if let Some(released) = self.released.lock().unwrap().take() {
            // An error is a release too.
            let _ = released.recv();
        }
        self.taken.fetch_add(spans.len() as u64, Ordering::Relaxed);
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

fn gated() -> (Arc<dyn Observer>, Guard, Gate, Sender<()>) {
    let (release, released) = channel();
    let gate = Gate { taken: Arc::default(), released: Arc::new(Mutex::new(Some(released))) };
    let (observer, guard) = Telemetry::new().exporter(gate.clone()).build().unwrap();
    (observer.unwrap(), guard, gate, release)
}

/// Runs a flow of one step on each of two threads, so many times.
fn flat_out(observer: &Arc<dyn Observer>, runs: u64) {
    let flow = step("work", |n: u64| async move { Ok(n) });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    let cx = WorkflowContext::builder().observer(Arc::clone(observer)).build();
                    for n in 0..runs {
                        flow.run(n, &cx).await.unwrap();
                    }
                });
            });
        }
    });
}

/// The spans of one run.
const SPANS: u64 = 2;

#[test]
fn what_the_recorder_cannot_take_is_dropped_and_counted() {
    let runs = 50_000;
    let (observer, guard, gate, release) = gated();
    flat_out(&observer, runs);
    let full = guard.counts().dropped(DropReason::RecorderFull);
    assert!(full > 0, "200,000 spans do not fit while nobody takes any");
    drop(release);
    assert_eq!(guard.flush(ENOUGH), Ok(()));
    // Those that were dropped were recorded before: `recorded` is all that ended.
    let made = 2 * runs * SPANS;
    let counts = guard.counts();
    assert_eq!(counts.recorded(), made);
    assert_eq!(counts.dropped_total(), counts.dropped(DropReason::RecorderFull));
    assert_eq!(gate.taken.load(Ordering::Relaxed) + counts.dropped_total(), made);
    assert_eq!(counts.exported(), 0, "only a receiver that acknowledges exports");
    assert_eq!(guard.shutdown(ENOUGH), Ok(()));
}

#[test]
fn an_exporter_that_keeps_up_gets_every_span() {
    let runs = 10_000;
    let (observer, guard, gate, release) = gated();
    drop(release);
    flat_out(&observer, runs);
    assert_eq!(guard.flush(ENOUGH), Ok(()));
    let made = 2 * runs * SPANS;
    assert_eq!(guard.counts().recorded(), made);
    assert_eq!(gate.taken.load(Ordering::Relaxed) + guard.counts().dropped_total(), made);
}

#[test]
fn a_flush_ends_while_runs_go_on() {
    let (observer, guard, gate, release) = gated();
    drop(release);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                flat_out(&observer, 1_000);
            }
        });
        let flushed: Vec<_> = (0..5).map(|_| guard.flush(ENOUGH)).collect();
        stop.store(true, Ordering::Relaxed);
        working.join().unwrap();
        assert!(flushed.iter().all(Result::is_ok), "{flushed:?}");
    });
    guard.flush(ENOUGH).unwrap();
    let counts = guard.counts();
    assert_eq!(gate.taken.load(Ordering::Relaxed) + counts.dropped_total(), counts.recorded());
}

/// Makes more spans than it is given: a program that is faster than its exporter, without a clock.
struct Feeding {
    context: Arc<OnceLock<WorkflowContext>>,
    flow: Flow<u64, u64>,
}

impl SpanExporter for Feeding {
    fn export(&mut self, spans: &[SpanRecord]) {
        let Some(cx) = self.context.get() else { return };
        for _ in spans {
            let run = std::pin::pin!(self.flow.run(1, cx));
            let mut task = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(run.poll(&mut task).is_ready());
        }
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

#[test]
fn a_flush_ends_though_spans_come_faster_than_they_are_taken() {
    let context = Arc::new(OnceLock::new());
    let flow = step("work", |n: u64| async move { Ok(n) });
    let (observer, guard) =
        Telemetry::new().exporter(Feeding { context: Arc::clone(&context), flow }).build().unwrap();
    let observer = observer.unwrap();
    flat_out(&observer, 1_000);
    context.set(WorkflowContext::builder().observer(observer).build()).unwrap();
    assert_eq!(guard.flush(ENOUGH), Ok(()));
    assert_eq!(guard.shutdown(ENOUGH), Ok(()));
}
