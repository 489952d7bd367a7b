//! Collects metrics at intervals and sends them.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};

use super::queue::LONGEST;
use super::sender::Sender;
use super::trouble::Trouble;
use super::worker::{self, Work};
use super::{GRACE, OtlpError, OtlpGauge, delta, service};
use crate::config::{MetricReaderConfig, OtlpConfig};
use crate::convert::proto;
use crate::convert::proto::metrics::Collection;
use crate::metrics::Snapshot;
use crate::resource::Resource;

const UNREAD: &str = "the metrics could not be read: a panic, told where this program writes its errors";

/// Sends metrics to an OTLP receiver, at intervals and at the end.
///
/// A collection that cannot be sent is no loss as long as a later one can: what is counted from the start is in every
/// collection, and a difference is counted from the last collection that the receiver acknowledged. Only a receiver that
/// took a difference and whose answer was lost counts it twice.
///
/// Dropped without a shutdown it ends at once, without a last collection.
#[derive(Debug)]
pub struct OtlpMetrics {
    commands: Option<UnboundedSender<Command>>,
    trouble: Arc<Trouble>,
    worker: Option<JoinHandle<()>>,
}

/// The metrics of this moment could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metrics were not sent: {reason}")]
pub struct MetricFlushError {
    /// Why, and what to do.
    pub reason: String,
}

/// The wish for a collection at once.
#[derive(Debug)]
struct Command {
    deadline: Instant,
    /// Whether it is the last.
    ends: bool,
    /// Gets the outcome.
    told: mpsc::Sender<Result<(), MetricFlushError>>,
}

impl OtlpMetrics {
    /// Starts the thread that collects and sends, the first time after one interval. `source` takes a snapshot there, with
    /// exponential buckets if its argument says so.
    ///
    /// # Errors
    /// If the settings can never work. A receiver that cannot be reached is no error here: it may start later.
    pub fn start(
        otlp: &OtlpConfig,
        settings: &MetricReaderConfig,
        resource: &Resource,
        source: impl Fn(bool) -> Snapshot + Send + 'static,
    ) -> Result<Self, OtlpError> {
        if settings.interval.is_zero() {
            let error = "the interval of metrics is zero; set OTEL_METRIC_EXPORT_INTERVAL";
            return Err(OtlpError::Setup(error.to_owned()));
        }
        let trouble = Arc::new(Trouble::new(otlp.signal, otlp.url()));
        let (commands, commanded) = unbounded_channel();
        let worker = worker::start("tta-otlp-metrics", || {
            let exporter = Exporter {
                sender: Sender::new(otlp, &trouble)?,
                settings: *settings,
                resource: proto::resource(resource),
                source: Box::new(source),
                acknowledged: RefCell::new(None),
                trouble: Arc::clone(&trouble),
            };
            Ok(Worker { exporter, commands: commanded })
        })?;
        Ok(Self { commands: Some(commands), trouble, worker: Some(worker) })
    }

    /// A handle that tells how the exporter fares. Nothing waits in a queue.
    #[must_use]
    pub fn gauge(&self) -> OtlpGauge {
        OtlpGauge { waiting: None, trouble: Arc::clone(&self.trouble) }
    }

    /// Collects and sends now, within a time.
    ///
    /// # Errors
    /// If no receiver took the metrics in time, or the thread has ended.
    pub fn flush(&self, timeout: Duration) -> Result<(), MetricFlushError> {
        match &self.commands {
            Some(commands) => self.command(commands, timeout, false).unwrap_or_else(|| self.untold()),
            None => Err(MetricFlushError { reason: "they are sent no more after the end".to_owned() }),
        }
    }

    /// Collects and sends a last time, and ends the thread, within the time and a second at most.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub fn shutdown(&mut self, timeout: Duration) -> Result<(), MetricFlushError> {
        let Some(commands) = self.commands.take() else { return Ok(()) };
        let outcome = self.command(&commands, timeout, true);
        let worker = self.worker.take();
        // A thread that has not told the outcome is stuck in a snapshot, and left to itself.
        if let (Some(worker), Some(_)) = (worker, &outcome) {
            // It has done its work, so it ends now.
            let _ = worker.join();
        }
        outcome.unwrap_or_else(|| self.untold())
    }

    /// Waits for a collection. None if the thread does not answer.
    fn command(
        &self,
        commands: &UnboundedSender<Command>,
        timeout: Duration,
        ends: bool,
    ) -> Option<Result<(), MetricFlushError>> {
        let timeout = timeout.min(LONGEST);
        let (told, outcome) = mpsc::channel();
        // A thread that is gone drops the command, and then nothing comes back.
        let _ = commands.send(Command { deadline: Instant::now() + timeout, ends, told });
        outcome.recv_timeout(timeout.saturating_add(GRACE)).ok()
    }

    fn untold(&self) -> Result<(), MetricFlushError> {
        Err(MetricFlushError { reason: self.trouble.reason() })
    }
}

struct Worker {
    exporter: Exporter,
    commands: UnboundedReceiver<Command>,
}

impl Work for Worker {
    async fn work(self) {
        let Self { exporter, mut commands } = self;
        let interval = exporter.settings.interval.min(LONGEST);
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let command = tokio::select! {
                biased;
                command = commands.recv() => command,
                _ = ticks.tick() => match exporter.export_until_command(&mut commands).await {
                    Interrupted::No => continue,
                    Interrupted::By(command) => command,
                },
            };
            // Without a handle nobody asks for the last collection.
            let Some(Command { deadline, ends, told }) = command else { return };
            // Whoever asked may have left.
            let _ = told.send(exporter.export_before(deadline).await);
            if ends {
                return;
            }
        }
    }
}

enum Interrupted {
    No,
    /// By a command, or by the end of all handles.
    By(Option<Command>),
}

struct Exporter {
    sender: Sender<service::Metrics>,
    settings: MetricReaderConfig,
    resource: ProtoResource,
    source: Box<dyn Fn(bool) -> Snapshot + Send>,
    /// The last collection that a receiver took, where differences are sent.
    acknowledged: RefCell<Option<Snapshot>>,
    trouble: Arc<Trouble>,
}

/// How long attempts follow one another when somebody waits for a collection to be sent.
const PATIENCE: Duration = Duration::from_secs(3);

/// A collection could not be sent; the trouble knows why.
struct Unsent;

impl Exporter {
    /// Exports, and lets a command cut short the pauses between attempts: it will send something newer.
    async fn export_until_command(&self, commands: &mut UnboundedReceiver<Command>) -> Interrupted {
        let hurry = Notify::new();
        let mut exporting = pin!(self.export(&hurry));
        let command = tokio::select! {
            _ = &mut exporting => return Interrupted::No,
            command = commands.recv() => command,
        };
        if let Some(command) = &command {
            // What is on its way arrives before, lest the receiver count it twice or in the wrong order.
            hurry.notify_one();
            let _ = timeout_at(command.deadline, exporting).await;
        }
        Interrupted::By(command)
    }

    async fn export_before(&self, deadline: Instant) -> Result<(), MetricFlushError> {
        let hurry = Notify::new();
        // Who asks for it waits, perhaps at the end of a program: where nobody listens, nobody will in a moment.
        let patience = async {
            sleep(PATIENCE).await;
            hurry.notify_one();
            pending::<Result<(), Unsent>>().await
        };
        let export = async {
            tokio::select! {
                sent = self.export(&hurry) => sent,
                never = patience => never,
            }
        };
        match timeout_at(deadline, export).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Unsent)) => Err(MetricFlushError { reason: self.trouble.reason() }),
            Err(_) => {
                let reason = self.trouble.reason();
                self.trouble.batch_failed("the time was over");
                Err(MetricFlushError { reason })
            }
        }
    }

    async fn export(&self, hurry: &Notify) -> Result<(), Unsent> {
        let read = catch_unwind(AssertUnwindSafe(|| (self.source)(self.settings.exponential)));
        let Ok(snapshot) = read else {
            self.trouble.attempt_failed(UNREAD);
            return Err(self.fail(UNREAD));
        };
        let (collection, acknowledged) = self.collection(snapshot);
        let Some(request) = proto::metrics::request(&self.resource, &collection) else { return Ok(()) };
        drop(collection);
        match timeout(self.settings.timeout, self.sender.send(request, hurry)).await {
            Ok(Ok(partial)) => {
                if let Some(partial) = partial {
                    self.trouble.accepted_in_part(&partial);
                }
                self.acknowledged.replace(acknowledged);
                Ok(())
            }
            Ok(Err(error)) => Err(self.fail(&error)),
            Err(_) => Err(self.fail(&format!("no answer within {:?}", self.settings.timeout))),
        }
    }

    /// What is sent of a snapshot, and what the next difference counts from once it is acknowledged.
    fn collection(&self, snapshot: Snapshot) -> (Collection, Option<Snapshot>) {
        if self.settings.temporality.is_delta() {
            let collection = delta::since(&snapshot, self.acknowledged.borrow().as_ref());
            (collection, Some(snapshot))
        } else {
            (Collection { snapshot, since_unix_nanos: None }, None)
        }
    }

    fn fail(&self, error: &str) -> Unsent {
        self.trouble.batch_failed(error);
        Unsent
    }
}
