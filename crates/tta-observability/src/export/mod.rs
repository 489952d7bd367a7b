//! Where finished spans go.

pub mod console;
pub mod memory;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "http")]
pub mod prometheus;

use std::time::Duration;

use tta_model::SpanRecord;

/// Takes finished spans over from the drain thread.
pub trait SpanExporter: Send + 'static {
    /// Takes spans over. Never waits: an exporter that sends over a network queues them, and drops and
    /// counts what does not fit.
    fn export(&mut self, spans: &[SpanRecord]);

    /// Waits until what was taken over has been sent, at most for a time.
    ///
    /// # Errors
    /// If spans were left when the time was over, or could not be sent.
    fn flush(&mut self, timeout: Duration) -> Result<(), FlushError>;

    /// Flushes and ends.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    fn shutdown(&mut self, timeout: Duration) -> Result<(), FlushError> {
        self.flush(timeout)
    }
}

/// Spans could not be sent in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unsent} spans were not sent: {reason}")]
pub struct FlushError {
    /// How many.
    pub unsent: u64,
    /// Why, and what to do.
    pub reason: String,
}
