//! Caches: what is remembered, for how long, and who computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, join_all, ready};
use tta_primitives::testkit::{Mock, Tape, use_paused_time};
use tta_primitives::{
    Cache, CacheKey, CacheStore, Entry, Error, ErrorKind, Flow, Memory, MicroUsd, Result, WorkflowContext,
    step, step_with,
};

/// Counts its calls, takes ten milliseconds, and gives the number of the call.
fn counted() -> (Flow<i64, usize>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let flow = step("compute", move |_: i64| {
        let counter = Arc::clone(&counter);
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(counter.fetch_add(1, Ordering::SeqCst) + 1)
        }
    });
    (flow, calls)
}

fn by_input<O: Clone + Send + Sync + 'static>() -> Cache<i64, O> {
    Cache::new("answers", |n: &i64| *n)
}

async fn pass(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hit_does_not_call() {
    use_paused_time();
    let (flow, calls) = counted();
    let cache = by_input();
    let flow = flow.cached(&cache);
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    assert_eq!(flow.run(2, &cx).await.unwrap(), 2);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 2, 2));
    assert!((stats.hit_rate() - 1.0 / 3.0).abs() < 1e-9);
    let first_two: String =
        tape.tree_with(&["cache.hit"]).lines().take(7).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        first_two,
        "\
workflow.answers.execute
  primitive.cache.execute cache.hit=false
    cache.memory.lookup
    primitive.compute.execute
    cache.memory.store
workflow.answers.execute
  primitive.cache.execute cache.hit=true
"
    );
    assert_eq!(tape.check(), []);
}

#[tokio::test]
async fn the_key_is_hashed_on_spans() {
    let cache = Cache::new("people", |mail: &String| mail.clone());
    let tape = Tape::new();
    let flow = step("find", |mail: String| async move { Ok(mail.len()) }).cached(&cache);
    flow.run("ada@example.org".to_owned(), &tape.context()).await.unwrap();
    let span = &tape.named("primitive.cache.execute")[0];
    let key = span.attribute("cache.key").map(ToString::to_string).unwrap();
    assert_eq!(key, format!("{:016x}", CacheKey::new("ada@example.org").hash()));
    assert!(!format!("{:?}", tape.spans()).contains("ada@"));
    for key in ["cache.name", "cache.type", "cache.eviction_policy", "cache.lookup_time_ms"] {
        assert!(span.attribute(key).is_some(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_expires_and_has_an_age() {
    let (flow, _) = counted();
    let cache = by_input().ttl(Duration::from_secs(1));
    let flow = flow.cached(&cache);
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    pass(999).await;
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    let hit = &tape.named("primitive.cache.execute")[1];
    assert_eq!(hit.attribute("cache.age_seconds").map(ToString::to_string).as_deref(), Some("0.999"));
    assert_eq!(hit.attribute("cache.ttl_seconds").map(ToString::to_string).as_deref(), Some("1"));
    pass(1).await;
    assert_eq!(flow.run(1, &cx).await.unwrap(), 2);
}

#[tokio::test]
async fn the_number_of_entries_is_bounded() {
    for store in [Memory::new(10), Memory::lru(10)] {
        let cache = by_input().store(store);
        let flow = step("same", |n: i64| ready(Ok(n))).cached(&cache);
        let cx = WorkflowContext::new();
        for n in 0..200 {
            flow.run(n, &cx).await.unwrap();
        }
        let stats = cache.stats();
        assert_eq!((stats.entries, stats.evictions), (10, 190));
    }
}

#[tokio::test]
async fn the_least_recently_used_goes_first() {
    let compute = Mock::new("compute").otherwise(|n: &i64, _| Ok(*n));
    let flow = compute.flow().cached(&by_input().store(Memory::lru(2)));
    let cx = WorkflowContext::new();
    for n in [1, 2, 1, 3, 1, 2] {
        flow.run(n, &cx).await.unwrap();
    }
    assert_eq!(compute.inputs(), [1, 2, 3, 2]);
}

#[tokio::test]
async fn the_weight_of_entries_is_bounded() {
    let weigh = |_: &CacheKey, entry: &Entry<i64>| match entry.outcome {
        tta_primitives::Remembered::Value(weight) => u32::try_from(weight).unwrap(),
        tta_primitives::Remembered::Failure(_) => 1,
    };
    let cache = by_input().store(Memory::weighed(100, weigh));
    let flow = step("same", |n: i64| ready(Ok(n))).cached(&cache);
    let cx = WorkflowContext::new();
    for n in [40, 50, 101] {
        flow.run(n, &cx).await.unwrap();
    }
    assert_eq!(cache.stats().entries, 2, "what is heavier than the bound is not kept");
}

#[tokio::test(start_paused = true)]
async fn twenty_misses_at_once_make_one_call() {
    let (flow, calls) = counted();
    let cache = by_input();
    let flow = flow.cached(&cache);
    let cx = WorkflowContext::new();
    let all = join_all((0..20).map(|_| flow.run(1, &cx))).await;
    assert!(all.into_iter().all(|output| output.unwrap() == 1));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.shared), (1, 19));
}

/// Memory whose look-ups take, after they have looked, as many milliseconds as the list says.
struct Late {
    memory: Memory<i64>,
    delays: std::sync::Mutex<Vec<u64>>,
}

impl CacheStore<i64> for Late {
    fn backend(&self) -> &'static str {
        "late"
    }

    fn policy(&self) -> &'static str {
        self.memory.policy()
    }

    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<i64>>>> {
        let delay = self.delays.lock().unwrap().pop().unwrap_or_default();
        Box::pin(async move {
            let found = self.memory.get(key).await;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            found
        })
    }

    fn insert<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: Entry<i64>,
        keep: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>> {
        self.memory.insert(key, entry, keep)
    }

    fn remove<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        self.memory.remove(key)
    }
}

#[tokio::test(start_paused = true)]
async fn who_learns_late_of_a_miss_does_not_call_again() {
    let compute = Mock::new("compute").otherwise(|n: &i64, _| Ok(*n));
    let cache = by_input().store(Late { memory: Memory::new(9), delays: vec![50, 1].into() });
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    let (first, second) = tokio::join!(flow.run(1, &cx), flow.run(1, &cx));
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
    compute.assert_calls(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn misses_on_several_threads_make_one_call() {
    for _ in 0..50 {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let compute = step("compute", move |n: i64| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                Ok(n)
            }
        });
        let flow = compute.cached(&by_input());
        let runs = (0..20).map(|_| {
            let flow = flow.clone();
            tokio::spawn(async move { flow.run(1, &WorkflowContext::new()).await })
        });
        for run in runs.collect::<Vec<_>>() {
            assert_eq!(run.await.unwrap().unwrap(), 1);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_is_cancelled_another_takes_over() {
    let (flow, calls) = counted();
    let flow = flow.cached(&by_input());
    let (leader, waiter) = (WorkflowContext::new(), WorkflowContext::new());
    let (first, second, ()) = tokio::join!(flow.run(1, &leader), flow.run(1, &waiter), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        leader.cancel();
    });
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(second.unwrap(), 1);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_the_error_of_the_leader() {
    let compute = Mock::<i64, i64>::new("compute")
        .after(Duration::from_millis(5))
        .fails(Error::new(ErrorKind::Unavailable, "down"))
        .otherwise(|n, _| Ok(*n));
    let flow = compute.flow().cached(&by_input());
    let cx = WorkflowContext::new();
    for result in join_all((0..3).map(|_| flow.run(1, &cx))).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.message().as_str()), (ErrorKind::Unavailable, "down"));
    }
    compute.assert_calls(1);
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1, "a failure is not remembered unless asked for");
}

#[tokio::test]
async fn a_budget_that_is_spent_is_the_own_failure_of_the_leader() {
    let compute = step_with("compute", |n: i64, cx: WorkflowContext| async move {
        tokio::task::yield_now().await;
        cx.check_budget(MicroUsd(5))?;
        Ok(n)
    });
    let flow = compute.cached(&by_input());
    let poor = WorkflowContext::builder().budget(MicroUsd(1)).build();
    let rich = WorkflowContext::new();
    let (first, second) = tokio::join!(flow.run(1, &poor), flow.run(1, &rich));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::BudgetExceeded);
    assert_eq!(second.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered_for_their_own_time() {
    let compute = Mock::<i64, i64>::new("compute").fails(Error::invalid("no such user")).returns(7);
    let cache = by_input().negative_ttl(Duration::from_secs(1));
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    for _ in 0..3 {
        let error = flow.run(1, &cx).await.unwrap_err();
        assert_eq!((error.kind(), error.message().as_str()), (ErrorKind::Invalid, "no such user"));
    }
    compute.assert_calls(1);
    assert_eq!(cache.stats().negative_hits, 2);
    pass(1_000).await;
    assert_eq!(flow.run(1, &cx).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_is_given_out_while_one_call_renews_it() {
    let (flow, calls) = counted();
    let cache = by_input().ttl(Duration::from_secs(1)).stale_while_revalidate(Duration::from_secs(9));
    let flow = flow.cached(&cache);
    let tape = Tape::new();
    let cx = tape.context();
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
    pass(2_000).await;
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1, "stale");
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1, "stale");
    cx.settled().await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(flow.run(1, &cx).await.unwrap(), 2, "renewed");
    assert_eq!(cache.stats().stale_hits, 2);
    assert_eq!(tape.named("primitive.compute.execute").len(), 2);
    pass(10_000).await;
    assert_eq!(flow.run(1, &cx).await.unwrap(), 3, "beyond the window");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_stale_entry() {
    let compute = Mock::<i64, i64>::new("compute").returns(1).fails(Error::failed("down")).returns(3);
    let cache = by_input()
        .ttl(Duration::from_secs(1))
        .negative_ttl(Duration::from_secs(100))
        .stale_while_revalidate(Duration::from_secs(9));
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    for expect in [1, 1, 1, 3] {
        assert_eq!(flow.run(1, &cx).await.unwrap(), expect);
        cx.settled().await;
        pass(1_500).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_ends_with_its_cache() {
    let compute = Mock::<i64, i64>::new("compute").returns(1).after(Duration::from_secs(60)).returns(2);
    let cache = by_input().ttl(Duration::from_secs(1)).stale_while_revalidate(Duration::from_secs(9));
    let flow = compute.flow().cached(&cache);
    let cx = WorkflowContext::new();
    flow.run(1, &cx).await.unwrap();
    pass(2_000).await;
    flow.run(1, &cx).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(compute.unanswered(), 1);
    let start = tokio::time::Instant::now();
    drop((flow, cache));
    cx.settled().await;
    assert_eq!(start.elapsed(), Duration::ZERO, "it was aborted");
}

#[tokio::test]
async fn what_a_hit_saved_is_reported() {
    let compute = step_with("compute", |n: i64, cx: WorkflowContext| async move {
        cx.charge(MicroUsd(250));
        Ok(n)
    });
    let cache = by_input();
    let flow = compute.cached(&cache);
    let tape = Tape::new();
    let cx = tape.context();
    for _ in 0..3 {
        flow.run(1, &cx).await.unwrap();
    }
    assert_eq!(cx.spent(), MicroUsd(250));
    assert_eq!(cache.stats().saved, MicroUsd(500));
    let hit = &tape.named("primitive.cache.execute")[1];
    assert_eq!(hit.attribute("cache.savings_usd").map(ToString::to_string).as_deref(), Some("0.00025"));
    assert!(hit.events[0].contains("saved_micro_usd: 250"), "{:?}", hit.events);
}

/// A store that always fails.
struct Broken;

impl CacheStore<i64> for Broken {
    fn backend(&self) -> &'static str {
        "broken"
    }

    fn policy(&self) -> &'static str {
        "ttl"
    }

    fn get<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<Option<Entry<i64>>>> {
        Box::pin(ready(Err(Error::new(ErrorKind::Unavailable, "no connection"))))
    }

    fn insert<'a>(
        &'a self,
        _: &'a CacheKey,
        _: Entry<i64>,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(ready(Err(Error::new(ErrorKind::Unavailable, "no connection"))))
    }

    fn remove<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<()>> {
        Box::pin(ready(Err(Error::new(ErrorKind::Unavailable, "no connection"))))
    }
}

#[tokio::test]
async fn a_store_that_fails_is_a_miss_and_never_a_failed_run() {
    let cache = by_input().store(Broken);
    let flow = step("compute", |n: i64| ready(Ok(n))).cached(&cache);
    let tape = Tape::new();
    assert_eq!(flow.run(1, &tape.context()).await.unwrap(), 1);
    tape.assert_tree(
        "
        workflow.answers.execute
          primitive.cache.execute
            cache.broken.lookup [error]
            primitive.compute.execute
            cache.broken.store [error]
        ",
    );
    assert_eq!(cache.stats().store_failures, 3, "the leader looks again");
}

#[tokio::test]
async fn several_flows_share_one_cache() {
    let compute = Mock::new("compute").otherwise(|n: &i64, _| Ok(*n));
    let cache = by_input();
    let (first, second) = (compute.flow().cached(&cache), compute.flow().named("other").cached(&cache));
    let cx = WorkflowContext::new();
    first.run(1, &cx).await.unwrap();
    second.run(1, &cx).await.unwrap();
    compute.assert_calls(1);
    cache.forget(&1, &cx).await;
    second.run(1, &cx).await.unwrap();
    compute.assert_calls(2);
}

#[tokio::test]
async fn a_panic_is_shared_as_an_error_and_frees_the_key() {
    let compute = Mock::<i64, i64>::new("compute").otherwise(|n, call| {
        assert!(call > 1, "bang");
        Ok(*n)
    });
    let flow = compute.flow().cached(&by_input());
    let cx = WorkflowContext::new();
    assert_eq!(flow.run(1, &cx).await.unwrap_err().kind(), ErrorKind::Panic);
    assert_eq!(flow.run(1, &cx).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flow_inside_its_own_cache_does_not_wait_for_itself() {
    let (flow, calls) = counted();
    let cache = by_input();
    let flow = flow.cached(&cache).cached(&cache);
    assert_eq!(flow.run(1, &WorkflowContext::new()).await.unwrap(), 1);
    assert_eq!(flow.run(1, &WorkflowContext::new()).await.unwrap(), 1);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
