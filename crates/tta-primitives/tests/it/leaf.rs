//! Parts of a step's work with spans of their own.

use std::sync::Arc;

use tta_model::ExecutionStatus;
use tta_model::name::attribute;
use tta_primitives::observe::NodeInfo;
use tta_primitives::testkit::Tape;
use tta_primitives::{Error, Leaf, WorkflowContext, step_with};

fn info() -> Arc<NodeInfo> {
    Arc::new(NodeInfo::leaf("primitive.sql.query", "sql", "sql"))
}

#[tokio::test]
async fn a_leaf_is_a_span_below_its_step_and_its_error_is_described_there() {
    let tape = Tape::new();
    let flow = step_with("load", |fails: bool, cx: WorkflowContext| async move {
        let leaf = cx.leaf(&info());
        leaf.cx().set_attribute(attribute::CACHE_NAME.key(), "users");
        leaf.run(async { if fails { Err(Error::failed("no such table")) } else { Ok(7) } }).await
    });
    assert_eq!(flow.run(false, &tape.context()).await.unwrap(), 7);
    let error = flow.run(true, &tape.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "no such table (at load)");
    assert_eq!(
        tape.tree_with(&["cache.name"]),
        "\
workflow.load.execute
  primitive.load.execute
    primitive.sql.query cache.name=users
workflow.load.execute [error]
  primitive.load.execute [error]
    primitive.sql.query [error] cache.name=users
"
    );
    let leaves = tape.named("primitive.sql.query");
    let status: Vec<_> = leaves.iter().map(|span| span.status()).collect();
    assert_eq!(status, [Some(ExecutionStatus::Success), Some(ExecutionStatus::Error)]);
}

#[tokio::test]
async fn a_leaf_may_outlive_its_run_and_ends_as_cancelled_when_it_is_dropped() {
    let tape = Tape::new();
    let flow = step_with("open", |(), cx: WorkflowContext| async move { Ok(cx.leaf(&info())) });
    let leaf: Leaf = flow.run((), &tape.context()).await.unwrap();
    assert_eq!(tape.open(), 1);
    assert_eq!(leaf.within(|| 3), 3);
    drop(leaf);
    assert_eq!(tape.open(), 0);
    assert_eq!(tape.named("primitive.sql.query")[0].status(), Some(ExecutionStatus::Cancelled));
}

#[tokio::test]
async fn a_panic_in_a_leaf_is_an_error_of_the_step() {
    let tape = Tape::new();
    let flow = step_with("load", |(), cx: WorkflowContext| async move {
        cx.leaf(&info()).run(async { if cx.path().is_empty() { Ok(()) } else { panic!("no table") } }).await
    });
    let error = flow.run((), &tape.context()).await.unwrap_err();
    assert_eq!(error.message().as_str(), "the step panicked: no table");
    assert_eq!(tape.open(), 0);
}

#[tokio::test]
async fn without_a_run_or_an_observer_a_leaf_only_works() {
    let work = || async { Err::<(), _>(Error::failed("broken")) };
    let error = WorkflowContext::new().leaf(&info()).run(work()).await.unwrap_err();
    assert_eq!(error.to_string(), "broken");
    let flow =
        step_with("load", move |(), cx: WorkflowContext| async move { cx.leaf(&info()).run(work()).await });
    assert!(flow.run((), &WorkflowContext::new()).await.is_err());
}
