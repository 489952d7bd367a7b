//! Tables for DuckDB, pandas and Polars: a row for each span, log record or point of a metric.
//!
//! What has no column of its own is JSON in a column of texts, since all of them read that, and take it apart when asked.

mod json;
mod logs;
mod metrics;
mod spans;
mod table;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use tta::server::read::{StoredLog, StoredMetric, StoredTrace};

use super::draft::Draft;
use super::{Signal, Sink};
use table::Table;

/// The tables of the signals that are wanted.
#[derive(Default)]
pub(super) struct Tables {
    spans: Option<Table<Draft>>,
    logs: Option<Table<Draft>>,
    metrics: Option<Table<Draft>>,
    /// Dropped as the last one, when what was given up is gone.
    made: Option<Made>,
}

/// A folder that was made for the tables. It is gone again if none gets its name in it.
struct Made(PathBuf);

impl Drop for Made {
    fn drop(&mut self) {
        // One that has files stays.
        let _ = fs::remove_dir(&self.0);
    }
}

impl Tables {
    /// Takes over a folder that was made for them.
    pub(super) fn made(&mut self, folder: &Path) {
        self.made = Some(Made(folder.to_owned()));
    }

    /// Begins the table of a signal.
    ///
    /// # Errors
    ///
    /// When the first bytes cannot be written.
    pub(super) fn begin(&mut self, signal: Signal, draft: Draft) -> Result<(), Box<dyn Error>> {
        let (table, columns) = match signal {
            Signal::Traces => (&mut self.spans, spans::COLUMNS),
            Signal::Logs => (&mut self.logs, logs::COLUMNS),
            Signal::Metrics => (&mut self.metrics, metrics::COLUMNS),
        };
        *table = Some(Table::new(columns, draft)?);
        Ok(())
    }
}

impl Sink for Tables {
    fn trace(&mut self, trace: &StoredTrace) -> Result<(), Box<dyn Error>> {
        let Some(table) = &mut self.spans else { return Ok(()) };
        Ok(trace.spans.iter().try_for_each(|stored| table.row(spans::row(stored)))?)
    }

    fn logs(&mut self, records: &[StoredLog]) -> Result<(), Box<dyn Error>> {
        let Some(table) = &mut self.logs else { return Ok(()) };
        Ok(records.iter().try_for_each(|stored| table.row(logs::row(stored)))?)
    }

    fn metrics(&mut self, metrics: &[StoredMetric]) -> Result<(), Box<dyn Error>> {
        let Some(table) = &mut self.metrics else { return Ok(()) };
        Ok(metrics.iter().try_for_each(|stored| metrics::rows(stored, |row| table.row(row)))?)
    }

    fn finish(self: Box<Self>) -> Result<(), Box<dyn Error>> {
        let Self { spans, logs, metrics, made } = *self;
        // All are written before the first gets its name.
        let written: Result<Vec<_>, _> =
            [spans, logs, metrics].into_iter().flatten().map(Table::finish).collect();
        let named = written.and_then(|drafts| Ok(drafts.into_iter().try_for_each(Draft::finish)?));
        drop(made);
        Ok(named?)
    }
}
