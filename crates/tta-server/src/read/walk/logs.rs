//! All log records that fit, of each file the latest first.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use rusqlite::params;
use tta_model::TraceId;

use super::{Files, PAGE, Place, ReadError, Reader};
use crate::read::Times;
use crate::read::logs::StoredLog;
use crate::store::{block, low};

/// A walk through the log records of a time or a trace.
pub(crate) struct LogWalk {
    files: Files,
    times: Times,
    /// The lower half of the id.
    trace: Option<i64>,
    /// The last one that was read of a file.
    after: (i64, i64),
    read: VecDeque<FoundLog>,
}

/// A log record that was found.
pub(crate) struct FoundLog {
    /// When it happened, or else when it was seen, in nanoseconds since 1970.
    pub(crate) time: i64,
    /// By OTLP's numbers.
    pub(crate) severity: u8,
    pub(crate) service: Arc<str>,
    id: i64,
    at: (i64, i64),
    place: Rc<Place>,
}

impl FoundLog {
    /// The file that it is in, and its number there.
    pub(crate) fn place(&self) -> (String, i64) {
        (self.place.segment.name(), self.id)
    }

    /// All of it, as it was sent; none if it is damaged, which is reported.
    pub(crate) fn record(&self, reader: &Reader) -> Result<Option<StoredLog>, ReadError> {
        reader.tolerate(&self.place.segment, self.read())
    }

    fn read(&self) -> rusqlite::Result<Option<StoredLog>> {
        let (snapshot, (block, offset)) = (&self.place.snapshot, self.at);
        let block = snapshot.block(block)?;
        let Some(entry) = block::entries(&block, offset as usize).next() else { return Ok(None) };
        let mut raw = Vec::new();
        entry.write((0, 0), &mut raw);
        let origin = snapshot.origin((entry.resource, entry.scope))?;
        let Ok(record) = LogRecord::decode(&raw[..]) else {
            snapshot.report("a log record cannot be decoded");
            return Ok(None);
        };
        Ok(Some(StoredLog { time_unix_nanos: self.time, record, origin }))
    }
}

impl LogWalk {
    /// Half of the id of a trace is looked for, so records of others may be found.
    pub(crate) fn new(reader: &Reader, times: Times, trace: Option<TraceId>) -> Self {
        let trace = trace.map(|trace| low(trace.get()));
        Self { files: Files::new(reader), times, trace, after: (0, 0), read: VecDeque::new() }
    }

    /// The next record; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FoundLog>, ReadError> {
        if self.read.is_empty() {
            let (times, trace, after) = (&self.times, self.trace, &mut self.after);
            let page = self.files.page(|place, is_new| {
                if is_new {
                    *after = (*times.end(), i64::MAX);
                }
                let page = page(place, (times, trace), *after)?;
                *after = page.last().map_or(*after, |log| (log.time, log.id));
                Ok(page)
            })?;
            self.read.extend(page);
        }
        Ok(self.read.pop_front())
    }
}

fn page(
    place: &Place,
    (times, trace): (&Times, Option<i64>),
    (latest, id): (i64, i64),
) -> rusqlite::Result<Vec<FoundLog>> {
    const COLUMNS: &str = "SELECT id, time, severity, service, block, offset FROM log";
    const PART: &str =
        "time BETWEEN ?1 AND ?2 AND NOT (time = ?2 AND id >= ?3) ORDER BY time DESC, id DESC LIMIT ?4";
    let snapshot = &place.snapshot;
    let shared = Rc::new(place.clone());
    let of_trace = if trace.is_some() { "trace = ?5 AND trace <> 0 AND" } else { "?5 IS NULL AND" };
    let mut all = snapshot.file().prepare_cached(&format!("{COLUMNS} WHERE {of_trace} {PART}"))?;
    let found = all.query_map(params![*times.start(), latest, id, PAGE, trace], |row| {
        Ok(FoundLog {
            id: row.get(0)?,
            time: row.get(1)?,
            severity: row.get(2)?,
            service: snapshot.text(row.get(3)?)?,
            at: (row.get(4)?, row.get(5)?),
            place: Rc::clone(&shared),
        })
    })?;
    found.collect()
}
