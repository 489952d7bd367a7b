//! A host with its telemetry on, and the receiver that it sends to.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tta::config::{Config, ExporterKind, MetricsExporter, OtlpEndpoint, OtlpProtocol};
use tta::metrics::Metrics;
use tta::{DropReason, Guard, Telemetry, WorkflowContext};
use tta_model::name::attribute::TELEMETRY_SIGNAL;
use tta_model::name::metric::{TTA_TELEMETRY_DROPPED_TOTAL, TTA_TELEMETRY_QUEUE_LENGTH};

use crate::receiver::{Manner, Notes, Receiver};
use crate::workers::{LINES_OF_RUN, SPANS_OF_RUN, Work, Workers, burst, flow};

/// How often metrics are sent: far more often than usual, so that they have their part in the trouble.
const METRICS_INTERVAL: Duration = Duration::from_millis(500);
/// After this the drain thread has taken over what was recorded: twice its interval, and some.
const REST: Duration = Duration::from_millis(120);
/// How long what the drain thread has to do may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// What waits between the host's threads and the drain thread at most, in spans: 1,024 batches of 128.
const HAND_OVER: u64 = 1_024 * 128;
/// Runs that fill the queues of spans and of log records.
const FILL: u64 = 25_000;

pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// None while nobody listens.
    pub(crate) receiver: Option<Receiver>,
    pub(crate) seen: Seen,
    guard: Guard,
    context: WorkflowContext,
    runs: u64,
    capacity: u64,
}

/// What was seen of the queues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) most_spans: u64,
    pub(crate) most_lines: u64,
    pub(crate) bound_held: bool,
    pub(crate) counts_exact: bool,
}

/// What became of everything in the end.
pub(crate) struct Ending {
    pub(crate) recorded: u64,
    pub(crate) dropped: u64,
    /// By the receiver's own count.
    pub(crate) received: u64,
    pub(crate) lines_recorded: u64,
    pub(crate) lines_dropped: u64,
    pub(crate) lines_received: u64,
}

impl World {
    /// Without a manner nobody listens.
    pub(crate) fn new(name: &'static str, manner: Option<Manner>) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let receiver = manner.map(|manner| Receiver::start(free, manner));
        let unused = || TcpListener::bind(free).unwrap().local_addr().unwrap();
        let address = receiver.as_ref().map_or_else(unused, |receiver| receiver.address);
        let config = config(address);
        let capacity = config.batch.max_queue_size as u64;
        let (observer, guard) = Telemetry::with_config(config).build().unwrap();
        let context =
            WorkflowContext::builder().workflow_name("measured").observer(observer.unwrap()).build();
        let seen = Seen { most_spans: 0, most_lines: 0, bound_held: true, counts_exact: true };
        Self { name, address, receiver, seen, guard, context, runs: 0, capacity }
    }

    pub(crate) fn notes(&self) -> Option<Arc<Notes>> {
        self.receiver.as_ref().map(|receiver| Arc::clone(&receiver.notes))
    }

    /// Fills the queues, as a long time of trouble does.
    pub(crate) fn fill(&mut self) {
        for _ in 0..FILL / 500 {
            self.run(500);
            // No faster than the drain thread takes it over.
            thread::sleep(Duration::from_millis(2));
        }
        self.rest();
    }

    pub(crate) fn run(&mut self, runs: u64) {
        burst(&flow(), runs, &self.context);
        self.runs += runs;
    }

    /// Has the host work for some time, and looks at the queues meanwhile and afterwards.
    pub(crate) fn work(&mut self, workers: &Workers, duration: Duration) -> Work {
        let (metrics, seen, capacity) = (self.guard.metrics().clone(), &mut self.seen, self.capacity);
        let work = workers.work(&self.context, duration, || seen.look(&metrics, capacity, HAND_OVER));
        self.runs += work.runs;
        self.rest();
        work
    }

    /// Waits until the drain thread has everything; then all that waits, waits in the queues of the exporters.
    pub(crate) fn rest(&mut self) {
        thread::sleep(REST);
        // On a busy machine the drain thread takes longer; a queue that is too long stays so where nothing is sent.
        let deadline = Instant::now() + PATIENCE;
        while queue_length(self.guard.metrics(), "traces") > self.capacity && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.seen.look(self.guard.metrics(), self.capacity, 0);
        self.seen.counts_exact &= self.is_exact();
    }

    /// Whether each span that was recorded was exported, or dropped, or waits. Read until nothing moved meanwhile.
    fn is_exact(&self) -> bool {
        let counts = self.guard.counts();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let settled = || (counts.recorded(), counts.exported(), counts.dropped_total());
            let before = settled();
            let waiting = queue_length(self.guard.metrics(), "traces");
            let (recorded, exported, dropped) = settled();
            let is_exact = recorded == exported + dropped + waiting && recorded == self.runs * SPANS_OF_RUN;
            // What was sent is counted a moment before it leaves the queue.
            if (before == (recorded, exported, dropped) && is_exact) || Instant::now() > deadline {
                return is_exact;
            }
        }
    }

    pub(crate) fn exported(&self) -> u64 {
        self.guard.counts().exported()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.guard.counts().dropped(reason)
    }

    /// Ends recording within a time.
    pub(crate) fn end(self, within: Duration) -> Ending {
        let Self { guard, receiver, runs, .. } = self;
        let metrics = guard.metrics().clone();
        let recorded = guard.counts().recorded();
        // Not everything could be sent: that is the point.
        drop(guard.shutdown(within));
        let snapshot = metrics.snapshot();
        let dropped =
            |signal| snapshot.total(&TTA_TELEMETRY_DROPPED_TOTAL, &[(TELEMETRY_SIGNAL.key, signal)]) as u64;
        let notes = receiver.map(|receiver| receiver.notes);
        let received = |which: fn(&Notes) -> u64| notes.as_deref().map_or(0, which);
        Ending {
            recorded,
            dropped: dropped("traces"),
            received: received(|notes| notes.spans.load(Ordering::SeqCst)),
            lines_recorded: runs * LINES_OF_RUN,
            lines_dropped: dropped("logs"),
            lines_received: received(|notes| notes.lines.load(Ordering::SeqCst)),
        }
    }
}

impl Seen {
    /// Looks at the gauges. That of spans shows what waits for the drain thread, too.
    fn look(&mut self, metrics: &Metrics, capacity: u64, beside: u64) {
        let (spans, lines) = (queue_length(metrics, "traces"), queue_length(metrics, "logs"));
        self.most_spans = self.most_spans.max(spans);
        self.most_lines = self.most_lines.max(lines);
        self.bound_held &= spans <= capacity + beside && lines <= capacity;
    }
}

fn queue_length(metrics: &Metrics, signal: &str) -> u64 {
    metrics.snapshot().total(&TTA_TELEMETRY_QUEUE_LENGTH, &[(TELEMETRY_SIGNAL.key, signal)]) as u64
}

/// Spans, metrics and log records by OTLP over HTTP to one address; the rest is as usual.
fn config(address: SocketAddr) -> Config {
    let mut config = Config::silent();
    let endpoint = OtlpEndpoint::base(format!("http://{address}"), OtlpProtocol::HttpProtobuf).unwrap();
    for otlp in [&mut config.otlp, &mut config.otlp_metrics, &mut config.otlp_logs] {
        otlp.endpoint = endpoint.clone();
    }
    config.exporters = vec![ExporterKind::Otlp];
    config.metrics.exporters = vec![MetricsExporter::Otlp];
    config.metric_reader.interval = METRICS_INTERVAL;
    config.logs.otlp = true;
    config
}
