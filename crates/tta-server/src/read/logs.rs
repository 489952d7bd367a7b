//! Log records.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use rusqlite::params;
use tta_model::TraceId;

use super::snapshot::Snapshot;
use super::trace::Origin;
use super::{ALWAYS, ReadError, Reader, Times};
use crate::store::{block, low};
use crate::wire::field::Slice;
use crate::wire::schema;

/// A log record, as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLog {
    /// When it happened, or else when it was seen, in nanoseconds since 1970.
    pub time_unix_nanos: i64,
    /// All of it.
    pub record: LogRecord,
    /// Where it comes from.
    pub origin: Arc<Origin>,
}

/// Which log records are wanted.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// Of this service.
    pub service: Option<String>,
    /// In this time.
    pub times: Times,
    /// With at least this severity, by OTLP's numbers from 1 to 24.
    pub min_severity: u8,
    /// With a text that holds this one, in whatever case of ASCII's letters.
    pub text: Option<String>,
    /// How many, at most; 0 counts as 1.
    pub limit: usize,
    /// How many records may be opened to look for a text before the page ends with fewer of them; 0 counts as 1. Its `next` goes on
    /// from there.
    pub most_records: usize,
    /// Those behind this one.
    pub after: Option<LogCursor>,
}

impl Default for LogQuery {
    /// The latest 100 of all.
    fn default() -> Self {
        let (service, text, after) = (None, None, None);
        Self { service, times: ALWAYS, min_severity: 0, text, limit: 100, most_records: usize::MAX, after }
    }
}

/// Where a page of log records ended: the last record of it, or else the last one that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    /// The time of that record.
    pub time_unix_nanos: i64,
    /// The file that it is in.
    pub file: String,
    /// Its number there.
    pub id: i64,
}

/// Log records, latest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// The records.
    pub records: Vec<StoredLog>,
    /// Where the next page begins; none says that there are no more. A page may be shorter than asked for, or empty, and have a
    /// next one, if [`most_records`](LogQuery::most_records) were opened.
    pub next: Option<LogCursor>,
}

/// Reads log records, latest first.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// The files are read side by side, so that no more is opened than what comes before the end of the page. A text is looked for in the
/// records themselves: some microseconds each.
pub fn logs(reader: &Reader, query: &LogQuery) -> Result<LogPage, ReadError> {
    let segments = reader.shared.segments();
    let mut streams = Vec::with_capacity(segments.len());
    for segment in &segments {
        if let Some(snapshot) = reader.snapshot(segment)? {
            let service = service(&snapshot, query);
            if let Some(service) = reader.tolerate(segment, service)? {
                streams.push(Stream::new(snapshot, service));
            }
        }
    }
    let needle = query.text.as_deref().map(str::to_ascii_lowercase);
    let mut page = LogPage::default();
    let (limit, most_records) = (query.limit.max(1), query.most_records.max(1));
    let mut opened = 0;
    while let Some((place, at)) = next(reader, query, &mut streams)? {
        // Only now it is certain that there is more.
        if page.records.len() == limit || opened >= most_records {
            return Ok(page);
        }
        opened += usize::from(needle.is_some());
        let Stream { snapshot, file, .. } = &streams[at];
        let record = read(snapshot, (place.block, place.offset, place.time), needle.as_deref());
        page.records.extend(reader.tolerate(&snapshot.segment, record)?);
        page.next = Some(LogCursor { time_unix_nanos: place.time, file: file.clone(), id: place.id });
    }
    page.next = None;
    Ok(page)
}

/// How many rows of a file are read at once.
const ROWS: i64 = 256;

/// The service that is asked for, in the words of a file: none if nothing in it can fit, and none in it if all do.
fn service(snapshot: &Snapshot<'_>, query: &LogQuery) -> rusqlite::Result<Option<Option<u32>>> {
    match &query.service {
        None => Ok(Some(None)),
        Some(service) => Ok(snapshot.word(service)?.map(Some)),
    }
}

/// Where a record lies in a file.
#[derive(Clone, Copy)]
struct Place {
    id: i64,
    time: i64,
    block: i64,
    offset: i64,
}

/// The records of one file that fit as far as their rows tell, latest first.
struct Stream<'a> {
    snapshot: Snapshot<'a>,
    /// The name of the file.
    file: String,
    service: Option<u32>,
    read: VecDeque<Place>,
    /// The last row that was read, whether or not it fits.
    after: Option<(i64, i64)>,
    is_done: bool,
}

impl<'a> Stream<'a> {
    fn new(snapshot: Snapshot<'a>, service: Option<u32>) -> Self {
        let file = snapshot.segment.name();
        Self { snapshot, file, service, read: VecDeque::new(), after: None, is_done: false }
    }

    /// Reads more rows until one fits.
    fn fill(&mut self, query: &LogQuery) -> rusqlite::Result<()> {
        while self.read.is_empty() && !self.is_done {
            // Should it fail, there is nothing more in this file.
            self.is_done = true;
            self.is_done = self.read_rows(query)? < ROWS;
        }
        Ok(())
    }

    fn read_rows(&mut self, query: &LogQuery) -> rusqlite::Result<i64> {
        let latest = query.after.as_ref().map_or(i64::MAX, |after| after.time_unix_nanos);
        let (time, id) = self.after.unwrap_or((latest.min(*query.times.end()), i64::MAX));
        let mut all = self.snapshot.file().prepare_cached(
            "SELECT id, time, block, offset, service, severity FROM log INDEXED BY log_time
             WHERE time BETWEEN ?1 AND ?2 AND NOT (time = ?2 AND id >= ?3) ORDER BY time DESC, id DESC LIMIT ?4",
        )?;
        let mut rows = all.query(params![*query.times.start(), time, id, ROWS])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            let place = Place { id: row.get(0)?, time: row.get(1)?, block: row.get(2)?, offset: row.get(3)? };
            self.after = Some((place.time, place.id));
            let (of, severity): (u32, u8) = (row.get(4)?, row.get(5)?);
            let is_behind = query.after.as_ref().is_none_or(|after| {
                (place.time, &self.file, place.id) < (after.time_unix_nanos, &after.file, after.id)
            });
            if is_behind && severity >= query.min_severity && self.service.is_none_or(|service| service == of)
            {
                self.read.push_back(place);
            }
        }
        Ok(seen)
    }
}

/// Takes the latest record of all files, with the number of its file.
fn next(
    reader: &Reader,
    query: &LogQuery,
    streams: &mut [Stream<'_>],
) -> Result<Option<(Place, usize)>, ReadError> {
    for stream in streams.iter_mut() {
        let filled = stream.fill(query);
        reader.tolerate(&stream.snapshot.segment, filled)?;
    }
    let head = |(at, stream): (usize, &Stream<'_>)| Some((*stream.read.front()?, at));
    // In the order of the cursors, which know the files by their names.
    let latest = streams
        .iter()
        .enumerate()
        .filter_map(head)
        .max_by_key(|(place, at)| (place.time, streams[*at].file.as_str(), place.id));
    if let Some((_, at)) = latest {
        streams[at].read.pop_front();
    }
    Ok(latest)
}

/// Reads the log records of a trace, by their time, and nothing else of it.
///
/// # Errors
///
/// When the files cannot be read.
pub fn trace_logs(reader: &Reader, id: TraceId) -> Result<Vec<StoredLog>, ReadError> {
    let mut logs = Vec::new();
    reader.each(|snapshot| logs_of(snapshot, id, &mut logs))?;
    logs.sort_by_key(|stored| stored.time_unix_nanos);
    Ok(logs)
}

/// Reads the log records of a trace in one file.
pub(super) fn logs_of(
    snapshot: &Snapshot<'_>,
    trace: TraceId,
    found: &mut Vec<StoredLog>,
) -> rusqlite::Result<()> {
    let query = "SELECT id, time, block, offset FROM log WHERE trace = ?1 AND trace <> 0";
    let mut all = snapshot.file().prepare_cached(query)?;
    let mut rows = all.query([low(trace.get())])?;
    while let Some(row) = rows.next()? {
        let record = read(snapshot, (row.get(2)?, row.get(3)?, row.get(1)?), None)?;
        found.extend(record.filter(|log| log.record.trace_id == trace.to_bytes()));
    }
    Ok(())
}

/// Reads the record of a block, an offset and a time, if it mentions what is looked for.
pub(super) fn read(
    snapshot: &Snapshot<'_>,
    (block, offset, time): (i64, i64, i64),
    needle: Option<&str>,
) -> rusqlite::Result<Option<StoredLog>> {
    let block = snapshot.block(block)?;
    let Some(entry) = block::entries(&block, offset as usize).next() else { return Ok(None) };
    let mut raw = Vec::new();
    entry.write((0, 0), &mut raw);
    if needle.is_some_and(|needle| !schema::mentions(&raw, Slice::all(&raw), &schema::LOG, needle.as_bytes()))
    {
        return Ok(None);
    }
    let origin = snapshot.origin((entry.resource, entry.scope))?;
    let Ok(record) = LogRecord::decode(&raw[..]) else {
        snapshot.report("a log record cannot be decoded");
        return Ok(None);
    };
    Ok(Some(StoredLog { time_unix_nanos: time, record, origin }))
}
