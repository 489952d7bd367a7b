//! A process that runs for long grows by nothing beyond its bounded buffers.

use tta::export::memory::MemoryExporter;
use tta::summary::Summary;
use tta::{Cache, Retry, Telemetry, WorkflowContext, step};

use crate::recording::ENOUGH;

/// How much the resident set may grow after the warm-up.
const BOUND: u64 = 8 * 1024 * 1024;
/// Enough to fill every pool and the thread's share of the allocator.
const WARM_UP: u64 = 50_000;
const RUNS: u64 = 100_000;

/// The resident set in bytes; none where the system does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Runs a flow of three executions, so many times each: first to warm up, then to compare.
fn check_growth(what: &str, context: impl Fn() -> WorkflowContext) {
    if resident().is_none() {
        eprintln!("skipped: /proc/self/statm does not tell the resident set here");
        return;
    }
    let cache = Cache::new("numbers", |n: &u64| n % 8);
    let flow = step("one", |n: u64| async move { Ok(n) }).cached(&cache)
        >> step("two", |n: u64| async move { Ok(n) }).retry(Retry::constant(2, std::time::Duration::ZERO));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let run = |runs: u64| {
        runtime.block_on(async {
            for n in 0..runs {
                // Each with a context of its own, as a server does it.
                flow.run(n, &context()).await.unwrap();
            }
        });
        resident().unwrap()
    };
    let before = run(WARM_UP);
    let after = run(RUNS);
    let grown = after.saturating_sub(before);
    assert!(grown <= BOUND, "{what}: grew by {grown} bytes, from {before} to {after}");
}

#[test]
fn many_recorded_runs_do_not_grow_the_process() {
    let summary = Summary::new();
    // It keeps a few and counts the rest.
    let memory = MemoryExporter::with_capacity(100);
    let (observer, guard) = Telemetry::new().exporter(memory).summary(&summary).build().unwrap();
    let observer = observer.unwrap();
    check_growth("recorded", || WorkflowContext::builder().observer(observer.clone()).build());
    guard.flush(ENOUGH).unwrap();
    let counts = guard.counts();
    let paths = summary.primitives();
    let one = paths.iter().find(|primitive| primitive.path.as_str().ends_with("two")).unwrap();
    // The summary knows of each span that was not dropped.
    assert!(one.executions <= WARM_UP + RUNS);
    assert!(one.executions == WARM_UP + RUNS || counts.dropped_total() > 0, "{one:?} {counts:?}");
}

#[test]
fn many_runs_without_an_observer_do_not_grow_the_process() {
    check_growth("not observed", WorkflowContext::new);
}
