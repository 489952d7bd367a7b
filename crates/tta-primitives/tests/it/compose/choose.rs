use tta_primitives::testkit::Tape;
use tta_primitives::{
    Error, ErrorKind, Flow, WorkflowContext, conditional, conditional_async, delegate, step_with, switch,
    switch_async,
};

use super::add;

async fn check(flow: &Flow<i64, i64>, input: i64, expect: i64, tree: &str) {
    let tape = Tape::new();
    assert_eq!(flow.run(input, &tape.context()).await.unwrap(), expect);
    tape.assert_tree(tree);
}

#[tokio::test]
async fn a_conditional_runs_one_branch() {
    let flow = conditional(|n: &i64| *n > 0).then(add("plus", 1)).otherwise(add("minus", -1));
    check(
        &flow,
        5,
        6,
        "
        workflow.conditional.execute
          primitive.conditional.execute
            primitive.conditional.branch_then
              primitive.plus.execute
        ",
    )
    .await;
    check(
        &flow,
        -5,
        -6,
        "
        workflow.conditional.execute
          primitive.conditional.execute
            primitive.conditional.branch_else
              primitive.minus.execute
        ",
    )
    .await;
}

#[tokio::test]
async fn without_an_else_the_input_passes() {
    let flow = conditional(|n: &i64| *n > 0).then(add("plus", 1)).pass_through();
    check(&flow, -5, -5, "workflow.conditional.execute\n  primitive.conditional.execute").await;
}

#[tokio::test]
async fn an_async_predicate_sees_the_context_and_may_fail() {
    let flow = conditional_async(|n: i64, cx: WorkflowContext| async move {
        tokio::task::yield_now().await;
        let limit = cx.metadata().get("limit").and_then(|limit| limit.as_int());
        Ok(n > limit.ok_or_else(|| Error::invalid("no limit"))?)
    });
    let flow = flow.then(add("plus", 1)).pass_through();
    let cx = WorkflowContext::builder().metadata("limit", 3).build();
    assert_eq!(flow.run(4, &cx).await.unwrap(), 5);
    assert_eq!(flow.run(3, &cx).await.unwrap(), 3);
    assert_eq!(flow.run(3, &WorkflowContext::new()).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn the_condition_and_the_branch_are_recorded() {
    let flow = conditional(|n: &i64| *n > 0).then(add("plus", 1)).pass_through();
    let tape = Tape::new();
    flow.run(0, &tape.context()).await.unwrap();
    let span = &tape.named("primitive.conditional.execute")[0];
    assert_eq!(span.attribute("condition.result").map(ToString::to_string).as_deref(), Some("false"));
    assert_eq!(span.events, ["BranchChosen { branch: None }"]);
}

fn parity() -> tta_primitives::Cases<i64, i64> {
    switch(|n: &i64| if n % 2 == 0 { "even" } else { "odd" }).case("even", add("a", 10))
}

#[tokio::test]
async fn a_switch_runs_the_case_of_the_key() {
    let flow = parity().case("odd", add("b", 20)).or_fail();
    let tape = Tape::new();
    assert_eq!(flow.run(3, &tape.context()).await.unwrap(), 23);
    assert_eq!(
        tape.tree_with(&["switch.case"]),
        "\
workflow.switch.execute
  primitive.switch.execute switch.case=odd
    primitive.switch.case switch.case=odd
      primitive.b.execute
"
    );
}

#[tokio::test]
async fn the_key_of_a_switch_may_be_awaited_and_may_fail() {
    let key = |n: i64, cx: WorkflowContext| async move {
        tokio::task::yield_now().await;
        let agent = cx.agent_id().map(str::to_owned);
        Ok(format!("{}{n}", agent.ok_or_else(|| Error::invalid("no agent"))?))
    };
    let flow = switch_async(key).case("a7", add("seven", 1)).pass_through();
    let cx = WorkflowContext::builder().agent_id("a").build();
    assert_eq!((flow.run(7, &cx).await.unwrap(), flow.run(6, &cx).await.unwrap()), (8, 6));
    assert_eq!(flow.run(7, &WorkflowContext::new()).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_switch_without_a_fitting_case() {
    let cx = WorkflowContext::new();
    assert_eq!(parity().default(add("other", 7)).run(1, &cx).await.unwrap(), 8);
    assert_eq!(parity().pass_through().run(1, &cx).await.unwrap(), 1);
    let error = parity().case("zero", add("z", 0)).or_fail().run(1, &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRoute);
    assert_eq!(error.message(), "no case for `odd`; the cases are `even`, `zero`");
}

#[tokio::test]
async fn a_delegate_runs_in_a_child_context() {
    let sub = step_with("work", |n: i64, cx: WorkflowContext| async move {
        assert_eq!(cx.causation_id(), Some("why"));
        cx.state().set("seen", n);
        Ok(n)
    });
    let flow = add("a", 1) >> delegate(sub.named("research"));
    let tape = Tape::new();
    let cx = tape.context().with_tag("k", 1);
    let cx = WorkflowContext::builder()
        .correlation_id("why")
        .state(cx.state().clone())
        .observer(std::sync::Arc::new(tape.clone()))
        .build();
    assert_eq!(flow.run(1, &cx).await.unwrap(), 2);
    assert_eq!(cx.state().get("seen").and_then(|seen| seen.as_int()), Some(2));
    assert_eq!(cx.causation_id(), None, "the caller's context is not changed");
    tape.assert_tree(
        "
        workflow.sequential.execute
          primitive.sequential.execute
            primitive.sequential.step_0
              primitive.a.execute
            primitive.sequential.step_1
              primitive.delegate.execute
                workflow.research.execute
                  primitive.work.execute
        ",
    );
}
