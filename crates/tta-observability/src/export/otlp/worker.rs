//! The thread that sends.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::runtime::{Builder, Runtime};

use super::queue::Queue;
use super::trouble::Trouble;
use super::{OtlpError, transport};
use crate::config::{BatchConfig, OtlpConfig};
use crate::convert::span_data;
use crate::resource::Resource;

/// Sends batches until the queue ends.
struct Worker {
    exporter: opentelemetry_otlp::SpanExporter,
    /// How long all attempts for one batch take together.
    limit: Duration,
    queue: Arc<Queue>,
    trouble: Arc<Trouble>,
}

/// Sets up the connection and starts the thread.
pub(super) fn start(
    otlp: &OtlpConfig,
    batch: &BatchConfig,
    resource: &Resource,
    queue: &Arc<Queue>,
    trouble: &Arc<Trouble>,
) -> Result<JoinHandle<()>, OtlpError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
    let entered = runtime.enter();
    let exporter = transport::exporter(otlp, batch.export_timeout, trouble);
    drop(entered);
    let mut exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            // A runtime must not be dropped inside of another one, where the caller may be.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    exporter.set_resource(&resource.to_sdk());
    let limit = batch.export_timeout;
    let worker = Worker { exporter, limit, queue: Arc::clone(queue), trouble: Arc::clone(trouble) };
    std::thread::Builder::new()
        .name("tta-otlp".to_owned())
        .spawn(move || worker.run(runtime))
        .map_err(OtlpError::Thread)
}

impl Worker {
    fn run(self, runtime: Runtime) {
        let _ends = EndsQueue(Arc::clone(&self.queue));
        // What the transport does is nobody's span: a span about sending spans would never end.
        let _quiet = Context::enter_telemetry_suppressed_scope();
        runtime.block_on(self.send_all());
        // A look-up of a name may block a helper thread for long; nobody waits for it.
        runtime.shutdown_background();
    }

    async fn send_all(&self) {
        while let Some(batch) = self.queue.next().await {
            let count = batch.len();
            let spans = batch.iter().map(span_data::span).collect();
            drop(batch);
            let sending = tokio::time::timeout(self.limit, self.exporter.export(spans));
            let sent = tokio::select! {
                sent = sending => sent,
                // The queue counts this batch with what it has left.
                () = self.queue.stop_elapsed() => return,
            };
            match sent {
                Ok(Ok(())) => {
                    self.trouble.recovered();
                    self.queue.sent(count);
                }
                Ok(Err(error)) => self.fail(count, &error.to_string()),
                Err(_) => self.fail(count, &format!("no answer within {:?}", self.limit)),
            }
        }
    }

    fn fail(&self, spans: usize, error: &str) {
        self.trouble.batch_failed(error);
        self.queue.failed(spans);
    }
}

/// Ends the queue when the thread ends, also by a panic, so that nobody waits for it.
struct EndsQueue(Arc<Queue>);

impl Drop for EndsQueue {
    fn drop(&mut self) {
        self.0.end();
    }
}
