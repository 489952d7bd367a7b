//! All spans that fit, latest first.

use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rusqlite::OptionalExtension;
use tta_model::{SpanId, TraceId};

use super::copies::Parts;
use super::shapes::{Shape, Shapes};
use super::{Place, ReadError, Reader, Segment, Snapshot};
use crate::read::spans::SpanQuery;
use crate::read::trace::StoredSpan;
use crate::read::zones::{Filter, Zones};
use crate::store::block;
use crate::store::run::{self, Row};

/// A walk through the spans that fit. Of the query, `attributes`, `text`, `limit`, `after`, `trace` and `as_of` are not looked at.
pub(crate) struct SpanWalk {
    reader: Reader,
    query: SpanQuery,
    /// Oldest first.
    files: Vec<File>,
    /// What was found and may come before what was not looked into yet, by its start and its file.
    waiting: BinaryHeap<(i64, usize, Key)>,
    /// No span that was not looked into yet starts later than this, and where it may be; none if all were.
    frontier: Option<(i64, usize)>,
}

/// Where a span lies; a row, in an order that only has to be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    part: i64,
    ordinal: u32,
    duration: i64,
    shape: u32,
    agent: u32,
    session: u32,
    status: u8,
    is_root: bool,
}

struct File {
    segment: Arc<Segment>,
    is_asked: bool,
    is_opened: bool,
    place: Option<Rc<Open>>,
    /// None once there is nothing more in it.
    zones: Option<(Zones, Filter)>,
}

/// What is known of an open file.
struct Open {
    place: Place,
    parts: Parts,
    shapes: Shapes,
}

/// A span that was found.
pub(crate) struct FoundSpan {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) shape: Arc<Shape>,
    /// The instance of the agent; empty if the span does not say, like the session.
    pub(crate) agent: Arc<str>,
    pub(crate) session: Arc<str>,
    pub(crate) start: i64,
    pub(crate) duration: i64,
    pub(crate) status: u8,
    pub(crate) is_root: bool,
    record: (i64, usize, u32),
    file: Rc<Open>,
}

impl FoundSpan {
    /// All of it, as it was sent; none if it is damaged, which is reported.
    pub(crate) fn record(&self, reader: &Reader) -> Result<Option<StoredSpan>, ReadError> {
        let place = &self.file.place;
        reader.tolerate(&place.segment, self.read(&place.snapshot))
    }

    fn read(&self, snapshot: &Snapshot<'_>) -> rusqlite::Result<Option<StoredSpan>> {
        let (block, offset, ordinal) = self.record;
        let block = snapshot.block(block)?;
        let Some(entry) = block::entries(&block, offset).nth(ordinal as usize) else { return Ok(None) };
        let mut raw = Vec::new();
        entry.write((self.trace_id.get(), self.span_id.get()), &mut raw);
        let origin = snapshot.origin((entry.resource, entry.scope))?;
        match Span::decode(&raw[..]) {
            Ok(span) => Ok(Some(StoredSpan { span, origin })),
            Err(error) => {
                snapshot.report(&format!("a span cannot be decoded: {error}"));
                Ok(None)
            }
        }
    }
}

impl SpanWalk {
    pub(crate) fn new(reader: &Reader, query: SpanQuery) -> Self {
        let query = SpanQuery { after: None, ..query };
        let file = |segment| File { segment, is_asked: false, is_opened: false, place: None, zones: None };
        let files = reader.shared.segments().into_iter().map(file).collect();
        let mut walk =
            Self { reader: reader.clone(), query, files, waiting: BinaryHeap::new(), frontier: None };
        walk.look_ahead();
        walk
    }

    /// The next span; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FoundSpan>, ReadError> {
        loop {
            let latest = self.waiting.peek().map(|(start, ..)| *start);
            let at = match (self.frontier, latest) {
                (Some((frontier, at)), None) if frontier >= *self.query.times.start() => at,
                (Some((frontier, at)), Some(latest)) if frontier > latest => at,
                (_, None) => return Ok(None),
                (_, Some(_)) => {
                    let Some((start, at, key)) = self.waiting.pop() else { continue };
                    let found = self.found(start, at, key);
                    match self.reader.tolerate(&self.files[at].segment, found)? {
                        Some(found) => return Ok(Some(found)),
                        None => continue,
                    }
                }
            };
            self.look(at)?;
            self.look_ahead();
        }
    }

    fn look_ahead(&mut self) {
        let latest = |(at, file): (usize, &File)| match &file.zones {
            Some((zones, _)) => zones.latest().map(|latest| (latest, at)),
            None if file.is_asked => None,
            None => Some((file.segment.last_start(), at)),
        };
        self.frontier = self.files.iter().enumerate().filter_map(latest).max();
    }

    /// Opens a file, or reads its next run.
    fn look(&mut self, at: usize) -> Result<(), ReadError> {
        if self.files[at].zones.is_none() {
            self.files[at].is_asked = true;
            let Some(open) = self.open(at)? else { return Ok(()) };
            let begun = begin(&open.place.snapshot, &self.query);
            let file = &mut self.files[at];
            file.zones = self.reader.tolerate(&file.segment, begun)?;
            return Ok(());
        }
        let read = self.read_run(at);
        let file = &mut self.files[at];
        // What comes behind damage cannot be trusted to come in order.
        if !self.reader.tolerate(&file.segment, read)? {
            file.zones = None;
        }
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<Option<Rc<Open>>, ReadError> {
        let file = &mut self.files[at];
        if !file.is_opened {
            file.is_opened = true;
            if let Some(snapshot) = self.reader.hold(&file.segment)? {
                let place = Place { snapshot: Rc::new(snapshot), segment: Arc::clone(&file.segment) };
                let open = Open { place, parts: Parts::default(), shapes: Shapes::default() };
                file.place = Some(Rc::new(open));
            }
        }
        Ok(file.place.clone())
    }

    /// Reads the next run of a file. Answers false at its end.
    fn read_run(&mut self, at: usize) -> rusqlite::Result<bool> {
        let file = &mut self.files[at];
        let (Some(open), Some((zones, filter))) = (&file.place, &mut file.zones) else { return Ok(false) };
        let snapshot = &*open.place.snapshot;
        let Some(id) = zones.next(snapshot, &self.query)? else { return Ok(false) };
        let mut find = snapshot.file().prepare_cached("SELECT spans FROM run WHERE id = ?1")?;
        let mut rows = Vec::new();
        let read = find.query_row([id], |row| Ok(run::read(row.get_ref(0)?.as_blob()?, &mut rows)));
        if read.optional()?.flatten().is_none() {
            snapshot.report(&format!("run {id} of the index cannot be read"));
            return Ok(true);
        }
        let fitting = rows.iter().filter(|row| fits(&self.query, row, filter));
        self.waiting.extend(fitting.map(|row| (row.start, at, Key::of(row))));
        Ok(true)
    }

    /// A span whose row fits; none if a copy of it came later.
    fn found(&mut self, start: i64, at: usize, key: Key) -> rusqlite::Result<Option<FoundSpan>> {
        let Some(file) = self.files[at].place.clone() else { return Ok(None) };
        let snapshot = &*file.place.snapshot;
        let Some(part) = file.parts.part(snapshot, key.part)? else { return Ok(None) };
        let id = part.spans.get(key.ordinal as usize).copied().unwrap_or(0);
        let (Some(trace_id), Some(span_id)) = (TraceId::new(part.trace), SpanId::new(id)) else {
            return Ok(None);
        };
        if file.parts.has_later(snapshot, (part.trace, id), (key.part, key.ordinal))? {
            return Ok(None);
        }
        for later in at + 1..self.files.len() {
            // A file that cannot be opened has no copy that could be shown.
            let Ok(Some(later)) = self.open(later) else { continue };
            if later.parts.has_later(&later.place.snapshot, (part.trace, id), (i64::MIN, 0))? {
                return Ok(None);
            }
        }
        Ok(Some(FoundSpan {
            trace_id,
            span_id,
            shape: file.shapes.get(snapshot, key.shape)?,
            agent: snapshot.text(key.agent)?,
            session: snapshot.text(key.session)?,
            start,
            duration: key.duration,
            status: key.status,
            is_root: key.is_root,
            record: (part.block, part.offset, key.ordinal),
            file: Rc::clone(&file),
        }))
    }
}

impl Key {
    fn of(row: &Row) -> Self {
        let Row { part, ordinal, duration, shape, agent, session, status, is_root, .. } = *row;
        Self { part, ordinal, duration, shape, agent, session, status, is_root }
    }
}

fn begin(snapshot: &Snapshot<'_>, query: &SpanQuery) -> rusqlite::Result<Option<(Zones, Filter)>> {
    let Some(filter) = Filter::of(snapshot, query)? else { return Ok(None) };
    Ok(Some((Zones::new(snapshot, query, &filter)?, filter)))
}

/// Whether a span fits.
fn fits(query: &SpanQuery, row: &Row, filter: &Filter) -> bool {
    query.times.contains(&row.start)
        && (query.min_duration_nanos..=query.max_duration_nanos).contains(&row.duration)
        && query.status.is_none_or(|status| status == row.status)
        && (!query.roots_only || row.is_root)
        && filter.shapes.has(row.shape)
        && filter.agent.is_none_or(|agent| agent == row.agent)
        && filter.session.is_none_or(|session| session == row.session)
}
