//! Metrics are exact: what ran was counted once, whatever became of its spans.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tta::export::memory::MemoryExporter;
use tta::export::{FlushError, SpanExporter};
use tta::metrics::{Metrics, Point, Snapshot, Window};
use tta::model::SpanRecord;
use tta::model::name::metric::{self, Metric, OTHER};
use tta::observe::Observer;
use tta::recorder::ApplicationTracer;
use tta::sampling::Sampler;
use tta::{
    Cache, CircuitBreaker, Error, ErrorKind, Flow, Guard, MicroUsd, Retry, Route, Strategy, Telemetry,
    WorkflowContext, router, saga, step,
};

use crate::recording::ENOUGH;

/// How long two threads run flat out.
const FLAT_OUT: Duration = Duration::from_secs(10);

struct World {
    observer: Arc<dyn Observer>,
    guard: Guard,
}

impl World {
    fn new(telemetry: Telemetry) -> Self {
        let (observer, guard) = telemetry.build().unwrap();
        Self { observer: observer.unwrap(), guard }
    }

    fn context(&self) -> WorkflowContext {
        WorkflowContext::builder().workflow_name("report").observer(Arc::clone(&self.observer)).build()
    }

    fn snapshot(&self) -> Snapshot {
        self.guard.metrics().snapshot()
    }

    /// Asserts the sum of a metric over all series with these labels.
    #[track_caller]
    fn check(&self, metric: &Metric, labels: &[(&str, &str)], expected: f64) {
        let total = self.snapshot().total(metric, labels);
        assert!((total - expected).abs() < 1e-12, "{} {labels:?}: {total}, expected {expected}", metric.name);
    }
}

/// Counts the spans that were exported.
#[derive(Clone, Default)]
struct Exported(Arc<AtomicU64>);

impl SpanExporter for Exported {
    fn export(&mut self, spans: &[SpanRecord]) {
        self.0.fetch_add(spans.len() as u64, Ordering::Relaxed);
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

fn failing(kind: ErrorKind) -> Flow<u64, u64> {
    step("fail", move |_: u64| async move { Err(Error::new(kind, "no")) })
}

fn fine() -> Flow<u64, u64> {
    step("fine", |n: u64| async move { Ok(n) })
}

#[test]
fn two_threads_flat_out_are_counted_to_the_unit() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let exported = Exported::default();
        let world = World::new(Telemetry::new().sampler(sampler.clone()).exporter(exported.clone()));
        let flow = fine() >> step("next", |n: u64| async move { Ok(n + 1) });
        let runs = AtomicU64::new(0);
        let deadline = Instant::now() + FLAT_OUT / 2;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let cx = world.context();
                        while Instant::now() < deadline {
                            for n in 0..100 {
                                flow.run(n, &cx).await.unwrap();
                            }
                            runs.fetch_add(100, Ordering::Relaxed);
                        }
                    });
                });
            }
            // Readers in between see nothing that goes back.
            scope.spawn(|| {
                let mut last = 0.0;
                while Instant::now() < deadline {
                    let seen = world.snapshot().total(&metric::TTA_REQUESTS_TOTAL, &[]);
                    assert!(seen >= last, "{seen} after {last}");
                    last = seen;
                }
            });
        });
        world.guard.flush(ENOUGH).unwrap();
        let runs = runs.into_inner();
        assert!(runs > 1_000);
        let made = runs as f64;
        for name in ["fine", "next"] {
            world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &[("primitive.name", name)], made);
            world.check(&metric::PRIMITIVE_EXECUTION_DURATION, &[("primitive.name", name)], made);
        }
        world.check(&metric::TTA_REQUESTS_TOTAL, &[("status", "success")], 3.0 * made);
        world.check(&metric::TTA_WORKFLOW_EXECUTIONS_TOTAL, &[("workflow_type", "report")], made);
        world.check(&metric::PRIMITIVE_CONNECTION_COUNT, &[("connection.type", "sequential")], made);
        world.check(&metric::TTA_ACTIVE_REQUESTS, &[], 0.0);
        world.check(&metric::AGENT_WORKFLOWS_ACTIVE, &[], 0.0);
        // The run, the sequential, and two steps of two spans each.
        let spans = if sampler == Sampler::AlwaysOn { runs * 6 } else { 0 };
        let counts = world.guard.counts();
        assert_eq!(counts.recorded(), spans);
        assert_eq!(exported.0.load(Ordering::Relaxed) + counts.dropped_total(), spans);
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_has_its_status() {
    let world = World::new(Telemetry::new().sampler(Sampler::AlwaysOff));
    let cx = world.context();
    fine().run(1, &cx).await.unwrap();
    failing(ErrorKind::Unavailable).run(1, &cx).await.unwrap_err();
    let slow = step("slow", |n: u64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    });
    slow.clone().timeout(Duration::from_millis(1)).run(1, &cx).await.unwrap_err();
    // Dropped while it runs.
    let dropped = tokio::time::timeout(Duration::from_millis(1), slow.run(1, &cx)).await;
    assert!(dropped.is_err());
    let check = |status: &str, error: Option<&str>, expected| {
        let mut labels = vec![("execution.status", status)];
        labels.extend(error.map(|class| ("error.type", class)));
        world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &labels, expected);
    };
    check("success", None, 1.0);
    check("error", Some("unavailable"), 1.0);
    check("timeout", Some("timeout"), 1.0);
    check("cancelled", Some("cancelled"), 2.0);
    world.check(&metric::TTA_WORKFLOW_EXECUTIONS_TOTAL, &[("status", "cancelled")], 1.0);
    world.check(&metric::TTA_TIMEOUTS_TOTAL, &[("primitive_name", "timeout")], 1.0);
}

#[tokio::test]
async fn recovery_is_counted_whether_or_not_it_is_recorded() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let world = World::new(Telemetry::new().sampler(sampler));
        let cx = world.context();
        let retry = Retry::constant(3, Duration::ZERO);
        let stubborn = failing(ErrorKind::Unavailable).retry(retry);
        let flow = stubborn.fallback(fine()).fallback(fine());
        flow.run(1, &cx).await.unwrap();
        world.check(&metric::TTA_RETRIES_TOTAL, &[("primitive_name", "retry"), ("outcome", "error")], 2.0);
        world.check(&metric::TTA_FALLBACKS_TOTAL, &[("outcome", "success")], 1.0);
        let breaker = CircuitBreaker::builder("api").consecutive_failures(1).build();
        let guarded = failing(ErrorKind::Unavailable).circuit_breaker(&breaker);
        world.check(&metric::TTA_CIRCUIT_BREAKER_STATE, &[("primitive_name", "api")], 0.0);
        guarded.run(1, &cx).await.unwrap_err();
        world.check(&metric::TTA_CIRCUIT_BREAKER_STATE, &[("primitive_name", "api")], 2.0);
        let undone = saga("order").step(fine()).undo("undo", |_: u64| async { Ok(()) });
        let undone = undone.step(failing(ErrorKind::Failed));
        undone.run(1, &cx).await.unwrap_err();
        world.check(&metric::TTA_COMPENSATIONS_TOTAL, &[("outcome", "success")], 1.0);
    }
}

#[tokio::test]
async fn look_ups_and_decisions_are_counted_with_what_they_saved() {
    let world = World::new(Telemetry::new().sampler(Sampler::AlwaysOff));
    let cx = world.context();
    let cache = Cache::new("answers", |n: &u64| *n);
    let dear = tta::step_with("dear", |n: u64, cx: WorkflowContext| async move {
        cx.charge(MicroUsd(70));
        Ok(n)
    });
    let cached = dear.cached(&cache);
    for n in [1, 1, 2, 1] {
        cached.run(n, &cx).await.unwrap();
    }
    world.check(&metric::CACHE_TOTAL, &[("cache.type", "memory")], 4.0);
    world.check(&metric::CACHE_HITS, &[], 2.0);
    world.check(&metric::TTA_CACHE_HITS_TOTAL, &[("cache", "answers")], 2.0);
    world.check(&metric::TTA_CACHE_MISSES_TOTAL, &[("cache", "answers")], 2.0);
    world.check(&metric::TTA_CACHE_HIT_RATE, &[("cache", "answers")], 0.5);
    world.check(&metric::COST_SAVINGS_TOTAL, &[("savings.source", "cache")], 140e-6);
    let cheap = Route::new("cheap", fine()).cost(MicroUsd(10));
    let routes = router(Strategy::cost()).route(cheap).route(Route::new("dear", fine()).cost(MicroUsd(25)));
    routes.build().unwrap().run(1, &cx).await.unwrap();
    let labels = [("route", "cheap"), ("reason", "cheapest")];
    world.check(&metric::TTA_ROUTER_DECISIONS_TOTAL, &labels, 1.0);
    world.check(&metric::COST_SAVINGS_TOTAL, &[("savings.source", "router")], 15e-6);
}

#[tokio::test]
async fn arrows_of_the_flow_are_counted() {
    let world = World::new(Telemetry::new());
    let name = |name: &'static str| step(name, |n: u64| async move { Ok(n) });
    let flow =
        name("a") >> (name("b") | name("c")) >> step("d", |(b, c): (u64, u64)| async move { Ok(b + c) });
    flow.run(1, &world.context()).await.unwrap();
    let snapshot = world.snapshot();
    let arrows: HashSet<String> = snapshot
        .family(&metric::PRIMITIVE_CONNECTION_COUNT)
        .unwrap()
        .series
        .iter()
        .map(|series| {
            let label = |key| series.label(key).unwrap();
            format!(
                "{} -{}-> {}",
                label("source.primitive"),
                label("connection.type"),
                label("target.primitive")
            )
        })
        .collect();
    let expected = [
        "a -sequential-> parallel",
        "parallel -parallel-> b",
        "parallel -parallel-> c",
        "parallel -sequential-> d",
    ];
    assert_eq!(arrows, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn kinds_of_agents_are_told_apart() {
    let world = World::new(Telemetry::new());
    let builder = || WorkflowContext::builder().workflow_name("report").observer(Arc::clone(&world.observer));
    fine().run(1, &builder().agent_type("planner").build()).await.unwrap();
    fine().run(1, &builder().build()).await.unwrap();
    world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &[("agent.type", "planner")], 1.0);
    world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &[], 2.0);
    let primitives = world.guard.metrics().primitives(Window::Minute);
    assert_eq!(primitives.len(), 1, "{primitives:?}");
    assert_eq!((primitives[0].executions, primitives[0].success_rate()), (2, Some(1.0)));
    assert!(primitives[0].p50 > Duration::ZERO && primitives[0].throughput() > 0.0);
    assert_eq!(world.guard.metrics().workflows(Window::Hour)[0].name, "report");
}

#[tokio::test]
async fn what_runs_at_this_moment_is_shown() {
    let world = World::new(Telemetry::new().sampler(Sampler::AlwaysOff));
    let flow = step("wait", |release: tokio::sync::oneshot::Receiver<()>| async move {
        release.await.map_err(|_| Error::new(ErrorKind::Failed, "nobody"))
    });
    let (release, released) = tokio::sync::oneshot::channel();
    let cx = world.context();
    let run = flow.run(released, &cx);
    tokio::pin!(run);
    assert!(futures_now(run.as_mut()).is_none());
    world.check(&metric::TTA_ACTIVE_REQUESTS, &[("primitive_type", "wait")], 1.0);
    world.check(&metric::AGENT_WORKFLOWS_ACTIVE, &[("workflow.name", "report")], 1.0);
    release.send(()).unwrap();
    run.await.unwrap();
    world.check(&metric::TTA_ACTIVE_REQUESTS, &[("primitive_type", "wait")], 0.0);
    world.check(&metric::AGENT_WORKFLOWS_ACTIVE, &[("workflow.name", "report")], 0.0);
}

/// Polls once.
fn futures_now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut task) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_million_names_are_folded_and_counted() {
    const NAMES: u64 = 1_000_000;
    const FLOWS: u64 = 20_000;
    let world = World::new(Telemetry::new().sampler(Sampler::AlwaysOff));
    let cx = world.context();
    // Routes are labels that come with data, and nodes are labels that come with code.
    for n in 0..FLOWS {
        step(format!("step {n}"), |n: u64| async move { Ok(n) }).run(n, &cx).await.unwrap();
    }
    let deciding = tta::step_with("decide", |n: u64, cx: WorkflowContext| async move {
        for n in n..n + 1_000 {
            let (route, reason) = (format!("route {n}").into(), "test".into());
            let strategy = "function";
            cx.emit(&tta::observe::Event::RouteDecided {
                route: &route,
                reason: &reason,
                strategy,
                saved_micro_usd: 0,
            });
        }
        Ok(n)
    });
    for thousand in 0..NAMES / 1_000 {
        deciding.run(thousand * 1_000, &cx).await.unwrap();
    }
    let snapshot = world.snapshot();
    for family in &snapshot.families {
        assert!(family.series.len() < 2_000, "{}: {}", family.metric.name, family.series.len());
    }
    let made = (FLOWS + NAMES / 1_000) as f64;
    assert_eq!(snapshot.total(&metric::PRIMITIVE_EXECUTION_COUNT, &[]), made);
    assert_eq!(snapshot.total(&metric::TTA_ROUTER_DECISIONS_TOTAL, &[]), NAMES as f64);
    let folded = snapshot.total(&metric::TTA_ROUTER_DECISIONS_TOTAL, &[("route", OTHER)]);
    assert!(folded > 0.99 * NAMES as f64);
    let told = [("telemetry.metric", metric::TTA_ROUTER_DECISIONS_TOTAL.name)];
    assert_eq!(snapshot.total(&metric::TTA_TELEMETRY_SERIES_FOLDED_TOTAL, &told), folded);
    let others = snapshot.total(&metric::PRIMITIVE_EXECUTION_COUNT, &[("primitive.name", OTHER)]);
    let told = [("telemetry.metric", metric::PRIMITIVE_EXECUTION_COUNT.name)];
    assert_eq!(snapshot.total(&metric::TTA_TELEMETRY_SERIES_FOLDED_TOTAL, &told), others);
    assert!(others > 0.0);
}

#[tokio::test]
async fn exemplars_are_spans_that_were_exported() {
    let memory = MemoryExporter::new();
    let world = World::new(Telemetry::new().exporter(memory.clone()));
    for n in 0..10 {
        fine().run(n, &world.context()).await.unwrap();
    }
    world.guard.flush(ENOUGH).unwrap();
    let exported: HashSet<_> = memory.spans().iter().map(|span| (span.trace_id, span.span_id)).collect();
    let snapshot = world.snapshot();
    for metric in [&metric::PRIMITIVE_EXECUTION_DURATION, &metric::TTA_WORKFLOW_DURATION_SECONDS] {
        let family = snapshot.family(metric).unwrap();
        let Point::Distribution(distribution) = &family.series[0].point else { panic!("a distribution") };
        assert!(!distribution.exemplars.is_empty(), "{}", metric.name);
        for exemplar in &distribution.exemplars {
            assert!(exported.contains(&(exemplar.trace_id, exemplar.span_id)));
        }
        assert_eq!(distribution.count, distribution.buckets.iter().sum::<u64>());
    }
}

#[tokio::test]
async fn an_application_with_its_own_tracer_has_the_same_metrics() {
    let provider = SdkTracerProvider::builder().build();
    let world = World::new(Telemetry::new().tracer(ApplicationTracer::new(provider.tracer("test"))));
    (fine() >> failing(ErrorKind::Failed)).run(1, &world.context()).await.unwrap_err();
    world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &[], 3.0);
    world.check(&metric::TTA_REQUESTS_TOTAL, &[("status", "error")], 2.0);
    world.check(&metric::TTA_WORKFLOW_EXECUTIONS_TOTAL, &[("status", "error")], 1.0);
}

#[tokio::test]
async fn a_thread_that_has_ended_still_counts() {
    let world = World::new(Telemetry::new());
    for _ in 0..20 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(fine().run(1, &world.context())).unwrap();
            });
        });
    }
    for _ in 0..2 {
        world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &[], 20.0);
    }
}

#[test]
fn metrics_are_shared_between_threads() {
    fn check<T: Send + Sync + Clone>() {}
    check::<Metrics>();
}

#[tokio::test]
async fn sums_of_money_do_not_waver() {
    let world = World::new(Telemetry::new());
    let pay = |name: String, amount: i64| {
        tta::step_with(name, move |n: u64, cx: WorkflowContext| async move {
            cx.charge(tta::Spend::on_model(MicroUsd(amount), "openai", "gpt-4o"));
            Ok(n)
        })
    };
    for n in 0..20_i64 {
        pay(format!("pay_{n}"), 100_000 + n * 7_919).run(1, &world.context()).await.unwrap();
    }
    let total = || world.snapshot().total(&metric::TTA_LLM_COST_USD_TOTAL, &[]);
    let first = total();
    for _ in 0..100 {
        // A sum that shrinks by its last digit looks like a restart, and all of it like new.
        assert_eq!(total().to_bits(), first.to_bits());
    }
}

/// A primitive written without `async fn`, which panics before it has made a future.
struct PanicsEarly;

impl tta::Primitive for PanicsEarly {
    type In = u64;
    type Out = u64;

    fn run(&self, input: u64, _: &WorkflowContext) -> impl Future<Output = tta::Result<u64>> + Send {
        assert!(input > 10, "too early");
        std::future::ready(Ok(input))
    }
}

#[tokio::test]
async fn a_panic_before_the_future_is_the_same_error_whether_recorded_or_not() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let world = World::new(Telemetry::new().sampler(sampler.clone()));
        let flow = fine() >> Flow::new(PanicsEarly).fallback(fine());
        assert_eq!(flow.run(1, &world.context()).await.unwrap(), 1, "{sampler:?}");
        let labels = [("primitive.name", "panics_early"), ("execution.status", "error")];
        world.check(&metric::PRIMITIVE_EXECUTION_COUNT, &labels, 1.0);
    }
    let unobserved = Flow::new(PanicsEarly).fallback(fine());
    assert_eq!(unobserved.run(1, &WorkflowContext::new()).await.unwrap(), 1);
}
