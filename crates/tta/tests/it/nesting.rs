//! The application's spans and ours nest in both directions.

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info_span};
use tta::sampling::Sampler;
use tta::{Flow, parallel, step};

use crate::support::{World, assert_connected, tree};

/// A step that yields, so that another worker may go on with it, and opens a span of the application's.
fn work(name: &'static str) -> Flow<u32, u32> {
    step(name, move |n: u32| async move {
        tokio::task::yield_now().await;
        let inner = async {
            tokio::task::yield_now().await;
            n + 1
        };
        let n = inner.instrument(info_span!("application.inner", of = name)).await;
        tokio::task::yield_now().await;
        Ok(n)
    })
}

const EXPECTED: &str = "\
application.outer
  workflow.sequential.execute
    primitive.sequential.execute
      primitive.sequential.step_0
        primitive.a.execute
          application.inner
      primitive.sequential.step_1
        primitive.b.execute
          application.inner
";

async fn run_nested(world: &World) {
    let flow = work("a") >> work("b");
    let cx = world.context();
    let run = async { flow.run(1, &cx).await.unwrap() };
    let result = run.instrument(info_span!("application.outer")).await;
    assert_eq!(result, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracing_spans_nest_on_the_direct_way() {
    let world = World::direct(Sampler::AlwaysOn);
    // The span must be made with the subscriber too, and not only be polled with it.
    async { run_nested(&world).await }.with_subscriber(world.dispatch.clone()).await;
    let spans = world.spans();
    assert_connected(&spans);
    assert_eq!(tree(&spans), EXPECTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracing_spans_nest_on_the_sdk_way() {
    let world = World::sdk();
    async { run_nested(&world).await }.with_subscriber(world.dispatch.clone()).await;
    let spans = world.spans();
    assert_connected(&spans);
    assert_eq!(tree(&spans), EXPECTED);
}

async fn run_spawned(world: &World) {
    let dispatch = world.dispatch.clone();
    let branch = move |name: &'static str| {
        let dispatch = dispatch.clone();
        step(name, move |n: u32| {
            let dispatch = dispatch.clone();
            async move {
                let made = async {
                    tokio::task::yield_now().await;
                    async { tokio::task::yield_now().await }
                        .instrument(info_span!("application.branch"))
                        .await;
                };
                made.with_subscriber(dispatch).await;
                Ok(n)
            }
        })
    };
    let flow = parallel([branch("a"), branch("b"), branch("c")]).spawned();
    flow.run(1, &world.context()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_nest_inside_spawned_branches() {
    for world in [World::direct(Sampler::AlwaysOn), World::sdk()] {
        run_spawned(&world).await;
        let spans = world.spans();
        assert_connected(&spans);
        let lines: Vec<_> = tree(&spans).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2 + 3 * 3);
        for (branch, name) in ["a", "b", "c"].iter().enumerate() {
            let at = lines.iter().position(|line| line.ends_with(&format!("branch_{branch}"))).unwrap();
            assert!(lines[at + 1].ends_with(&format!("primitive.{name}.execute")), "{lines:#?}");
            assert_eq!(lines[at + 2].trim_start(), "application.branch");
        }
    }
}

#[tokio::test]
async fn opentelemetry_spans_nest_without_tracing() {
    for world in [World::direct(Sampler::AlwaysOn), World::sdk()] {
        let tracer = world.provider.tracer("application");
        let inner = world.provider.tracer("application");
        let flow = step("work", move |n: u32| {
            let span = inner.start("application.inner");
            Context::current().span().add_event("noticed", vec![KeyValue::new("n", i64::from(n))]);
            Context::current().span().set_attribute(KeyValue::new("application.key", 7));
            drop(span);
            async move { Ok(n) }
        });
        let outer = Context::new().with_span(tracer.start("application.outer"));
        let cx = world.context();
        let run = opentelemetry::context::FutureExt::with_context(flow.run(1, &cx), outer.clone());
        run.await.unwrap();
        outer.span().end();
        let spans = world.spans();
        assert_connected(&spans);
        assert_eq!(
            tree(&spans),
            "application.outer\n  workflow.work.execute\n    primitive.work.execute\n      application.inner\n"
        );
    }
}

#[tokio::test]
async fn a_flow_inside_a_span_of_the_application_inside_a_step_is_its_child() {
    for world in [World::direct(Sampler::AlwaysOn), World::sdk()] {
        let inner = step("inner", |n: u32| async move { Ok(n) });
        let outer = tta::step_with("outer", move |n: u32, cx: tta::WorkflowContext| {
            let inner = inner.clone();
            async move { inner.run(n, &cx).instrument(info_span!("application.between")).await }
        });
        async { outer.run(1, &world.context()).await.unwrap() }.with_subscriber(world.dispatch.clone()).await;
        assert_eq!(
            tree(&world.spans()),
            "\
workflow.outer.execute
  primitive.outer.execute
    application.between
      primitive.inner.execute
"
        );
    }
}

#[tokio::test]
async fn what_happens_inside_an_unsampled_run_is_not_recorded_either() {
    let world = World::direct(Sampler::AlwaysOff);
    async {
        run_nested_without_outer(&world).await;
    }
    .with_subscriber(world.dispatch.clone())
    .await;
    assert!(world.spans().is_empty(), "{}", tree(&world.spans()));
}

async fn run_nested_without_outer(world: &World) {
    let flow = work("a") >> work("b");
    assert_eq!(flow.run(1, &world.context()).await.unwrap(), 3);
}
