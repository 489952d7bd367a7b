//! Metrics, as they were sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;
use rusqlite::params;

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
        let mut raw = Vec::new();
        while let Some(row) = rows.next()? {
            let block = snapshot.block(row.get(0)?)?;
            let offset: i64 = row.get(1)?;
            let Some(entry) = block::entries(&block, offset as usize).next() else { continue };
            entry.write((0, 0), &mut raw);
            let origin = snapshot.origin((entry.resource, entry.scope))?;
            match Metric::decode(&raw[..]) {
                Ok(metric) => found.push(StoredMetric { metric, origin }),
                Err(error) => snapshot.report(&format!("a metric cannot be decoded: {error}")),
            }
        }
        Ok(())
    })?;
    Ok(found)
}
