//! Sampling, from the run to the exporter.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tta_model::{SpanContext, SpanRecord, SpanStatus, TraceFlags};
use tta_observability::config::{Config, MetricsConfig, SpanLimits};
use tta_observability::export::memory::MemoryExporter;
use tta_observability::export::{FlushError, SpanExporter};
use tta_observability::metrics::Metrics;
use tta_observability::recorder::{Drain, Outlets, Recorder};
use tta_observability::sampling::{Adaptive, Environment, RateLimit, Ratio, Sampler, TailConfig};
use tta_observability::{Guard, SpanCounts, Telemetry};
use tta_primitives::observe::Observer;
use tta_primitives::{Error, Flow, Hedge, Retry, WorkflowContext, step};

/// Far beyond what anything takes, on a machine that is busy with other things.
const ENOUGH: Duration = Duration::from_secs(30);

struct Recording {
    observer: Arc<dyn Observer>,
    guard: Guard,
    memory: MemoryExporter,
}

impl Recording {
    fn new(telemetry: Telemetry) -> Self {
        let memory = MemoryExporter::new();
        let (observer, guard) = telemetry.exporter(memory.clone()).build().expect("nothing to set up");
        Self { observer: observer.expect("not disabled"), guard, memory }
    }

    fn tail(tail: TailConfig) -> Self {
        Self::new(Telemetry::new().tail_sampling(tail))
    }

    fn context(&self) -> WorkflowContext {
        WorkflowContext::builder().observer(Arc::clone(&self.observer)).build()
    }

    fn spans(&self) -> Vec<SpanRecord> {
        self.guard.flush(ENOUGH).expect("memory takes everything");
        self.memory.spans()
    }

    /// Each span is exported or was left out.
    fn check_books(&self) {
        let counts = self.guard.counts();
        let exported = self.memory.spans().len() as u64;
        assert_eq!(counts.recorded(), exported + counts.sampled_out(), "{counts:?}");
        assert_eq!(counts.dropped_total(), 0, "to leave out is no loss");
    }
}

fn ratio(ratio: f64) -> Ratio {
    Ratio::new(ratio).expect("from 0 to 1")
}

fn errors_only() -> TailConfig {
    TailConfig::new(Ratio::NONE)
}

/// Two steps, of which the second fails for every hundredth number.
fn work() -> Flow<u64, u64> {
    let check = step("check", |n: u64| async move {
        if n.is_multiple_of(100) { Err(Error::failed("a hundredth")) } else { Ok(n) }
    });
    step("add", |n: u64| async move { Ok(n) }) >> check
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(work)
}

#[tokio::test]
async fn errors_are_kept_whole_whatever_the_ratio() {
    let recording = Recording::tail(errors_only());
    let flow = work();
    for n in 1..=1_000 {
        let result = flow.run(n, &recording.context()).await;
        assert_eq!(result.is_err(), n % 100 == 0);
    }
    let spans = recording.spans();
    let roots: Vec<_> = spans.iter().filter(|span| span.parent_span_id.is_none()).collect();
    assert_eq!(roots.len(), 10);
    assert!(roots.iter().all(|root| matches!(root.status, SpanStatus::Error(_))));
    for root in roots {
        let trace = spans.iter().filter(|span| span.trace_id == root.trace_id);
        let names: Vec<_> = trace.map(|span| &*span.name).collect();
        assert!(names.contains(&"primitive.add.execute"), "with what succeeded before it: {names:?}");
    }
    assert!(spans.iter().all(|span| span.state.as_str().is_empty()), "each stands for itself");
    let per_trace = spans.len() as u64 / 10;
    assert_eq!(recording.guard.counts().sampled_out(), 990 * per_trace);
    recording.check_books();
}

#[tokio::test]
async fn an_error_that_was_recovered_from_is_one_and_a_slower_hedged_call_is_none() {
    let recording = Recording::tail(errors_only());
    let failing = std::sync::atomic::AtomicBool::new(true);
    let recovering = step("recovering", move |n: u64| {
        let fails = failing.swap(false, std::sync::atomic::Ordering::Relaxed);
        std::future::ready(if fails { Err(Error::failed("once")) } else { Ok(n) })
    });
    let recovering = recovering.retry(Retry::constant(2, Duration::ZERO));
    assert_eq!(recovering.run(7, &recording.context()).await.ok(), Some(7));
    let kept = recording.spans().len();
    assert!(kept > 0);

    let first = std::sync::atomic::AtomicBool::new(true);
    let hedged = step("hedged", move |n: u64| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move {
            if is_first {
                std::future::pending::<()>().await;
            }
            Ok(n)
        }
    });
    let hedged = hedged.hedge(Hedge::after(Duration::from_millis(1)));
    assert_eq!(hedged.run(7, &recording.context()).await.ok(), Some(7));
    assert_eq!(recording.spans().len(), kept, "the first call was cancelled, and nothing failed");
    assert!(recording.guard.counts().sampled_out() > 3);
    recording.check_books();
}

#[tokio::test]
async fn slow_traces_are_kept() {
    for (slow, kept) in [(Duration::from_nanos(1), true), (Duration::from_secs(3_600), false)] {
        let recording = Recording::tail(TailConfig { slow: Some(slow), ..errors_only() });
        work().run(1, &recording.context()).await.expect("it succeeds");
        assert_eq!(recording.spans().is_empty(), !kept, "{slow:?}");
        recording.check_books();
    }
}

#[tokio::test]
async fn a_part_of_the_rest_is_kept_whole_and_says_what_it_stands_for() {
    let recording = Recording::new(
        Telemetry::new().sampler(Sampler::Ratio(ratio(0.5))).tail_sampling(TailConfig::new(ratio(0.25))),
    );
    let flow = work();
    for n in 0..2_000 {
        let _ = flow.run(n * 100 + 1, &recording.context()).await;
    }
    let spans = recording.spans();
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none()).count();
    // A quarter of all, not of the half: the stricter decides. Five standard deviations are 97.
    assert!((400..600).contains(&roots), "{roots} of 2000");
    assert!(spans.iter().all(|span| span.state.as_str() == "ot=th:c"));
    assert!(spans.iter().all(|span| span.trace_id.get() % (1 << 56) >= 3 << 54));
    recording.check_books();
}

/// Passes on what it gets.
struct Passing(Sender<Vec<SpanRecord>>);

impl SpanExporter for Passing {
    fn export(&mut self, spans: &[SpanRecord]) {
        let _ = self.0.send(spans.to_vec());
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

fn passing(config: Config) -> (Arc<dyn Observer>, Guard, Receiver<Vec<SpanRecord>>) {
    let (sender, receiver) = channel();
    let config = Config { exporters: Vec::new(), metrics: MetricsConfig::none(), ..config };
    let (observer, guard) =
        Telemetry::with_config(config).exporter(Passing(sender)).build().expect("nothing to set up");
    (observer.expect("not disabled"), guard, receiver)
}

#[test]
fn an_ended_trace_needs_no_flush() {
    let config = Config { tail: Some(errors_only()), ..Config::silent() };
    let (observer, guard, exported) = passing(config);
    let cx = WorkflowContext::builder().observer(observer).build();
    block_on(work().run(100, &cx)).expect_err("a hundredth");
    let spans = exported.recv_timeout(ENOUGH).expect("it is exported by itself");
    assert_eq!(spans.len() as u64, guard.counts().recorded());
}

#[test]
fn a_trace_without_its_root_waits_no_longer_than_it_may() {
    let tail = TailConfig { max_wait: Duration::from_millis(1), ..TailConfig::new(Ratio::ALL) };
    let (observer, _guard, exported) = passing(Config { tail: Some(tail), ..Config::silent() });
    let (ended, wait) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let meeting = (Arc::clone(&ended), Arc::clone(&wait));
    let work = std::thread::spawn(move || {
        let first = step("first", |n: u64| async move { Ok(n) });
        let second = step("second", move |n: u64| {
            meeting.0.wait();
            meeting.1.wait();
            async move { Ok(n) }
        });
        let cx = WorkflowContext::builder().observer(observer).build();
        block_on((first >> second).run(1, &cx)).expect("it succeeds");
    });
    ended.wait();
    let early = exported.recv_timeout(ENOUGH).expect("the first step has ended");
    assert!(early.iter().any(|span| span.name == "primitive.first.execute"));
    assert!(early.iter().all(|span| span.parent_span_id.is_some()));
    wait.wait();
    work.join().expect("no panic");
    let mut late = std::iter::from_fn(|| exported.recv_timeout(ENOUGH).ok()).flatten();
    assert!(late.any(|span| span.parent_span_id.is_none()), "the rest follows");
}

#[test]
fn every_span_is_exported_or_counted_also_when_recording_ends_meanwhile() {
    for _ in 0..20 {
        let memory = MemoryExporter::new();
        let counts = Arc::new(SpanCounts::default());
        let (recorder, finished) =
            Recorder::direct(Sampler::default(), SpanLimits::default(), Arc::clone(&counts), Metrics::new());
        let tail = TailConfig { max_spans: 200, ..TailConfig::new(ratio(0.5)) };
        let exporters: Vec<Box<dyn SpanExporter>> = vec![Box::new(memory.clone())];
        let drain = Drain::start(
            finished,
            Outlets { exporters, tail: Some(tail), ..Outlets::default() },
            Arc::clone(&counts),
        )
        .expect("a thread");
        let observer: Arc<dyn Observer> = Arc::new(recorder);
        let (started, go) = channel();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (observer, started) = (Arc::clone(&observer), started.clone());
                std::thread::spawn(move || {
                    let flow = work();
                    block_on(async {
                        for n in 0..1_000 {
                            let cx = WorkflowContext::builder().observer(Arc::clone(&observer)).build();
                            let _ = flow.run(n, &cx).await;
                            let _ = started.send(());
                        }
                    });
                })
            })
            .collect();
        (0..500).for_each(|_| go.recv().expect("both run"));
        let _ = drain.stop(ENOUGH);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let exported = memory.spans().len() as u64;
        assert!(exported > 0 && counts.sampled_out() > 0);
        assert_eq!(counts.recorded(), exported + counts.sampled_out() + counts.dropped_total());
    }
}

#[tokio::test]
async fn a_flush_leaves_nothing_waiting_and_what_comes_later_follows() {
    let tail = TailConfig { max_wait: Duration::MAX, ..TailConfig::new(Ratio::ALL) };
    let recording = Recording::tail(tail);
    let flush = Arc::new(recording.guard);
    let flushing = Arc::clone(&flush);
    let first = step("first", |n: u64| async move { Ok(n) });
    let second = step("second", move |n: u64| {
        flushing.flush(ENOUGH).expect("memory takes everything");
        async move { Ok(n) }
    });
    let cx = WorkflowContext::builder().observer(Arc::clone(&recording.observer)).build();
    let memory = recording.memory.clone();
    let seen = step("look", move |n: u64| {
        let spans = memory.spans();
        async move { Ok((n, spans.iter().any(|span| span.name == "primitive.first.execute"))) }
    });
    let (_, early) = (first >> second >> seen).run(1, &cx).await.expect("it succeeds");
    assert!(early, "the flush exported what had ended");
    flush.flush(ENOUGH).expect("memory takes everything");
    assert_eq!(recording.memory.spans().len() as u64, flush.counts().recorded());
}

#[tokio::test]
async fn a_rate_limit_holds_for_new_traces_alone() {
    let limit = RateLimit::per_second(0.001).expect("above 0");
    let sampler = Sampler::ParentBased(Box::new(Sampler::RateLimited(limit)));
    let recording = Recording::new(Telemetry::new().sampler(sampler));
    let flow = work();
    for n in 1..50 {
        flow.run(n, &recording.context()).await.expect("it succeeds");
    }
    let spans = recording.spans();
    let roots = |spans: &[SpanRecord]| spans.iter().filter(|span| span.parent_span_id.is_none()).count();
    assert_eq!(roots(&spans), 1, "one at once, and the next after a thousand seconds");
    assert!(spans.iter().all(|span| span.state.as_str().is_empty()), "nobody knows for how many it stands");
    let parent = SpanContext {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().expect("an id"),
        span_id: "00f067aa0ba902b7".parse().expect("an id"),
        flags: TraceFlags::SAMPLED,
        state: "ot=th:8".parse().expect("a state"),
    };
    let cx = WorkflowContext::builder().observer(Arc::clone(&recording.observer)).parent(parent).build();
    flow.run(1, &cx).await.expect("it succeeds");
    let spans = recording.spans();
    let inherited = spans.iter().filter(|span| span.state.as_str() == "ot=th:8").count();
    assert!(inherited > 0, "the caller has decided already");
    recording.check_books();
}

#[test]
fn the_drain_thread_measures_what_adaptive_samplers_follow() {
    // Any share is too much.
    let follower = || Adaptive::new(ratio(0.5)).target(Ratio::NONE);
    let (head, tail) = (follower(), follower());
    let telemetry = Telemetry::new().sampler(Sampler::ParentBased(Box::new(Sampler::Adaptive(head.clone()))));
    let recording = Recording::new(telemetry.tail_sampling(TailConfig::new(tail.clone())));
    let (flow, start) = (work(), Instant::now());
    block_on(async {
        while head.ratio() == ratio(0.5) && start.elapsed() < ENOUGH {
            flow.run(1, &recording.context()).await.expect("it succeeds");
        }
    });
    // At the moment the tail may be about to follow.
    let low = |adaptive: &Adaptive| adaptive.ratio() < ratio(0.001);
    assert!(low(&head), "{:?}", head.ratio());
    drop(recording.guard.shutdown(ENOUGH));
    assert!(low(&tail), "{:?}", tail.ratio());
    assert!(!recording.memory.spans().is_empty());
}

#[tokio::test]
async fn in_each_environment_errors_are_kept() {
    for environment in [Environment::Development, Environment::Staging, Environment::Production] {
        let config = Config {
            exporters: Vec::new(),
            sampler: environment.head(),
            tail: environment.tail(),
            ..Config::silent()
        };
        let recording = Recording::new(Telemetry::with_config(config));
        let flow = work();
        for n in 1..=1_000 {
            let _ = flow.run(n, &recording.context()).await;
        }
        let spans = recording.spans();
        let failed = |span: &&SpanRecord| matches!(span.status, SpanStatus::Error(_));
        let roots: Vec<_> = spans.iter().filter(|span| span.parent_span_id.is_none()).collect();
        assert_eq!(roots.iter().copied().filter(failed).count(), 10);
        // Six standard deviations.
        let expected = match environment {
            Environment::Development => 1_000..=1_000,
            Environment::Staging => 132..=284,
            Environment::Production => 18..=102,
        };
        assert!(expected.contains(&roots.len()), "{environment}: {}", roots.len());
        recording.check_books();
    }
}
