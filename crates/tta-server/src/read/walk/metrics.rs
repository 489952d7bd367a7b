//! All metrics that fit, of each file in the order in which they came.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message;
use rusqlite::params;

use super::{Files, Place, ReadError, Reader};
use crate::read::Times;
use crate::read::metrics::StoredMetric;
use crate::store::block;

/// How many metrics are decoded at once.
const PAGE: i64 = 64;

/// Which metrics are wanted; each has points of some time.
#[derive(Clone, Debug)]
pub(crate) struct MetricQuery {
    pub(crate) name: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) times: Times,
}

/// A walk through the metrics that fit.
pub(crate) struct MetricWalk {
    files: Files,
    query: MetricQuery,
    after: i64,
    read: VecDeque<FoundMetric>,
}

/// A metric that was found.
pub(crate) struct FoundMetric {
    /// The file that it is in, and its number there.
    pub(crate) place: (Arc<str>, i64),
    pub(crate) service: Arc<str>,
    pub(crate) stored: StoredMetric,
}

impl MetricWalk {
    pub(crate) fn new(reader: &Reader, query: MetricQuery) -> Self {
        Self { files: Files::new(reader), query, after: 0, read: VecDeque::new() }
    }

    /// The next metric; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FoundMetric>, ReadError> {
        while self.read.is_empty() {
            let (query, after) = (&self.query, &mut self.after);
            let page = self.files.page(|place, is_new| {
                *after = if is_new { 0 } else { *after };
                page(place, query, after)
            })?;
            if page.is_empty() {
                return Ok(None);
            }
            self.read.extend(page.into_iter().flatten());
        }
        Ok(self.read.pop_front())
    }
}

/// What is damaged is nothing in the page, so that the page is empty only at the end.
fn page(place: &Place, query: &MetricQuery, after: &mut i64) -> rusqlite::Result<Vec<Option<FoundMetric>>> {
    let snapshot = &place.snapshot;
    let word = |text: &Option<String>| text.as_deref().map(|text| snapshot.word(text)).transpose();
    let (name, service) = (word(&query.name)?, word(&query.service)?);
    if name == Some(None) || service == Some(None) {
        return Ok(Vec::new());
    }
    let mut all = snapshot.file().prepare_cached(
        "SELECT id, service, block, offset FROM metric
         WHERE id > ?1 AND last >= ?2 AND first <= ?3 AND (?4 IS NULL OR name = ?4) AND (?5 IS NULL OR service = ?5)
         ORDER BY id LIMIT ?6",
    )?;
    let (name, service) = (name.flatten(), service.flatten());
    let times = (*query.times.start(), *query.times.end());
    let mut rows = all.query(params![*after, times.0, times.1, name, service, PAGE])?;
    let file: Arc<str> = place.segment.name().into();
    let (mut found, mut raw) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        *after = row.get(0)?;
        let block = snapshot.block(row.get(2)?)?;
        let offset: i64 = row.get(3)?;
        let Some(entry) = block::entries(&block, offset as usize).next() else {
            found.push(None);
            continue;
        };
        entry.write((0, 0), &mut raw);
        let origin = snapshot.origin((entry.resource, entry.scope))?;
        let (place, service) = ((Arc::clone(&file), *after), snapshot.text(row.get(1)?)?);
        let decoded = Metric::decode(&raw[..]);
        if let Err(error) = &decoded {
            snapshot.report(&format!("a metric cannot be decoded: {error}"));
        }
        let of = |metric| FoundMetric { place, service, stored: StoredMetric { metric, origin } };
        found.push(decoded.ok().map(of));
    }
    Ok(found)
}
