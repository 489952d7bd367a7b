//! Callers that do what nobody thought of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use tta_primitives::{
    Error, ErrorKind, Flow, MicroUsd, Retry, Route, State, Strategy, WorkflowContext, parallel, router, saga,
    step, step_with,
};

/// Gives its address, and adds it to a list.
fn locate(name: &'static str, seen: &Arc<Mutex<Vec<String>>>) -> Flow<i64, i64> {
    let seen = Arc::clone(seen);
    step_with(name, move |n: i64, cx: WorkflowContext| {
        seen.lock().unwrap().push(cx.path().to_string());
        async move { Ok(n) }
    })
}

#[tokio::test]
async fn addresses_are_unique_whatever_the_names_are() {
    let seen = Arc::default();
    let names = ["a", "a", "a[1]", "x/y"];
    let nested = locate("y", &seen).timeout(Duration::from_secs(1)).named("x");
    let branches = names.into_iter().map(|name| locate(name, &seen));
    parallel([nested].into_iter().chain(branches)).run(1, &WorkflowContext::new()).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    let expect = ["x/y", "a", "a[1]", "a[1][1]", "x/y[1]"].map(|path| format!("parallel/{path}"));
    assert_eq!(seen, expect);
}

#[tokio::test]
async fn a_flow_made_at_run_time_is_let_go_when_its_maker_lets_it_go() {
    let held = Arc::new(());
    let inner = Arc::clone(&held);
    let outer = step_with("outer", move |n: i64, cx: WorkflowContext| {
        let held = Arc::clone(&inner);
        async move {
            let made = step("made", move |n: i64| {
                let held = Arc::clone(&held);
                async move { Ok(n + Arc::strong_count(&held) as i64) }
            });
            made.run(n, &cx).await
        }
    });
    for _ in 0..3 {
        outer.run(1, &WorkflowContext::new()).await.unwrap();
        assert_eq!(Arc::strong_count(&held), 2, "the test's own and the outer step's");
    }
}

#[test]
fn what_was_spent_never_wraps_around() {
    let cx = WorkflowContext::builder().budget(MicroUsd(100)).build();
    cx.charge(MicroUsd(i64::MAX));
    assert_eq!(cx.charge(MicroUsd(i64::MAX)), MicroUsd(i64::MAX));
    assert_eq!(cx.spent(), MicroUsd(i64::MAX));
    assert_eq!(cx.check_budget(MicroUsd(1)).unwrap_err().kind(), ErrorKind::BudgetExceeded);
}

#[test]
fn a_value_survives_a_change_that_panics() {
    let state = State::default();
    state.set("n", 1);
    let changed = state.clone();
    let panicked = std::panic::catch_unwind(move || changed.update("n", |_| panic!("no")));
    assert!(panicked.is_err());
    assert_eq!(state.get("n").and_then(|n| n.as_int()), Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_retried_also_when_the_run_was_cancelled() {
    let attempts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&attempts);
    let refund = step("refund", move |_: i64| {
        let attempt = {
            *count.lock().unwrap() += 1;
            *count.lock().unwrap()
        };
        async move { if attempt < 3 { Err(Error::failed("not yet")) } else { Ok(()) } }
    });
    let charge = step("charge", |n: i64| async move { Ok(n) });
    let stuck = step("stuck", |n: i64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    });
    let flow = saga("order")
        .step(charge)
        .undo_flow(refund.retry(Retry::constant(5, Duration::from_millis(1))))
        .step(stuck);
    let cx = WorkflowContext::new();
    let (result, ()) = tokio::join!(flow.run(1, &cx), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        cx.cancel();
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    cx.settled().await;
    assert_eq!((*attempts.lock().unwrap(), cx.compensation_failures().len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_hangs_is_not_taken_for_ever() {
    let hangs = step("hangs", |n: i64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    });
    let works = step("works", |n: i64| async move { Ok(n) });
    let flow = router(Strategy::latency())
        .route(Route::new("hangs", hangs))
        .route(Route::new("works", works))
        .build()
        .unwrap()
        .timeout(Duration::from_secs(1));
    let mut succeeded = 0;
    for _ in 0..10 {
        succeeded += usize::from(flow.run(1, &WorkflowContext::new()).await.is_ok());
    }
    assert_eq!(succeeded, 9, "each route is tried once, and then the quickest is taken");
}

#[test]
fn flows_without_timers_need_no_runtime() {
    let add = |name| step(name, |n: i64| async move { Ok(n + 1) });
    let flow = (add("a") | add("b")).then("sum", |(a, b)| async move { Ok(a + b) });
    let flow = flow.retry(Retry::constant(3, Duration::ZERO)).fallback(add("c"));
    assert_eq!(flow.run(1, &WorkflowContext::new()).now_or_never().unwrap().unwrap(), 4);
    let cx = WorkflowContext::new();
    cx.cancel();
    let cancelled = flow.run(1, &cx).now_or_never().unwrap().unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
}

#[test]
fn deep_and_long_flows_are_planned_run_and_dropped() {
    let add = |n: i64| async move { Ok(n + 1) };
    let mut long = step("first", add);
    for _ in 0..2_000 {
        long = long.then("next", add);
    }
    assert_eq!(long.run(0, &WorkflowContext::new()).now_or_never().unwrap().unwrap(), 2_001);
    let work = move || {
        let mut deep = step("innermost", add);
        for _ in 0..1_000 {
            deep = deep.or_value(0).named("level");
        }
        assert!(deep.to_tree().len() > 1_000);
        assert_eq!(deep.run(0, &WorkflowContext::new()).now_or_never().unwrap().unwrap(), 1);
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap();
}

#[tokio::test]
async fn a_run_does_not_start_after_its_deadline() {
    let cx = WorkflowContext::builder().timeout(Duration::ZERO).build();
    let started = Arc::new(Mutex::new(Vec::new()));
    let error = locate("late", &started).run(1, &cx).await.unwrap_err();
    assert_eq!((error.kind(), started.lock().unwrap().len()), (ErrorKind::Timeout, 0));
}

#[test]
fn a_deadline_that_nothing_can_wait_for_is_an_error() {
    let cx = WorkflowContext::builder().timeout(Duration::from_secs(9)).build();
    let flow = step("add", |n: i64| async move { Ok(n + 1) });
    let error = flow.run(1, &cx).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
}
