//! Composition: the shape of a flow is the shape of its trace.

use tta_primitives::testkit::Tape;
use tta_primitives::{ErrorKind, Flow, WorkflowContext, parallel, step};

fn add(name: &'static str, n: i64) -> Flow<i64, i64> {
    step(name, move |x: i64| async move { Ok(x + n) })
}

async fn tree(flow: Flow<i64, i64>, expect: i64) -> String {
    let tape = Tape::new();
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), expect);
    tape.tree()
}

const THREE: &str = "\
workflow.sequential.execute
  primitive.sequential.execute
    primitive.sequential.step_0
      primitive.a.execute
    primitive.sequential.step_1
      primitive.b.execute
    primitive.sequential.step_2
      primitive.c.execute
";

#[tokio::test]
async fn brackets_do_not_change_a_sequential() {
    let (a, b, c) = (add("a", 1), add("b", 2), add("c", 3));
    assert_eq!(tree(a.clone() >> b.clone() >> c.clone(), 6).await, THREE);
    assert_eq!(tree((a.clone() >> b.clone()) >> c.clone(), 6).await, THREE);
    assert_eq!(tree(a >> (b >> c), 6).await, THREE);
}

#[tokio::test]
async fn a_named_flow_is_a_unit() {
    let (a, b, c) = (add("a", 1), add("b", 2), add("c", 3));
    assert_eq!(
        tree((a >> b).named("both") >> c, 6).await,
        "\
workflow.sequential.execute
  primitive.sequential.execute
    primitive.sequential.step_0
      primitive.sequential.execute
        primitive.sequential.step_0
          primitive.a.execute
        primitive.sequential.step_1
          primitive.b.execute
    primitive.sequential.step_1
      primitive.c.execute
"
    );
}

#[tokio::test]
async fn a_thousand_steps_are_built_in_a_loop_and_run() {
    let mut flow = add("first", 1);
    for _ in 1..1_000 {
        flow = flow >> add("next", 1);
    }
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(flow.run(0, &cx).await.unwrap(), 1_000);
    assert_eq!(tape.spans().len(), 2 + 2_000);
    assert_eq!(cx.checkpoints().len(), 1_000);
    let paths: std::collections::HashSet<_> =
        tape.named("primitive.next.execute").into_iter().map(|span| span.path).collect();
    assert_eq!(paths.len(), 999, "every position has an address of its own");
}

#[tokio::test]
async fn branches_are_siblings_and_their_results_are_in_order() {
    let flow = add("a", 1) | add("b", 2) | add("c", 3);
    let tape = Tape::new();
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), (1, 2, 3));
    assert_eq!(
        tape.tree(),
        "\
workflow.parallel.execute
  primitive.parallel.execute
    primitive.parallel.branch_0
      primitive.a.execute
    primitive.parallel.branch_1
      primitive.b.execute
    primitive.parallel.branch_2
      primitive.c.execute
"
    );
}

#[tokio::test]
async fn brackets_on_the_right_nest_branches() {
    let flow = add("a", 1) | (add("b", 2) | add("c", 3));
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), (1, (2, 3)));
}

#[tokio::test]
async fn spawned_branches_give_the_same_tree() {
    let tape = Tape::new();
    let flow = parallel([add("a", 1), add("b", 2)]).spawned();
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), vec![1, 2]);
    assert_eq!(tape.named("primitive.parallel.branch_1").len(), 1);
    assert_eq!(tape.open(), 0);
}

#[tokio::test]
async fn a_panic_is_an_error_of_the_step() {
    let tape = Tape::new();
    let boom = step("boom", |x: i64| async move { if x >= 0 { panic!("no {x}") } else { Ok(x) } });
    let error = (add("a", 1) >> boom).run(0, &tape.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert_eq!(error.to_string(), "the step panicked: no 1 (at sequential/boom)");
    assert_eq!(
        tape.tree(),
        "\
workflow.sequential.execute [error]
  primitive.sequential.execute [error]
    primitive.sequential.step_0
      primitive.a.execute
    primitive.sequential.step_1 [error]
      primitive.boom.execute [error]
"
    );
    let recorded: Vec<_> = tape.spans().into_iter().filter(|span| span.exception.is_some()).collect();
    assert_eq!(recorded.len(), 1, "an exception is recorded where it arose");
    assert_eq!(recorded[0].name, "primitive.boom.execute");
}

#[tokio::test]
async fn a_dropped_run_closes_every_span_as_cancelled() {
    let tape = Tape::new();
    let forever = step("forever", |x: i64| async move {
        std::future::pending::<()>().await;
        Ok(x)
    });
    let flow = add("a", 1) >> forever;
    let cx = tape.context();
    let run = flow.run(0, &cx);
    tokio::select! { biased; _ = run => panic!("it never ends"), () = async {} => {} }
    assert_eq!(tape.open(), 0);
    assert!(tape.tree().starts_with("workflow.sequential.execute [cancelled]\n"));
}

#[tokio::test]
async fn a_cancelled_context_ends_its_runs() {
    let forever = step("forever", |x: i64| async move {
        std::future::pending::<()>().await;
        Ok(x)
    });
    let cx = WorkflowContext::new();
    let (result, ()) = tokio::join!(forever.run(0, &cx), async { cx.cancel() });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
}
