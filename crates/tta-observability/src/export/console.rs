//! Writes each span as one line, to look at while developing.
//!
//! ```text
//! 12.5ms  ok     recovery.retry.attempt  retry.attempt=2  trace=4bf9... span=00f0... parent=53ce...
//! ```
//!
//! Spans come when they end, so what runs inside a step is above it. Lines go to standard error by default:
//! standard output belongs to what the program prints.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use tta_model::{SpanRecord, SpanStatus};

use super::{FlushError, SpanExporter};

/// Writes spans as lines.
#[derive(Debug)]
pub struct ConsoleExporter<W> {
    to: W,
    /// Lines that could not be written since the last flush.
    lost: u64,
    error: Option<String>,
}

impl ConsoleExporter<std::io::Stderr> {
    /// Writes to standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(std::io::stderr())
    }
}

impl<W: Write> ConsoleExporter<W> {
    /// Writes to whatever is given.
    pub fn new(to: W) -> Self {
        Self { to, lost: 0, error: None }
    }
}

impl<W: Write + Send + 'static> SpanExporter for ConsoleExporter<W> {
    fn export(&mut self, spans: &[SpanRecord]) {
        for span in spans {
            // One write a line, so that lines of other threads do not come between its parts.
            let line = format!("{}\n", Line(span));
            if let Err(error) = self.to.write_all(line.as_bytes()) {
                self.lost += 1;
                self.error = Some(error.to_string());
            }
        }
    }

    fn flush(&mut self, _: Duration) -> Result<(), FlushError> {
        if let Err(error) = self.to.flush() {
            self.error = Some(error.to_string());
        }
        match self.error.take() {
            Some(error) => Err(FlushError {
                unsent: std::mem::take(&mut self.lost),
                reason: format!("cannot write spans: {error}; check where the output goes"),
            }),
            None => Ok(()),
        }
    }
}

struct Line<'a>(&'a SpanRecord);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.0;
        let duration = format!("{:?}", Duration::from_nanos(span.duration_nanos() / 1_000 * 1_000));
        let status = match &span.status {
            SpanStatus::Unset => "-",
            SpanStatus::Ok => "ok",
            SpanStatus::Error(_) => "error",
        };
        write!(f, "{duration:>9}  {status:<5}  {}", span.name)?;
        if let SpanStatus::Error(description) = &span.status {
            write!(f, "  {:?}", description.as_str())?;
        }
        for (key, value) in &span.attributes {
            // Shown with escapes, so that a line break in a value starts no line of its own.
            match value.as_text() {
                Some(text) if text.chars().any(|char| char.is_control() || char == ' ') => {
                    write!(f, "  {key}={text:?}")?;
                }
                _ => write!(f, "  {key}={value}")?,
            }
        }
        for event in &span.events {
            write!(f, "  [{}]", event.name)?;
        }
        write!(f, "  trace={} span={}", span.trace_id, span.span_id)?;
        span.parent_span_id.map_or(Ok(()), |parent| write!(f, " parent={parent}"))
    }
}
