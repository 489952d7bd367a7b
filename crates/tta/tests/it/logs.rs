//! Lines tell what happened, and in which run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tta::logs::{Lines, LogFormat};
use tta::sampling::Sampler;
use tta::{Error, ErrorKind, Flow, Guard, Retry, Telemetry, WorkflowContext, step};

/// What was written.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct World {
    written: Written,
    dispatch: Dispatch,
    cx: WorkflowContext,
    _guard: Guard,
}

impl World {
    fn new(filter: &str, format: LogFormat, sampler: Sampler) -> Self {
        let written = Written::default();
        let filter = EnvFilter::builder().parse(filter).unwrap();
        let lines = Lines::to(format, written.clone());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(filter).with(lines));
        let (observer, guard) = Telemetry::new().sampler(sampler).build().unwrap();
        let cx = WorkflowContext::builder().workflow_name("report").observer(observer.unwrap()).build();
        Self { written, dispatch, cx, _guard: guard }
    }

    fn json(filter: &str) -> Self {
        Self::new(filter, LogFormat::Json, Sampler::AlwaysOn)
    }

    /// Runs a flow on a runtime of its own, with the subscriber.
    fn run<O: Send + 'static>(&self, flow: &Flow<u64, O>) -> tta::Result<O> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tracing::dispatcher::with_default(&self.dispatch, || runtime.block_on(flow.run(1, &self.cx)))
    }

    fn text(&self) -> String {
        self.written.text()
    }

    fn lines(&self) -> Vec<Value> {
        self.written.lines()
    }

    /// Level and message of each line.
    fn told(&self) -> Vec<String> {
        let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        self.lines().iter().map(|line| format!("{} {}", word(line, "level"), word(line, "message"))).collect()
    }
}

fn fine(name: &'static str) -> Flow<u64, u64> {
    step(name, |n: u64| async move { Ok(n) })
}

fn failing() -> Flow<u64, u64> {
    step("fail", |_: u64| async move {
        let cause = io::Error::other("the disk is gone; password=hunter2hunter2");
        Err(Error::with_source(ErrorKind::Unavailable, cause))
    })
}

#[test]
fn a_run_tells_of_its_steps() {
    let world = World::json("tta=info");
    world.run(&(fine("a") >> fine("b"))).unwrap();
    let expected = [
        "INFO workflow_start",
        "INFO sequential_step_start",
        "INFO sequential_step_complete",
        "INFO sequential_step_start",
        "INFO sequential_step_complete",
        "INFO primitive_complete",
        "INFO workflow_complete",
    ];
    assert_eq!(world.told(), expected);
    for line in world.lines() {
        assert_eq!(line["trace_id"], world.cx.trace_id().unwrap().to_string());
        assert_eq!(line["workflow_id"], world.cx.workflow_id());
        assert_eq!(line["correlation_id"], world.cx.correlation_id());
        assert_eq!(line["workflow"], "report");
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16, "{line}");
    }
    let lines = world.lines();
    assert_eq!((&lines[2]["primitive"], &lines[2]["step"]), (&"a".into(), &0.into()));
    assert!(lines[2]["duration_ms"].as_f64().unwrap() >= 0.0);
}

#[test]
fn recovery_warns_and_failure_is_an_error_with_its_causes() {
    let world = World::json("tta=warn");
    let flow = failing().retry(Retry::constant(2, Duration::ZERO)).fallback(fine("spare"));
    world.run(&flow).unwrap();
    let expected = [
        "ERROR primitive_failed",
        "WARN retry_attempt_failed",
        "ERROR primitive_failed",
        "ERROR retry_exhausted",
        "WARN fallback_triggered",
    ];
    assert_eq!(world.told(), expected);
    let lines = world.lines();
    let error = lines[0]["error"].as_str().unwrap();
    assert!(error.contains("the disk is gone"), "{error}");
    assert!(!world.text().contains("hunter2"), "{}", world.text());
    assert_eq!((&lines[1]["attempt"], &lines[1]["max_attempts"]), (&1.into(), &2.into()));
    assert_eq!(lines[4]["choice"], "spare");
}

#[test]
fn a_run_that_fails_or_panics_says_so() {
    let world = World::json("tta=warn");
    let panicking = step("panic", |_: u64| async move { panic!("ouch") });
    let flow: Flow<u64, u64> = fine("a") >> panicking;
    world.run(&flow).unwrap_err();
    assert_eq!(world.told(), ["ERROR panic_caught", "ERROR sequential_step_failed", "ERROR workflow_failed"]);
}

#[test]
fn lines_of_the_application_carry_the_ids_of_the_run() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let world = World::new("info,tta=off", LogFormat::Json, sampler);
        let talking = step("talk", |n: u64| async move {
            tracing::info!(answer = 42, asked = "?api_key=abcdefgh12345678", "hello");
            tokio::task::yield_now().await;
            tracing::warn!("still here");
            Ok(n)
        });
        world.run(&talking).unwrap();
        tracing::dispatcher::with_default(&world.dispatch, || tracing::info!("outside"));
        let lines = world.lines();
        for line in &lines[..2] {
            assert_eq!(line["trace_id"], world.cx.trace_id().unwrap().to_string());
            assert_eq!(line["workflow_id"], world.cx.workflow_id());
            assert_eq!(line["correlation_id"], world.cx.correlation_id());
            assert!(line["span_id"].is_string());
        }
        assert_eq!(lines[0]["answer"], 42);
        assert_eq!(lines[0]["asked"], "?api_key=[redacted]");
        assert_eq!((&lines[2]["message"], &lines[2]["trace_id"]), (&"outside".into(), &Value::Null));
    }
}

#[test]
fn a_run_that_is_not_recorded_tells_the_same() {
    let recorded = World::json("tta=debug");
    let unrecorded = World::new("tta=debug", LogFormat::Json, Sampler::AlwaysOff);
    let flow = fine("a") >> (fine("b") | fine("c"));
    recorded.run(&flow).unwrap();
    unrecorded.run(&flow).unwrap();
    assert_eq!(recorded.told(), unrecorded.told());
    assert!(unrecorded.lines().iter().all(|line| line["trace_id"].is_string()));
}

#[test]
fn people_get_one_line_for_each() {
    let world = World::new("info,tta=off", LogFormat::Pretty, Sampler::AlwaysOn);
    let talking = step("talk", |n: u64| async move {
        tracing::warn!(who = "two words", "first\nsecond");
        Ok(n)
    });
    world.run(&talking).unwrap();
    let text = world.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    let after_the_time = text.split_once(' ').unwrap().1;
    let expected = " WARN it::logs first\\nsecond who=\"two words\" trace_id=";
    assert!(after_the_time.starts_with(expected), "{text}");
}

#[test]
fn a_line_of_text_tells_the_terminal_nothing_but_text() {
    let world = World::new("info", LogFormat::Pretty, Sampler::AlwaysOn);
    tracing::dispatcher::with_default(&world.dispatch, || {
        tracing::warn!(from = "\u{1b}[2K", "ok\u{1b}[2J\u{8}\u{2028}\u{9b}31m\u{7f}");
    });
    let text = world.text();
    assert!(text.contains(r"ok\u{1b}[2J\u{8}\u{2028}\u{9b}31m\u{7f} from=\u{1b}[2K"), "{text:?}");
    assert_eq!(text.chars().filter(|char| char.is_control()).collect::<String>(), "\n");
}

#[test]
fn a_field_that_is_named_as_a_secret_is_one() {
    for format in [LogFormat::Pretty, LogFormat::Json] {
        let world = World::new("info", format, Sampler::AlwaysOn);
        tracing::dispatcher::with_default(&world.dispatch, || {
            tracing::warn!(password = "hunter2", api_key = ?"open sesame", "login");
        });
        let text = world.text();
        assert!(!text.contains("hunter2") && !text.contains("sesame"), "{text}");
    }
}

/// Tells of its end, as a connection that a thread keeps may.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        tracing::info!("farewell");
    }
}

thread_local! {
    static KEPT: Farewell = const { Farewell };
}

#[test]
fn a_line_that_is_written_while_a_thread_ends_is_written() {
    for asks_before in [false, true] {
        let world = World::json("info");
        let dispatch = world.dispatch.clone();
        std::thread::spawn(move || {
            let _default = tracing::dispatcher::set_default(&dispatch);
            // It goes last, since it came first.
            KEPT.with(|_| ());
            std::mem::forget(_default);
            drop(opentelemetry::Context::new().attach());
            if asks_before {
                tracing::info!("hello");
            }
        })
        .join()
        .unwrap();
        assert_eq!(world.told().last().unwrap(), "INFO farewell");
    }
}
