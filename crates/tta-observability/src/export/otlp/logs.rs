//! Sends log records.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use tokio::sync::Notify;
use tta_model::LogRecord;

use super::queue::{Queue, Waiting as _};
use super::sender::{Partial, Sender};
use super::trouble::Trouble;
use super::worker::{self, EndsQueue, Work};
use super::{GRACE, OtlpError, OtlpGauge, service};
use crate::config::{BatchConfig, OtlpConfig};
use crate::convert::proto;
use crate::counts::LogCounts;
use crate::resource::Resource;

/// Sends log records to an OTLP receiver.
///
/// Dropped without a shutdown it ends at once, and counts what it had not sent.
#[derive(Debug)]
pub struct OtlpLogs {
    queue: Arc<Queue<LogRecord>>,
    counts: Arc<LogCounts>,
    trouble: Arc<Trouble>,
    worker: Option<JoinHandle<()>>,
}

/// Takes log records over. Cloning it shares the queue.
#[derive(Clone, Debug)]
pub struct LogSink {
    queue: Arc<Queue<LogRecord>>,
    counts: Arc<LogCounts>,
}

/// Log records could not be sent in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unsent} log records were not sent: {reason}")]
pub struct LogFlushError {
    /// How many.
    pub unsent: u64,
    /// Why, and what to do.
    pub reason: String,
}

impl OtlpLogs {
    /// Starts the thread that sends. Connects to nothing before there is something to send.
    ///
    /// # Errors
    /// If the settings can never work. A receiver that cannot be reached is no error here: it may start later.
    pub fn start(
        otlp: &OtlpConfig,
        batch: &BatchConfig,
        resource: &Resource,
        counts: Arc<LogCounts>,
    ) -> Result<Self, OtlpError> {
        let queue = Arc::new(Queue::new(batch, Arc::clone(&counts) as _));
        let trouble = Arc::new(Trouble::new(otlp.signal, otlp.url()));
        let worker = worker::start("tta-otlp-logs", || {
            Ok(Worker {
                sender: Sender::new(otlp, &trouble)?,
                resource: proto::resource(resource),
                limit: batch.export_timeout,
                queue: Arc::clone(&queue),
                trouble: Arc::clone(&trouble),
            })
        })?;
        Ok(Self { queue, counts, trouble, worker: Some(worker) })
    }

    /// A handle that takes log records over.
    #[must_use]
    pub fn sink(&self) -> LogSink {
        LogSink { queue: Arc::clone(&self.queue), counts: Arc::clone(&self.counts) }
    }

    /// A handle that tells how the exporter fares.
    #[must_use]
    pub fn gauge(&self) -> OtlpGauge {
        OtlpGauge { waiting: Some(Arc::clone(&self.queue) as _), trouble: Arc::clone(&self.trouble) }
    }

    /// Waits until what was handed over has been sent, at most for a time.
    ///
    /// # Errors
    /// If records were left when the time was over, or could not be sent.
    pub fn flush(&self, timeout: Duration) -> Result<(), LogFlushError> {
        let failures = self.trouble.failures();
        self.outcome(self.queue.flush(timeout), failures)
    }

    /// Sends what waits, and ends the thread, within the time and a second at most. What could not be sent is counted as
    /// dropped; records that are handed over later are too.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub fn shutdown(&mut self, timeout: Duration) -> Result<(), LogFlushError> {
        let failures = self.trouble.failures();
        let (unsent, ended) = self.queue.shutdown(timeout, GRACE);
        if let Some(worker) = self.worker.take().filter(|_| ended) {
            // The thread has done its work, so it ends now; whether it panicked was counted already.
            let _ = worker.join();
        }
        self.outcome(unsent, failures)
    }

    fn outcome(&self, unsent: u64, failures: u64) -> Result<(), LogFlushError> {
        match unsent {
            0 => Ok(()),
            _ => Err(LogFlushError { unsent, reason: self.trouble.reason_since(failures) }),
        }
    }
}

impl Drop for OtlpLogs {
    fn drop(&mut self) {
        self.queue.stop(Duration::ZERO);
    }
}

impl LogSink {
    /// Takes a record over. Never waits: what does not fit into the queue is dropped and counted.
    ///
    /// The exporter reports its own trouble through `tracing`, at most once a minute. Whoever turns those events into
    /// records adds one to the queue that cannot be emptied, and no more.
    pub fn push(&self, record: LogRecord) {
        self.counts.add_recorded(1);
        self.queue.push(std::iter::once(record));
    }

    /// How many records wait, those on their way included.
    #[must_use]
    pub fn queue_length(&self) -> u64 {
        self.queue.length()
    }
}

/// Sends batches until the queue ends.
struct Worker {
    sender: Sender<service::Logs>,
    resource: ProtoResource,
    /// How long all attempts for one batch take together.
    limit: Duration,
    queue: Arc<Queue<LogRecord>>,
    trouble: Arc<Trouble>,
}

impl Work for Worker {
    async fn work(self) {
        let _ends = EndsQueue(Arc::clone(&self.queue));
        // Records are sent in order, so nothing newer is worth a hurry.
        let never = Notify::new();
        while let Some(batch) = self.queue.next().await {
            let count = batch.len();
            let request = proto::logs::request(&self.resource, &batch);
            drop(batch);
            let sending = tokio::time::timeout(self.limit, self.sender.send(request, &never));
            let sent = tokio::select! {
                sent = sending => sent,
                // The queue counts this batch with what it has left.
                () = self.queue.stop_elapsed() => return,
            };
            match sent {
                Ok(Ok(partial)) => self.settle(count, partial),
                Ok(Err(error)) => self.fail(count, &error),
                Err(_) => self.fail(count, &format!("no answer within {:?}", self.limit)),
            }
        }
    }
}

impl Worker {
    fn settle(&self, count: usize, partial: Option<Partial>) {
        let rejected = partial.map_or(0, |partial| {
            self.trouble.accepted_in_part(&partial);
            usize::try_from(partial.rejected).unwrap_or(usize::MAX).min(count)
        });
        // Before the rest is: who waits for the last of them looks at the losses next.
        self.queue.failed(rejected);
        self.queue.sent(count - rejected);
    }

    fn fail(&self, records: usize, error: &str) {
        self.trouble.batch_failed(error);
        self.queue.failed(records);
    }
}
