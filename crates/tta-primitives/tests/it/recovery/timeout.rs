//! Timeout: work that takes too long is cancelled, and whose limit it was is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;
use tta_primitives::{Elapsed, ErrorKind, TimeoutSource, WorkflowContext, idle_timeout, step, step_with};

use super::{drop_after, events, failing, ms, paused_tape, slow, stuck};

#[tokio::test(start_paused = true)]
async fn the_inner_work_is_cancelled() {
    struct Sets(Arc<AtomicBool>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let work = step("work", move |n: u32| {
        let guard = Sets(Arc::clone(&flag));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok(n)
        }
    });
    let tape = paused_tape();
    let began = Instant::now();
    let error = work.timeout(ms(250)).run(0, &tape.context()).await.unwrap_err();
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, ms(250)));
    assert_eq!(error.to_string(), "not done within 250ms (at timeout)");
    assert_eq!(
        tape.tree_with(&["timeout.limit_ms"]),
        "\
workflow.timeout.execute [timeout]
  primitive.timeout.execute [timeout] timeout.limit_ms=250
    recovery.timeout.execute [cancelled]
      primitive.work.execute [cancelled]
"
    );
    assert_eq!(events(&tape, "TimeoutElapsed"), ["TimeoutElapsed { limit: 250ms, source: \"own\" }"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_done_in_time_is_left_alone() {
    assert_eq!(slow().timeout(ms(100)).run(99, &WorkflowContext::new()).await.unwrap(), 99);
    assert_eq!(slow().timeout(ms(100)).run(100, &WorkflowContext::new()).await.unwrap(), 100);
    assert_eq!(slow().timeout(Duration::MAX).run(100, &WorkflowContext::new()).await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn an_inner_timeout_is_not_taken_for_an_outer_one() {
    let elapsed = async |inner: u64, outer: u64| {
        let flow = stuck().timeout(ms(inner)).named("inner").timeout(ms(outer)).named("outer");
        let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
        error.downcast_ref::<Elapsed>().unwrap().path.to_string()
    };
    assert_eq!(elapsed(10, 20).await, "outer/inner");
    assert_eq!(elapsed(20, 10).await, "outer");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_flows_down_and_only_ever_comes_nearer() {
    let left = || step_with("left", |_: (), cx: WorkflowContext| async move { Ok(cx.remaining()) });
    let cx = WorkflowContext::new();
    assert_eq!(left().timeout(ms(50)).run((), &cx).await.unwrap(), Some(ms(50)));
    assert_eq!(left().timeout(ms(90)).timeout(ms(50)).run((), &cx).await.unwrap(), Some(ms(50)));
    let sooner = cx.with_deadline(Instant::now() + ms(10));
    assert_eq!(left().timeout(ms(50)).run((), &sooner).await.unwrap(), Some(ms(10)));
    assert_eq!(cx.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_keeps_the_work_from_starting() {
    let (work, calls) = failing(0);
    let inner = work.clone().timeout(ms(50)).named("inner");
    let flow = step_with("expired", move |n: u32, cx: WorkflowContext| {
        let inner = inner.clone();
        async move { inner.run(n, &cx.with_deadline(Instant::now())).await }
    });
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Elapsed>().unwrap().source, TimeoutSource::Deadline);
    assert!(work.timeout(Duration::ZERO).run(0, &WorkflowContext::new()).await.is_err());
    assert_eq!(calls.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_timeout_cancels_its_work() {
    let tape = paused_tape();
    drop_after(ms(10), stuck().timeout(ms(50)).run(0, &tape.context())).await;
    assert_eq!(tape.open(), 0);
    assert!(events(&tape, "TimeoutElapsed").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_pauses_for_too_long_ends_with_an_error() {
    let pauses = [10, 40, 60, 10];
    let items = stream::iter(pauses).then(|pause| async move {
        tokio::time::sleep(ms(pause)).await;
        Ok(pause)
    });
    let mut items = Box::pin(idle_timeout(items, ms(50)));
    assert_eq!(items.next().await.unwrap().unwrap(), 10);
    // A reader that takes its time does not make the stream idle.
    tokio::time::sleep(ms(500)).await;
    assert_eq!(items.next().await.unwrap().unwrap(), 40);
    let error = items.next().await.unwrap().unwrap_err();
    let elapsed = error.downcast_ref::<Elapsed>().unwrap();
    assert_eq!(
        (error.kind(), elapsed.source, elapsed.limit),
        (ErrorKind::Timeout, TimeoutSource::Idle, ms(50))
    );
    assert!(items.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_dropped_with_the_error() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let never = stream::poll_fn(move |_| {
        let _ = &held;
        Poll::<Option<tta_primitives::Result<u8>>>::Pending
    });
    let mut never = Box::pin(idle_timeout(never, ms(50)));
    assert!(never.next().await.unwrap().is_err());
    assert_eq!(Arc::strong_count(&alive), 1);
}
