//! Bulkhead: so many calls at once, so many that wait, and no more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use tokio::time::Instant;
use tta_primitives::{Bulkhead, ErrorKind, Flow, WorkflowContext, step};

use super::{drop_after, events, ms, paused_tape, slow, stuck};

#[tokio::test(start_paused = true)]
async fn calls_beyond_permits_and_queue_fail_at_once() {
    let tape = paused_tape();
    let bulkhead = Bulkhead::builder("database", 2).queue(3).build();
    let flow = slow().bulkhead(&bulkhead);
    let began = Instant::now();
    let cx = tape.context();
    let results = join_all((0..8).map(|_| flow.run(100, &cx))).await;
    let kinds: Vec<_> = results.into_iter().filter_map(|result| Some(result.err()?.kind())).collect();
    assert_eq!(kinds, [ErrorKind::BulkheadFull; 3]);
    assert_eq!(began.elapsed(), ms(300), "five calls, two at once");
    assert_eq!((bulkhead.available(), bulkhead.queued()), (2, 0));
    let checked = events(&tape, "BulkheadChecked");
    assert_eq!(checked.iter().filter(|event| event.contains("admitted: false")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn it_is_seen_on_the_span() {
    let tape = paused_tape();
    let bulkhead = Bulkhead::builder("database", 2).build();
    slow().bulkhead(&bulkhead).run(1, &tape.context()).await.unwrap();
    assert_eq!(
        tape.tree_with(&["bulkhead.name", "bulkhead.limit", "bulkhead.queued"]),
        "\
workflow.bulkhead.execute
  primitive.bulkhead.execute bulkhead.name=database bulkhead.limit=2 bulkhead.queued=0
    primitive.slow.execute
"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_it_may() {
    let bulkhead = Bulkhead::builder("database", 1).queue(1).max_wait(ms(50)).build();
    let flow = slow().bulkhead(&bulkhead);
    let cx = WorkflowContext::new();
    let began = Instant::now();
    let waits = async {
        let error = flow.run(1, &cx).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (ErrorKind::BulkheadFull, ms(50)));
        assert!(error.to_string().contains("no permit in time"), "{error}");
    };
    let (first, ()) = tokio::join!(flow.run(100, &cx), waits);
    assert!(first.is_ok());
    assert_eq!((bulkhead.available(), bulkhead.queued()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let work = step("work", move |n: u32| {
        seen.lock().unwrap().push(n);
        async move {
            tokio::time::sleep(ms(10)).await;
            Ok(n)
        }
    });
    let flow = work.bulkhead(&Bulkhead::builder("database", 1).queue(10).build());
    let cx = WorkflowContext::new();
    join_all((0..10).map(|n| flow.run(n, &cx))).await;
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_leak_neither_permit_nor_place() {
    let tape = paused_tape();
    let bulkhead = Bulkhead::builder("database", 1).queue(1).build();
    let flow = stuck().bulkhead(&bulkhead);
    let cx = tape.context();
    let both = async { tokio::join!(flow.run(0, &cx), flow.run(0, &cx)) };
    drop_after(ms(10), both).await;
    assert_eq!((bulkhead.available(), bulkhead.queued(), tape.open()), (1, 0, 0));
    // Only the one that waits is dropped.
    let holder = slow().bulkhead(&bulkhead);
    let waiter = drop_after(ms(10), flow.run(0, &cx));
    assert!(tokio::join!(holder.run(100, &cx), waiter).0.is_ok());
    assert_eq!((bulkhead.available(), bulkhead.queued()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flows_on_many_threads_share_its_permits() {
    let bulkhead = Bulkhead::builder("database", 3).queue(1_000).build();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let flow = |name: &'static str| -> Flow<u32, u32> {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        let work = step(name, move |n: u32| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            }
        });
        work.bulkhead(&bulkhead)
    };
    let (reads, writes) = (flow("reads"), flow("writes"));
    let calls: Vec<_> = (0..400)
        .map(|n| {
            let flow = if n % 2 == 0 { reads.clone() } else { writes.clone() };
            tokio::spawn(async move { flow.run(n, &WorkflowContext::new()).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!((bulkhead.available(), bulkhead.queued()), (3, 0));
}
