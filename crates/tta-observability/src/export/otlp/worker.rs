//! The threads that send.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::runtime::{Builder, Runtime};
use tta_model::SpanRecord;

use super::queue::Queue;
use super::trouble::Trouble;
use super::{OtlpError, transport};
use crate::config::{BatchConfig, OtlpConfig};
use crate::convert::span_data;
use crate::resource::Resource;

/// What a thread of its own does, with a small runtime.
pub(super) trait Work: Send + 'static {
    /// Works until the end.
    async fn work(self);
}

/// Starts a thread. `set_up` runs here and now, inside of the thread's runtime, so that its error is the caller's.
pub(super) fn start<W: Work>(
    name: &str,
    set_up: impl FnOnce() -> Result<W, OtlpError>,
) -> Result<JoinHandle<()>, OtlpError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
    let entered = runtime.enter();
    let worker = set_up();
    drop(entered);
    let worker = match worker {
        Ok(worker) => worker,
        Err(error) => {
            // A runtime must not be dropped inside of another one, where the caller may be.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || run(worker, runtime))
        .map_err(OtlpError::Thread)
}

fn run<W: Work>(worker: W, runtime: Runtime) {
    // What the transport does is nobody's span: a span about sending spans would never end.
    let _quiet = Context::enter_telemetry_suppressed_scope();
    runtime.block_on(worker.work());
    // A look-up of a name may block a helper thread for long; nobody waits for it.
    runtime.shutdown_background();
}

/// Sends batches of spans until the queue ends.
pub(super) struct Spans {
    exporter: opentelemetry_otlp::SpanExporter,
    /// How long all attempts for one batch take together.
    limit: Duration,
    queue: Arc<Queue<SpanRecord>>,
    trouble: Arc<Trouble>,
}

impl Spans {
    /// Sets up the connection. Must be called inside the runtime that later sends.
    pub(super) fn new(
        otlp: &OtlpConfig,
        batch: &BatchConfig,
        resource: &Resource,
        (queue, trouble): (&Arc<Queue<SpanRecord>>, &Arc<Trouble>),
    ) -> Result<Self, OtlpError> {
        let limit = batch.export_timeout;
        let mut exporter = transport::exporter(otlp, limit, trouble)?;
        exporter.set_resource(&resource.to_sdk());
        Ok(Self { exporter, limit, queue: Arc::clone(queue), trouble: Arc::clone(trouble) })
    }

    fn fail(&self, spans: usize, error: &str) {
        self.trouble.batch_failed(error);
        self.queue.failed(spans);
    }
}

impl Work for Spans {
    async fn work(self) {
        let _ends = EndsQueue(Arc::clone(&self.queue));
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
}

/// Ends the queue when the work ends, also by a panic, so that nobody waits for it.
pub(super) struct EndsQueue<T>(pub(super) Arc<Queue<T>>);

impl<T> Drop for EndsQueue<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}
