//! Fallback: a chain of alternatives that see what went wrong.

use tta_primitives::{Error, ErrorKind, WorkflowContext, step};

use super::{Broken, broken, events, failing, numbered, paused_tape};

fn fails(n: u32) -> tta_primitives::Flow<u32, u32> {
    step(format!("fails_{n}"), move |_: u32| async move { Err(broken(n)) })
}

#[tokio::test]
async fn a_chain_is_one_fallback_and_tries_in_order() {
    let tape = paused_tape();
    let flow = fails(1).fallback(fails(2)).fallback(step("third", |n: u32| async move { Ok(n + 3) }));
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 3);
    assert_eq!(
        tape.tree_with(&["fallback.triggered", "fallback.strategy_used"]),
        "\
workflow.fallback.execute
  primitive.fallback.execute fallback.triggered=true fallback.strategy_used=third
    recovery.fallback.execute_primary [error]
      primitive.fails_1.execute [error]
    recovery.fallback.execute_fallback [error]
      primitive.fails_2.execute [error]
    recovery.fallback.execute_fallback
      primitive.third.execute
"
    );
    assert_eq!(events(&tape, "FallbackTriggered").len(), 2);
}

#[tokio::test]
async fn a_primary_that_succeeds_is_all_that_runs() {
    let tape = paused_tape();
    let (other, calls) = failing(0);
    assert_eq!(failing(0).0.fallback(other).run(0, &tape.context()).await.unwrap(), 1);
    assert_eq!(calls.count(), 0);
    assert!(tape.tree_with(&["fallback.triggered"]).contains("fallback.triggered=false"));
}

#[tokio::test]
async fn a_closure_sees_the_input_and_the_error() {
    let flow = fails(1).fallback_with("explain", |input, error| {
        let seen = error.downcast_ref::<Broken>().map(|broken| broken.0);
        let path = error.path().map(str::to_owned);
        async move {
            assert_eq!(path.as_deref(), Some("fallback/fails_1"));
            Ok(input + seen.unwrap_or_default())
        }
    });
    assert_eq!(flow.run(40, &WorkflowContext::new()).await.unwrap(), 41);
}

#[tokio::test]
async fn all_errors_are_kept_in_the_last_one() {
    let flow = fails(1).fallback(fails(2)).fallback_with("third", |_, _| async { Err(broken(3)) });
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken(3)));
    let related: Vec<_> = error.related().iter().map(ToString::to_string).collect();
    assert_eq!(related, ["broken 1 (at fallback/fails_1)", "broken 2 (at fallback/fails_2)"]);
}

#[tokio::test]
async fn an_alternative_whose_predicate_does_not_hold_is_passed_over() {
    let (never, calls) = failing(0);
    let flow = fails(1).fallback_if(|error| error.kind() == ErrorKind::Timeout, never).or_value(9);
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 9);
    assert_eq!(calls.count(), 0);
    let error = fails(1).fallback_if(|_| false, fails(2)).run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.downcast_ref::<Broken>(), error.related().len()), (Some(&Broken(1)), 0));
}

#[tokio::test]
async fn a_cancellation_is_not_caught() {
    let (cancelled, _) = numbered(|_| async { Err(Error::new(ErrorKind::Cancelled, "stopped")) });
    let (other, calls) = failing(0);
    let flow = cancelled.fallback(other).or_value(1);
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(calls.count(), 0);
}

#[tokio::test]
async fn a_panic_is_caught() {
    let boom = step("boom", |n: u32| async move { if n == 0 { panic!("no") } else { Ok(n) } });
    assert_eq!(boom.or_value(5).run(0, &WorkflowContext::new()).await.unwrap(), 5);
    let panics =
        fails(1).fallback_with("panics", |n, _| async move { if n == 0 { panic!("no") } else { Ok(n) } });
    let error = panics.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.related().len()), (ErrorKind::Panic, 1));
}

#[tokio::test]
async fn a_named_fallback_is_a_unit_of_another_chain() {
    let flow = fails(1).fallback(fails(2)).named("pair").fallback(failing(0).0);
    assert_eq!(flow.to_tree().matches("fallback").count(), 4, "{}", flow.to_tree());
}
