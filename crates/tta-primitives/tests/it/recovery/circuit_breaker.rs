//! Circuit breaker: what keeps failing is left alone for a while.

use std::sync::Arc;

use tokio::sync::Barrier;
use tta_primitives::{CircuitBreaker, CircuitState, Error, ErrorKind, Flow, WorkflowContext, step};

use super::{broken, drop_after, events, ms, numbered, paused_tape, slow, stuck};

/// Fails for an input of zero.
fn picky(breaker: &CircuitBreaker) -> Flow<u32, u32> {
    step("picky", |n: u32| async move { if n == 0 { Err(broken(n)) } else { Ok(n) } })
        .circuit_breaker(breaker)
}

async fn run_all(flow: &Flow<u32, u32>, inputs: &[u32]) -> Vec<Result<u32, ErrorKind>> {
    let mut results = Vec::new();
    for input in inputs {
        results.push(flow.run(*input, &WorkflowContext::new()).await.map_err(|error| error.kind()));
    }
    results
}

fn after_two() -> tta_primitives::CircuitBreakerBuilder {
    CircuitBreaker::builder("service").consecutive_failures(2).open_for(ms(1_000))
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_a_probe_closes_it() {
    let tape = paused_tape();
    let breaker = after_two().build();
    let flow = picky(&breaker);
    let cx = tape.context();
    assert_eq!(run_all(&flow, &[0, 1, 0]).await.len(), 3);
    assert_eq!(breaker.state(), CircuitState::Closed, "a success begins the count again");
    flow.run(0, &cx).await.unwrap_err();
    assert_eq!(breaker.state(), CircuitState::Open);

    tokio::time::advance(ms(400)).await;
    let rejected = flow.run(1, &cx).await.unwrap_err();
    assert_eq!((rejected.kind(), rejected.retry_after()), (ErrorKind::CircuitOpen, Some(ms(600))));
    assert!(!rejected.is_retryable());

    tokio::time::advance(ms(600)).await;
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    assert_eq!(breaker.state(), CircuitState::Closed);
    assert_eq!(
        tape.tree_with(&["circuit_breaker.name", "circuit_breaker.state"]),
        "\
workflow.circuit_breaker.execute [error]
  primitive.circuit_breaker.execute [error] circuit_breaker.name=service circuit_breaker.state=closed
    recovery.circuit_breaker.check circuit_breaker.name=service
    primitive.picky.execute [error]
workflow.circuit_breaker.execute [error]
  primitive.circuit_breaker.execute [error] circuit_breaker.name=service circuit_breaker.state=open
    recovery.circuit_breaker.check [error] circuit_breaker.name=service
workflow.circuit_breaker.execute
  primitive.circuit_breaker.execute circuit_breaker.name=service circuit_breaker.state=half_open
    recovery.circuit_breaker.check circuit_breaker.name=service
    primitive.picky.execute
"
    );
    assert_eq!(events(&tape, "CircuitChecked").len(), 3);
    let changes = events(&tape, "CircuitStateChanged");
    let change = |from: &str, to: &str| format!("from: {from:?}, to: {to:?}");
    for (event, expect) in
        changes.iter().zip([("closed", "open"), ("open", "half_open"), ("half_open", "closed")])
    {
        assert!(event.contains(&change(expect.0, expect.1)), "{event}");
    }
    assert_eq!(changes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_over_the_latest_calls_opens_it() {
    let breaker =
        CircuitBreaker::builder("service").failure_rate(0.5).window_calls(4).minimum_calls(4).build();
    let flow = picky(&breaker);
    run_all(&flow, &[0, 1, 0]).await;
    assert_eq!(breaker.state(), CircuitState::Closed, "three calls are too few");
    run_all(&flow, &[1]).await;
    assert_eq!(breaker.state(), CircuitState::Open, "two of four");

    let late = CircuitBreaker::builder("late").failure_rate(0.5).window_calls(4).minimum_calls(4).build();
    run_all(&picky(&late), &[0, 1, 1, 1, 1, 1, 0]).await;
    assert_eq!(late.state(), CircuitState::Closed, "the first failure has left the window");
    run_all(&picky(&late), &[0]).await;
    assert_eq!(late.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_over_time_forgets_what_is_old() {
    let build = || {
        let rate = CircuitBreaker::builder("service").failure_rate(0.6).minimum_calls(3);
        rate.window_time(ms(1_000)).build()
    };
    let (quick, spread) = (build(), build());
    run_all(&picky(&quick), &[0, 0, 0]).await;
    assert_eq!(quick.state(), CircuitState::Open);
    for _ in 0..10 {
        run_all(&picky(&spread), &[0]).await;
        tokio::time::advance(ms(600)).await;
    }
    assert_eq!(spread.state(), CircuitState::Closed, "there were never three in a second");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_and_a_slow_probe_keeps_it_open() {
    let breaker = CircuitBreaker::builder("service").slow_call_rate(0.5, ms(100)).minimum_calls(2);
    let breaker = breaker.open_for(ms(1_000)).build();
    let flow = slow().circuit_breaker(&breaker);
    run_all(&flow, &[10, 100]).await;
    assert_eq!(breaker.state(), CircuitState::Open);
    tokio::time::advance(ms(1_000)).await;
    run_all(&flow, &[150]).await;
    assert_eq!(breaker.state(), CircuitState::Open);
    tokio::time::advance(ms(1_000)).await;
    run_all(&flow, &[10]).await;
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_open_time_grows_up_to_a_maximum_and_shrinks_when_it_closes() {
    let breaker = after_two().open_growth(2.0, ms(3_000)).build();
    let flow = picky(&breaker);
    let remaining = async || flow.run(1, &WorkflowContext::new()).await.unwrap_err().retry_after().unwrap();
    run_all(&flow, &[0, 0]).await;
    for expect in [1_000, 2_000, 3_000, 3_000] {
        assert_eq!(remaining().await, ms(expect));
        tokio::time::advance(ms(expect)).await;
        run_all(&flow, &[0]).await;
    }
    tokio::time::advance(ms(3_000)).await;
    run_all(&flow, &[1, 0, 0]).await;
    assert_eq!(remaining().await, ms(1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn half_open_admits_exactly_so_many_of_64_at_once() {
    for round in 1..=20 {
        let probes = round % 5 + 1;
        let breaker = CircuitBreaker::builder("service").consecutive_failures(1).open_for(ms(0));
        let breaker = breaker.probes(probes).successes_to_close(probes).build();
        run_all(&picky(&breaker), &[0]).await;
        let (begun, asked) = (Arc::new(Barrier::new(64)), Arc::new(Barrier::new(64)));
        let all_asked = Arc::clone(&asked);
        let flow = step("probe", move |n: u32| {
            let all_asked = Arc::clone(&all_asked);
            async move {
                // A probe ends when every caller has been admitted or turned away.
                all_asked.wait().await;
                Ok(n)
            }
        })
        .circuit_breaker(&breaker);
        let caller = |_| {
            let (flow, begun, asked) = (flow.clone(), Arc::clone(&begun), Arc::clone(&asked));
            tokio::spawn(async move {
                begun.wait().await;
                let result = flow.run(1, &WorkflowContext::new()).await;
                if let Err(error) = &result {
                    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
                    asked.wait().await;
                }
                u32::from(result.is_ok())
            })
        };
        let callers: Vec<_> = (0..64).map(caller).collect();
        let mut admitted = 0;
        for caller in callers {
            admitted += caller.await.unwrap();
        }
        assert_eq!(admitted, probes);
        assert_eq!(breaker.state(), CircuitState::Closed, "all probes succeeded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_gives_its_place_back() {
    let breaker = after_two().build();
    run_all(&picky(&breaker), &[0, 0]).await;
    tokio::time::advance(ms(1_000)).await;
    let tape = paused_tape();
    drop_after(ms(10), stuck().circuit_breaker(&breaker).run(0, &tape.context())).await;
    assert_eq!((tape.open(), breaker.state()), (0, CircuitState::HalfOpen));
    assert_eq!(run_all(&picky(&breaker), &[5]).await, [Ok(5)]);
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_half_open_only_the_probes_pass() {
    let breaker = after_two().successes_to_close(2).build();
    run_all(&picky(&breaker), &[0, 0]).await;
    tokio::time::advance(ms(1_000)).await;
    let probe = slow().circuit_breaker(&breaker);
    let other = picky(&breaker);
    let cx = WorkflowContext::new();
    let (first, second) = tokio::join!(probe.run(100, &cx), other.run(1, &cx));
    assert!(first.is_ok());
    let rejected = second.unwrap_err();
    assert_eq!((rejected.kind(), rejected.retry_after()), (ErrorKind::CircuitOpen, None));
    assert_eq!(breaker.state(), CircuitState::HalfOpen, "one success of two");
    run_all(&other, &[1]).await;
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_only_in_the_period_in_which_it_began() {
    let breaker = after_two().build();
    let late = step("late", |n: u32| async move {
        tokio::time::sleep(ms(1_500)).await;
        if n == 0 { Err(broken(0)) } else { Ok(n) }
    })
    .circuit_breaker(&breaker);
    let cx = WorkflowContext::new();
    let picky = picky(&breaker);
    let others = async {
        run_all(&picky, &[0, 0]).await;
        tokio::time::sleep(ms(1_000)).await;
        // A probe is under way when the late one fails.
        let probe = slow().circuit_breaker(&breaker);
        probe.run(1_000, &cx).await
    };
    let (failed, probe) = tokio::join!(late.run(0, &cx), others);
    assert!(failed.is_err() && probe.is_ok());
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_caller_do_not_count_unless_asked_for() {
    let fails = |kind| numbered(move |_| async move { Err(Error::new(kind, "no")) }).0;
    let open_after = async |kind, breaker: &CircuitBreaker| {
        run_all(&fails(kind).circuit_breaker(breaker), &[1, 1, 1]).await;
        breaker.state() == CircuitState::Open
    };
    assert!(!open_after(ErrorKind::Invalid, &after_two().build()).await);
    assert!(!open_after(ErrorKind::Cancelled, &after_two().build()).await);
    assert!(open_after(ErrorKind::Timeout, &after_two().build()).await);
    assert!(open_after(ErrorKind::Panic, &after_two().build()).await);
    assert!(open_after(ErrorKind::Invalid, &after_two().counts_if(|_| true).build()).await);
    assert!(!open_after(ErrorKind::Cancelled, &after_two().counts_if(|_| true).build()).await);
    assert!(!open_after(ErrorKind::Timeout, &after_two().counts_if(|_| false).build()).await);
}

#[tokio::test(start_paused = true)]
async fn flows_share_it() {
    let breaker = after_two().build();
    let other = slow().circuit_breaker(&breaker.clone());
    run_all(&picky(&breaker), &[0, 0]).await;
    assert_eq!(run_all(&other, &[1]).await, [Err(ErrorKind::CircuitOpen)]);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_is_reported_by_the_next_call() {
    let tape = paused_tape();
    let breaker = after_two().build();
    let flow = picky(&breaker);
    breaker.force_open();
    flow.run(1, &tape.context()).await.unwrap_err();
    breaker.force_close();
    breaker.force_open();
    flow.run(1, &tape.context()).await.unwrap_err();
    breaker.reset();
    flow.run(1, &tape.context()).await.unwrap();
    let changes = events(&tape, "CircuitStateChanged");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[0].contains("to: \"open\"") && changes[1].contains("to: \"closed\""));
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_zero_means_any_failure() {
    let breaker = CircuitBreaker::builder("service").failure_rate(0.0).minimum_calls(1).build();
    run_all(&picky(&breaker), &[1, 1]).await;
    assert_eq!(breaker.state(), CircuitState::Closed);
    run_all(&picky(&breaker), &[0]).await;
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_forced_and_reset() {
    let breaker = after_two().build();
    let flow = picky(&breaker);
    breaker.force_open();
    tokio::time::advance(ms(100_000)).await;
    assert_eq!(run_all(&flow, &[1]).await, [Err(ErrorKind::CircuitOpen)]);
    breaker.force_close();
    run_all(&flow, &[0, 0, 0, 0]).await;
    assert_eq!(breaker.state(), CircuitState::Closed);
    breaker.reset();
    run_all(&flow, &[0, 0]).await;
    assert_eq!(breaker.state(), CircuitState::Open);
    breaker.reset();
    assert_eq!(run_all(&flow, &[1]).await, [Ok(1)]);
}
