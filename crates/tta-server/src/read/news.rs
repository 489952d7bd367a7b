//! What was written since somebody looked last.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};
use tta_model::TraceId;

use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::store::ids;
use crate::store::run::{self, Row};
use crate::wire::span::ERROR;

/// How many runs are read at once.
const RUNS: i64 = 256;

/// Up to where somebody has looked. The later one is the greater.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub(crate) file: String,
    pub(crate) run: i64,
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
    /// The traces, in the order in which they came.
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
    let Some(snapshot) = reader.snapshot(&newest)? else { return Ok(Seen { file, run: i64::MAX }) };
    let last =
        snapshot.file().query_row("SELECT ifnull(max(id), 0) FROM run", [], |row| row.get(0)).map(Some);
    drop(snapshot);
    Ok(Seen { file, run: reader.tolerate(&newest, last)?.unwrap_or(i64::MAX) })
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
        let after = if file == seen.file { seen.run } else { 0 };
        let last = until.filter(|until| until.file == file).map_or(i64::MAX, |until| until.run);
        let answer = found.read(&snapshot, (after, last));
        // What is damaged is passed by.
        let last = reader.tolerate(&segment, answer.map(Some))?.unwrap_or(last);
        seen = Seen { file, run: last };
        if found.runs >= RUNS {
            break;
        }
    }
    Ok(News { traces: found.traces, seen, is_cut: found.runs >= RUNS })
}

#[derive(Default)]
struct Found {
    traces: Vec<NewTrace>,
    places: HashMap<TraceId, usize>,
    runs: i64,
}

impl Found {
    /// Reads the runs of a file after one and up to another. Answers the last that it read.
    fn read(&mut self, snapshot: &Snapshot<'_>, (after, until): (i64, i64)) -> rusqlite::Result<i64> {
        let query = "SELECT id, spans FROM run WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut found = all.query(params![after, until, RUNS - self.runs])?;
        let mut last = after;
        let mut rows = Vec::new();
        let mut parts: HashMap<i64, Option<TraceId>> = HashMap::new();
        let mut shapes: HashMap<u32, Names> = HashMap::new();
        while let Some(written) = found.next()? {
            last = written.get(0)?;
            self.runs += 1;
            if run::read(written.get_ref(1)?.as_blob()?, &mut rows).is_none() {
                snapshot.report(&format!("run {last} of the index cannot be read"));
                continue;
            }
            for row in &rows {
                let trace = match parts.entry(row.part) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => *new.insert(trace_of(snapshot, row.part)?),
                };
                let Some(trace) = trace else { continue };
                let names = match shapes.entry(row.shape) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(names(snapshot, row.shape)?),
                };
                self.add(trace, row, names);
            }
        }
        Ok(last)
    }

    fn add(&mut self, trace_id: TraceId, row: &Row, names: &Names) {
        let place = *self.places.entry(trace_id).or_insert_with(|| {
            self.traces.push(NewTrace {
                trace_id,
                service: names.service.clone(),
                name: names.name.clone(),
                workflow: names.workflow.clone(),
                has_root: false,
                start_unix_nanos: row.start,
                duration_nanos: row.duration,
                spans: 0,
                errors: 0,
            });
            self.traces.len() - 1
        });
        let trace = &mut self.traces[place];
        trace.spans += 1;
        trace.errors += u64::from(row.status == ERROR);
        if trace.workflow.is_empty() {
            trace.workflow = names.workflow.clone();
        }
        if row.is_root && !trace.has_root {
            (trace.service, trace.name, trace.has_root) = (names.service.clone(), names.name.clone(), true);
            (trace.start_unix_nanos, trace.duration_nanos) = (row.start, row.duration);
        } else if !trace.has_root {
            let end = trace.start_unix_nanos.saturating_add(trace.duration_nanos);
            let end = end.max(row.start.saturating_add(row.duration));
            trace.start_unix_nanos = trace.start_unix_nanos.min(row.start);
            trace.duration_nanos = end.saturating_sub(trace.start_unix_nanos);
        }
    }
}

/// What a span is called, and who made it.
#[derive(Clone, Default)]
struct Names {
    service: Arc<str>,
    name: Arc<str>,
    workflow: Arc<str>,
}

fn trace_of(snapshot: &Snapshot<'_>, part: i64) -> rusqlite::Result<Option<TraceId>> {
    let mut find = snapshot.file().prepare_cached("SELECT spans FROM part WHERE id = ?1")?;
    let found = find.query_row([part], |row| Ok(ids(row.get_ref(0)?.as_blob()?).map(|(trace, _)| trace)));
    Ok(found.optional()?.flatten().and_then(TraceId::new))
}

fn names(snapshot: &Snapshot<'_>, shape: u32) -> rusqlite::Result<Names> {
    let mut find =
        snapshot.file().prepare_cached("SELECT service, name, workflow FROM shape WHERE id = ?1")?;
    let words = find.query_row([shape], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let (service, name, workflow) = words.unwrap_or((0, 0, 0));
    Ok(Names {
        service: snapshot.text(service)?,
        name: snapshot.text(name)?,
        workflow: snapshot.text(workflow)?,
    })
}
