use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tta_primitives::testkit::Tape;
use tta_primitives::{Error, Flow, WorkflowContext, fan_out, step};

use super::{Alive, add};

/// Takes as many milliseconds as its input, and fails for negative ones after as many.
fn wait() -> Flow<i64, i64> {
    step("wait", |millis: i64| async move {
        tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
        if millis < 0 { Err(Error::failed(format!("item {millis}"))) } else { Ok(millis * 2) }
    })
}

#[tokio::test(start_paused = true)]
async fn outputs_are_in_the_order_of_the_items() {
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(fan_out(wait()).run(vec![30, 10, 20], &cx).await.unwrap(), [60, 20, 40]);
    assert_eq!(
        tape.tree_with(&["branch.index", "branch.total_branches", "map.items"]),
        "\
workflow.map.execute
  primitive.map.execute map.items=3
    primitive.map.item branch.index=0 branch.total_branches=3
      primitive.wait.execute
    primitive.map.item branch.index=1 branch.total_branches=3
      primitive.wait.execute
    primitive.map.item branch.index=2 branch.total_branches=3
      primitive.wait.execute
"
    );
    assert_eq!(tape.check(), []);
}

#[tokio::test(start_paused = true)]
async fn no_more_items_than_the_limit_run_at_once() {
    for spawned in [false, true] {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
        let work = step("work", move |n: usize| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(n as u64 % 7)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            }
        });
        let flow = fan_out(work).concurrency(3);
        let flow = if spawned { flow.spawned() } else { flow };
        let items: Vec<usize> = (0..50).collect();
        assert_eq!(flow.run(items.clone(), &WorkflowContext::new()).await.unwrap(), items);
        assert_eq!(most.load(Ordering::SeqCst), 3, "spawned: {spawned}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_cancels_the_other_items() {
    for spawned in [false, true] {
        let alive = Alive::default();
        let counted = alive.clone();
        let work = step("work", move |n: i64| {
            let life = counted.enter();
            async move {
                tokio::time::sleep(Duration::from_secs(n.unsigned_abs())).await;
                drop(life);
                if n < 0 { Err(Error::failed("no")) } else { Ok(n) }
            }
        });
        let flow = fan_out(work);
        let flow = if spawned { flow.spawned() } else { flow };
        assert!(flow.run(vec![1_000, -1, 1_000], &WorkflowContext::new()).await.is_err());
        assert_eq!(alive.count(), 0, "spawned: {spawned}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_errors_are_kept_when_it_waits_for_all() {
    let error = fan_out(wait()).wait_all().run(vec![-3, 1, -2], &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.message(), "item -2");
    assert_eq!(error.related()[0].message(), "item -3");
}

#[tokio::test(start_paused = true)]
async fn settled_gives_the_result_of_each_item() {
    let flow = fan_out(wait()).concurrency(1).settled();
    let results = flow.run(vec![-3, 1], &WorkflowContext::new()).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().message(), "item -3");
    assert_eq!(results[1].as_ref().unwrap(), &2);
}

#[tokio::test]
async fn an_empty_list_gives_an_empty_list() {
    let none = fan_out(add("a", 1)).run(Vec::new(), &WorkflowContext::new()).await;
    assert!(none.unwrap().is_empty());
    let none = fan_out(add("a", 1)).spawned().run(Vec::new(), &WorkflowContext::new()).await;
    assert!(none.unwrap().is_empty());
}

/// Each item is woken twice. Polling all for each would be 10,000 x 20,000 polls.
#[tokio::test]
async fn ten_thousand_items_are_not_polled_for_one_another() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    let work = step("work", move |n: usize| {
        let counter = Arc::clone(&counter);
        let mut work = Box::pin(async move {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Ok(n)
        });
        std::future::poll_fn(move |task| {
            counter.fetch_add(1, Ordering::Relaxed);
            work.as_mut().poll(task)
        })
    });
    let items: Vec<usize> = (0..10_000).collect();
    assert_eq!(fan_out(work).run(items.clone(), &WorkflowContext::new()).await.unwrap(), items);
    assert!(polls.load(Ordering::Relaxed) <= 40_000, "{polls:?} polls");
}

#[tokio::test]
async fn it_composes_like_any_flow() {
    let flow = step("split", |n: i64| async move { Ok((0..n).collect::<Vec<_>>()) })
        >> fan_out(add("a", 1)).concurrency(2)
        >> step("sum", |all: Vec<i64>| async move { Ok(all.iter().sum::<i64>()) });
    assert_eq!(flow.run(4, &WorkflowContext::new()).await.unwrap(), 10);
}

#[tokio::test]
async fn it_is_a_branch_like_any_flow() {
    let flow = fan_out(add("a", 1)) | fan_out(add("b", 2)).concurrency(1);
    let (a, b) = flow.run(vec![1, 2], &WorkflowContext::new()).await.unwrap();
    assert_eq!((a, b), (vec![2, 3], vec![3, 4]));
}
