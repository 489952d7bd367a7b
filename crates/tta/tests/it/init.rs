//! Recording starts once, ends with everything sent, and never holds the program up.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tta::config::Config;
use tta::export::memory::MemoryExporter;
use tta::export::{FlushError, SpanExporter};
use tta::model::SpanRecord;
use tta::{DropReason, Telemetry, WorkflowContext, step, step_with};

use crate::recording::{ENOUGH, Recording};

/// How long a flush may take in the tests of bounds.
const LIMIT: Duration = Duration::from_millis(200);
/// Far beyond the limit, for a machine that is busy with other things.
const MARGIN: Duration = Duration::from_secs(10);

/// There is one observer for the process: the tests that install it take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(cx: &WorkflowContext) {
    let flow = step("one", |n: u32| async move { Ok(n) }) >> step("two", |n: u32| async move { Ok(n + 1) });
    assert_eq!(flow.run(1, cx).await.unwrap(), 2);
}

/// How many spans such a run has.
const SPANS: usize = 6;

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the tests take turns, each on a thread of its own")]
async fn recording_starts_once_at_a_time() {
    let _turn = turn();
    let (first, second) = (MemoryExporter::new(), MemoryExporter::new());
    let guard = Telemetry::new().exporter(first.clone()).install().unwrap();
    let error = Telemetry::new().install().unwrap_err();
    assert_eq!(
        error.to_string(),
        "recording has been started already: call `init` once, in `main`, and keep its guard"
    );
    run(&WorkflowContext::new()).await;
    drop(guard);
    assert_eq!(first.spans().len(), SPANS, "a guard that is dropped has sent everything");

    run(&WorkflowContext::new()).await;
    let guard = Telemetry::new().exporter(second.clone()).install().unwrap();
    run(&WorkflowContext::new()).await;
    assert_eq!(guard.shutdown(ENOUGH), Ok(()));
    assert_eq!((first.spans().len(), second.spans().len()), (SPANS, SPANS), "and nothing between the two");
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the tests take turns, each on a thread of its own")]
async fn disabled_it_records_nothing_and_runs_work() {
    let _turn = turn();
    let config = Config::from_lookup(&|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()));
    let memory = MemoryExporter::new();
    let guard = Telemetry::with_config(config.unwrap()).exporter(memory.clone()).install().unwrap();
    let seen = step_with("see", |(), cx: WorkflowContext| async move { Ok(cx.span_context()) });
    let seen = seen.run((), &WorkflowContext::new()).await.unwrap().unwrap();
    assert!(!seen.flags.is_sampled(), "callees elsewhere learn that nothing is recorded here");
    run(&WorkflowContext::new()).await;
    assert_eq!(guard.flush(ENOUGH), Ok(()));
    assert_eq!((memory.spans().len(), guard.counts().recorded()), (0, 0));
    // There is no observer that another one could be in the way of.
    Telemetry::new().install().unwrap().shutdown(ENOUGH).unwrap();
}

#[tokio::test]
async fn a_run_that_outlives_the_guard_ends_as_if_nothing_were() {
    let recording = Recording::new();
    let cx = recording.context();
    run(&cx).await;
    assert_eq!(recording.guard.shutdown(ENOUGH), Ok(()));
    run(&cx).await;
}

/// Takes spans, and does not come back from a flush before it is told to.
struct Blocking {
    released: Receiver<()>,
}

fn blocking() -> (Sender<()>, Blocking) {
    let (release, released) = channel();
    (release, Blocking { released })
}

impl SpanExporter for Blocking {
    fn export(&mut self, _: &[SpanRecord]) {}

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        // An error is a release too: the test has ended.
        let _ = self.released.recv();
        Ok(())
    }
}

#[tokio::test]
async fn an_exporter_that_blocks_holds_nobody_up() {
    let (release, exporter) = blocking();
    let (observer, guard) = Telemetry::new().exporter(exporter).build().unwrap();
    let cx = WorkflowContext::builder().observer(observer.unwrap()).build();
    run(&cx).await;
    let began = Instant::now();
    let error = guard.flush(LIMIT).unwrap_err();
    assert_eq!(error.unsent, SPANS as u64, "{error}");
    assert!(error.reason.contains("did not answer in time"), "{error}");
    // Runs go on meanwhile, and the end is bounded too.
    run(&cx).await;
    let error = guard.shutdown(LIMIT).unwrap_err();
    assert!(error.unsent >= SPANS as u64, "{error}");
    assert!(began.elapsed() < MARGIN, "took {:?}", began.elapsed());
    drop(release);
}

#[tokio::test]
async fn an_exporter_that_is_released_goes_on() {
    let (release, exporter) = blocking();
    let memory = MemoryExporter::new();
    let telemetry = Telemetry::new().exporter(exporter).exporter(memory.clone());
    let (observer, guard) = telemetry.build().unwrap();
    let cx = WorkflowContext::builder().observer(observer.unwrap()).build();
    run(&cx).await;
    guard.flush(LIMIT).unwrap_err();
    run(&cx).await;
    // For the flush before, the one that follows, and the end.
    (0..3).for_each(|_| release.send(()).unwrap());
    assert_eq!(guard.flush(ENOUGH), Ok(()));
    assert_eq!(guard.shutdown(ENOUGH), Ok(()));
    assert_eq!(memory.spans().len(), 2 * SPANS);
}

#[tokio::test]
async fn a_flush_without_a_limit_is_one() {
    let recording = Recording::new();
    run(&recording.context()).await;
    assert_eq!(recording.guard.flush(Duration::MAX), Ok(()));
    run(&recording.context()).await;
    assert_eq!(recording.spans().len(), 2 * SPANS);
    assert_eq!(recording.guard.shutdown(Duration::MAX), Ok(()));
}

/// Panics whenever it is asked for anything.
struct Broken;

impl SpanExporter for Broken {
    fn export(&mut self, _: &[SpanRecord]) {
        panic!("the exporter is broken");
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        panic!("the exporter is broken");
    }
}

#[tokio::test]
async fn an_exporter_that_panics_costs_the_others_nothing_and_is_told() {
    let memory = MemoryExporter::new();
    let (observer, guard) = Telemetry::new().exporter(Broken).exporter(memory.clone()).build().unwrap();
    let cx = WorkflowContext::builder().observer(observer.unwrap()).build();
    for runs in 1..=3 {
        run(&cx).await;
        guard.flush(ENOUGH).expect_err("one of the exporters is broken");
        assert_eq!(memory.spans().len(), runs * SPANS);
    }
    guard.shutdown(ENOUGH).expect_err("one of the exporters is broken");
}

#[tokio::test]
async fn two_recorders_of_one_process_do_not_mix() {
    let (one, two) = (Recording::new(), Recording::new());
    let (first, second) = (one.context(), two.context());
    for _ in 0..100 {
        tokio::join!(run(&first), run(&second), run(&first));
    }
    let (of_one, of_two) = (one.spans(), two.spans());
    assert_eq!((of_one.len(), of_two.len()), (200 * SPANS, 100 * SPANS));
    let traces = |spans: &[SpanRecord]| -> std::collections::HashSet<_> {
        spans.iter().map(|span| span.trace_id).collect()
    };
    assert!(traces(&of_one).is_disjoint(&traces(&of_two)));
    assert_eq!((one.guard.counts().recorded(), two.guard.counts().recorded()), (1200, 600));
    // One ends; the other goes on.
    drop(one);
    run(&second).await;
    assert_eq!(two.spans().len(), 101 * SPANS);
    assert_eq!(two.guard.counts().dropped(DropReason::Shutdown), 0);
}
