//! Which copy of a span counts: the one that came last.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::OptionalExtension;

use super::Snapshot;
use crate::store::{ids, low};

/// How many parts and traces of a file are remembered.
const KNOWN: usize = 8_192;

/// The spans of a trace in one block.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) trace: u128,
    pub(super) spans: Rc<Vec<u64>>,
    pub(super) block: i64,
    pub(super) offset: usize,
}

/// The spans of a trace in one file, sorted: the id, the part and the place in it. Sorted, since a trace may have so many that looking
/// through all of them for each would never end.
type Copies = Rc<Vec<(u64, i64, u32)>>;

/// What was asked of the parts of one file.
#[derive(Default)]
pub(super) struct Parts {
    parts: RefCell<HashMap<i64, Part>>,
    copies: RefCell<HashMap<u128, Copies>>,
}

impl Parts {
    /// A part, or none if it is damaged, which is reported.
    pub(super) fn part(&self, snapshot: &Snapshot<'_>, id: i64) -> rusqlite::Result<Option<Part>> {
        if let Some(part) = self.parts.borrow().get(&id) {
            return Ok(Some(part.clone()));
        }
        let mut find =
            snapshot.file().prepare_cached("SELECT block, offset, spans FROM part WHERE id = ?1")?;
        let read = find.query_row([id], |row| {
            let (block, offset): (i64, i64) = (row.get(0)?, row.get(1)?);
            let ids = ids(row.get_ref(2)?.as_blob()?);
            Ok(ids.map(|(trace, spans)| {
                let spans = Rc::new(spans.collect());
                Part { trace, spans, block, offset: offset as usize }
            }))
        });
        let Some(part) = read.optional()?.flatten() else {
            snapshot.report(&format!("part {id} of a trace cannot be read"));
            return Ok(None);
        };
        let mut parts = self.parts.borrow_mut();
        if parts.len() >= KNOWN {
            parts.clear();
        }
        parts.insert(id, part.clone());
        Ok(Some(part))
    }

    /// Whether the file has a copy of a span behind a place in it.
    pub(super) fn has_later(
        &self,
        snapshot: &Snapshot<'_>,
        (trace, id): (u128, u64),
        (part, ordinal): (i64, u32),
    ) -> rusqlite::Result<bool> {
        let copies = self.copies(snapshot, trace)?;
        let next = copies.get(copies.partition_point(|copy| *copy <= (id, part, ordinal)));
        Ok(next.is_some_and(|(of, ..)| *of == id))
    }

    fn copies(&self, snapshot: &Snapshot<'_>, trace: u128) -> rusqlite::Result<Copies> {
        if let Some(copies) = self.copies.borrow().get(&trace) {
            return Ok(Rc::clone(copies));
        }
        let mut find = snapshot.file().prepare_cached("SELECT id, spans FROM part WHERE trace = ?1")?;
        let mut rows = find.query([low(trace)])?;
        let mut copies = Vec::new();
        while let Some(row) = rows.next()? {
            let part: i64 = row.get(0)?;
            let read = ids(row.get_ref(1)?.as_blob()?).filter(|(of, _)| *of == trace);
            if let Some((_, spans)) = read {
                copies.extend((0..).zip(spans).map(|(ordinal, span)| (span, part, ordinal)));
            }
        }
        copies.sort_unstable();
        let copies = Rc::new(copies);
        let mut known = self.copies.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(trace, Rc::clone(&copies));
        Ok(copies)
    }
}
