//! Sagas: what was done is undone, whatever becomes of the run.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tta_primitives::flow::Steps;
use tta_primitives::testkit::{Tape, use_paused_time};
use tta_primitives::{Error, ErrorKind, Flow, WorkflowContext, parallel, saga, step, step_with};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Turns `n` into `n + 1`, and says so.
    fn forward(&self, name: &'static str) -> Flow<i64, i64> {
        let log = self.clone();
        step(name, move |n: i64| {
            log.add(format!("{name} {n}"));
            ready(Ok(n + 1))
        })
    }

    fn undo(
        &self,
        name: &'static str,
    ) -> impl Fn(i64) -> std::future::Ready<tta_primitives::Result<()>> + use<> {
        let log = self.clone();
        move |output| {
            log.add(format!("{name} {output}"));
            ready(Ok(()))
        }
    }

    /// Takes ten milliseconds.
    fn slow_undo(&self, name: &'static str) -> Flow<i64, ()> {
        let log = self.clone();
        step(name, move |output: i64| {
            let log = log.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                log.add(format!("{name} {output}"));
                Ok(())
            }
        })
    }

    /// Two steps with undos.
    fn two(&self) -> Flow<i64, i64, Steps> {
        let saga = saga("order").step(self.forward("reserve")).undo("release", self.undo("release"));
        saga.step(self.forward("charge")).undo("refund", self.undo("refund"))
    }
}

fn broken() -> Flow<i64, i64> {
    step("ship", |_: i64| ready(Err(Error::failed("no stock"))))
}

fn forever() -> Flow<i64, i64> {
    step("wait", |n: i64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    })
}

#[tokio::test]
async fn nothing_is_undone_when_all_goes_well() {
    let log = Log::default();
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(log.two().run(1, &cx).await.unwrap(), 3);
    assert_eq!(log.lines(), ["reserve 1", "charge 2"]);
    assert_eq!(
        tape.tree_with(&["saga.step", "saga.compensation_triggered"]),
        "\
workflow.order.execute
  primitive.saga.execute
    recovery.saga.forward saga.step=reserve
      primitive.reserve.execute
    recovery.saga.forward saga.step=charge
      primitive.charge.execute
"
    );
    assert_eq!(cx.checkpoints().len(), 2);
}

#[tokio::test]
async fn a_failure_undoes_in_reverse_order_with_the_outputs() {
    let log = Log::default();
    let tape = Tape::new();
    let flow = log.two().step(log.forward("note")).step(broken());
    let error = flow.run(1, &tape.context()).await.unwrap_err();
    assert_eq!(
        (error.message().as_str(), error.path(), error.related().len()),
        ("no stock", Some("order/ship"), 0)
    );
    assert_eq!(log.lines(), ["reserve 1", "charge 2", "note 3", "refund 3", "release 2"]);
    assert_eq!(
        tape.tree_with(&["saga.step", "saga.compensation_triggered"]),
        "\
workflow.order.execute [error]
  primitive.saga.execute [error] saga.compensation_triggered=true
    recovery.saga.forward saga.step=reserve
      primitive.reserve.execute
    recovery.saga.forward saga.step=charge
      primitive.charge.execute
    recovery.saga.forward saga.step=note
      primitive.note.execute
    recovery.saga.forward [error] saga.step=ship
      primitive.ship.execute [error]
    recovery.saga.compensate saga.step=charge
      primitive.refund.execute
    recovery.saga.compensate saga.step=reserve
      primitive.release.execute
"
    );
    assert_eq!(tape.check(), []);
    let events = &tape.named("primitive.saga.execute")[0].events;
    assert!(
        events[0].starts_with("CompensationTriggered { step: \"ship\", steps: 2, error: Some("),
        "{events:?}"
    );
    assert_eq!(events[1], "CompensationFinished { undone: 2, failed: 0 }");
}

#[tokio::test]
async fn an_undo_that_fails_is_reported_and_the_others_still_run() {
    let log = Log::default();
    let flow = saga("order")
        .step(log.forward("reserve"))
        .undo("release", log.undo("release"))
        .step(log.forward("charge"))
        .undo("refund", |_| ready(Err(Error::failed("bank closed"))))
        .step(log.forward("pack"))
        .undo("unpack", |n: i64| async move { if n > 0 { panic!("torn") } else { Ok(()) } })
        .step(broken());
    let error = flow.run(1, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(log.lines().last().map(String::as_str), Some("release 2"));
    let related: Vec<_> = error.related().iter().map(ToString::to_string).collect();
    assert_eq!(
        related,
        [
            "undoing `pack`: the step panicked: torn (at order/unpack)",
            "undoing `charge`: bank closed (at order/refund)"
        ]
    );
    assert_eq!(error.related()[0].kind(), ErrorKind::Panic);
}

#[tokio::test]
async fn a_panic_in_a_step_is_a_failure_like_any_other() {
    let log = Log::default();
    let boom = step("boom", |n: i64| async move { if n > 0 { panic!("bang") } else { Ok(n) } });
    let error = log.two().step(boom).run(1, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert_eq!(log.lines()[2..], ["refund 3", "release 2"]);
}

#[tokio::test]
async fn a_first_step_that_fails_leaves_nothing_to_undo() {
    let tape = Tape::new();
    let flow = saga("order").step(broken()).undo("release", |_| ready(Ok(())));
    assert!(flow.run(1, &tape.context()).await.is_err());
    assert!(tape.named("primitive.saga.execute")[0].events.is_empty());
}

#[tokio::test]
async fn a_cancelled_run_is_undone() {
    let log = Log::default();
    let tape = Tape::new();
    let cx = tape.context();
    let flow = log.two().step(forever());
    let (result, ()) = tokio::join!(flow.run(1, &cx), async { cx.cancel() });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    cx.settled().await;
    assert_eq!(log.lines()[2..], ["refund 3", "release 2"]);
    assert_eq!(
        tape.tree(),
        "\
workflow.order.execute [cancelled]
  primitive.saga.execute [cancelled]
    recovery.saga.forward
      primitive.reserve.execute
    recovery.saga.forward
      primitive.charge.execute
    recovery.saga.forward [cancelled]
      primitive.wait.execute [cancelled]
    recovery.saga.compensate
      primitive.refund.execute
    recovery.saga.compensate
      primitive.release.execute
"
    );
    let events = &tape.named("primitive.saga.execute")[0].events;
    assert_eq!(events[0], "CompensationTriggered { step: \"charge\", steps: 2, error: None }");
    assert!(cx.compensation_failures().is_empty());
}

#[tokio::test]
async fn a_run_that_is_dropped_is_undone_without_its_caller() {
    let log = Log::default();
    let cx = WorkflowContext::new();
    let flow = log.two().step(forever());
    tokio::select! { biased; _ = flow.run(1, &cx) => panic!("it never ends"), () = async {} => {} }
    drop(flow);
    cx.settled().await;
    assert_eq!(log.lines()[2..], ["refund 3", "release 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_undoes_and_does_not_limit_the_undos() {
    use_paused_time();
    let log = Log::default();
    let cx = WorkflowContext::builder().timeout(Duration::from_millis(5)).build();
    let flow = saga("order").step(log.forward("reserve")).undo_flow(log.slow_undo("release")).step(forever());
    let error = flow.run(1, &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(log.lines(), ["reserve 1"], "the run does not wait for the undos");
    cx.settled().await;
    assert_eq!(log.lines(), ["reserve 1", "release 2"]);
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_not_told_of_the_deadline_that_passed() {
    let log = Log::default();
    let told = log.clone();
    let undo = step_with("release", move |_: i64, cx: WorkflowContext| {
        told.add(format!("deadline {:?}", cx.deadline()));
        ready(Ok(()))
    });
    let cx = WorkflowContext::builder().timeout(Duration::from_millis(5)).build();
    let flow = saga("order").step(log.forward("reserve")).undo_flow(undo).step(forever());
    assert!(flow.run(1, &cx).await.is_err());
    cx.settled().await;
    assert_eq!(log.lines(), ["reserve 1", "deadline None"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_in_a_branch_is_undone_when_a_sibling_fails() {
    let log = Log::default();
    let sibling = step("sibling", |_: i64| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Err(Error::failed("sibling"))
    });
    let cx = WorkflowContext::new();
    let saga = log.two().step(forever()).named("booking");
    for spawned in [false, true] {
        let flow = parallel([saga.clone(), sibling.clone()]);
        let flow = if spawned { flow.spawned() } else { flow };
        assert_eq!(flow.run(1, &cx).await.unwrap_err().message(), "sibling");
        cx.settled().await;
        assert_eq!(log.lines().iter().filter(|line| *line == "release 2").count(), 1 + usize::from(spawned));
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_dropped_while_it_is_undone_goes_on() {
    let log = Log::default();
    let flow = saga("order")
        .step(log.forward("reserve"))
        .undo_flow(log.slow_undo("release"))
        .step(log.forward("charge"))
        .undo_flow(log.slow_undo("refund"))
        .step(broken());
    let cx = WorkflowContext::new();
    let run = flow.run(1, &cx);
    assert!(tokio::time::timeout(Duration::from_millis(5), run).await.is_err());
    cx.settled().await;
    assert_eq!(log.lines(), ["reserve 1", "charge 2", "refund 3", "release 2"]);
}

#[tokio::test]
async fn an_undo_that_fails_after_a_cancellation_is_kept_for_the_caller() {
    let log = Log::default();
    let cx = WorkflowContext::new();
    let flow = saga("order")
        .step(log.forward("reserve"))
        .undo("release", log.undo("release"))
        .step(log.forward("charge"))
        .undo("refund", |_| ready(Err(Error::failed("bank closed"))))
        .step(forever());
    let (result, ()) = tokio::join!(flow.run(1, &cx), async { cx.cancel() });
    assert!(result.is_err());
    cx.settled().await;
    let failures: Vec<_> = cx.compensation_failures().iter().map(ToString::to_string).collect();
    assert_eq!(failures, ["undoing `charge`: bank closed (at order/refund)"]);
    assert_eq!(log.lines().last().map(String::as_str), Some("release 2"));
}

#[test]
fn a_runtime_that_shuts_down_is_not_silent() {
    let log = Log::default();
    let cx = WorkflowContext::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let flow = saga("order").step(log.forward("reserve")).undo_flow(log.slow_undo("release")).step(forever());
    runtime.block_on(async {
        tokio::select! { biased; _ = flow.run(1, &cx) => panic!("it never ends"), () = async {} => {} }
    });
    drop(runtime);
    let failures: Vec<_> = cx.compensation_failures().iter().map(ToString::to_string).collect();
    assert_eq!(failures, ["the compensation of a saga did not end: its runtime was gone or shut down"]);
}

#[tokio::test]
async fn a_saga_is_a_step_like_any_other() {
    let log = Log::default();
    let flow = log.forward("first") >> log.two() >> broken();
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.path(), Some("sequential/ship"));
    assert_eq!(log.lines(), ["first 0", "reserve 1", "charge 2"], "a saga that has ended stays done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whenever_a_task_is_aborted_all_that_was_done_is_undone() {
    for round in 0..200 {
        let log = Log::default();
        let pause = step("pause", |n: i64| async move {
            tokio::task::yield_now().await;
            Ok(n)
        });
        let flow = log
            .two()
            .step(pause.clone())
            .step(pause)
            .step(log.forward("send"))
            .undo("recall", log.undo("recall"));
        let flow = flow.step(forever());
        let cx = WorkflowContext::new();
        let run = tokio::spawn({
            let cx = cx.clone();
            async move { flow.run(1, &cx).await }
        });
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        cx.settled().await;
        let lines = log.lines();
        let (done, undone) = lines.split_at(lines.len() / 2);
        let pairs = [("send", "recall"), ("charge", "refund"), ("reserve", "release")];
        let word = |line: &String| line.split(' ').next().unwrap().to_owned();
        let expect: Vec<String> = (done.iter().rev())
            .map(|line| pairs.iter().find(|(forward, _)| *forward == word(line)).unwrap().1.to_owned())
            .collect();
        assert_eq!(undone.iter().map(word).collect::<Vec<_>>(), expect, "{lines:?}");
    }
}
