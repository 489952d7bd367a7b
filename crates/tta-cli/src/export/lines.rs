//! Lines of OTLP's JSON, each of one signal, as the collector's exporter to files writes them.

use std::error::Error;
use std::io::{self, BufWriter, Write};

use tta::server::read::{StoredLog, StoredMetric, StoredTrace, logs_json, metrics_json, otlp_json};

use super::Sink;
use super::draft::Draft;

/// Where lines go.
pub(super) enum Lines {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<Draft>),
}

impl Lines {
    pub(super) fn standard() -> Self {
        Self::Standard(BufWriter::new(io::stdout()))
    }

    pub(super) fn file(draft: Draft) -> Self {
        Self::File(BufWriter::new(draft))
    }

    fn line(&mut self, line: Option<String>) -> Result<(), Box<dyn Error>> {
        let Some(line) = line else { return Ok(()) };
        match self {
            Self::Standard(out) => writeln!(out, "{line}")?,
            Self::File(out) => writeln!(out, "{line}")?,
        }
        Ok(())
    }
}

impl Sink for Lines {
    fn trace(&mut self, trace: &StoredTrace) -> Result<(), Box<dyn Error>> {
        self.line(otlp_json(trace))
    }

    fn logs(&mut self, records: &[StoredLog]) -> Result<(), Box<dyn Error>> {
        self.line(logs_json(records))
    }

    fn metrics(&mut self, metrics: &[StoredMetric]) -> Result<(), Box<dyn Error>> {
        self.line(metrics_json(metrics))
    }

    fn finish(self: Box<Self>) -> Result<(), Box<dyn Error>> {
        match *self {
            Self::Standard(mut out) => Ok(out.flush()?),
            Self::File(out) => Ok(out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?),
        }
    }
}
