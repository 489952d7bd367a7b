//! Log records.

use std::sync::Arc;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use rusqlite::{Row, params};
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
    /// Those behind this one.
    pub after: Option<LogCursor>,
}

impl Default for LogQuery {
    /// The latest 100 of all.
    fn default() -> Self {
        Self { service: None, times: ALWAYS, min_severity: 0, text: None, limit: 100, after: None }
    }
}

/// Where a page of log records ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    /// The time of the last record of the page.
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
    /// Where the next page begins, if there are more.
    pub next: Option<LogCursor>,
}

/// Reads log records, latest first.
///
/// # Errors
///
/// When the files cannot be read.
pub fn logs(reader: &Reader, query: &LogQuery) -> Result<LogPage, ReadError> {
    let query = &LogQuery { limit: query.limit.max(1), ..query.clone() };
    let mut found: Vec<(LogCursor, StoredLog)> = Vec::new();
    let needle = query.text.as_deref().map(str::to_ascii_lowercase);
    reader.each(|snapshot| {
        let mut here = Vec::new();
        let answer = search_file(snapshot, (query, needle.as_deref()), &mut here);
        found.append(&mut here);
        answer
    })?;
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    Ok(LogPage { records: found.into_iter().map(|(_, record)| record).collect(), next })
}

/// Finds one more in a file than are wanted.
fn search_file(
    snapshot: &Snapshot<'_>,
    (query, needle): (&LogQuery, Option<&str>),
    found: &mut Vec<(LogCursor, StoredLog)>,
) -> rusqlite::Result<()> {
    let service = match &query.service {
        None => None,
        Some(service) => match snapshot.word(service)? {
            Some(word) => Some(word),
            None => return Ok(()),
        },
    };
    let after = query.after.as_ref();
    let latest = after.map_or(i64::MAX, |after| after.time_unix_nanos).min(*query.times.end());
    let mut all = snapshot.file().prepare_cached(
        "SELECT id, time, block, offset, service, severity FROM log WHERE time BETWEEN ?1 AND ?2
         ORDER BY time DESC, id DESC",
    )?;
    let mut rows = all.query(params![*query.times.start(), latest])?;
    while let Some(row) = rows.next()? {
        let cursor =
            LogCursor { time_unix_nanos: row.get(1)?, file: snapshot.segment.name(), id: row.get(0)? };
        let (of, severity): (u32, u8) = (row.get(4)?, row.get(5)?);
        let fits = service.is_none_or(|service| service == of) && severity >= query.min_severity;
        if !fits || after.is_some_and(|after| cursor >= *after) {
            continue;
        }
        if let Some(record) = read(snapshot, row, needle)? {
            found.push((cursor, record));
        }
        if found.len() > query.limit {
            break;
        }
    }
    Ok(())
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
        let record = read(snapshot, row, None)?;
        found.extend(record.filter(|log| log.record.trace_id == trace.to_bytes()));
    }
    Ok(())
}

/// Reads the record that a row tells the place of, if it mentions what is looked for.
pub(super) fn read(
    snapshot: &Snapshot<'_>,
    row: &Row<'_>,
    needle: Option<&str>,
) -> rusqlite::Result<Option<StoredLog>> {
    let block = snapshot.block(row.get(2)?)?;
    let offset: i64 = row.get(3)?;
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
    Ok(Some(StoredLog { time_unix_nanos: row.get(1)?, record, origin }))
}
