//! Rate limit: a token bucket that callers wait for, in order, or are turned away from.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tta_primitives::{ErrorKind, Flow, RateLimit, WorkflowContext, step};

use super::{drop_after, events, ms, paused_tape};

/// Which calls ran, and when.
type Times = Arc<Mutex<Vec<(u32, u128)>>>;

/// A step that writes down when it ran, in milliseconds.
fn timed(limit: &RateLimit) -> (Flow<u32, u32>, Times) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let (seen, began) = (Arc::clone(&times), Instant::now());
    let work = step("work", move |n: u32| {
        seen.lock().unwrap().push((n, began.elapsed().as_millis()));
        async move { Ok(n) }
    });
    (work.rate_limit(limit), times)
}

fn second() -> Duration {
    Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_and_then_calls_come_at_the_rate_in_order() {
    let limit = RateLimit::builder("search", 10, second()).burst(3).build();
    let (flow, times) = timed(&limit);
    let cx = WorkflowContext::new();
    join_all((0..6).map(|n| flow.run(n, &cx))).await;
    assert_eq!(*times.lock().unwrap(), [(0, 0), (1, 0), (2, 0), (3, 100), (4, 200), (5, 300)]);
}

#[tokio::test(start_paused = true)]
async fn tokens_come_back_with_time_up_to_the_burst() {
    let limit = RateLimit::builder("search", 10, second()).burst(2).reject().build();
    let (flow, _) = timed(&limit);
    let passes = async || {
        let cx = WorkflowContext::new();
        let results = join_all((0..5).map(|n| flow.run(n, &cx))).await;
        results.iter().filter(|result| result.is_ok()).count()
    };
    assert_eq!(passes().await, 2);
    tokio::time::advance(ms(100)).await;
    assert_eq!(passes().await, 1);
    tokio::time::advance(ms(10_000)).await;
    assert_eq!(passes().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_learns_how_long_to_wait() {
    let tape = paused_tape();
    let limit = RateLimit::builder("search", 4, second()).burst(1).reject().build();
    let (flow, _) = timed(&limit);
    flow.run(0, &tape.context()).await.unwrap();
    tokio::time::advance(ms(50)).await;
    let error = flow.run(0, &tape.context()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(ms(200))));
    assert!(error.is_retryable());
    assert_eq!(
        tape.tree_with(&["rate_limit.name", "rate_limit.wait_ms"]),
        "\
workflow.rate_limit.execute
  primitive.rate_limit.execute rate_limit.name=search rate_limit.wait_ms=0
    primitive.work.execute
workflow.rate_limit.execute [error]
  primitive.rate_limit.execute [error] rate_limit.name=search rate_limit.wait_ms=0
"
    );
    assert!(events(&tape, "RateLimitChecked")[1].contains("admitted: false"));
}

#[tokio::test(start_paused = true)]
async fn those_who_would_wait_for_too_long_are_refused_at_once() {
    let limit = RateLimit::builder("search", 10, second()).burst(1).max_wait(ms(250)).build();
    let (flow, times) = timed(&limit);
    let cx = WorkflowContext::new();
    let results = join_all((0..5).map(|n| flow.run(n, &cx))).await;
    assert_eq!(*times.lock().unwrap(), [(0, 0), (1, 100), (2, 200)]);
    let asked: Vec<_> = results.into_iter().filter_map(|result| result.err()?.retry_after()).collect();
    assert_eq!(asked, [ms(300), ms(300)], "a refused call is not in anyone's way");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_takes_no_token() {
    let tape = paused_tape();
    let limit = RateLimit::builder("search", 10, second()).burst(1).build();
    let (flow, times) = timed(&limit);
    let cx = tape.context();
    flow.run(0, &cx).await.unwrap();
    // The first in the queue gives up; the one behind it gets its token and no later one.
    tokio::join!(drop_after(ms(60), flow.run(1, &cx)), async { flow.run(2, &cx).await.unwrap() });
    flow.run(3, &cx).await.unwrap();
    assert_eq!(*times.lock().unwrap(), [(0, 0), (2, 100), (3, 200)]);
    assert_eq!(tape.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_dropped_is_not_waited_for() {
    let limit = RateLimit::builder("search", 10, second()).burst(1).max_wait(ms(100)).build();
    let (flow, times) = timed(&limit);
    let cx = WorkflowContext::new();
    flow.run(0, &cx).await.unwrap();
    drop_after(ms(50), flow.run(1, &cx)).await;
    flow.run(2, &cx).await.unwrap();
    assert_eq!(*times.lock().unwrap(), [(0, 0), (2, 100)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_with_the_token_does_not_overtake_one_that_waits() {
    let limit = RateLimit::builder("search", 10, second()).burst(1).build();
    let (flow, times) = timed(&limit);
    let cx = WorkflowContext::new();
    flow.run(0, &cx).await.unwrap();
    let late = async {
        tokio::time::sleep(ms(100)).await;
        flow.run(2, &cx).await.unwrap();
    };
    // Polled in this order at 100 ms.
    futures::join!(late, async { flow.run(1, &cx).await.unwrap() });
    assert_eq!(*times.lock().unwrap(), [(0, 0), (1, 100), (2, 200)]);
}

#[tokio::test(start_paused = true)]
async fn flows_share_it() {
    let limit = RateLimit::builder("search", 10, second()).burst(1).build();
    let (one, _) = timed(&limit);
    let (other, times) = timed(&limit.clone());
    let cx = WorkflowContext::new();
    one.run(0, &cx).await.unwrap();
    other.run(1, &cx).await.unwrap();
    assert_eq!(*times.lock().unwrap(), [(1, 100)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_never_get_more_than_the_burst() {
    let limit = RateLimit::builder("search", 7, Duration::from_secs(100_000)).reject().build();
    let (flow, _) = timed(&limit);
    let calls: Vec<_> = (0..64)
        .map(|n| {
            let flow = flow.clone();
            tokio::spawn(async move { flow.run(n, &WorkflowContext::new()).await.is_ok() })
        })
        .collect();
    let mut passed = 0;
    for call in calls {
        passed += u32::from(call.await.unwrap());
    }
    assert_eq!(passed, 7);
}
