//! Retry: attempts, waits, and when there are no more.

use std::time::Duration;

use tokio::time::Instant;
use tta_primitives::{
    Backoff, Elapsed, Error, ErrorKind, Retry, RetryBudget, TimeoutSource, WorkflowContext, step,
};

use super::{Broken, broken, drop_after, events, failing, ms, numbered, paused_tape, stuck};

fn three() -> Retry {
    Retry::constant(3, ms(100))
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_a_span_with_its_number() {
    let tape = paused_tape();
    let (work, _) = failing(2);
    assert_eq!(work.retry(three()).run(0, &tape.context()).await.unwrap(), 3);
    assert_eq!(
        tape.tree_with(&["retry.attempt", "retry.max_attempts", "retry.strategy", "execution.retry_count"]),
        "\
workflow.retry.execute
  primitive.retry.execute retry.max_attempts=3 retry.strategy=constant execution.retry_count=2
    recovery.retry.attempt [error] retry.attempt=1
      primitive.work.execute [error]
    recovery.retry.attempt [error] retry.attempt=2
      primitive.work.execute [error]
    recovery.retry.attempt retry.attempt=3
      primitive.work.execute
"
    );
    assert_eq!(events(&tape, "AttemptFailed").len(), 2);
    assert_eq!(events(&tape, "RetriesCounted"), ["RetriesCounted { retries: 2, succeeded: true }"]);
}

#[tokio::test(start_paused = true)]
async fn each_strategy_waits_as_it_says() {
    let exact = |policy: Retry| policy.without_jitter().max_delay(ms(350));
    let cases = [
        (exact(Retry::constant(5, ms(100))), 400),
        (exact(Retry::linear(5, ms(100))), 100 + 200 + 300 + 350),
        (exact(Retry::exponential(5, ms(100))), 100 + 200 + 350 + 350),
    ];
    for (policy, expect) in cases {
        let began = Instant::now();
        failing(4).0.retry(policy).run(0, &WorkflowContext::new()).await.unwrap();
        assert_eq!(began.elapsed(), ms(expect));
    }
}

#[test]
fn no_draw_of_any_strategy_exceeds_the_cap() {
    let (base, cap) = (ms(9), ms(1_234));
    let strategies = [
        Backoff::exponential(base),
        Backoff::decorrelated(base),
        Backoff::linear(base).full_jitter(),
        Backoff::constant(ms(5_000)).full_jitter(),
    ];
    for backoff in strategies {
        assert!(backoff.max_delay(cap).waits().take(100_000).all(|wait| wait <= cap));
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_is_that_of_the_last_attempt() {
    let tape = paused_tape();
    let error = failing(9).0.retry(three()).run(0, &tape.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "gave up after 3 attempts: broken 3 (at retry/work)");
    assert_eq!((error.kind(), error.downcast_ref::<Broken>()), (ErrorKind::Failed, Some(&Broken(3))));
    let exhausted = events(&tape, "RetriesExhausted");
    assert!(exhausted[0].contains("attempts: 3") && exhausted[0].contains("reason: \"attempts\""));
}

#[tokio::test(start_paused = true)]
async fn only_errors_that_another_attempt_may_not_meet_are_retried() {
    let invalid = numbered(|_| async { Err(Error::invalid("no such id")) });
    let error = invalid.0.retry(three()).run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.message().as_str(), invalid.1.count()), ("no such id", 1));

    let chosen = failing(9);
    let only_first = three().retry_if(|error| error.downcast_ref::<Broken>() == Some(&Broken(1)));
    let error = chosen.0.retry(only_first).run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.downcast_ref::<Broken>(), chosen.1.count()), (Some(&Broken(2)), 2));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_never_retried() {
    let tape = paused_tape();
    let (work, calls) =
        numbered(|_| async { Err(Error::new(ErrorKind::Cancelled, "stopped").retryable(true)) });
    let error = work.retry(three().retry_if(|_| true)).run(0, &tape.context()).await.unwrap_err();
    assert_eq!((error.kind(), calls.count()), (ErrorKind::Cancelled, 1));
    assert!(events(&tape, "RetriesExhausted")[0].contains("not_retryable"));

    let cx = WorkflowContext::new();
    let cancels = cx.clone();
    let (work, calls) = numbered(move |n| {
        cancels.cancel();
        async move { Err(broken(n)) }
    });
    assert!(work.retry(Retry::constant(3, Duration::ZERO)).run(0, &cx).await.is_err());
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_least_wait_even_beyond_the_cap() {
    let busy = |n| async move {
        let error = Error::new(ErrorKind::RateLimited, "busy").with_retry_after(ms(700));
        if n == 1 { Err(error) } else { Ok(n) }
    };
    let began = Instant::now();
    numbered(busy).0.retry(three().max_delay(ms(50))).run(0, &WorkflowContext::new()).await.unwrap();
    assert_eq!(began.elapsed(), ms(700));
    let began = Instant::now();
    numbered(busy).0.retry(Retry::constant(2, ms(900))).run(0, &WorkflowContext::new()).await.unwrap();
    assert_eq!(began.elapsed(), ms(900));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_after_the_deadline_is_not_begun() {
    let busy = || {
        let error = |_| async { Err(Error::new(ErrorKind::Unavailable, "busy").with_retry_after(ms(700))) };
        numbered(error).0
    };
    let began = Instant::now();
    let tape = paused_tape();
    let error = busy().retry(three().deadline(ms(500))).run(0, &tape.context()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, Some(ms(700))));
    assert!(events(&tape, "RetriesExhausted")[0].contains("reason: \"deadline\""));

    let cx = tape.context().with_deadline(Instant::now() + ms(600));
    assert_eq!(busy().retry(three()).run(0, &cx).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(began.elapsed(), Duration::ZERO, "both gave up at once");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_cancelled_and_retried() {
    let tape = paused_tape();
    let (work, _) = numbered(|n| async move {
        if n == 1 {
            std::future::pending::<()>().await;
        }
        Ok(n)
    });
    let flow = work.retry(three().attempt_timeout(ms(200)));
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 2);
    assert_eq!(
        tape.tree(),
        "\
workflow.retry.execute
  primitive.retry.execute
    recovery.retry.attempt [cancelled]
      primitive.work.execute [cancelled]
    recovery.retry.attempt
      primitive.work.execute
"
    );
    let last = &tape.named("recovery.retry.attempt")[1];
    assert_eq!(last.start - tape.spans()[0].start, 300_000_000, "a limit of 200 ms and a wait of 100 ms");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_limits_all_attempts_together_and_flows_down() {
    let (work, calls) = failing(2);
    let then_stuck = work.then("rest", |n| async move { Ok(std::future::pending::<u32>().await + n) });
    let began = Instant::now();
    let flow = then_stuck.retry(three().deadline(ms(450)));
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    let elapsed = error.downcast_ref::<Elapsed>().unwrap();
    assert_eq!((elapsed.limit, elapsed.path.as_str()), (ms(450), "retry"));
    assert_eq!((began.elapsed(), calls.count()), (ms(450), 3));
    assert_eq!(error.related()[0].downcast_ref::<Broken>(), Some(&Broken(2)), "why there were several");

    let left =
        tta_primitives::step_with("left", |_: u32, cx: WorkflowContext| async move { Ok(cx.remaining()) });
    let policy = three().deadline(ms(450)).attempt_timeout(ms(300));
    assert_eq!(left.retry(policy).run(0, &WorkflowContext::new()).await.unwrap(), Some(ms(300)));
}

#[tokio::test(start_paused = true)]
async fn a_budget_ends_a_storm() {
    let budget = RetryBudget::new(0.1, 5);
    let (work, calls) = failing(u32::MAX);
    let flow = work.retry(Retry::constant(4, ms(1)).budget(&budget));
    let tape = paused_tape();
    for _ in 0..100 {
        flow.run(0, &tape.context()).await.unwrap_err();
    }
    assert!(calls.count() <= 100 + 5 + 10, "{} calls", calls.count());
    let refused =
        events(&tape, "RetriesExhausted").iter().filter(|event| event.contains("\"budget\"")).count();
    assert!(refused > 90);
    assert_eq!(budget.available(), 0);
}

#[tokio::test(start_paused = true)]
async fn flows_share_a_budget() {
    let budget = RetryBudget::new(0.0, 1);
    let policy = three().budget(&budget);
    assert!(failing(1).0.retry(policy.clone()).run(0, &WorkflowContext::new()).await.is_ok());
    assert!(failing(1).0.retry(policy).run(0, &WorkflowContext::new()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn dropped_in_a_wait_it_still_counts_its_retries() {
    let tape = paused_tape();
    let flow = failing(9).0.retry(Retry::constant(9, ms(100)));
    drop_after(ms(250), flow.run(0, &tape.context())).await;
    assert_eq!(tape.open(), 0);
    assert_eq!(events(&tape, "RetriesCounted"), ["RetriesCounted { retries: 2, succeeded: false }"]);
    assert!(tape.tree().contains("primitive.retry.execute [cancelled]"));
}

#[tokio::test(start_paused = true)]
async fn an_inner_timeout_is_not_taken_for_that_of_the_attempt() {
    let flow = stuck().timeout(ms(50)).retry(Retry::constant(1, ms(1)).attempt_timeout(ms(100)));
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    let elapsed = error.downcast_ref::<Elapsed>().unwrap();
    assert_eq!((elapsed.path.as_str(), elapsed.source), ("retry/timeout", TimeoutSource::Own));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_not_retried() {
    let flow = step("boom", |n: u32| async move { if n == 0 { panic!("no") } else { Ok(n) } }).retry(three());
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap_err().kind(), ErrorKind::Panic);
}
