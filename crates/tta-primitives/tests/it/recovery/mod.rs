//! Recovery: what is done when a step fails, is slow or is asked too often.

mod bulkhead;
mod circuit_breaker;
mod fallback;
mod hedge;
mod lint;
mod rate_limit;
mod retry;
mod shuttle_breaker;
mod timeout;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tta_primitives::testkit::{Tape, use_paused_time};
use tta_primitives::{Error, Flow, Result, step};

/// A duration in milliseconds.
fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A step that is given the number of the call, from 1, and whose answer that decides.
fn numbered<Fut>(answer: impl Fn(u32) -> Fut + Send + Sync + 'static) -> (Flow<u32, u32>, Calls)
where
    Fut: Future<Output = Result<u32>> + Send + 'static,
{
    let calls = Calls::default();
    let counted = calls.clone();
    let flow = step("work", move |_: u32| answer(counted.0.fetch_add(1, Ordering::SeqCst) + 1));
    (flow, calls)
}

/// A step that fails so many times before it succeeds with the number of the call.
fn failing(times: u32) -> (Flow<u32, u32>, Calls) {
    numbered(move |n| async move { if n <= times { Err(broken(n)) } else { Ok(n) } })
}

/// A step that never ends.
fn stuck() -> Flow<u32, u32> {
    step("stuck", |n: u32| async move { Ok(std::future::pending::<u32>().await + n) })
}

/// A step that takes so many milliseconds as its input says.
fn slow() -> Flow<u32, u32> {
    step("slow", |n: u32| async move {
        tokio::time::sleep(ms(n.into())).await;
        Ok(n)
    })
}

/// The error of a test's step, found again by its type.
#[derive(Debug, PartialEq)]
struct Broken(u32);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broken {}", self.0)
    }
}

impl std::error::Error for Broken {}

fn broken(n: u32) -> Error {
    Broken(n).into()
}

/// How often a step was called.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A tape whose spans follow the paused clock.
fn paused_tape() -> Tape {
    use_paused_time();
    Tape::new()
}

/// The events of all spans whose debug form begins with a name.
fn events(tape: &Tape, name: &str) -> Vec<String> {
    let events = tape.spans().into_iter().flat_map(|span| span.events);
    events.filter(|event| event.starts_with(name)).collect()
}

/// Polls a run for a while, then drops it.
async fn drop_after<T>(time: Duration, run: impl Future<Output = T>) {
    assert!(tokio::time::timeout(time, run).await.is_err(), "the run ended before it was dropped");
}

#[test]
fn what_flows_share_can_be_shared_and_cloned() {
    fn is_handle<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    is_handle::<tta_primitives::CircuitBreaker>();
    is_handle::<tta_primitives::Bulkhead>();
    is_handle::<tta_primitives::RateLimit>();
    is_handle::<tta_primitives::RetryBudget>();
    is_handle::<tta_primitives::Retry>();
    is_handle::<tta_primitives::Hedge>();
}
