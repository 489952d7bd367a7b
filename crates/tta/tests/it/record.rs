//! What stands on a span.

use std::error::Error as StdError;

use tta::model::w3c::TraceState;
use tta::model::{SpanRecord, SpanStatus, Value};
use tta::observe::Event;
use tta::{Error, ErrorKind, Flow, Retry, WorkflowContext, parallel, step, step_with};

use crate::recording::{Recording, assert_keys_unique, one, text};

const WORK: &str = "primitive.work.execute";

fn work(run: impl Fn(WorkflowContext) + Clone + Send + Sync + 'static) -> Flow<(), ()> {
    step_with("work", move |(), cx: WorkflowContext| {
        run(cx);
        async { Ok(()) }
    })
}

#[tokio::test]
async fn the_attributes_of_the_run_are_on_every_span() {
    let recording = Recording::new();
    let cx = recording
        .builder()
        .workflow_name("reports")
        .workflow_id("w-1")
        .session_id("s-1")
        .agent_id("a-1")
        .agent_type("writer")
        .correlation_id("c-1")
        .tag("team", "blue")
        .tag("shard", 7)
        .build();
    let flow = work(|_| ()) >> parallel([work(|_| ()), work(|_| ())]).spawned();
    flow.run((), &cx).await.unwrap();
    let spans = recording.spans();
    assert_eq!(spans.len(), 1 + 1 + 2 + 2 + 4, "{spans:#?}");
    for span in &spans {
        let expected = [
            ("workflow.name", "reports"),
            ("workflow.id", "w-1"),
            ("session.id", "s-1"),
            ("agent.id", "a-1"),
            ("agent.type", "writer"),
            ("correlation.id", "c-1"),
            ("tag.team", "blue"),
            ("execution.status", "success"),
        ];
        expected.iter().for_each(|(key, value)| assert_eq!(text(span, key), *value));
        assert_eq!(span.attribute("tag.shard").and_then(Value::as_int), Some(7));
        assert_eq!(span.status, SpanStatus::Ok, "success is said");
        let millis = span.attribute("execution.duration_ms").and_then(Value::as_float).unwrap();
        assert!((millis - span.duration_nanos() as f64 / 1e6).abs() < 0.001, "{span:#?}");
    }
    assert_keys_unique(&spans);
    // What the caller did not say is absent, not unknown.
    let recording = Recording::new();
    work(|_| ()).run((), &recording.context()).await.unwrap();
    for span in recording.spans() {
        assert!(["session.id", "agent.id", "agent.type"].iter().all(|key| span.attribute(key).is_none()));
    }
}

#[tokio::test]
async fn a_key_that_is_set_again_has_its_last_value_once() {
    let recording = Recording::new();
    let flow = work(|cx| {
        cx.set_attribute("app.n", 1);
        cx.set_attributes([
            ("app.n".into(), 2.into()),
            ("app.x".into(), true.into()),
            ("app.n".into(), 3.into()),
        ]);
        // These are the recorder's and the run's own.
        cx.set_attribute("workflow.id", "mine");
        cx.set_attribute("execution.status", "great");
        cx.set_attribute("execution.duration_ms", "long");
    });
    flow.run((), &recording.context()).await.unwrap();
    let spans = recording.spans();
    assert_keys_unique(&spans);
    let span = one(&spans, WORK);
    assert_eq!(span.attribute("app.n"), Some(&Value::Int(3)));
    assert_eq!(span.attribute("app.x"), Some(&Value::Bool(true)));
    assert_eq!(text(span, "execution.status"), "success", "the outcome is not the step's to say");
    assert_eq!(one(&spans, "workflow.work.execute").attribute("app.n"), None);
}

#[tokio::test]
async fn an_error_type_of_the_application_gives_way_to_that_of_the_error() {
    let recording = Recording::new();
    let flow: Flow<(), ()> = step_with("work", |(), cx: WorkflowContext| async move {
        cx.set_attribute("error.type", "503");
        cx.set_attribute("error.message", "mine");
        Err(Error::new(ErrorKind::Unavailable, "away"))
    });
    flow.run((), &recording.context()).await.unwrap_err();
    let spans = recording.spans();
    assert_keys_unique(&spans);
    assert_eq!(text(one(&spans, WORK), "error.message"), "away");
    assert_eq!(
        text(one(&spans, WORK), "error.type"),
        text(one(&spans, "workflow.work.execute"), "error.type")
    );
}

fn keys_of(prefix: &str, span: &SpanRecord) -> usize {
    span.attributes.iter().filter(|(key, _)| key.as_str().starts_with(prefix)).count()
}

#[tokio::test]
async fn attributes_beyond_the_limit_are_counted_and_the_outcome_stays() {
    let recording = Recording::with(|config| config.limits.attributes = 40);
    let flow = work(|cx| (0..100).for_each(|n| cx.set_attribute(format!("app.{n:03}"), n)));
    flow.run((), &recording.context()).await.unwrap();
    let spans = recording.spans();
    let span = one(&spans, WORK);
    assert_eq!(span.attributes.len(), 40);
    assert_eq!(keys_of("app.", span) + span.dropped_attributes as usize, 100, "{span:#?}");
    assert_eq!(text(span, "execution.status"), "success", "what a span is for stays");
    assert_eq!(span.attribute("app.000"), Some(&Value::Int(0)), "the first ones stay");
    assert_eq!(one(&spans, "workflow.work.execute").dropped_attributes, 0);
}

#[tokio::test]
async fn a_key_that_is_set_again_and_again_needs_no_room() {
    let recording = Recording::with(|config| config.limits.attributes = 40);
    let flow = work(|cx| (0..100).for_each(|n| cx.set_attribute("app.progress", n)));
    flow.run((), &recording.context()).await.unwrap();
    let spans = recording.spans();
    let span = one(&spans, WORK);
    assert_eq!(span.attribute("app.progress"), Some(&Value::Int(99)));
    assert_eq!((keys_of("app.", span), span.dropped_attributes), (1, 0), "{span:#?}");
}

#[tokio::test]
async fn long_values_are_cut_at_a_character() {
    let recording = Recording::with(|config| config.limits.value_length = Some(5));
    let flow = work(|cx| cx.set_attribute("app.text", "grüße an alle"));
    flow.run((), &recording.context()).await.unwrap();
    assert_eq!(text(one(&recording.spans(), WORK), "app.text"), "grüße");
}

#[tokio::test]
async fn events_beyond_the_limit_are_counted_and_the_exception_stays() {
    let recording = Recording::with(|config| config.limits.events = 4);
    let flow: Flow<(), ()> = step_with("work", |(), cx: WorkflowContext| async move {
        for n in 0..10 {
            cx.emit(&Event::Custom { name: format!("event {n}").into(), attributes: &[] });
        }
        Err(Error::failed("it broke"))
    });
    flow.run((), &recording.context()).await.unwrap_err();
    let spans = recording.spans();
    let span = one(&spans, WORK);
    assert!(span.events.iter().any(|event| event.name == "exception"), "{span:#?}");
    assert_eq!((span.events.len(), span.dropped_events), (4, 7), "{span:#?}");
}

#[derive(Debug)]
struct Cause;

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server said no to Authorization: Bearer abcdef0123456789")
    }
}

impl StdError for Cause {}

/// All texts of a span.
fn texts(span: &SpanRecord) -> String {
    format!("{:?} {:?} {:?}", span.attributes, span.events, span.status)
}

#[tokio::test]
async fn an_error_is_told_once_where_it_arose_without_secrets() {
    let recording = Recording::new();
    let failing: Flow<(), ()> = step("work", |()| async {
        Err(Error::with_source(ErrorKind::Unavailable, Cause).context("calling with token=hunter2222"))
    });
    let before = step("before", |()| async { Ok(()) });
    let flow = before >> failing.retry(Retry::constant(2, std::time::Duration::ZERO));
    flow.run((), &recording.context()).await.unwrap_err();
    let spans = recording.spans();
    for span in &spans {
        assert!(!texts(span).contains("abcdef0123456789"), "{span:#?}");
        assert!(!texts(span).contains("hunter2222"), "{span:#?}");
    }
    let exceptions = |span: &SpanRecord| span.events.iter().filter(|event| event.name == "exception").count();
    let failed: Vec<&SpanRecord> = spans.iter().filter(|span| span.name == WORK).collect();
    assert_eq!(failed.len(), 2, "two attempts");
    for span in &failed {
        assert_eq!(exceptions(span), 1, "each attempt failed of its own");
        assert!(text(span, "error.message").contains("Bearer [redacted]"), "{span:#?}");
        assert_eq!(span.attribute("error.recoverable"), Some(&Value::Bool(true)));
    }
    let others: Vec<&SpanRecord> = spans.iter().filter(|span| span.name != WORK).collect();
    assert_eq!(others.iter().map(|span| exceptions(span)).sum::<usize>(), 0);
    let root = one(&spans, "workflow.sequential.execute");
    assert_eq!(text(root, "error.type"), text(failed[0], "error.type"));
    assert_eq!(root.attribute("error.message"), None);
    assert!(matches!(root.status, SpanStatus::Error(_)));
    assert_eq!(one(&spans, "primitive.before.execute").status, SpanStatus::Ok);
}

#[tokio::test]
async fn the_message_of_an_error_is_bounded() {
    let recording = Recording::new();
    let flow: Flow<(), ()> = step("work", |()| async { Err(Error::failed("ß".repeat(1_000_000))) });
    flow.run((), &recording.context()).await.unwrap_err();
    let spans = recording.spans();
    let span = one(&spans, WORK);
    let message = text(span, "error.message");
    assert!(message.len() <= 1_024 && message.starts_with("ßß"), "{} bytes", message.len());
    assert!(texts(span).len() < 32_000, "{} bytes in all", texts(span).len());
}

#[tokio::test]
async fn times_and_ids_are_those_of_the_run() {
    let recording = Recording::new();
    let before = std::time::SystemTime::now();
    let seen = step_with("work", |(), cx: WorkflowContext| async move { Ok(cx.span_context()) });
    let seen = seen.run((), &recording.context()).await.unwrap().unwrap();
    let spans = recording.spans();
    let span = one(&spans, WORK);
    assert_eq!((span.trace_id, span.span_id), (seen.trace_id, seen.span_id));
    assert_eq!(span.state, TraceState::default());
    let nanos = before.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let late = u128::from(span.start_unix_nanos).abs_diff(nanos);
    assert!(late < 60_000_000_000, "it started {late} ns from when it was called");
}
