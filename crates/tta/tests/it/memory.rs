//! A process that runs for long grows by nothing beyond its bounded buffers.

use std::process::Command;

use tta::export::memory::MemoryExporter;
use tta::metrics::Window;
use tta::{Cache, Retry, Telemetry, WorkflowContext, step};

use crate::recording::ENOUGH;

/// How much the resident set may grow after the warm-up.
const BOUND: u64 = 8 * 1024 * 1024;
/// Enough to fill every pool and the thread's share of the allocator.
const WARM_UP: u64 = 30_000;
/// Of six executions each.
const RUNS: u64 = 60_000;
/// Says to a process that it runs one test alone: the memory of others is none of its business.
const ALONE: &str = "TTA_TEST_ALONE";

/// Runs the test in a process of its own.
fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let status = command.args([name, "--exact", "--nocapture"]).env(ALONE, "yes").status().unwrap();
    assert!(status.success(), "{name} failed in a process of its own");
}

/// The resident set in bytes; none where the system does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Runs a flow many times: first to warm up, then to compare. What waits in buffers is let out now and then:
/// a drain thread that gets no core would fill them, and they are bounded anyway.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn check_growth(what: &str, context: impl Fn() -> WorkflowContext, let_out: impl Fn()) {
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
                if n % 1_000 == 0 {
                    let_out();
                }
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
    alone("memory::many_recorded_runs_do_not_grow_the_process", || {
        // It keeps a few and counts the rest.
        let memory = MemoryExporter::with_capacity(100);
        let (observer, guard) = Telemetry::new().exporter(memory).build().unwrap();
        let observer = observer.unwrap();
        let context = || WorkflowContext::builder().observer(observer.clone()).build();
        check_growth("recorded", context, || guard.flush(ENOUGH).unwrap());
        guard.flush(ENOUGH).unwrap();
        let paths = guard.metrics().primitives(Window::Start);
        let one = paths.iter().find(|primitive| primitive.path.as_str().ends_with("two")).unwrap();
        // Spans may have been dropped, and every execution was counted.
        assert_eq!(one.executions, WARM_UP + RUNS, "{one:?}");
    });
}

#[test]
fn many_runs_without_an_observer_do_not_grow_the_process() {
    alone("memory::many_runs_without_an_observer_do_not_grow_the_process", || {
        check_growth("not observed", WorkflowContext::new, || ());
    });
}
