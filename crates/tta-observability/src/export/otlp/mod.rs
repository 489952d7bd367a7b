//! Sends spans, metrics and log records by OTLP, over gRPC or HTTP.
//!
//! Each has a thread of its own that owns the connection. What it has not sent yet waits in a bounded queue, so that a
//! slow or dead receiver costs the program memory up to that bound, and never time: what does not fit is
//! dropped and counted. A batch is tried again, with growing pauses or after the pause that the receiver
//! asked for, until its time is over; then it is dropped and counted too. Metrics do not wait in a queue: each
//! collection has all that was counted, or what came since the last one that arrived.

mod connect;
mod delta;
mod logs;
mod metrics;
mod queue;
mod retry;
mod sender;
mod service;
mod tls;
mod transport;
mod trouble;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tta_model::SpanRecord;

use super::{FlushError, SpanExporter};
use crate::config::{BatchConfig, OtlpConfig};
use crate::counts::SpanCounts;
use crate::resource::Resource;
pub use logs::{LogFlushError, LogSink, OtlpLogs};
pub use metrics::{MetricFlushError, OtlpMetrics};
use queue::{Queue, Waiting};
use trouble::Trouble;

/// How long the end may take beyond its limit, before the thread is left to itself.
const GRACE: Duration = Duration::from_secs(1);

/// Sends spans to an OTLP receiver.
///
/// Dropped without a shutdown it ends at once, and counts what it had not sent.
#[derive(Debug)]
pub struct Otlp {
    queue: Arc<Queue<SpanRecord>>,
    trouble: Arc<Trouble>,
    worker: Option<JoinHandle<()>>,
}

/// Looks at an exporter that was given away.
#[derive(Clone, Debug)]
pub struct OtlpGauge {
    /// None where nothing waits.
    waiting: Option<Arc<dyn Waiting>>,
    trouble: Arc<Trouble>,
}

/// Telemetry could not be sent at all, whatever the receiver does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The address is not one.
    #[error("the OTLP endpoint {url:?} cannot be used: {reason}; set OTEL_EXPORTER_OTLP_ENDPOINT")]
    Endpoint {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header cannot be sent; its value is kept secret.
    #[error("the OTLP header {name:?} cannot be sent: use printable ASCII in its name and value")]
    Header {
        /// The name.
        name: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read {}: {reason}; check OTEL_EXPORTER_OTLP_CERTIFICATE and the CLIENT_ ones", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for OTLP: {0}")]
    Tls(String),
    /// A setting cannot work, or the exporter of OpenTelemetry refused it.
    #[error("cannot set up OTLP: {0}")]
    Setup(String),
    /// The thread did not start.
    #[error("cannot start the thread that sends by OTLP")]
    Thread(#[source] std::io::Error),
}

impl Otlp {
    /// Starts the thread that sends. Connects to nothing before there is something to send.
    ///
    /// # Errors
    /// If the settings can never work. A receiver that cannot be reached is no error here: it may start
    /// later.
    pub fn new(
        otlp: &OtlpConfig,
        batch: &BatchConfig,
        resource: &Resource,
        counts: Arc<SpanCounts>,
    ) -> Result<Self, OtlpError> {
        let queue = Arc::new(Queue::new(batch, counts as _));
        let trouble = Arc::new(Trouble::new(otlp.signal, otlp.url()));
        let worker =
            worker::start("tta-otlp", || worker::Spans::new(otlp, batch, resource, (&queue, &trouble)))?;
        Ok(Self { queue, trouble, worker: Some(worker) })
    }

    /// A handle that tells how the exporter fares.
    #[must_use]
    pub fn gauge(&self) -> OtlpGauge {
        OtlpGauge { waiting: Some(Arc::clone(&self.queue) as _), trouble: Arc::clone(&self.trouble) }
    }

    fn outcome(&self, unsent: u64, failures: u64) -> Result<(), FlushError> {
        match unsent {
            0 => Ok(()),
            _ => Err(FlushError { unsent, reason: self.trouble.reason_since(failures) }),
        }
    }
}

impl OtlpGauge {
    /// How many records wait, those on their way included.
    #[must_use]
    pub fn queue_length(&self) -> u64 {
        self.waiting.as_ref().map_or(0, |queue| queue.length())
    }

    /// How many batches could not be delivered.
    #[must_use]
    pub fn export_errors(&self) -> u64 {
        self.trouble.errors()
    }

    /// Why a batch could not be delivered last, and what to do; none if all were.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.trouble.last()
    }
}

impl SpanExporter for Otlp {
    fn export(&mut self, spans: &[SpanRecord]) {
        self.queue.push(spans.iter().cloned());
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), FlushError> {
        let failures = self.trouble.failures();
        self.outcome(self.queue.flush(timeout), failures)
    }

    /// Sends what waits, and ends the thread, within the time and a second at most. What could not be
    /// sent is counted as dropped; spans that are exported later are too.
    fn shutdown(&mut self, timeout: Duration) -> Result<(), FlushError> {
        let failures = self.trouble.failures();
        let (unsent, ended) = self.queue.shutdown(timeout, GRACE);
        let worker = self.worker.take();
        if let Some(worker) = worker.filter(|_| ended) {
            // The thread has done its work, so it ends now; whether it panicked was counted already.
            let _ = worker.join();
        }
        self.outcome(unsent, failures)
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.queue.stop(Duration::ZERO);
    }
}
