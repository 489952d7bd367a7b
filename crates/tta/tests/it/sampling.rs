//! Which traces are recorded is decided once, at the root, by who may.

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use tta::model::{SpanContext, SpanRecord, TraceFlags};
use tta::sampling::{Ratio, Sampler};
use tta::{WorkflowContext, step, step_with};

use crate::recording::{Recording, one};
use crate::support::World;

const PARENT: &str = "00f067aa0ba902b7";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent(flags: TraceFlags, state: &str) -> SpanContext {
    SpanContext {
        trace_id: TRACE.parse().unwrap(),
        span_id: PARENT.parse().unwrap(),
        flags,
        state: state.parse().unwrap(),
    }
}

fn ratio(ratio: f64) -> Sampler {
    Sampler::Ratio(Ratio::new(ratio).unwrap())
}

/// Runs one step; returns what it saw of its own span, and the spans.
async fn run(recording: &Recording, parent: Option<SpanContext>) -> (SpanContext, Vec<SpanRecord>) {
    let mut builder = recording.builder();
    if let Some(parent) = parent {
        builder = builder.parent(parent);
    }
    let flow = step_with("work", |(), cx: WorkflowContext| async move { Ok(cx.span_context()) });
    let seen = flow.run((), &builder.build()).await.unwrap();
    (seen.expect("a step is inside a trace"), recording.spans())
}

#[tokio::test]
async fn nothing_is_recorded_by_a_sampler_that_says_so() {
    for sampler in [Sampler::AlwaysOff, ratio(0.0), Sampler::ParentBased(Box::new(Sampler::AlwaysOff))] {
        let recording = Recording::with(|config| config.sampler = sampler);
        let (seen, spans) = run(&recording, None).await;
        assert!(!seen.flags.is_sampled(), "callees elsewhere are told");
        assert_eq!((spans.len(), recording.guard.counts().recorded()), (0, 0));
    }
}

#[tokio::test]
async fn a_part_of_the_traces_is_recorded_whole() {
    let recording = Recording::with(|config| config.sampler = ratio(0.25));
    let flow = step("one", |n: u32| async move { Ok(n) }) >> step("two", |n: u32| async move { Ok(n) });
    for n in 0..2_000 {
        flow.run(n, &recording.context()).await.unwrap();
    }
    let spans = recording.spans();
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none()).count();
    // Five standard deviations are 97.
    assert!((400..600).contains(&roots), "{roots} of 2000 at a quarter");
    assert_eq!(spans.len(), roots * 6, "a trace is recorded whole or not at all");
    assert!(spans.iter().all(|span| span.state.as_str() == "ot=th:c"), "it says what it stands for");
    assert!(spans.iter().all(|span| span.flags.is_sampled()));
}

#[tokio::test]
async fn the_parent_decides_where_it_is_asked() {
    let recording = Recording::new();
    let (seen, spans) = run(&recording, Some(parent(TraceFlags(0), "ot=th:8,vendor=x"))).await;
    assert!(spans.is_empty(), "an unsampled parent stays unsampled");
    assert_eq!(seen.trace_id.to_string(), TRACE);
    assert!(!seen.flags.is_sampled());
    assert_eq!(seen.state.as_str(), "ot=th:8,vendor=x");

    let (seen, spans) = run(&recording, Some(parent(TraceFlags::SAMPLED, "ot=th:8,vendor=x"))).await;
    let root = one(&spans, "workflow.work.execute");
    assert_eq!(root.trace_id.to_string(), TRACE);
    assert_eq!(root.parent_span_id.unwrap().to_string(), PARENT);
    assert!(root.parent_is_remote);
    assert!(!one(&spans, "primitive.work.execute").parent_is_remote, "only the first span's is");
    for span in &spans {
        assert_eq!(span.state.as_str(), "ot=th:8,vendor=x");
        assert!(span.flags.is_sampled());
    }
    assert_eq!((seen.state.as_str(), seen.flags.is_sampled()), ("ot=th:8,vendor=x", true));
}

#[tokio::test]
async fn a_ratio_is_not_the_parents_business() {
    let recording = Recording::with(|config| config.sampler = ratio(1.0));
    let (seen, spans) = run(&recording, Some(parent(TraceFlags(0), "vendor=x"))).await;
    assert!(seen.flags.is_sampled());
    assert_eq!(one(&spans, "workflow.work.execute").parent_span_id.unwrap().to_string(), PARENT);
    assert_eq!(seen.state.get("vendor"), Some("x"), "what others wrote stays");
}

/// The parent of the run's first span, with a parent that was given inside of a span of the application.
async fn parent_within(given: impl FnOnce(&SpanContext) -> SpanContext) -> (SpanRecord, SpanContext) {
    let world = World::direct(Sampler::default());
    let recording = Recording::new();
    let span = world.provider.tracer("application").start("application.outer");
    let current = Context::new().with_span(span);
    let theirs = current.span().span_context().clone();
    let theirs = SpanContext {
        trace_id: theirs.trace_id().to_string().parse().unwrap(),
        span_id: theirs.span_id().to_string().parse().unwrap(),
        flags: TraceFlags::SAMPLED,
        state: Default::default(),
    };
    let flow = step("work", |n: u32| async move { Ok(n) });
    let cx = recording.builder().parent(given(&theirs)).build();
    opentelemetry::context::FutureExt::with_context(flow.run(1, &cx), current).await.unwrap();
    (one(&recording.spans(), "workflow.work.execute").clone(), theirs)
}

#[tokio::test]
async fn a_parent_that_was_given_wins_over_the_current_span_of_another_trace() {
    let (root, _) = parent_within(|_| parent(TraceFlags::SAMPLED, "")).await;
    assert_eq!(root.trace_id.to_string(), TRACE);
    assert_eq!(root.parent_span_id.unwrap().to_string(), PARENT);
    assert!(root.parent_is_remote);
}

#[tokio::test]
async fn of_two_parents_of_one_trace_the_current_span_is_the_nearer() {
    let caller = PARENT.parse().unwrap();
    let (root, theirs) = parent_within(|theirs| SpanContext { span_id: caller, ..theirs.clone() }).await;
    assert_eq!(root.trace_id, theirs.trace_id);
    assert_eq!(root.parent_span_id, Some(theirs.span_id));
    assert!(!root.parent_is_remote);
}
