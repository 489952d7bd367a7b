use std::future::{Future, ready};
use std::time::Duration;

use tta_primitives::testkit::Tape;
use tta_primitives::{
    Approver, Decision, Error, ErrorKind, Expiry, HumanGate, WorkflowContext, gate, gate_within,
};

#[tokio::test]
async fn a_policy_approves_or_denies() {
    let flow = gate(|n: &i64, _: &WorkflowContext| {
        ready(Ok(if *n < 10 { Decision::approved("policy") } else { Decision::denied("policy", "too much") }))
    });
    let tape = Tape::new();
    assert_eq!(flow.run(1, &tape.context()).await.unwrap(), 1);
    let error = flow.run(10, &tape.context()).await.unwrap_err();
    assert_eq!((error.kind(), error.message().as_str()), (ErrorKind::Rejected, "denied by policy: too much"));
    assert!(!error.is_retryable());
    assert_eq!(
        tape.tree_with(&["gate.decision", "gate.approver", "gate.reason"]),
        "\
workflow.gate.execute
  primitive.gate.execute gate.decision=approved gate.approver=policy
workflow.gate.execute [error]
  primitive.gate.execute [error] gate.decision=rejected gate.approver=policy gate.reason=too much
"
    );
}

#[tokio::test]
async fn an_approver_that_fails_fails_the_gate() {
    struct Broken;
    impl Approver<i64> for Broken {
        async fn decide(&self, _: &i64, _: &WorkflowContext) -> tta_primitives::Result<Decision> {
            Err(Error::new(ErrorKind::Unavailable, "directory down"))
        }
    }
    let error = gate(Broken).run(1, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn people_approve_by_id_in_any_order() {
    let desk = HumanGate::new();
    let flow = gate(desk.clone());
    let cx = WorkflowContext::builder().workflow_id("w-1").build();
    let people = async {
        tokio::task::yield_now().await;
        let waiting = desk.pending();
        assert_eq!(waiting.iter().map(|w| w.input).collect::<Vec<i64>>(), [1, 2]);
        assert_eq!((waiting[0].workflow_id.as_str(), waiting[0].path.as_str()), ("w-1", "gate"));
        desk.deny(waiting[1].id, "bob", "no").unwrap();
        desk.approve(waiting[0].id, "ada").unwrap();
        assert!(desk.approve(waiting[0].id, "ada").is_err(), "decided once");
    };
    let (first, second, ()) = tokio::join!(flow.run(1, &cx), flow.run(2, &cx), people);
    assert_eq!(first.unwrap(), 1);
    assert_eq!(second.unwrap_err().message(), "denied by bob: no");
    assert!(desk.pending().is_empty());
}

#[tokio::test]
async fn what_is_cancelled_does_not_wait_any_more() {
    let desk = HumanGate::<i64>::new();
    let flow = gate(desk.clone());
    let cx = WorkflowContext::new();
    let (result, ()) = tokio::join!(flow.run(1, &cx), async {
        assert_eq!(desk.pending().len(), 1);
        cx.cancel();
    });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(desk.pending().is_empty());
}

async fn expire(expiry: Expiry) -> (Error, Tape) {
    let tape = Tape::new();
    let desk = HumanGate::<i64>::new();
    let flow = gate_within(Duration::from_secs(60), expiry, desk.clone());
    let start = tokio::time::Instant::now();
    let error = flow.run(1, &tape.context()).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(60));
    assert!(desk.pending().is_empty());
    (error, tape)
}

#[tokio::test(start_paused = true)]
async fn nobody_decides_in_time() {
    let (denied, tape) = expire(Expiry::Deny).await;
    assert_eq!(denied.kind(), ErrorKind::Rejected);
    assert_eq!(denied.message(), "denied by timeout: nobody has decided within 60s");
    assert!(tape.tree_with(&["gate.decision"]).contains("gate.decision=expired"));
    let (failed, _) = expire(Expiry::Fail).await;
    assert_eq!((failed.kind(), failed.is_retryable()), (ErrorKind::Timeout, true));
}

#[tokio::test]
async fn a_future_of_a_gate_can_be_sent() {
    fn is_send(_: impl Future + Send) {}
    is_send(gate(HumanGate::new()).run(1_i64, &WorkflowContext::new()));
}
