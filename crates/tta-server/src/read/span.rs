//! One span of a trace.

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tta_model::{SpanId, TraceId};

use super::snapshot::Snapshot;
use super::trace::StoredSpan;
use super::{ReadError, Reader};
use crate::store::{block, ids, low};

/// Reads one span of a trace, as it came last; none if it is not stored. Only the blocks that hold it are opened.
///
/// # Errors
///
/// When the files cannot be read.
pub fn span(reader: &Reader, trace: TraceId, span: SpanId) -> Result<Option<StoredSpan>, ReadError> {
    for segment in reader.shared.segments().iter().rev() {
        let Some(snapshot) = reader.snapshot(segment)? else { continue };
        let found = last_copy(&snapshot, trace, span);
        if let Some(found) = reader.tolerate(segment, found)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether spans of a trace are stored.
///
/// # Errors
///
/// When the files cannot be read.
pub fn is_stored(reader: &Reader, trace: TraceId) -> Result<bool, ReadError> {
    let mut is_there = false;
    reader.each(|snapshot| {
        let mut parts = snapshot.file().prepare_cached("SELECT spans FROM part WHERE trace = ?1")?;
        let mut rows = parts.query([low(trace.get())])?;
        while let Some(row) = rows.next()?.filter(|_| !is_there) {
            is_there = ids(row.get_ref(0)?.as_blob()?).is_some_and(|(of, _)| of == trace.get());
        }
        Ok(())
    })?;
    Ok(is_there)
}

/// The copy of a span that came last to a file.
fn last_copy(
    snapshot: &Snapshot<'_>,
    trace: TraceId,
    wanted: SpanId,
) -> rusqlite::Result<Option<StoredSpan>> {
    let query = "SELECT id, block, offset, spans FROM part WHERE trace = ?1 ORDER BY id DESC";
    let mut parts = snapshot.file().prepare_cached(query)?;
    let mut rows = parts.query([low(trace.get())])?;
    while let Some(row) = rows.next()? {
        let Some((of, ids)) = ids(row.get_ref(3)?.as_blob()?) else {
            snapshot.report(&format!("part {} of a trace cannot be read", row.get::<_, i64>(0)?));
            continue;
        };
        // The index knows only half of the id.
        if of != trace.get() {
            continue;
        }
        let places: Vec<usize> =
            ids.enumerate().filter(|(_, id)| *id == wanted.get()).map(|(at, _)| at).collect();
        for at in places.into_iter().rev() {
            let (block, offset): (i64, i64) = (row.get(1)?, row.get(2)?);
            let found = read(snapshot, (block, offset, at), (trace.get(), wanted.get()))?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn read(
    snapshot: &Snapshot<'_>,
    (block, offset, at): (i64, i64, usize),
    ids: (u128, u64),
) -> rusqlite::Result<Option<StoredSpan>> {
    let block = snapshot.block(block)?;
    let Some(entry) = block::entries(&block, offset as usize).nth(at) else { return Ok(None) };
    let mut raw = Vec::new();
    entry.write(ids, &mut raw);
    let origin = snapshot.origin((entry.resource, entry.scope))?;
    match Span::decode(&raw[..]) {
        Ok(span) => Ok(Some(StoredSpan { span, origin })),
        Err(error) => {
            snapshot.report(&format!("a span cannot be decoded: {error}"));
            Ok(None)
        }
    }
}
