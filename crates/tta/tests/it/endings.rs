//! However a run ends, every span of it is closed and exported.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use tta::model::{SpanId, SpanRecord, SpanStatus};
use tta::{ErrorKind, Flow, WorkflowContext, parallel, step};

use crate::recording::{Recording, assert_keys_unique, one, text};

fn quick(name: &'static str) -> Flow<u32, u32> {
    step(name, |n: u32| async move { Ok(n) })
}

fn endless(name: &'static str) -> Flow<u32, u32> {
    step(name, |n: u32| async move {
        pending::<()>().await;
        Ok(n)
    })
}

/// Every parent is there, but for the one root.
#[track_caller]
fn assert_connected(spans: &[SpanRecord]) {
    let ids: HashMap<SpanId, &SpanRecord> = spans.iter().map(|span| (span.span_id, span)).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none()).count();
    assert_eq!(roots, 1, "{spans:#?}");
    for span in spans {
        let Some(parent) = span.parent_span_id else { continue };
        let parent = ids.get(&parent).unwrap_or_else(|| panic!("no parent: {span:#?}"));
        assert_eq!(parent.trace_id, span.trace_id);
        assert!(parent.start_unix_nanos <= span.start_unix_nanos, "{parent:#?} {span:#?}");
        assert!(span.end_unix_nanos <= parent.end_unix_nanos, "{parent:#?} {span:#?}");
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_closes_every_span_as_cancelled() {
    let recording = Recording::new();
    let cx = recording.context();
    let flow = quick("before") >> parallel([endless("a"), endless("b"), quick("c")]);
    {
        let mut run = std::pin::pin!(flow.run(1, &cx));
        assert!(poll_fn(|task| Poll::Ready(run.as_mut().poll(task).is_pending())).await);
        // Dropped here.
    }
    let spans = recording.spans();
    assert_connected(&spans);
    assert_eq!(spans.len(), 2 + 2 + 2 + 6);
    for name in ["primitive.before.execute", "primitive.c.execute", "primitive.sequential.step_0"] {
        assert_eq!(text(one(&spans, name), "execution.status"), "success");
    }
    let open = [
        "workflow.sequential.execute",
        "primitive.sequential.execute",
        "primitive.sequential.step_1",
        "primitive.parallel.execute",
        "primitive.parallel.branch_0",
        "primitive.parallel.branch_1",
        "primitive.a.execute",
        "primitive.b.execute",
    ];
    for name in open {
        let span = one(&spans, name);
        assert_eq!(text(span, "execution.status"), "cancelled", "{name}");
        assert_eq!(text(span, "error.type"), "cancelled", "{name}");
        assert_eq!(span.status, SpanStatus::Error("cancelled".into()), "{name}");
        assert!(span.events.is_empty(), "nobody failed: {span:#?}");
    }
    assert_keys_unique(&spans);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_with_spawned_branches_that_is_aborted_loses_no_span() {
    let recording = Recording::new();
    let cx = recording.context();
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let branch = |name: &'static str| {
        let started = started.clone();
        step(name, move |n: u32| {
            started.send(()).unwrap();
            async move {
                pending::<()>().await;
                Ok(n)
            }
        })
    };
    let flow = parallel([branch("a"), branch("b")]).spawned();
    let run = tokio::spawn({
        let (flow, cx) = (flow.clone(), cx.clone());
        async move { flow.run(1, &cx).await }
    });
    for _ in 0..2 {
        starts.recv().await.unwrap();
    }
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    cx.settled().await;
    // The branches end on other threads, a moment later.
    let began = std::time::Instant::now();
    while recording.spans().len() < 6 && began.elapsed() < crate::recording::ENOUGH {
        tokio::task::yield_now().await;
    }
    let spans = recording.spans();
    assert_eq!(spans.len(), 6, "{spans:#?}");
    assert!(spans.iter().all(|span| text(span, "execution.status") == "cancelled"), "{spans:#?}");
}

#[tokio::test]
async fn a_step_that_panics_is_an_error_on_its_span() {
    let recording = Recording::new();
    let panics: Flow<u32, u32> = step("panics", |n: u32| async move {
        assert!(n > 1, "the number was {n} and api_key=s3cret4711 was given");
        Ok(n)
    });
    let flow = quick("before") >> panics >> quick("after");
    let error = flow.run(1, &recording.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert_eq!(flow.run(2, &recording.context()).await.unwrap(), 2, "the process lives");

    let spans = recording.spans();
    let failed = spans.iter().find(|span| matches!(span.status, SpanStatus::Error(_))).unwrap().trace_id;
    let spans: Vec<SpanRecord> = spans.into_iter().filter(|span| span.trace_id == failed).collect();
    assert_connected(&spans);
    let span = one(&spans, "primitive.panics.execute");
    assert_eq!(text(span, "error.type"), "panic");
    assert!(text(span, "error.message").contains("the number was 1"), "{span:#?}");
    assert!(!format!("{span:?}").contains("s3cret4711"), "{span:#?}");
    let exceptions = spans.iter().flat_map(|span| &span.events).filter(|event| event.name == "exception");
    assert_eq!(exceptions.count(), 1);
    assert_eq!(spans.iter().filter(|span| span.name == "primitive.after.execute").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn spawned_branches_are_below_their_parallel() {
    let recording = Recording::new();
    let branches = (0..16).map(|_| {
        step("branch", |n: u32| async move {
            tokio::task::yield_now().await;
            Ok(n)
        })
    });
    parallel(branches).spawned().run(1, &recording.context()).await.unwrap();
    let spans = recording.spans();
    assert_connected(&spans);
    assert_eq!(spans.len(), 2 + 16 * 2);
    let parallel = one(&spans, "primitive.parallel.execute");
    for index in 0..16 {
        let branch = one(&spans, &format!("primitive.parallel.branch_{index}"));
        assert_eq!(branch.parent_span_id, Some(parallel.span_id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_runs_at_once_are_a_thousand_traces() {
    let recording = Arc::new(Recording::new());
    let flow = quick("first")
        >> parallel([quick("a"), quick("b"), quick("c")])
        >> step("sum", |all: Vec<u32>| async move {
            tokio::task::yield_now().await;
            Ok(all.len())
        });
    let runs: Vec<_> = (0..1_000)
        .map(|n| {
            let (flow, cx) = (flow.clone(), recording.builder().workflow_id(n.to_string()).build());
            tokio::spawn(async move { flow.run(n, &cx).await })
        })
        .collect();
    for run in runs {
        assert_eq!(run.await.unwrap().unwrap(), 3);
    }
    let mut traces: HashMap<_, Vec<SpanRecord>> = HashMap::new();
    let spans = recording.spans();
    assert_eq!(recording.guard.counts().recorded(), spans.len() as u64);
    spans.into_iter().for_each(|span| traces.entry(span.trace_id).or_default().push(span));
    assert_eq!(traces.len(), 1_000);
    for spans in traces.values() {
        assert_connected(spans);
        assert_eq!(spans.len(), 2 + 2 + 2 + 6 + 2);
        let id = text(&spans[0], "workflow.id").to_owned();
        assert!(spans.iter().all(|span| text(span, "workflow.id") == id), "runs do not mix");
    }
}

#[test]
fn threads_that_end_before_their_batch_is_full_lose_nothing() {
    let recording = Recording::new();
    let flow = quick("work");
    for _ in 0..8 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(flow.run(1, &recording.context())).unwrap();
                });
            }
        });
    }
    assert_eq!(recording.spans().len(), 64 * 2);
    assert_eq!(recording.guard.counts().recorded(), 64 * 2);
}

struct RunsWhenDropped(Flow<u32, u32>, WorkflowContext);

impl Drop for RunsWhenDropped {
    fn drop(&mut self) {
        let run = std::pin::pin!(self.0.run(1, &self.1));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(run.poll(&mut task).is_ready());
    }
}

#[test]
fn a_run_while_its_thread_ends_is_recorded_too() {
    thread_local! {
        static LAST: std::cell::RefCell<Option<RunsWhenDropped>> = const { std::cell::RefCell::new(None) };
    }
    let recording = Recording::new();
    let last = RunsWhenDropped(quick("work"), recording.context());
    std::thread::spawn(move || LAST.set(Some(last))).join().unwrap();
    assert_eq!(recording.spans().len(), 2);
}
