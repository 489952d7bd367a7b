//! On the sdk way the application's own provider decides, processes and exports.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{
    Link, SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Span,
    SpanData, SpanProcessor,
};
use tta::recorder::ApplicationTracer;
use tta::{Error, Flow, Telemetry, WorkflowContext, step, step_with};

/// The name and the attributes of a span that is to be sampled.
type Asked = (String, Vec<KeyValue>);

/// Drops what has a name, and remembers what it was asked.
#[derive(Clone, Debug, Default)]
struct Choosy {
    asked: Arc<Mutex<Vec<Asked>>>,
    drops: &'static str,
}

impl ShouldSample for Choosy {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        self.asked.lock().unwrap().push((name.to_owned(), attributes.to_vec()));
        let inherited = parent.filter(|cx| cx.has_active_span()).map(|cx| cx.span().span_context().clone());
        let dropped = name == self.drops || inherited.as_ref().is_some_and(|parent| !parent.is_sampled());
        SamplingResult {
            decision: if dropped { SamplingDecision::Drop } else { SamplingDecision::RecordAndSample },
            attributes: vec![KeyValue::new("sampler.said", "yes")],
            trace_state: inherited.map(|parent| parent.trace_state().clone()).unwrap_or_default(),
        }
    }
}

/// Puts an attribute on each span that starts.
#[derive(Debug)]
struct Marks;

impl SpanProcessor for Marks {
    fn on_start(&self, span: &mut Span, _: &Context) {
        opentelemetry::trace::Span::set_attribute(span, KeyValue::new("processor.was", "here"));
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Application {
    provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
    cx: WorkflowContext,
}

impl Application {
    fn new(sampler: impl ShouldSample + 'static) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_span_processor(Marks)
            .with_simple_exporter(exporter.clone())
            .build();
        let tracer = ApplicationTracer::new(provider.tracer("tta"));
        let (observer, guard) = Telemetry::new().tracer(tracer).build().unwrap();
        // The provider flushes; there is nothing that the guard would keep.
        guard.shutdown(std::time::Duration::ZERO).unwrap();
        let cx = WorkflowContext::builder().observer(observer.unwrap()).session_id("s-1").tag("team", "blue");
        Self { provider, exporter, cx: cx.build() }
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }
}

fn two_steps() -> Flow<u32, u32> {
    step("one", |n: u32| async move { Ok(n) }) >> step("two", |n: u32| async move { Ok(n) })
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found: Vec<_> = span.attributes.iter().filter(|pair| pair.key.as_str() == key).collect();
    assert!(found.len() <= 1, "{key} once: {span:#?}");
    found.first().map(|pair| pair.value.to_string())
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:#?}"))
}

#[tokio::test]
async fn the_applications_sampler_and_processors_are_used() {
    let sampler = Choosy::default();
    let asked = sampler.asked.clone();
    let application = Application::new(sampler);
    two_steps().run(1, &application.cx).await.unwrap();
    let spans = application.spans();
    assert_eq!(spans.len(), 6);
    for span in &spans {
        assert_eq!(attribute(span, "sampler.said").as_deref(), Some("yes"));
        assert_eq!(attribute(span, "processor.was").as_deref(), Some("here"));
        assert_eq!(attribute(span, "session.id").as_deref(), Some("s-1"));
        assert_eq!(attribute(span, "tag.team").as_deref(), Some("blue"));
        assert_eq!(attribute(span, "execution.status").as_deref(), Some("success"));
        assert!(attribute(span, "execution.duration_ms").is_some(), "{span:#?}");
        assert_eq!(span.status, Status::Ok);
    }
    // What is known at the start is there when the sampler decides.
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 6);
    for (name, attributes) in asked.iter() {
        let has = |key: &str| attributes.iter().any(|pair| pair.key.as_str() == key);
        assert!(has("workflow.name") || name.starts_with("workflow."), "{name}: {attributes:?}");
        assert!(!name.starts_with("primitive.one") || has("primitive.path"), "{name}: {attributes:?}");
        assert!(
            has("primitive.name") || has("step.index") || name.starts_with("workflow."),
            "{name}: {attributes:?}"
        );
    }
}

#[tokio::test]
async fn a_root_that_the_sampler_drops_takes_its_run_along() {
    let application = Application::new(Choosy { drops: "workflow.sequential.execute", ..Choosy::default() });
    let seen = step_with("see", |n: u32, cx: WorkflowContext| async move {
        assert!(!cx.trace_flags().is_sampled(), "callees elsewhere are told");
        Ok(n)
    });
    let flow = two_steps() >> seen;
    assert_eq!(flow.run(1, &application.cx).await.unwrap(), 1);
    assert!(application.spans().is_empty(), "{:#?}", application.spans());
}

#[tokio::test]
async fn a_step_that_the_sampler_drops_takes_what_is_below_it_along() {
    let application = Application::new(Choosy { drops: "primitive.sequential.step_0", ..Choosy::default() });
    assert_eq!(two_steps().run(1, &application.cx).await.unwrap(), 1);
    let mut names: Vec<_> = application.spans().iter().map(|span| span.name.to_string()).collect();
    names.sort_unstable();
    let expected = [
        "primitive.sequential.execute",
        "primitive.sequential.step_1",
        "primitive.two.execute",
        "workflow.sequential.execute",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_run_inside_a_span_of_the_application_is_its_child() {
    let application = Application::new(Sampler::AlwaysOn);
    let span = application.provider.tracer("application").start("application.outer");
    let outer = Context::new().with_span(span);
    let theirs: SpanContext = outer.span().span_context().clone();
    let flow = two_steps();
    opentelemetry::context::FutureExt::with_context(flow.run(1, &application.cx), outer.clone())
        .await
        .unwrap();
    outer.span().end();
    let spans = application.spans();
    assert_eq!(spans.len(), 7);
    let root = named(&spans, "workflow.sequential.execute");
    assert_eq!(root.parent_span_id, theirs.span_id());
    assert!(spans.iter().all(|span| span.span_context.trace_id() == theirs.trace_id()));
}

#[tokio::test]
async fn an_error_is_told_once_without_secrets_and_bounded() {
    let application = Application::new(Sampler::AlwaysOn);
    let long = "ß".repeat(1_000_000);
    let fails: Flow<u32, u32> = step("fails", move |_: u32| {
        let message = format!("no to Bearer abcdef0123456789: {long}");
        async move { Err(Error::failed(message)) }
    });
    (two_steps() >> fails).run(1, &application.cx).await.unwrap_err();
    let spans = application.spans();
    let failed = named(&spans, "primitive.fails.execute");
    let message = attribute(failed, "error.message").unwrap();
    assert!(message.contains("Bearer [redacted]"), "{}", &message[..100]);
    assert!(message.len() <= 1_024, "{} bytes", message.len());
    assert!(format!("{failed:?}").len() < 64_000);
    let exceptions: Vec<_> = spans
        .iter()
        .filter(|span| span.events.iter().any(|event| event.name == "exception"))
        .map(|span| span.name.as_ref())
        .collect();
    assert_eq!(exceptions, ["primitive.fails.execute"]);
    let root = named(&spans, "workflow.sequential.execute");
    assert_eq!(attribute(root, "error.type"), attribute(failed, "error.type"));
    assert_eq!(attribute(root, "error.message"), None);
    assert!(matches!(root.status, Status::Error { .. }));
}

#[tokio::test]
async fn attributes_of_steps_are_set_on_their_spans() {
    let application = Application::new(Sampler::AlwaysOn);
    let flow = step_with("work", |n: u32, cx: WorkflowContext| async move {
        cx.set_attribute("app.n", 1);
        cx.set_attribute("app.n", 2);
        Ok(n)
    });
    flow.run(1, &application.cx).await.unwrap();
    let spans = application.spans();
    let work = named(&spans, "primitive.work.execute");
    // The SDK keeps what it is given; backends take the last.
    let last = work.attributes.iter().rfind(|pair| pair.key.as_str() == "app.n").unwrap();
    assert_eq!(last.value.to_string(), "2");
}
