//! Hedge: a second attempt beside a slow first one; the loser is cancelled.

use tokio::time::Instant;
use tta_primitives::{Error, ErrorKind, Hedge, WorkflowContext};

use super::{Broken, broken, drop_after, events, ms, numbered, paused_tape};

/// Attempts that take so many milliseconds each, and fail if the time is odd.
fn taking(times: &'static [u64]) -> (tta_primitives::Flow<u32, u32>, super::Calls) {
    numbered(move |n| async move {
        let time = times[n as usize - 1];
        tokio::time::sleep(ms(time)).await;
        if time % 2 == 1 { Err(broken(n)) } else { Ok(n) }
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_success_wins_and_the_loser_is_cancelled() {
    let tape = paused_tape();
    let began = Instant::now();
    let flow = taking(&[1_000, 20]).0.hedge(Hedge::after(ms(100)));
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 2);
    assert_eq!(began.elapsed(), ms(120));
    assert_eq!(tape.open(), 0, "nothing of an attempt is left when the hedge has ended");
    assert_eq!(
        tape.tree_with(&["hedge.attempt", "hedge.delay_ms", "hedge.winner"]),
        "\
workflow.hedge.execute
  primitive.hedge.execute hedge.delay_ms=100 hedge.winner=2
    recovery.hedge.attempt [cancelled] hedge.attempt=1
      primitive.work.execute [cancelled]
    recovery.hedge.attempt hedge.attempt=2
      primitive.work.execute
"
    );
    assert_eq!(events(&tape, "HedgeLaunched"), ["HedgeLaunched { attempt: 2, after: 100ms }"]);
}

#[tokio::test(start_paused = true)]
async fn a_quick_first_attempt_is_the_only_one() {
    let (work, calls) = taking(&[80, 20]);
    assert_eq!(work.hedge(Hedge::after(ms(100))).run(0, &WorkflowContext::new()).await.unwrap(), 1);
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_attempts_start_a_delay_apart() {
    let (work, calls) = taking(&[1_000, 1_000, 1_000, 1_000]);
    let began = Instant::now();
    let flow = work.hedge(Hedge::after(ms(100)).max_attempts(3));
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 1);
    assert_eq!((calls.count(), began.elapsed()), (3, ms(1_000)));
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_does_not_end_the_others() {
    let flow = taking(&[301, 400]).0.hedge(Hedge::after(ms(100)));
    let began = Instant::now();
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 2);
    assert_eq!(began.elapsed(), ms(500));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_soon_is_replaced_at_once() {
    let began = Instant::now();
    let flow = taking(&[11, 20]).0.hedge(Hedge::after(ms(100)));
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 2);
    assert_eq!(began.elapsed(), ms(31));
}

#[tokio::test(start_paused = true)]
async fn if_all_fail_the_first_error_keeps_the_others() {
    let flow = taking(&[301, 51, 11]).0.hedge(Hedge::after(ms(100)).max_attempts(3));
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken(2)), "the second attempt failed first");
    let others: Vec<_> =
        error.related().iter().map(|other| other.downcast_ref::<Broken>().unwrap().0).collect();
    assert_eq!(others, [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_started_after_an_error_that_it_would_meet_too() {
    let (work, calls) = numbered(|_| async { Err(Error::invalid("no such id")) });
    let error = work.hedge(Hedge::after(ms(100))).run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.kind(), calls.count()), (ErrorKind::Invalid, 1));
}

#[tokio::test(start_paused = true)]
async fn after_such_an_error_those_under_way_may_still_succeed() {
    let (work, calls) = numbered(|n| async move {
        tokio::time::sleep(ms(if n == 1 { 1_000 } else { 20 })).await;
        if n == 1 { Ok(n) } else { Err(Error::invalid("no such id")) }
    });
    let flow = work.hedge(Hedge::after(ms(100)).max_attempts(3));
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 1);
    assert_eq!(calls.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_hedge_cancels_every_attempt() {
    let tape = paused_tape();
    let flow = taking(&[1_000, 1_000]).0.hedge(Hedge::after(ms(100)));
    drop_after(ms(150), flow.run(0, &tape.context())).await;
    assert_eq!(tape.open(), 0);
    assert_eq!(tape.tree().matches("recovery.hedge.attempt [cancelled]").count(), 2);
}
