//! Log records and metrics in the order in which they came, for whoever wants all of them.

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;
use rusqlite::params;

use super::logs::{self, StoredLog};
use super::metrics::StoredMetric;
use super::snapshot::Snapshot;
use super::{ALWAYS, ReadError, Reader, Times};
use crate::store::block;

/// Which records are wanted.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Of this service.
    pub service: Option<String>,
    /// In this time; a metric counts as in it if one of its points may be.
    pub times: Times,
    /// How many log records or points of metrics, at most; but one record at least.
    pub limit: usize,
    /// Those that came after this one.
    pub after: Option<Arrival>,
}

impl Default for Arrivals {
    /// The first 1,000 of all.
    fn default() -> Self {
        Self { service: None, times: ALWAYS, limit: 1_000, after: None }
    }
}

/// Where a page of records ended. What comes later is behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// The file of the last record.
    pub file: String,
    /// Its number there.
    pub id: i64,
}

/// Records in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived<T> {
    /// The records.
    pub records: Vec<T>,
    /// Where the next page begins, if there may be more.
    pub next: Option<Arrival>,
}

/// Reads log records in the order in which they came.
///
/// A page costs as much as its records, wherever it begins, and opens no file that it does not need: all of a store can be read in
/// bounded memory.
///
/// # Errors
///
/// When the files cannot be read.
pub fn arrived_logs(reader: &Reader, query: &Arrivals) -> Result<Arrived<StoredLog>, ReadError> {
    arrived(reader, query, read_logs)
}

/// Reads metrics in the order in which they came, each with the points of one request. As [`arrived_logs`].
///
/// # Errors
///
/// When the files cannot be read.
pub fn arrived_metrics(reader: &Reader, query: &Arrivals) -> Result<Arrived<StoredMetric>, ReadError> {
    arrived(reader, query, read_metrics)
}

/// A page in the making.
struct Page<T> {
    records: Vec<T>,
    /// How much may be added.
    room: usize,
    /// The last row that was looked at in this file.
    last: i64,
}

/// Adds records of one file, behind [`Page::last`], until there is no room.
type Read<T> = fn(&Snapshot<'_>, &Arrivals, &mut Page<T>) -> rusqlite::Result<()>;

fn arrived<T>(reader: &Reader, query: &Arrivals, read: Read<T>) -> Result<Arrived<T>, ReadError> {
    let mut page = Page { records: Vec::new(), room: query.limit.max(1), last: i64::MIN };
    for segment in reader.shared.segments() {
        let file = segment.name();
        page.last = match &query.after {
            Some(after) if file < after.file => continue,
            Some(after) if file == after.file => after.id,
            _ => i64::MIN,
        };
        let Some(snapshot) = reader.snapshot(&segment)? else { continue };
        let answer = read(&snapshot, query, &mut page);
        reader.tolerate(&segment, answer)?;
        if page.room == 0 {
            let next = Some(Arrival { file, id: page.last });
            return Ok(Arrived { records: page.records, next });
        }
    }
    Ok(Arrived { records: page.records, next: None })
}

/// The word of the service; none in the outer option if none of its records are in this file.
fn service(snapshot: &Snapshot<'_>, query: &Arrivals) -> rusqlite::Result<Option<Option<u32>>> {
    match &query.service {
        None => Ok(Some(None)),
        Some(service) => Ok(snapshot.word(service)?.map(Some)),
    }
}

fn read_logs(snapshot: &Snapshot<'_>, query: &Arrivals, page: &mut Page<StoredLog>) -> rusqlite::Result<()> {
    let Some(service) = service(snapshot, query)? else { return Ok(()) };
    // The signs keep the order of the rows, in which each block is opened once.
    let mut all = snapshot.file().prepare_cached(
        "SELECT id, time, block, offset FROM log
         WHERE id > ?1 AND +time BETWEEN ?2 AND ?3 AND (?4 IS NULL OR service = ?4) ORDER BY id",
    )?;
    let mut rows = all.query(params![page.last, *query.times.start(), *query.times.end(), service])?;
    while page.room > 0
        && let Some(row) = rows.next()?
    {
        page.last = row.get(0)?;
        page.records.extend(logs::read(snapshot, (row.get(2)?, row.get(3)?, row.get(1)?), None)?);
        page.room -= 1;
    }
    Ok(())
}

fn read_metrics(
    snapshot: &Snapshot<'_>,
    query: &Arrivals,
    page: &mut Page<StoredMetric>,
) -> rusqlite::Result<()> {
    let Some(service) = service(snapshot, query)? else { return Ok(()) };
    let mut all = snapshot.file().prepare_cached(
        "SELECT id, block, offset, points FROM metric
         WHERE id > ?1 AND +last >= ?2 AND +first <= ?3 AND (?4 IS NULL OR service = ?4) ORDER BY id",
    )?;
    let mut rows = all.query(params![page.last, *query.times.start(), *query.times.end(), service])?;
    let mut raw = Vec::new();
    while page.room > 0
        && let Some(row) = rows.next()?
    {
        page.last = row.get(0)?;
        let points: i64 = row.get(3)?;
        page.room = page.room.saturating_sub(points.max(1) as usize);
        let block = snapshot.block(row.get(1)?)?;
        let offset: i64 = row.get(2)?;
        let Some(entry) = block::entries(&block, offset as usize).next() else { continue };
        entry.write((0, 0), &mut raw);
        let origin = snapshot.origin((entry.resource, entry.scope))?;
        match Metric::decode(&raw[..]) {
            Ok(metric) => page.records.push(StoredMetric { metric, origin }),
            Err(error) => snapshot.report(&format!("a metric cannot be decoded: {error}")),
        }
    }
    Ok(())
}
