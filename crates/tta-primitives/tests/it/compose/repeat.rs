use tta_primitives::testkit::Tape;
use tta_primitives::{ErrorKind, WorkflowContext, repeat};

use super::{add, fail};

#[tokio::test]
async fn it_runs_until_the_condition_holds() {
    let flow = repeat(add("a", 1)).until(|n: &i64| *n == 3).max(9);
    let tape = Tape::new();
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 3);
    assert_eq!(
        tape.tree_with(&["loop.iteration"]),
        "\
workflow.loop.execute
  primitive.loop.execute
    primitive.loop.iteration loop.iteration=1
      primitive.a.execute
    primitive.loop.iteration loop.iteration=2
      primitive.a.execute
    primitive.loop.iteration loop.iteration=3
      primitive.a.execute
"
    );
    assert_eq!(tape.named("primitive.loop.execute")[0].events.len(), 3);
}

#[tokio::test]
async fn it_fails_at_its_bound() {
    let error = repeat(add("a", 1)).until(|_: &i64| false).max(5).run(0, &WorkflowContext::new()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert_eq!(error.to_string(), "the loop was not done after 5 iterations (at loop)");
}

#[tokio::test]
async fn it_runs_at_least_once_and_ends_at_an_error() {
    let once = repeat(add("a", 1)).until(|_: &i64| true).max(0);
    assert_eq!(once.run(0, &WorkflowContext::new()).await.unwrap(), 1);
    let error = repeat(fail("no")).until(|_: &i64| true).max(9).run(0, &WorkflowContext::new()).await;
    assert_eq!(error.unwrap_err().path(), Some("loop/no"));
}
