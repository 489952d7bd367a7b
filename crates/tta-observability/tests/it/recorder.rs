//! The recorder: what callers do to it, and what it counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use tta_model::SpanRecord;
use tta_observability::config::SpanLimits;
use tta_observability::export::memory::MemoryExporter;
use tta_observability::export::{FlushError, SpanExporter};
use tta_observability::metrics::Metrics;
use tta_observability::recorder::{Drain, Recorder};
use tta_observability::sampling::Sampler;
use tta_observability::{DropReason, Guard, SpanCounts, Telemetry};
use tta_primitives::observe::Observer;
use tta_primitives::{Error, ErrorKind, Flow, Retry, WorkflowContext, step, step_with};

const SECOND: Duration = Duration::from_secs(1);

fn recording() -> (Arc<dyn Observer>, Guard, MemoryExporter) {
    let memory = MemoryExporter::new();
    let (observer, guard) = Telemetry::new().exporter(memory.clone()).build().expect("nothing to set up");
    (observer.expect("not disabled"), guard, memory)
}

fn observed(observer: &Arc<dyn Observer>) -> WorkflowContext {
    WorkflowContext::builder().observer(Arc::clone(observer)).build()
}

fn named<'a>(spans: &'a [SpanRecord], name: &str) -> &'a SpanRecord {
    let span = spans.iter().find(|span| span.name == *name);
    span.unwrap_or_else(|| panic!("no span {name}"))
}

fn add() -> Flow<i64, i64> {
    step("add", |n: i64| async move { Ok(n + 1) })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(work)
}

#[tokio::test]
async fn nothing_that_is_kept_of_a_span_reaches_the_span_that_comes_after() {
    let (observer, guard, memory) = recording();
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let keeping = step_with("keeping", move |n: i64, cx: WorkflowContext| {
        if n == 0 {
            keep.lock().expect("not poisoned").push((cx, Context::current()));
        }
        async move { Ok(n) }
    });
    let cx = observed(&observer);
    keeping.run(0, &cx).await.expect("it succeeds");
    let (late, context) = kept.lock().expect("not poisoned").pop().expect("it was kept");
    assert!(!context.span().is_recording(), "the span has ended");
    for n in 1..4 {
        late.set_attribute("late", n);
        late.checkpoint("late");
        context.span().set_attribute(KeyValue::new("late", n));
        context.span().set_status(Status::error("late"));
        context.span().update_name("late");
        keeping.run(n, &cx).await.expect("it succeeds");
    }
    drop((late, context));
    keeping.run(4, &cx).await.expect("it succeeds");
    guard.flush(SECOND).expect("nothing is left");
    let spans = memory.spans();
    assert_eq!(spans.len(), 10);
    for span in spans {
        assert!(
            span.attribute("late").is_none() && span.events.is_empty() && span.name != "late",
            "{span:?}"
        );
        assert_eq!(span.status, tta_model::SpanStatus::Ok);
    }
}

#[test]
fn how_a_span_ended_is_kept_whatever_else_it_has() {
    let (observer, guard, memory) = recording();
    let full = step_with("full", |_: i64, cx: WorkflowContext| async move {
        (0..200i64).for_each(|index| cx.set_attribute(format!("n.{index}"), index));
        cx.set_attribute("execution.status", "mine");
        Err::<i64, _>(Error::failed("full"))
    });
    block_on(full.run(1, &observed(&observer))).expect_err("it fails");
    guard.flush(SECOND).expect("nothing is left");
    let spans = memory.spans();
    let span = named(&spans, "primitive.full.execute");
    for (key, expect) in [("execution.status", "error"), ("error.type", "failed"), ("error.message", "full")]
    {
        assert_eq!(span.attribute(key).and_then(|value| value.as_text()), Some(expect), "{key}");
    }
    assert_eq!(span.attributes.len(), 128);
    let mut keys: Vec<_> = span.attributes.iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 128, "no key is there twice");
    assert!(span.dropped_attributes > 70, "{}", span.dropped_attributes);
}

/// An error that cannot say what it is.
#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Speechless {}

#[test]
fn an_error_that_panics_when_it_is_described_costs_only_its_description() {
    let (observer, guard, memory) = recording();
    let fails = step("fails", |_: i64| async { Err::<i64, _>(Speechless.into()) });
    let result =
        block_on(fails.retry(Retry::constant(2, Duration::ZERO)).or_value(7).run(1, &observed(&observer)));
    assert_eq!(result.map_err(|error| error.kind()), Ok(7));
    guard.flush(SECOND).expect("nothing is left");
    let spans = memory.spans();
    assert_eq!(spans.iter().filter(|span| span.name == "primitive.fails.execute").count(), 2);
}

/// An error that runs a flow to say what it is.
struct Wordy(Arc<dyn Observer>);

impl fmt::Debug for Wordy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wordy")
    }
}

impl fmt::Display for Wordy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = add();
        let cx = observed(&self.0);
        let mut run = std::pin::pin!(flow.run(1, &cx));
        let task = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(run.as_mut().poll(task).is_ready());
        f.write_str("wordy")
    }
}

impl std::error::Error for Wordy {}

#[test]
fn an_error_may_run_flows_when_it_is_described() {
    let (observer, guard, memory) = recording();
    let cx = observed(&observer);
    let fails =
        step("fails", move |_: i64| std::future::ready(Err::<i64, _>(Wordy(Arc::clone(&observer)).into())));
    let error = block_on(fails.run(1, &cx)).expect_err("it fails");
    assert_eq!(error.kind(), ErrorKind::Failed);
    guard.flush(SECOND).expect("nothing is left");
    let spans = memory.spans();
    assert_eq!(named(&spans, "primitive.fails.execute").events.len(), 1);
    assert!(spans.iter().any(|span| span.name == "primitive.add.execute"));
}

/// Panics as long as it is told to.
struct Panicking(Arc<AtomicBool>);

impl SpanExporter for Panicking {
    fn export(&mut self, _: &[SpanRecord]) {
        assert!(!self.0.load(Ordering::SeqCst), "told to panic");
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

#[test]
fn an_exporter_that_panics_costs_only_its_spans() {
    let (memory, panics) = (MemoryExporter::new(), Arc::new(AtomicBool::new(true)));
    let telemetry = Telemetry::new().exporter(Panicking(Arc::clone(&panics))).exporter(memory.clone());
    let (observer, guard) = telemetry.build().expect("nothing to set up");
    let cx = observed(&observer.expect("not disabled"));
    block_on(add().run(1, &cx)).expect("it succeeds");
    guard.flush(SECOND).expect("the other exporter has all");
    assert_eq!((memory.spans().len(), guard.counts().dropped(DropReason::ExportFailed)), (2, 2));
    panics.store(false, Ordering::SeqCst);
    block_on(add().run(1, &cx)).expect("it succeeds");
    guard.flush(SECOND).expect("nothing is left");
    assert_eq!((memory.spans().len(), guard.counts().dropped_total()), (4, 2));
}

/// Counts what it gets.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl SpanExporter for Counting {
    fn export(&mut self, spans: &[SpanRecord]) {
        self.0.fetch_add(spans.len() as u64, Ordering::SeqCst);
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

#[test]
fn every_span_is_handed_over_or_counted_also_when_recording_ends_meanwhile() {
    for _ in 0..20 {
        let counting = Counting::default();
        let counts = Arc::new(SpanCounts::default());
        let (recorder, finished) =
            Recorder::direct(Sampler::AlwaysOn, SpanLimits::default(), Arc::clone(&counts), Metrics::new());
        let exporters: Vec<Box<dyn SpanExporter>> = vec![Box::new(counting.clone())];
        let drain = Drain::start(finished, exporters, Arc::clone(&counts)).expect("a thread");
        let observer: Arc<dyn Observer> = Arc::new(recorder);
        let (started, go) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (observer, started) = (Arc::clone(&observer), started.clone());
                std::thread::spawn(move || {
                    let (flow, cx) = (add(), observed(&observer));
                    block_on(async {
                        for n in 0..2_000 {
                            flow.run(n, &cx).await.expect("it succeeds");
                            let _ = started.send(());
                        }
                    });
                })
            })
            .collect();
        (0..500).for_each(|_| go.recv().expect("both run"));
        let _ = drain.stop(SECOND);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let handed_over = counting.0.load(Ordering::SeqCst);
        assert_eq!((counts.recorded(), handed_over + counts.dropped_total()), (8_000, 8_000));
    }
}

#[test]
fn what_ended_before_a_flush_is_handed_over_while_others_go_on() {
    let counting = Counting::default();
    let (observer, guard) = Telemetry::new().exporter(counting.clone()).build().expect("nothing to set up");
    let observer = observer.expect("not disabled");
    let (ended, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (observer, ended, stop) = (Arc::clone(&observer), Arc::clone(&ended), Arc::clone(&stop));
            std::thread::spawn(move || {
                let (flow, cx) = (add(), observed(&observer));
                block_on(async {
                    while !stop.load(Ordering::SeqCst) {
                        flow.run(1, &cx).await.expect("it succeeds");
                        ended.fetch_add(2, Ordering::SeqCst);
                    }
                });
            })
        })
        .collect();
    let flushed: Vec<_> = (0..5)
        .map(|_| {
            let before = ended.load(Ordering::SeqCst);
            let flushed = guard.flush(SECOND * 60);
            let after = counting.0.load(Ordering::SeqCst) + guard.counts().dropped_total();
            (flushed, before, after)
        })
        .collect();
    stop.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    for (flushed, before, after) in flushed {
        assert_eq!(flushed, Ok(()));
        assert!(after >= before, "{before} had ended, and {after} were handed over");
    }
}

#[test]
fn threads_keep_nothing_of_recorders_that_are_gone() {
    let (first, work) = std::sync::mpsc::channel::<Arc<dyn Observer>>();
    let (done, ran) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        for observer in work {
            block_on(add().run(1, &observed(&observer))).expect("it succeeds");
            drop(observer);
            done.send(()).expect("somebody waits");
        }
    });
    let counts: Vec<_> = (0..3)
        .map(|_| {
            let counts = Arc::new(SpanCounts::default());
            let (recorder, finished) = Recorder::direct(
                Sampler::AlwaysOn,
                SpanLimits::default(),
                Arc::clone(&counts),
                Metrics::new(),
            );
            let observer: Arc<dyn Observer> = Arc::new(recorder);
            first.send(Arc::clone(&observer)).expect("the other thread waits");
            ran.recv().expect("the other thread answers");
            block_on(add().run(1, &observed(&observer))).expect("it succeeds");
            drop(finished);
            counts
        })
        .collect();
    let kept: Vec<_> = counts.iter().map(Arc::strong_count).collect();
    assert_eq!(kept, [1, 1, 2], "only the latest is kept");
    drop(first);
    other.join().expect("no panic");
}
