//! Writes batches into one file.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;

use foldhash::fast::RandomState;
use rusqlite::{Connection, params};

use super::OpenError;
use super::block::{self, Builder, Compressor, Samples};
use super::intern::{Interner, Known, Shape};
use super::replay::rolled;
use super::rollup::ROLLED_RUN;
use super::run::{self, Row};
use super::segment;
use super::small::{RunWriter, SmallRuns};
use crate::varint;
use crate::wire;
use crate::wire::field::Slice;
use crate::wire::{Logs, Metrics, SpanRef, Traces, Word, fingerprint};

/// How many hashes of batches are remembered.
pub(super) const REMEMBERED: i64 = 100_000;

/// A span that was written, for the sums.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) shape: Shape,
    pub(super) row: Row,
}

/// The spans of a service in a commit.
#[derive(Default)]
struct Service {
    /// The rows, and where the hashes of their attributes are.
    rows: Vec<(Row, Range<u32>)>,
    /// The hashes of the attributes of its resources.
    resources: HashSet<u64, RandomState>,
}

/// The greatest numbers that are taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Last {
    pub(super) part: i64,
    pub(super) block: i64,
    pub(super) run: i64,
}

/// A file that is written to. After an error it has to be opened again: what it remembers may not be in the file.
pub(super) struct SegmentWriter {
    pub(super) file: Connection,
    pub(super) interner: Interner,
    pub(super) last: Last,
    block: Builder,
    compressor: Compressor,
    samples: Samples,
    runs: BTreeMap<u32, Service>,
    /// The hashes of the attributes of all spans.
    attributes: Vec<u64>,
    run_writer: RunWriter,
    small: SmallRuns,
    /// The last run that is in the sums by minute.
    rolled: i64,
    /// In the order of the spans of the batches.
    pub(super) written: Vec<Written>,
    scratch: Vec<u8>,
}

impl SegmentWriter {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = segment::open_to_write(path)?;
        let greatest = |table: &str| {
            file.query_row(&format!("SELECT ifnull(max(id), 0) FROM {table}"), [], |row| row.get(0))
        };
        let last = Last { part: greatest("part")?, block: greatest("block")?, run: greatest("run")? };
        let failed = |source| OpenError::Directory { path: path.to_owned(), source };
        let mut compressor = Compressor::new().map_err(failed)?;
        if let Some((number, bytes)) = block::latest_dictionary(&file)? {
            compressor.use_dictionary(number, &bytes).map_err(failed)?;
        }
        let rolled = rolled(&file, ROLLED_RUN)?;
        Ok(Self {
            file,
            interner: Interner::default(),
            last,
            block: Builder::default(),
            compressor,
            samples: Samples::default(),
            runs: BTreeMap::new(),
            attributes: Vec::new(),
            run_writer: RunWriter::new(),
            small: SmallRuns::default(),
            rolled,
            written: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Takes a dictionary for small blocks, if there is none yet.
    pub(super) fn use_dictionary(&mut self, bytes: &[u8]) -> rusqlite::Result<()> {
        let number = block::keep_dictionary(&self.file, bytes)?;
        self.compressor.use_dictionary(number, bytes).map_err(other)
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.written.clear();
        self.runs.clear();
        self.attributes.clear();
        self.block.clear();
        if let Some(dictionary) = self.samples.train() {
            self.use_dictionary(&dictionary)?;
        }
        self.file.execute_batch("BEGIN IMMEDIATE")
    }

    /// Writes what is still in memory, and commits.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.close_block()?;
        self.write_runs()?;
        self.file.execute_batch("COMMIT")
    }

    pub(super) fn remember(&self, hash: &[u8; 16]) -> rusqlite::Result<()> {
        let id = self.file.prepare_cached("INSERT INTO batch (hash) VALUES (?1)")?.insert([hash])?;
        self.file.prepare_cached("DELETE FROM batch WHERE id <= ?1")?.execute([id - REMEMBERED])?;
        Ok(())
    }

    pub(super) fn add_traces(&mut self, batch: &Traces) -> rusqlite::Result<()> {
        let body = &batch.body[..];
        let groups = self.groups(body, &batch.groups)?;
        let first = self.written.len();
        self.written.reserve(batch.spans.len());
        for span in &batch.spans {
            let row = self.row(body, span, groups[span.group as usize].service)?;
            self.written.push(row);
        }
        let mut order: Vec<u32> = (0..batch.spans.len() as u32).collect();
        order.sort_unstable_by_key(|at| (batch.spans[*at as usize].trace, *at));
        let of_trace =
            |one: &u32, other: &u32| batch.spans[*one as usize].trace == batch.spans[*other as usize].trace;
        for mut trace in order.chunk_by(of_trace) {
            while !trace.is_empty() {
                let taken = self.add_part(batch, &groups, (trace, first))?;
                trace = &trace[taken..];
            }
        }
        self.add_rows(batch, &groups, first);
        Ok(())
    }

    /// Puts the rows of a batch to those of their services.
    fn add_rows(&mut self, batch: &Traces, groups: &[Known], first: usize) {
        for (group, known) in batch.groups.iter().zip(groups) {
            let service = self.runs.entry(known.service).or_default();
            service.resources.extend(wire::attributes(&batch.body, group));
        }
        let shift = self.attributes.len() as u32;
        let mut before = shift;
        self.attributes.extend_from_slice(&batch.attributes);
        for (written, span) in self.written[first..].iter().zip(&batch.spans) {
            let end = shift + span.attributes_end;
            let service = self.runs.entry(written.shape.service).or_default();
            service.rows.push((written.row, before..end));
            before = end;
        }
    }

    fn row(&mut self, body: &[u8], span: &SpanRef, service: u32) -> rusqlite::Result<Written> {
        let shape = self.interner.shape(&self.file, body, (span, service))?;
        let agent = self.interner.word(&self.file, span.word(Word::Agent).text(body))?;
        let session = self.interner.word(&self.file, span.word(Word::Session).text(body))?;
        let row = Row {
            start: span.start,
            duration: span.duration,
            shape: shape.id,
            agent,
            session,
            status: span.status,
            is_root: span.parent == 0,
            ..Row::default()
        };
        if let Some(usage) = span.usage {
            let values = params![
                span.start,
                low(span.trace),
                span.id.cast_signed(),
                shape.id,
                agent,
                session,
                usage.prompt_tokens.cast_signed(),
                usage.completion_tokens.cast_signed(),
                usage.cost_usd,
                usage.is_unpriced
            ];
            let insert = "INSERT INTO model_call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            self.file.prepare_cached(insert)?.execute(values)?;
        }
        Ok(Written { shape, row })
    }

    /// Writes spans of one trace, as many as the block takes. `first` is where the batch begins in `written`.
    fn add_part(
        &mut self,
        batch: &Traces,
        groups: &[Known],
        (trace, first): (&[u32], usize),
    ) -> rusqlite::Result<usize> {
        self.last.part += 1;
        let (part, offset) = (self.last.part, self.block.offset());
        let id = batch.spans[trace[0] as usize].trace;
        let mut spans = std::mem::take(&mut self.scratch);
        spans.clear();
        spans.extend_from_slice(&id.to_be_bytes());
        let mut taken = 0;
        for at in trace {
            let span = &batch.spans[*at as usize];
            let raw = span.raw.of(&batch.body);
            self.block.add_span(groups[span.group as usize].envelopes, (id, span.id), raw);
            spans.extend_from_slice(&span.id.to_be_bytes());
            let row = &mut self.written[first + *at as usize].row;
            (row.part, row.ordinal) = (part, taken as u32);
            taken += 1;
            if self.block.offset() >= block::FULL {
                break;
            }
        }
        varint::seal(&mut spans, 0);
        let values = params![part, low(id), self.last.block + 1, offset as i64, spans];
        self.file.prepare_cached("INSERT INTO part VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(values)?;
        self.scratch = spans;
        self.close_full_block()?;
        Ok(taken)
    }

    pub(super) fn add_logs(&mut self, batch: &Logs) -> rusqlite::Result<()> {
        let groups = self.groups(&batch.body, &batch.groups)?;
        for record in &batch.records {
            let known = &groups[record.group as usize];
            let (block, offset) = self.add_record(known, &batch.body, record.raw)?;
            let values =
                params![record.time, low(record.trace), record.severity, known.service, block, offset];
            let insert = "INSERT INTO log (time, trace, severity, service, block, offset) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            self.file.prepare_cached(insert)?.execute(values)?;
        }
        Ok(())
    }

    pub(super) fn add_metrics(&mut self, batch: &Metrics) -> rusqlite::Result<()> {
        let groups = self.groups(&batch.body, &batch.groups)?;
        for metric in &batch.metrics {
            let known = &groups[metric.group as usize];
            let (block, offset) = self.add_record(known, &batch.body, metric.raw)?;
            let name = self.interner.word(&self.file, metric.name.text(&batch.body))?;
            let points = metric.points.cast_signed();
            let values = params![name, known.service, metric.first, metric.last, points, block, offset];
            let insert = "INSERT INTO metric (name, service, first, last, points, block, offset) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            self.file.prepare_cached(insert)?.execute(values)?;
        }
        Ok(())
    }

    fn groups(&mut self, body: &[u8], groups: &[crate::wire::Group]) -> rusqlite::Result<Vec<Known>> {
        groups.iter().map(|group| self.interner.group(&self.file, body, group)).collect()
    }

    /// Puts a record into a block, and answers where it lies.
    fn add_record(&mut self, known: &Known, body: &[u8], raw: Slice) -> rusqlite::Result<(i64, i64)> {
        let place = (self.last.block + 1, self.block.offset() as i64);
        self.block.add(known.envelopes, raw.of(body));
        self.close_full_block()?;
        Ok(place)
    }

    fn close_full_block(&mut self) -> rusqlite::Result<()> {
        if self.block.offset() >= block::FULL { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> rusqlite::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.last.block += 1;
        let compressed = self.compressor.compress(self.block.bytes(), &mut self.scratch);
        let dictionary = compressed.map_err(other)?;
        let values = params![self.last.block, dictionary, self.block.offset() as i64, self.scratch];
        self.file.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3, ?4)")?.execute(values)?;
        if !self.compressor.has_dictionary() {
            self.samples.add(self.block.bytes());
        }
        self.block.clear();
        Ok(())
    }

    fn write_runs(&mut self) -> rusqlite::Result<()> {
        let mut rows = Vec::new();
        for (id, service) in &mut self.runs {
            service.rows.sort_unstable_by_key(|(row, _)| row.start);
            for chunk in service.rows.chunks(run::LONGEST) {
                self.last.run += 1;
                let run = (self.last.run, *id);
                rows.clear();
                rows.extend(chunk.iter().map(|(row, _)| *row));
                let of_spans =
                    chunk.iter().flat_map(|(_, at)| &self.attributes[at.start as usize..at.end as usize]);
                let hashes = service.resources.iter().chain(of_spans).copied().chain(fingerprint::HAS_ALL);
                self.run_writer.write(&self.file, run, &rows, hashes.clone())?;
                self.small.add(run, &rows, hashes);
            }
        }
        Ok(())
    }

    /// Whether so many runs are small that the sums by minute should be written.
    pub(super) fn has_many_small_runs(&self) -> bool {
        self.small.is_due()
    }

    /// Takes note that the sums by minute go up to a run, in the transaction that writes them.
    pub(super) fn summed_up(&mut self, last: i64) -> rusqlite::Result<()> {
        let before = std::mem::replace(&mut self.rolled, last);
        self.small.put_together(&self.file, &mut self.run_writer, before)
    }
}

fn other(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// The lower half of a trace's id, which is random also where the upper one is not.
pub(crate) fn low(trace: u128) -> i64 {
    (trace as u64).cast_signed()
}
