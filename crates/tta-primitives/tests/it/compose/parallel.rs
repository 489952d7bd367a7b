use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use tta_primitives::testkit::Tape;
use tta_primitives::{Flow, WorkflowContext, first_success, parallel, quorum, step, step_with};

use super::{Alive, add, fail, fail_after, slow};

#[tokio::test(start_paused = true)]
async fn results_are_in_the_order_of_the_branches() {
    let flow = slow("a", 30, 1) | slow("b", 10, 2) | slow("c", 20, 3);
    let start = tokio::time::Instant::now();
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), (1, 2, 3));
    assert_eq!(start.elapsed().as_millis(), 30, "they ran at once");
}

#[tokio::test(start_paused = true)]
async fn a_failure_cancels_the_siblings_before_it_returns() {
    for spawned in [false, true] {
        let alive = Alive::default();
        let flow = parallel([alive.forever("a"), fail_after("b", 5), alive.forever("c")]);
        let flow = if spawned { flow.spawned() } else { flow };
        let tape = Tape::new();
        let error = flow.run(0, &tape.context()).await.unwrap_err();
        assert_eq!(error.to_string(), "b (at parallel/b)");
        assert_eq!(alive.count(), 0, "nothing runs on, spawned: {spawned}");
        tape.assert_tree(
            "
            workflow.parallel.execute [error]
              primitive.parallel.execute [error]
                primitive.parallel.branch_0 [cancelled]
                  primitive.a.execute [cancelled]
                primitive.parallel.branch_1 [error]
                  primitive.b.execute [error]
                primitive.parallel.branch_2 [cancelled]
                  primitive.c.execute [cancelled]
            ",
        );
    }
}

#[tokio::test]
async fn a_parallel_that_is_dropped_drops_its_branches() {
    let alive = Alive::default();
    let flow = parallel([alive.forever("a"), alive.forever("b")]);
    let cx = WorkflowContext::new();
    let (result, ()) = tokio::join!(flow.run(0, &cx), async {
        tokio::task::yield_now().await;
        assert_eq!(alive.count(), 2);
        cx.cancel();
    });
    assert!(result.is_err());
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn wait_all_keeps_every_error_in_the_order_of_time() {
    for spawned in [false, true] {
        let flow =
            parallel([fail_after("late", 20), slow("fine", 30, 1), fail_after("early", 10)]).wait_all();
        let flow = if spawned { flow.spawned() } else { flow };
        let tape = Tape::new();
        let error = flow.run(0, &tape.context()).await.unwrap_err();
        assert_eq!(error.message(), "early");
        assert_eq!(error.related().iter().map(|error| error.message()).collect::<Vec<_>>(), ["late"]);
        assert_eq!(tape.named("primitive.fine.execute")[0].status().map(|s| s.as_str()), Some("success"));
        let parallel = &tape.named("primitive.parallel.execute")[0];
        assert_eq!(parallel.events, ["BranchesFailed { failed: 2, total: 3 }"]);
    }
}

#[tokio::test]
async fn settled_gives_the_result_of_each_branch() {
    let flow = (add("a", 1) | fail("b") | add("c", 3)).settled();
    let (a, b, c) = flow.run(0, &WorkflowContext::new()).await.unwrap();
    assert_eq!((a.unwrap(), b.unwrap_err().message().as_str(), c.unwrap()), (1, "b", 3));

    let flow = parallel([add("a", 1), fail("b")]).spawned().settled();
    let results = flow.run(0, &WorkflowContext::new()).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap(), &1);
    assert_eq!(results[1].as_ref().unwrap_err().path(), Some("parallel/b"));
}

#[tokio::test(start_paused = true)]
async fn the_first_success_wins_and_the_losers_are_cancelled() {
    let alive = Alive::default();
    let flow = first_success([alive.forever("slow"), fail("bad"), slow("good", 5, 7)]);
    let tape = Tape::new();
    assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 7);
    assert_eq!(alive.count(), 0);
    tape.assert_tree(
        "
        workflow.parallel.execute
          primitive.parallel.execute
            primitive.parallel.branch_0 [cancelled]
              primitive.slow.execute [cancelled]
            primitive.parallel.branch_1 [error]
              primitive.bad.execute [error]
            primitive.parallel.branch_2
              primitive.good.execute
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_racers_fail_all_errors_are_kept() {
    let flow = first_success([fail_after("late", 9), fail_after("early", 3), fail_after("middle", 6)]);
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    let related: Vec<_> = error.related().iter().map(|error| error.message()).collect();
    assert_eq!((error.message().as_str(), related), ("early", vec!["middle".to_owned(), "late".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_quorum_returns_as_soon_as_it_has_enough() {
    let alive = Alive::default();
    let flow = quorum(2, [slow("a", 20, 1), alive.forever("b"), fail("c"), slow("d", 10, 4)]);
    let start = tokio::time::Instant::now();
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), [1, 4]);
    assert_eq!((start.elapsed().as_millis(), alive.count()), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn a_quorum_fails_as_soon_as_it_is_impossible() {
    let alive = Alive::default();
    let flow = quorum(2, [fail_after("a", 5), alive.forever("b"), fail_after("c", 10)]);
    let start = tokio::time::Instant::now();
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.message(), "2 of 3 branches had to succeed, and 2 failed");
    assert_eq!(error.related().iter().map(|error| error.message()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!((start.elapsed().as_millis(), alive.count()), (10, 0));
}

#[tokio::test]
async fn a_panic_in_a_branch_is_its_error() {
    for spawned in [false, true] {
        let boom = step("boom", |x: i64| async move { if x == 0 { panic!("bang") } else { Ok(x) } });
        let flow = parallel([add("a", 1), boom]).wait_all();
        let flow = if spawned { flow.spawned() } else { flow };
        let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
        assert_eq!((error.kind().as_str(), error.path()), ("panic", Some("parallel/boom")));
    }
}

#[tokio::test]
async fn many_branches_and_nesting_do_not_deadlock() {
    let inner: Vec<_> = (0..50).map(|n| add("leaf", n)).collect();
    let outer: Vec<_> =
        (0..20).map(|_| parallel(inner.clone()).map("sum", |all: Vec<i64>| all.iter().sum())).collect();
    let flow: Flow<i64, Vec<i64>, _> = parallel(outer).spawned();
    let sums = flow.run(0, &WorkflowContext::new()).await.unwrap();
    assert_eq!(sums, vec![1225; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_branches_use_several_threads() {
    // Each branch blocks its thread until the other has arrived, which two threads alone can do.
    let barrier = Arc::new(Barrier::new(2));
    let meet = |name: &'static str| {
        let barrier = Arc::clone(&barrier);
        step(name, move |_: i64| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait();
                Ok(std::thread::current().id())
            }
        })
    };
    let flow = parallel([meet("a"), meet("b")]).spawned();
    let main = tokio::spawn(async move { flow.run(0, &WorkflowContext::new()).await });
    let threads: HashSet<_> = main.await.unwrap().unwrap().into_iter().collect();
    assert_eq!(threads.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn checkpoints_of_branches_are_in_the_order_of_the_branches() {
    let mark = |name: &'static str, millis: u64| {
        step_with(name, move |x: i64, cx: WorkflowContext| async move {
            tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
            cx.checkpoint(format!("{name} done"));
            Ok(x)
        })
    };
    let cx = WorkflowContext::new();
    (mark("slow", 20) | mark("quick", 1)).run(0, &cx).await.unwrap();
    let names: Vec<_> = cx.checkpoints().into_iter().map(|checkpoint| checkpoint.name.to_string()).collect();
    assert_eq!(names, ["slow done", "quick done"]);
}

#[test]
#[should_panic(expected = "at least one branch")]
fn a_parallel_needs_a_branch() {
    let _ = parallel(Vec::<Flow<i64, i64>>::new());
}

#[test]
#[should_panic(expected = "no more than there are")]
fn a_quorum_cannot_need_more_than_there_are() {
    let _ = quorum(2, [add("a", 1)]);
}
