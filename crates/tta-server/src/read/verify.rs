//! Reads everything, to find what is damaged before somebody needs it.

use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::store::{Damage, bins, ids, run, segment};

/// Reads every file of the store, and tells what in it is not as it was written; nothing if all is well.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// About half a second of CPU for a million spans, and as long as it takes to read all of it from the disk.
pub fn verify(reader: &Reader) -> Result<Vec<Damage>, ReadError> {
    reader.each(|snapshot| {
        if let Some(what) = segment::examine(snapshot.file())? {
            snapshot.report(&what);
        }
        check_blocks(snapshot)?;
        let whole = |blob: &[u8]| ids(blob).is_some();
        check_blobs(snapshot, ("SELECT id, spans FROM part", "part"), whole)?;
        let mut rows = Vec::new();
        check_blobs(snapshot, ("SELECT id, spans FROM run", "run"), |blob| {
            run::read(blob, &mut rows).is_some()
        })?;
        let whole = |blob: &[u8]| bins::Bins::default().merge(blob).is_some();
        check_blobs(snapshot, ("SELECT series, bins FROM red", "durations of series"), whole)?;
        check_blobs(snapshot, ("SELECT callee, bins FROM edge", "durations of calls of"), whole)
    })?;
    Ok(reader.shared.damage())
}

fn check_blocks(snapshot: &Snapshot<'_>) -> rusqlite::Result<()> {
    let mut blocks = snapshot.file().prepare("SELECT id FROM block")?;
    let mut rows = blocks.query([])?;
    while let Some(row) = rows.next()? {
        // It tells of what it cannot read.
        snapshot.block(row.get(0)?)?;
    }
    Ok(())
}

fn check_blobs(
    snapshot: &Snapshot<'_>,
    (query, what): (&str, &str),
    mut is_whole: impl FnMut(&[u8]) -> bool,
) -> rusqlite::Result<()> {
    let mut all = snapshot.file().prepare(query)?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        if !is_whole(row.get_ref(1)?.as_blob()?) {
            snapshot.report(&format!("{what} {} cannot be read", row.get::<_, i64>(0)?));
        }
    }
    Ok(())
}
