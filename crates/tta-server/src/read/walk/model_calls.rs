//! All model calls, each once, of each file the latest first.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rusqlite::params;
use tta_model::{SpanId, TraceId};

use super::shapes::{Shape, Shapes};
use super::{Files, PAGE, Place, ReadError, Reader, Snapshot};
use crate::store::ids;

/// A walk through the model calls. A span that came again counts as it came last, so nothing can be passed by.
pub(crate) struct ModelCallWalk {
    files: Files,
    shapes: Rc<Shapes>,
    after: i64,
    /// The lower half of the trace's id and the span's.
    seen: HashSet<(i64, i64), RandomState>,
    read: VecDeque<ModelCall>,
}

/// What one span tells of its model calls.
pub(crate) struct ModelCall {
    /// In nanoseconds since 1970.
    pub(crate) start: i64,
    pub(crate) shape: Arc<Shape>,
    pub(crate) agent: Arc<str>,
    pub(crate) session: Arc<str>,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) cost_usd: f64,
    /// Whether it used tokens of which nobody said what they cost.
    pub(crate) is_unpriced: bool,
    /// The lower half of the trace's id and the span's.
    pub(crate) id: (i64, i64),
    place: Rc<Place>,
}

impl ModelCall {
    pub(crate) fn span_id(&self) -> Option<SpanId> {
        SpanId::new(self.id.1.cast_unsigned())
    }

    /// The whole id of the trace; none if the parts of the trace are damaged.
    pub(crate) fn trace_id(&self, reader: &Reader) -> Result<Option<TraceId>, ReadError> {
        reader.tolerate(&self.place.segment, trace_id(&self.place.snapshot, self.id))
    }
}

fn trace_id(snapshot: &Snapshot<'_>, (low, span): (i64, i64)) -> rusqlite::Result<Option<TraceId>> {
    let mut find = snapshot.file().prepare_cached("SELECT spans FROM part WHERE trace = ?1")?;
    let mut rows = find.query([low])?;
    while let Some(row) = rows.next()? {
        if let Some((trace, mut spans)) = ids(row.get_ref(0)?.as_blob()?)
            && spans.any(|id| id == span.cast_unsigned())
        {
            return Ok(TraceId::new(trace));
        }
    }
    Ok(None)
}

impl ModelCallWalk {
    pub(crate) fn new(reader: &Reader) -> Self {
        let (shapes, seen) = (Rc::default(), HashSet::default());
        Self { files: Files::new(reader), shapes, after: 0, seen, read: VecDeque::new() }
    }

    /// The next call; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ModelCall>, ReadError> {
        loop {
            while let Some(call) = self.read.pop_front() {
                if self.seen.insert(call.id) {
                    return Ok(Some(call));
                }
            }
            let (shapes, after) = (&mut self.shapes, &mut self.after);
            let page = self.files.page(|place, is_new| {
                if is_new {
                    (*shapes, *after) = (Rc::default(), i64::MAX);
                }
                page(place, shapes, after)
            })?;
            if page.is_empty() {
                return Ok(None);
            }
            self.read.extend(page);
        }
    }
}

fn page(place: &Place, shapes: &Shapes, after: &mut i64) -> rusqlite::Result<Vec<ModelCall>> {
    let (snapshot, shared) = (&place.snapshot, Rc::new(place.clone()));
    let mut all = snapshot.file().prepare_cached(
        "SELECT rowid, start, trace, span, shape, agent, session, prompt_tokens, completion_tokens, cost_usd,
                ifnull(unpriced, cost_usd = 0 AND prompt_tokens + completion_tokens > 0)
         FROM model_call WHERE rowid < ?1 ORDER BY rowid DESC LIMIT ?2",
    )?;
    let mut rows = all.query(params![*after, PAGE])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        *after = row.get(0)?;
        found.push(ModelCall {
            start: row.get(1)?,
            id: (row.get(2)?, row.get(3)?),
            shape: shapes.get(snapshot, row.get(4)?)?,
            agent: snapshot.text(row.get(5)?)?,
            session: snapshot.text(row.get(6)?)?,
            prompt_tokens: row.get(7)?,
            completion_tokens: row.get(8)?,
            cost_usd: row.get(9)?,
            is_unpriced: row.get(10)?,
            place: Rc::clone(&shared),
        });
    }
    Ok(found)
}
