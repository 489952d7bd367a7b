//! The cases of TTA.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tta::config::SpanLimits;
use tta::export::{FlushError, SpanExporter};
use tta::logs::LogSink;
use tta::metrics::Metrics;
use tta::recorder::{Drain, Outlets, Recorder};
use tta::sampling::Sampler;
use tta::{Description, Flow, Primitive, Result, Role, SpanCounts, WorkflowContext, step};
use tta_model::SpanRecord;

use crate::measure::{BARE, Case, block_on, median, thread_nanos};

pub(crate) fn all() -> Vec<Box<dyn Case>> {
    vec![
        Box::new(Bare),
        Box::new(InRun::new("flow, no observer", WorkflowContext::new(), None, leaf())),
        Box::new(unsampled()),
        Box::new(sampled()),
        Box::new(with_20_attributes()),
        Box::new(Contended(sampled())),
        Box::new(FilteredLines::new()),
        Box::new(ExtraPoll(InRun { name: "flow, yields once", leaf: yielding(), ..sampled() }, sampled())),
    ]
}

/// The work: adds one.
#[inline(never)]
fn work(n: u64) -> u64 {
    black_box(n) + 1
}

async fn add_one(n: u64) -> Result<u64> {
    Ok(work(n))
}

fn leaf() -> Flow<u64, u64> {
    step("leaf", add_one)
}

fn yielding() -> Flow<u64, u64> {
    step("leaf", |n: u64| async move {
        let mut yielded = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut yielded, true) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        add_one(n).await
    })
}

struct Bare;

impl Case for Bare {
    fn name(&self) -> &'static str {
        BARE
    }

    fn execute(&self, executions: u64) {
        block_on(async {
            for n in 0..executions {
                // Behind a pointer, as the compiler cannot see through a call that matters either.
                let mut call = std::pin::pin!(add_one(n));
                let call: std::pin::Pin<&mut dyn Future<Output = Result<u64>>> = black_box(call.as_mut());
                black_box(call.await.unwrap());
            }
        });
    }
}

/// Executes a leaf many times inside one run.
pub(crate) struct InRun {
    name: &'static str,
    leaf: Flow<u64, u64>,
    context: WorkflowContext,
    /// Takes the spans over, as in a program.
    drain: Option<Arc<Drain>>,
}

impl InRun {
    fn new(name: &'static str, context: WorkflowContext, drain: Option<Drain>, leaf: Flow<u64, u64>) -> Self {
        Self { name, leaf, context, drain: drain.map(Arc::new) }
    }
}

impl Case for InRun {
    fn name(&self) -> &'static str {
        self.name
    }

    fn execute(&self, executions: u64) {
        let flow = Flow::new(Repeat { leaf: self.leaf.clone(), executions });
        block_on(flow.run(0, &self.context)).unwrap();
    }

    fn settle(&self) {
        if let Some(drain) = &self.drain {
            drain.flush(Duration::from_secs(10)).unwrap();
        }
    }
}

struct Repeat {
    leaf: Flow<u64, u64>,
    executions: u64,
}

impl Primitive for Repeat {
    type In = u64;
    type Out = u64;

    async fn run(&self, mut n: u64, cx: &WorkflowContext) -> Result<u64> {
        for _ in 0..self.executions {
            n = self.leaf.run(n, cx).await?;
        }
        Ok(n)
    }

    fn describe(&self) -> Description {
        Description::new("repeat").child(Role::Inner, &self.leaf)
    }
}

struct Discard;

impl SpanExporter for Discard {
    fn export(&mut self, spans: &[SpanRecord]) {
        black_box(spans);
    }

    fn flush(&mut self, _timeout: Duration) -> std::result::Result<(), FlushError> {
        Ok(())
    }
}

fn recorder(sampler: Sampler) -> (Arc<Recorder>, Drain) {
    let counts = Arc::new(SpanCounts::default());
    let (recorder, finished) =
        Recorder::direct(sampler, SpanLimits::default(), Arc::clone(&counts), Metrics::new());
    (Arc::new(recorder), Drain::start(finished, outlets(), counts).unwrap())
}

/// Spans, and lines about the end of each, as they would go to OTLP.
fn outlets() -> Outlets {
    let logs: LogSink = Arc::new(|line| drop(black_box(line)));
    Outlets { exporters: vec![Box::new(Discard)], logs: Some(logs), ..Outlets::default() }
}

fn unsampled() -> InRun {
    let (recorder, drain) = recorder(Sampler::AlwaysOff);
    let context = WorkflowContext::builder().observer(recorder).build();
    InRun::new("flow, unsampled, metrics only", context, Some(drain), leaf())
}

/// Name, type, action and path; workflow id and name, correlation id; status and duration: 9 attributes.
pub(crate) fn sampled() -> InRun {
    let (recorder, drain) = recorder(Sampler::AlwaysOn);
    let context = WorkflowContext::builder().observer(recorder).build();
    InRun::new("flow, all signals, 9 attributes", context, Some(drain), leaf())
}

/// The same, with a session, an agent and three tags for the run, and five attributes set by the step.
fn with_20_attributes() -> InRun {
    let (recorder, drain) = recorder(Sampler::AlwaysOn);
    let context = WorkflowContext::builder()
        .session_id("session-1")
        .agent_id("agent-1")
        .agent_type("executor")
        .tag("tenant", "a")
        .tag("region", "b")
        .tag("tier", "c")
        .observer(recorder)
        .build();
    let leaf = Flow::new(Describing);
    InRun::new("flow, all signals, 20 attributes, 5 set by the step", context, Some(drain), leaf)
}

/// The work, with five attributes of its own.
struct Describing;

impl Primitive for Describing {
    type In = u64;
    type Out = u64;

    async fn run(&self, n: u64, cx: &WorkflowContext) -> Result<u64> {
        cx.set_attributes([
            ("answer.kind".into(), "sum".into()),
            ("answer.share".into(), 0.5.into()),
            ("answer.digits".into(), 2.into()),
            ("answer.exact".into(), true.into()),
            ("answer.operand".into(), n.into()),
        ]);
        add_one(n).await
    }
}

/// Two threads execute the same node at once.
struct Contended(InRun);

impl Case for Contended {
    fn name(&self) -> &'static str {
        "flow, all signals, two threads on one node"
    }

    fn execute(&self, executions: u64) {
        self.0.execute(executions);
    }

    fn settle(&self) {
        self.0.settle();
    }

    fn measured(&self, executions: u64) -> Option<f64> {
        let flow = Flow::new(Repeat { leaf: self.0.leaf.clone(), executions });
        let one = || {
            let start = thread_nanos();
            block_on(flow.run(0, &self.0.context)).unwrap();
            (thread_nanos() - start) / executions as f64
        };
        let costs = thread::scope(|scope| {
            let other = scope.spawn(one);
            vec![one(), other.join().unwrap()]
        });
        Some(costs.iter().sum::<f64>() / 2.0).filter(|_| median(costs) > 0.0)
    }
}

/// What one poll more costs.
struct ExtraPoll(InRun, InRun);

impl Case for ExtraPoll {
    fn name(&self) -> &'static str {
        "one extra poll, for each recorded node"
    }

    fn execute(&self, executions: u64) {
        self.0.execute(executions);
    }

    fn settle(&self) {
        self.0.settle();
        self.1.settle();
    }

    fn measured(&self, executions: u64) -> Option<f64> {
        let cost = |case: &InRun| {
            let start = thread_nanos();
            case.execute(executions);
            (thread_nanos() - start) / executions as f64
        };
        // Three nodes are polled once more: the leaf, the loop around it, and the run's first node.
        Some(((cost(&self.0) - cost(&self.1)) / 3.0).max(0.0))
    }
}

/// What a line costs that nobody wants, of which a step has two: one at its start and one at its end.
struct FilteredLines {
    quiet: InRun,
    filter: &'static str,
    dispatch: RefCell<Option<Dispatch>>,
}

impl FilteredLines {
    fn new() -> Self {
        Self { quiet: sampled(), filter: "info,tta=error", dispatch: RefCell::default() }
    }
}

impl Case for FilteredLines {
    fn name(&self) -> &'static str {
        "one filtered log line"
    }

    fn execute(&self, executions: u64) {
        self.quiet.execute(executions);
    }

    fn settle(&self) {
        self.quiet.settle();
    }

    fn measured(&self, executions: u64) -> Option<f64> {
        let cost = || {
            let start = thread_nanos();
            self.quiet.execute(executions);
            (thread_nanos() - start) / executions as f64
        };
        let without = cost();
        self.settle();
        let filter = EnvFilter::builder().parse(self.filter).unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(filter));
        *self.dispatch.borrow_mut() = Some(dispatch.clone());
        tracing::callsite::rebuild_interest_cache();
        let with = tracing::dispatcher::with_default(&dispatch, cost);
        drop((dispatch, self.dispatch.borrow_mut().take()));
        tracing::callsite::rebuild_interest_cache();
        Some(((with - without) / 2.0).max(0.0))
    }
}
