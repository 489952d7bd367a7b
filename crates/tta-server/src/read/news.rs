//! What was written since somebody looked last.
//!
//! It is read from the parts of traces, which keep their numbers and their order. The index does not: its runs are put together while
//! somebody may be on the way through them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;
use tta_model::TraceId;

use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::store::{block, ids};
use crate::wire::span::ERROR;
use crate::wire::{Glance, glance};

/// How many parts are read at once.
const PARTS: i64 = 4_096;

/// Up to where somebody has looked. The later one is the greater.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub(crate) file: String,
    /// The last part of a trace in it.
    pub(crate) part: i64,
}

/// What came of one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// The service of its root, or else of the first span that came.
    pub service: Arc<str>,
    /// The name of its root, or else of the first span that came.
    pub name: Arc<str>,
    /// The workflow of the first span that came and names one; empty if none does.
    pub workflow: Arc<str>,
    /// Whether the root came.
    pub has_root: bool,
    /// The start of the root, or else of the earliest span that came, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// How long the root took, or else from that start to the last end, in nanoseconds.
    pub duration_nanos: i64,
    /// How many spans came.
    pub spans: u64,
    /// How many of them failed.
    pub errors: u64,
}

/// What is new, as far as it was read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The traces by their start, of those that were read at once.
    pub traces: Vec<NewTrace>,
    /// Up to where this is.
    pub seen: Seen,
    /// Whether there is more.
    pub is_cut: bool,
}

/// Everything up to now, of which nothing is news.
///
/// # Errors
///
/// When the files cannot be read.
pub fn seen(reader: &Reader) -> Result<Seen, ReadError> {
    let Some(newest) = reader.shared.segments().pop() else { return Ok(Seen::default()) };
    let file = newest.name();
    let Some(snapshot) = reader.snapshot(&newest)? else { return Ok(Seen { file, part: i64::MAX }) };
    let last =
        snapshot.file().query_row("SELECT ifnull(max(id), 0) FROM part", [], |row| row.get(0)).map(Some);
    drop(snapshot);
    Ok(Seen { file, part: reader.tolerate(&newest, last)?.unwrap_or(i64::MAX) })
}

/// Reads what was written after a moment, in the order in which it came, and as much of it as is read at once.
///
/// # Errors
///
/// When the files cannot be read.
pub fn news(reader: &Reader, since: &Seen) -> Result<News, ReadError> {
    news_between(reader, since, None)
}

/// The same, up to a later moment.
pub(crate) fn news_between(reader: &Reader, since: &Seen, until: Option<&Seen>) -> Result<News, ReadError> {
    let mut found = Found::default();
    let mut seen = since.clone();
    for segment in reader.shared.segments() {
        let file = segment.name();
        if file < seen.file || until.is_some_and(|until| file > until.file) {
            continue;
        }
        let Some(snapshot) = reader.snapshot(&segment)? else { continue };
        let after = if file == seen.file { seen.part } else { 0 };
        let last = until.filter(|until| until.file == file).map_or(i64::MAX, |until| until.part);
        let answer = found.read(&snapshot, (after, last));
        // What is damaged is passed by.
        let last = reader.tolerate(&segment, answer.map(Some))?.unwrap_or(last);
        seen = Seen { file, part: last };
        if found.parts >= PARTS {
            break;
        }
    }
    found.traces.sort_by_key(|trace| trace.start_unix_nanos);
    Ok(News { traces: found.traces, seen, is_cut: found.parts >= PARTS })
}

#[derive(Default)]
struct Found {
    traces: Vec<NewTrace>,
    places: HashMap<TraceId, usize>,
    parts: i64,
}

impl Found {
    /// Reads the parts of a file after one and up to another. Answers the last that it read.
    fn read(&mut self, snapshot: &Snapshot<'_>, (after, until): (i64, i64)) -> rusqlite::Result<i64> {
        let query =
            "SELECT id, block, offset, spans FROM part WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query(params![after, until, PARTS - self.parts])?;
        let (mut last, mut raw) = (after, Vec::new());
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            self.parts += 1;
            let Some((trace, spans)) = ids(row.get_ref(3)?.as_blob()?) else {
                snapshot.report(&format!("part {last} of a trace cannot be read"));
                continue;
            };
            let Some(trace_id) = TraceId::new(trace) else { continue };
            let block = snapshot.block(row.get(1)?)?;
            let offset: i64 = row.get(2)?;
            for (entry, span) in block::entries(&block, offset as usize).zip(spans) {
                entry.write((trace, span), &mut raw);
                let origin = snapshot.origin((entry.resource, entry.scope))?;
                match glance(&raw) {
                    Ok(found) => self.add(trace_id, (&raw, origin.service()), &found),
                    Err(error) => snapshot.report(&format!("a span cannot be read: {error}")),
                }
            }
        }
        Ok(last)
    }

    fn add(&mut self, trace_id: TraceId, (raw, service): (&[u8], &str), found: &Glance) {
        // Both were checked when they came.
        let start = found.start.cast_signed();
        let duration = found.end.saturating_sub(found.start).cast_signed();
        let place = *self.places.entry(trace_id).or_insert_with(|| {
            self.traces.push(NewTrace {
                trace_id,
                service: service.into(),
                name: found.name.text(raw).into(),
                workflow: Arc::default(),
                has_root: false,
                start_unix_nanos: start,
                duration_nanos: duration,
                spans: 0,
                errors: 0,
            });
            self.traces.len() - 1
        });
        let trace = &mut self.traces[place];
        trace.spans += 1;
        trace.errors += u64::from(found.status == ERROR);
        if trace.workflow.is_empty() && !found.workflow.is_empty() {
            trace.workflow = found.workflow.text(raw).into();
        }
        if found.parent == 0 && !trace.has_root {
            (trace.service, trace.name) = (service.into(), found.name.text(raw).into());
            (trace.start_unix_nanos, trace.duration_nanos, trace.has_root) = (start, duration, true);
        } else if !trace.has_root {
            let end = trace.start_unix_nanos.saturating_add(trace.duration_nanos);
            let end = end.max(start.saturating_add(duration));
            trace.start_unix_nanos = trace.start_unix_nanos.min(start);
            trace.duration_nanos = end.saturating_sub(trace.start_unix_nanos);
        }
    }
}
