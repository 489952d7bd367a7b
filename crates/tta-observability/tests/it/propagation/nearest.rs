//! Which span is told to be the sender, and the parent of linked spans.

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tta_observability::propagation::{create_linked_span, inject_trace_context};
use tta_primitives::{WorkflowContext, step_with};

use super::{TRACE, TRACEPARENT, application_span, received, traceparent_of};

/// The sender that a call of this context names.
fn sender(cx: &WorkflowContext) -> Option<String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    inject_trace_context(cx, &mut headers);
    headers.into_iter().find(|(name, _)| name == "traceparent").map(|(_, value)| value)
}

#[test]
fn outside_of_any_trace_nothing_is_told() {
    assert_eq!(sender(&WorkflowContext::new()), None);
}

#[test]
fn the_callers_span_is_told_where_there_is_no_own() {
    assert_eq!(sender(&received()).unwrap(), TRACEPARENT);
}

#[test]
fn the_applications_span_is_told_where_there_is_no_other() {
    let span = application_span(None);
    let _attached = span.clone().attach();
    assert_eq!(sender(&WorkflowContext::new()).unwrap(), traceparent_of(span.span().span_context()));
}

#[test]
fn the_applications_span_is_nearer_than_its_own_parent() {
    let span = application_span(Some(&received()));
    let _attached = span.clone().attach();
    assert_eq!(sender(&received()).unwrap(), traceparent_of(span.span().span_context()));
}

#[test]
fn a_given_context_wins_over_the_span_of_another_trace() {
    let _attached = application_span(None).attach();
    assert_eq!(sender(&received()).unwrap(), TRACEPARENT);
}

#[tokio::test]
async fn a_step_is_nearer_than_the_callers_span() {
    // As the layer for servers makes it: the caller's span is the current one.
    let caller = received().span_context().unwrap();
    let caller = opentelemetry::trace::SpanContext::new(
        caller.trace_id.get().into(),
        caller.span_id.get().into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        true,
        opentelemetry::trace::TraceState::default(),
    );
    let _attached = Context::new().with_remote_span_context(caller).attach();
    let asks = step_with("asks", |(): (), cx: WorkflowContext| async move {
        Ok((sender(&cx).unwrap(), cx.span_id().unwrap().to_string()))
    });
    let (sender, own) = asks.run((), &received()).await.unwrap();
    assert_eq!(sender, format!("00-{TRACE}-{own}-01"));
    assert_ne!(sender, TRACEPARENT);
}

#[test]
fn a_linked_span_is_a_child_that_describes_its_context() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let tracer = provider.tracer("application");
    let cx = received().with_agent("agent-7", Some("planner".into()));
    let outer = create_linked_span(&tracer, "outer", &cx);
    {
        let _attached = outer.clone().attach();
        create_linked_span(&tracer, "inner", &cx).span().end();
    }
    outer.span().end();
    let spans = exporter.get_finished_spans().unwrap();
    let [inner, outer] = &spans[..] else { panic!("two spans: {spans:#?}") };
    assert_eq!(outer.span_context.trace_id().to_string(), TRACE);
    assert_eq!(outer.parent_span_id.to_string(), "1234567890123456");
    assert!(outer.parent_span_is_remote);
    assert_eq!(outer.span_context.trace_state().header(), "foo=1");
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert!(!inner.parent_span_is_remote);
    let attribute = |name: &str| {
        let found = outer.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.to_string())
    };
    assert_eq!(attribute("workflow.id").as_deref(), Some(cx.workflow_id()));
    assert_eq!(attribute("agent.type").as_deref(), Some("planner"));
    assert_eq!(attribute("llm.provider"), None);
}

#[test]
fn a_linked_span_of_a_context_outside_of_any_trace_begins_one() {
    let provider = SdkTracerProvider::default();
    let linked = create_linked_span(&provider.tracer("application"), "alone", &WorkflowContext::new());
    assert!(linked.span().span_context().is_valid());
}
