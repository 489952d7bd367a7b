//! Finds traces, by their spans.

use std::collections::HashSet;

use tta_model::TraceId;

use super::outline::latest_start;
use super::spans::{Cursor, Mark, SpanHit, SpanQuery};
use super::{ReadError, Reader, search};

/// How many spans are asked for at once, at least.
const SPANS: usize = 256;

/// Where a page of traces ended. Later pages are as of the moment of the first one, so that what comes in between neither
/// moves a trace nor hides one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceCursor {
    /// The last span that was looked at.
    pub after: Cursor,
    /// The moment of the first page.
    pub as_of: Mark,
}

/// Traces, by their latest span that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracePage {
    /// The traces, each once, and in one page only.
    pub traces: Vec<TraceId>,
    /// Where the next page begins; none says that there are no more. A page may be shorter than asked for, or empty, and have a
    /// next one, if [`most_records`](SpanQuery::most_records) were opened.
    pub next: Option<TraceCursor>,
}

/// Finds the traces that have a span that fits, latest first: [`limit`](SpanQuery::limit) of them at most.
///
/// The first page is without a cursor; `after`, `trace` and `as_of` of the query are not looked at.
///
/// # Errors
///
/// When the files cannot be read.
pub fn traces(
    reader: &Reader,
    query: &SpanQuery,
    from: Option<&TraceCursor>,
) -> Result<TracePage, ReadError> {
    let as_of = from.map_or_else(|| reader.mark(), |from| Ok(from.as_of.clone()))?;
    let mut spans = query.clone();
    spans.limit = query.limit.saturating_mul(2).max(SPANS);
    spans.after = from.map(|from| from.after);
    spans.trace = None;
    spans.as_of = Some(as_of.clone());
    let mut seen = HashSet::new();
    let mut found = TracePage::default();
    loop {
        let page = search(reader, &spans)?;
        for hit in &page.hits {
            if !seen.contains(&hit.trace_id) {
                if found.traces.len() == query.limit {
                    found.next = spans.after.map(|after| TraceCursor { after, as_of });
                    return Ok(found);
                }
                seen.insert(hit.trace_id);
                let was_told = is_told(reader, (&spans, from), hit)?;
                found.traces.extend((!was_told).then_some(hit.trace_id));
            }
            spans.after = Some(cursor(hit));
        }
        let is_cut = page.hits.len() < spans.limit;
        let Some(next) = page.next else { return Ok(found) };
        spans.after = Some(next);
        if is_cut {
            found.next = Some(TraceCursor { after: next, as_of });
            return Ok(found);
        }
    }
}

fn cursor(hit: &SpanHit) -> Cursor {
    Cursor { start_unix_nanos: hit.start_unix_nanos, trace_id: hit.trace_id, span_id: hit.span_id }
}

/// Whether a trace has a span that fits before this page, so that an earlier page has told it.
fn is_told(
    reader: &Reader,
    (query, from): (&SpanQuery, Option<&TraceCursor>),
    hit: &SpanHit,
) -> Result<bool, ReadError> {
    let Some(from) = from else { return Ok(false) };
    // A span may have come again since, with another start.
    let last = latest_start(reader, hit.trace_id)?.unwrap_or(i64::MAX);
    let first = from.after.start_unix_nanos.max(*query.times.start());
    let last = last.min(*query.times.end());
    if last < first {
        return Ok(false);
    }
    let before = SpanQuery {
        trace: Some(hit.trace_id),
        times: first..=last,
        limit: 1,
        most_records: usize::MAX,
        after: None,
        ..query.clone()
    };
    let latest = search(reader, &before)?.hits.first().map(cursor);
    Ok(latest.is_some_and(|latest| latest >= from.after))
}

impl Reader {
    /// This moment.
    fn mark(&self) -> Result<Mark, ReadError> {
        let Some(newest) = self.shared.segments().pop() else {
            return Ok(Mark { file: String::new(), part: 0 });
        };
        let file = newest.name();
        // What cannot be asked is not written to any more.
        let Some(snapshot) = self.snapshot(&newest)? else { return Ok(Mark { file, part: i64::MAX }) };
        let last =
            snapshot.file().query_row("SELECT ifnull(max(id), 0) FROM part", [], |row| row.get(0)).map(Some);
        drop(snapshot);
        let part = self.tolerate(&newest, last)?.unwrap_or(i64::MAX);
        Ok(Mark { file, part })
    }
}
