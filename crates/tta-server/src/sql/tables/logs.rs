//! `logs`: one row for each log record.

use std::cell::OnceCell;
use std::sync::Arc;

use tta_model::{SpanId, TraceId};

use super::super::json;
use super::super::source::Source;
use super::super::table::{Cell, Col, ColumnType::*, Pushed, Rows, Table, Wanted, key, time};
use crate::read::{FoundLog, LogWalk, ReadError, StoredLog};

pub(in crate::sql) struct Logs;

/// A log record; all of it is read when somebody asks for what the index does not know.
pub(in crate::sql) struct LogRow {
    found: FoundLog,
    record: OnceCell<Option<StoredLog>>,
    source: Arc<Source>,
}

impl LogRow {
    /// A value of the record; null if that is damaged.
    fn of(&self, value: impl FnOnce(&StoredLog) -> Cell) -> Result<Cell, ReadError> {
        if self.record.get().is_none() {
            // It is not set yet, as was just seen.
            _ = self.record.set(self.found.record(&self.source.reader)?);
        }
        Ok(self.record.get().and_then(Option::as_ref).map_or(Cell::Null, value))
    }
}

fn trace_id(log: &StoredLog) -> Cell {
    let id = <[u8; 16]>::try_from(&log.record.trace_id[..]).ok().and_then(TraceId::from_bytes);
    Cell::from(id.map(|id| id.to_string()))
}

fn span_id(log: &StoredLog) -> Cell {
    let id = <[u8; 8]>::try_from(&log.record.span_id[..]).ok().and_then(SpanId::from_bytes);
    Cell::from(id.map(|id| id.to_string()))
}

fn severity(log: &StoredLog) -> Cell {
    let text = &log.record.severity_text;
    if text.is_empty() { Cell::Null } else { Cell::Text(text.clone()) }
}

type Column = Col<LogRow>;

impl Table for Logs {
    type Row = LogRow;
    const NAME: &'static str = "logs";
    const ABOUT: &'static str = "a log record";
    const COLUMNS: &'static [Column] = &[
        Column::new(
            "time_unix_ns",
            Integer,
            "when it happened, or else was seen, in nanoseconds since 1970",
            |row| Ok(row.found.time.into()),
        )
        .pushed(Pushed::Range),
        Column::new("time", Text, "when it happened, or else was seen, as RFC 3339 in UTC", |row| {
            Ok(time(row.found.time))
        }),
        Column::new("trace_id", Text, "the trace, in 32 hexadecimal digits; null if it is of none", |row| {
            row.of(trace_id)
        })
        .pushed(Pushed::Trace),
        Column::new("span_id", Text, "the span, in 16 hexadecimal digits; null if it is of none", |row| {
            row.of(span_id)
        }),
        Column::new(
            "severity_number",
            Integer,
            "how severe it is, by OTLP's numbers from 1 to 24; 0 is not told",
            |row| Ok(Cell::Int(row.found.severity.into())),
        ),
        Column::new("severity", Text, "how severe it is, in the words of who wrote it", |row| {
            row.of(severity)
        }),
        Column::new("service", Text, "the service", |row| Ok(Cell::Shared(Arc::clone(&row.found.service)))),
        Column::new("body", Text, "the text, or JSON where it is more than that", |row| {
            row.of(|log| json::text(log.record.body.as_ref()))
        }),
        Column::new("attributes", Json, "its attributes, as an object", |row| {
            row.of(|log| json::object(&log.record.attributes).into())
        }),
        Column::new("resource", Json, "the attributes of what sent it, as an object", |row| {
            row.of(|log| json::object(&log.origin.resource.attributes).into())
        }),
    ];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<LogRow>, ReadError> {
        let trace = match wanted.trace() {
            Some(None) => return Ok(Box::new(std::iter::empty())),
            Some(trace) => trace,
            None => None,
        };
        let source = Arc::clone(source);
        let mut walk = LogWalk::new(&source.reader, wanted.range("time_unix_ns"), trace);
        Ok(Box::new(std::iter::from_fn(move || {
            let row = |found| LogRow { found, record: OnceCell::new(), source: Arc::clone(&source) };
            Some(walk.next().transpose()?.map(row))
        })))
    }

    fn key(row: &LogRow) -> u64 {
        let (file, id) = row.found.place();
        key(&[file.as_bytes(), &id.to_le_bytes()])
    }
}
