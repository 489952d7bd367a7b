//! Metrics, as they were sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;
use rusqlite::params;

use super::snapshot::Snapshot;
use super::trace::Origin;
use super::{ReadError, Reader, Times};
use crate::store::block;

/// A metric that is stored, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricName {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: u64,
    /// The time of the latest point, in nanoseconds since 1970.
    pub last_unix_nanos: i64,
}

/// A metric of one request, with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMetric {
    /// All of it.
    pub metric: Metric,
    /// Where it comes from.
    pub origin: Arc<Origin>,
}

/// Lists the metrics by name.
///
/// # Errors
///
/// When the files cannot be read.
pub fn metric_names(reader: &Reader) -> Result<Vec<MetricName>, ReadError> {
    let mut names: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    reader.each(|snapshot| {
        let query =
            "SELECT text, sum(points), max(last) FROM metric JOIN word ON word.id = name GROUP BY name";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let (points, last) = names.entry(row.get(0)?).or_insert((0, i64::MIN));
            *points += row.get::<_, i64>(1)?.cast_unsigned();
            *last = row.get::<_, i64>(2)?.max(*last);
        }
        Ok(())
    })?;
    let names = names.into_iter();
    Ok(names.map(|(name, (points, last_unix_nanos))| MetricName { name, points, last_unix_nanos }).collect())
}

/// Reads what came of a metric that has points in a time, in the order in which it came.
///
/// # Errors
///
/// When the files cannot be read.
pub fn metrics(reader: &Reader, name: &str, times: &Times) -> Result<Vec<StoredMetric>, ReadError> {
    let mut found = Vec::new();
    reader.each(|snapshot| {
        let Some(word) = snapshot.word(name)? else { return Ok(()) };
        let query =
            "SELECT block, offset FROM metric WHERE name = ?1 AND last >= ?2 AND first <= ?3 ORDER BY id";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query(params![word, *times.start(), *times.end()])?;
        while let Some(row) = rows.next()? {
            found.extend(read(snapshot, (row.get(0)?, row.get(1)?))?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Which of the latest metrics are wanted.
pub(super) struct Latest<'a> {
    /// Their names.
    pub(super) names: &'a [&'a str],
    /// Of this service.
    pub(super) service: Option<&'a str>,
    /// Those that have points in this time.
    pub(super) times: Times,
    /// How long before the latest point of a service, or before this moment if that is earlier, its last words begin, in nanoseconds.
    pub(super) within: i64,
    /// This moment, in nanoseconds since 1970.
    pub(super) now: i64,
}

/// Reads the last words of each service about some metrics, the latest file first and in each the latest point first.
///
/// The index tells when a service spoke last, so only what it said in the short time before that is opened, however long the time
/// is that is looked at.
pub(super) fn last_words(
    reader: &Reader,
    wanted: &Latest<'_>,
    mut each: impl FnMut(StoredMetric),
) -> Result<(), ReadError> {
    let mut since: HashMap<Arc<str>, i64> = HashMap::new();
    reader.each_latest_first(|snapshot| {
        for name in wanted.names {
            let Some(word) = snapshot.word(name)? else { continue };
            let query = "SELECT block, offset, last, service FROM metric
                 WHERE name = ?1 AND last BETWEEN ?2 AND ?3 ORDER BY last DESC, id DESC";
            let mut all = snapshot.file().prepare_cached(query)?;
            let mut rows = all.query(params![word, *wanted.times.start(), *wanted.times.end()])?;
            while let Some(row) = rows.next()? {
                let service = snapshot.text(row.get(3)?)?;
                if wanted.service.is_some_and(|wanted| *wanted != *service) {
                    continue;
                }
                let last: i64 = row.get(2)?;
                let first_wanted = last.min(wanted.now).saturating_sub(wanted.within);
                if last >= *since.entry(service).or_insert(first_wanted)
                    && let Some(metric) = read(snapshot, (row.get(0)?, row.get(1)?))?
                {
                    each(metric);
                }
            }
        }
        Ok(())
    })
}

/// Reads the metric at a place of a block; none, and reported, if it is damaged.
fn read(snapshot: &Snapshot<'_>, (block, offset): (i64, i64)) -> rusqlite::Result<Option<StoredMetric>> {
    let block = snapshot.block(block)?;
    let Some(entry) = block::entries(&block, offset as usize).next() else { return Ok(None) };
    let mut raw = Vec::new();
    entry.write((0, 0), &mut raw);
    let origin = snapshot.origin((entry.resource, entry.scope))?;
    match Metric::decode(&raw[..]) {
        Ok(metric) => Ok(Some(StoredMetric { metric, origin })),
        Err(error) => {
            snapshot.report(&format!("a metric cannot be decoded: {error}"));
            Ok(None)
        }
    }
}
