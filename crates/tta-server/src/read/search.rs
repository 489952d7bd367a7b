//! Finds spans.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rusqlite::OptionalExtension;
use tta_model::{SpanId, TraceId};

use super::snapshot::Snapshot;
use super::spans::{Cursor, SpanHit, SpanPage, SpanQuery};
use super::tags::{self, Hashes};
use super::zones::{Filter, Zones};
use super::{ReadError, Reader};
use crate::store::run::{self, Row};
use crate::store::segment::Segment;
use crate::store::{block, ids, low};
use crate::wire::field::Slice;
use crate::wire::schema;
use crate::wire::span;

/// Finds spans, latest first.
///
/// # Errors
///
/// When the files cannot be read.
///
/// # Cost
///
/// What has a field of its own in [`SpanQuery`] is found in the index, at some ten nanoseconds a span. Attributes and text are looked
/// for in the records, where everything else fits: some microseconds a span.
pub fn search(reader: &Reader, query: &SpanQuery) -> Result<SpanPage, ReadError> {
    // A page of nothing could not tell where the next one begins.
    let query = &SpanQuery { limit: query.limit.max(1), ..query.clone() };
    let segments = reader.shared.segments();
    let mut search = Search::new(reader, query, &segments);
    while let Some(at) = search.next_file()? {
        let answer = search.look_into(at);
        let found = search.reader.tolerate(&segments[at], answer);
        if !found? {
            // Damaged: what comes after in this file cannot be trusted to come in order.
            search.files[at].zones = None;
        }
        if search.is_spent() {
            return search.into_page(true);
        }
    }
    search.into_page(false)
}

/// Whether a span fits, as far as its row tells.
#[inline]
fn fits(query: &SpanQuery, row: &Row, filter: &Filter) -> bool {
    row.start >= *query.times.start()
        && row.start <= query.latest()
        && (query.min_duration_nanos..=query.max_duration_nanos).contains(&row.duration)
        && query.status.is_none_or(|status| status == row.status)
        && query.is_error.is_none_or(|is_error| is_error == (row.status == span::ERROR))
        && (!query.roots_only || row.is_root)
        && filter.shapes.has(row.shape)
        && filter.agent.is_none_or(|agent| agent == row.agent)
        && filter.session.is_none_or(|session| session == row.session)
}

/// How many parts and traces of a file a search remembers.
const KNOWN: usize = 8_192;

/// A file in a search.
#[derive(Default)]
struct File<'a> {
    snapshot: Option<Snapshot<'a>>,
    /// None once there is nothing more in it.
    zones: Option<(Zones, Filter)>,
    is_asked: bool,
    parts: HashMap<i64, Part>,
    /// The spans of a trace.
    copies: HashMap<u128, Copies>,
    /// The last part that counts.
    last_part: i64,
}

/// The spans of a trace in a file, sorted: the id, the part and the place in it. Sorted, since a trace may have so many that looking
/// through all of them for each would never end.
type Copies = Rc<Vec<(u64, i64, u32)>>;

/// The spans of a trace in one block.
#[derive(Clone, Default)]
struct Part {
    trace: u128,
    spans: Rc<Vec<u64>>,
    block: i64,
    offset: usize,
}

struct Search<'a> {
    reader: &'a Reader,
    query: &'a SpanQuery,
    segments: &'a [Arc<Segment>],
    files: Vec<File<'a>>,
    needle: Option<String>,
    hashes: Hashes,
    /// How many records were opened.
    opened: usize,
    /// The best so far, with the file that each is in; one more than are wanted.
    best: BTreeMap<Cursor, (usize, Row)>,
}

impl<'a> Search<'a> {
    fn new(reader: &'a Reader, query: &'a SpanQuery, segments: &'a [Arc<Segment>]) -> Self {
        let last_part = |segment: &Arc<Segment>| match &query.as_of {
            Some(mark) => mark.last_part(&segment.name()),
            None => i64::MAX,
        };
        let file = |segment| File { last_part: last_part(segment), ..File::default() };
        let files = segments.iter().map(file).collect();
        let needle = query.text.as_deref().map(str::to_ascii_lowercase);
        let hashes = Hashes::of(query);
        Self { reader, query, segments, files, needle, hashes, opened: 0, best: BTreeMap::new() }
    }

    /// The start of the latest span that is not seen yet, or more, with the file that it is in.
    fn frontier(&self) -> Option<(i64, usize)> {
        let latest = |(at, file): (usize, &File<'_>)| match &file.zones {
            Some((zones, _)) => zones.latest().map(|latest| (latest, at)),
            None if file.is_asked => None,
            None => Some((self.segments[at].last_start(), at)),
        };
        self.files.iter().enumerate().filter_map(latest).max()
    }

    /// Whether enough was opened, and a next page would go on and not begin anew.
    fn is_spent(&self) -> bool {
        let is_onward = || self.frontier().is_some_and(|(latest, _)| latest < self.query.latest());
        self.opened >= self.query.most_records && is_onward()
    }

    /// The file in which the latest span may be that is not seen yet; none if no span can be better than those found.
    fn next_file(&mut self) -> Result<Option<usize>, ReadError> {
        loop {
            let Some((latest, at)) = self.frontier() else { return Ok(None) };
            let worst = self.best.first_key_value().map(|(cursor, _)| cursor.start_unix_nanos);
            if self.is_full() && worst.is_some_and(|worst| latest < worst)
                || latest < *self.query.times.start()
            {
                return Ok(None);
            }
            if self.files[at].zones.is_some() {
                return Ok(Some(at));
            }
            self.ask(at)?;
        }
    }

    fn is_full(&self) -> bool {
        self.best.len() > self.query.limit
    }

    /// Begins to look into a file.
    fn ask(&mut self, at: usize) -> Result<(), ReadError> {
        self.files[at].is_asked = true;
        self.open(at)?;
        let Some(snapshot) = &self.files[at].snapshot else { return Ok(()) };
        let begin = || {
            let Some(filter) = Filter::of(snapshot, self.query)? else { return Ok(None) };
            Ok(Some((Zones::new(snapshot, self.query, &filter)?, filter)))
        };
        let begun = begin();
        self.files[at].zones = self.reader.tolerate(&self.segments[at], begun)?;
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<(), ReadError> {
        if self.files[at].snapshot.is_none() {
            self.files[at].snapshot = self.reader.snapshot(&self.segments[at])?;
        }
        Ok(())
    }

    /// Looks into the next run of a file. Answers true, so that damage, which answers the default, is told from it.
    fn look_into(&mut self, at: usize) -> rusqlite::Result<bool> {
        let file = &mut self.files[at];
        let (Some(snapshot), Some((zones, _))) = (&file.snapshot, &mut file.zones) else { return Ok(true) };
        let Some(id) = zones.next(snapshot, self.query)? else {
            file.zones = None;
            return Ok(true);
        };
        let mut find = snapshot.file().prepare_cached("SELECT spans, attributes FROM run WHERE id = ?1")?;
        let mut rows = Vec::new();
        let read = find.query_row([id], |row| {
            let filter = row.get_ref(1)?.as_blob()?;
            if !self.hashes.may_be_in(filter) {
                return Ok(Some(()));
            }
            Ok(run::read(row.get_ref(0)?.as_blob()?, &mut rows))
        });
        drop(find);
        if read.optional()?.flatten().is_none() {
            snapshot.report(&format!("run {id} of the index cannot be read"));
            return Ok(true);
        }
        for row in rows.iter().rev() {
            let worst = self.best.first_key_value().map(|(cursor, _)| cursor.start_unix_nanos);
            if self.is_full() && worst.is_some_and(|worst| row.start < worst) {
                break;
            }
            let Some((_, filter)) = &self.files[at].zones else { break };
            if row.part <= self.files[at].last_part && fits(self.query, row, filter) {
                self.consider(at, row)?;
            }
        }
        Ok(true)
    }

    /// Takes a span among the best whose row fits, if the rest does.
    fn consider(&mut self, at: usize, row: &Row) -> rusqlite::Result<()> {
        let Some(part) = self.part(at, row.part)? else { return Ok(()) };
        let id = part.spans.get(row.ordinal as usize).copied().unwrap_or(0);
        let (Some(trace_id), Some(span_id)) = (TraceId::new(part.trace), SpanId::new(id)) else {
            return Ok(());
        };
        if self.query.trace.is_some_and(|wanted| wanted != trace_id) {
            return Ok(());
        }
        let cursor = Cursor { start_unix_nanos: row.start, trace_id, span_id };
        let is_behind = self.query.after.is_none_or(|after| cursor < after);
        let is_better =
            !self.is_full() || self.best.first_key_value().is_some_and(|(worst, _)| cursor > *worst);
        if !is_behind || !is_better || self.has_conditions() && !self.mentions(at, row, (&part, id))? {
            return Ok(());
        }
        if !self.is_last_copy(at, row, (part.trace, id))? {
            return Ok(());
        }
        self.best.insert(cursor, (at, *row));
        if self.best.len() > self.query.limit + 1 {
            self.best.pop_first();
        }
        Ok(())
    }

    fn part(&mut self, at: usize, id: i64) -> rusqlite::Result<Option<Part>> {
        let file = &mut self.files[at];
        if let Some(part) = file.parts.get(&id) {
            return Ok(Some(part.clone()));
        }
        let Some(snapshot) = &file.snapshot else { return Ok(None) };
        let mut find =
            snapshot.file().prepare_cached("SELECT block, offset, spans FROM part WHERE id = ?1")?;
        let read = find.query_row([id], |row| {
            let ids = ids(row.get_ref(2)?.as_blob()?);
            let part =
                ids.map(|(trace, spans)| Part { trace, spans: Rc::new(spans.collect()), ..Part::default() });
            Ok(part.map(|part| (part, row.get::<_, i64>(0), row.get::<_, i64>(1))))
        });
        let Some((part, block, offset)) = read.optional()?.flatten() else {
            snapshot.report(&format!("part {id} of a trace cannot be read"));
            return Ok(None);
        };
        let part = Part { block: block?, offset: offset? as usize, ..part };
        if file.parts.len() >= KNOWN {
            file.parts.clear();
        }
        file.parts.insert(id, part.clone());
        Ok(Some(part))
    }

    /// Whether no copy of a span came later: in its part, in a later part, or in a later file.
    fn is_last_copy(&mut self, at: usize, row: &Row, (trace, id): (u128, u64)) -> rusqlite::Result<bool> {
        for later in at..self.files.len() {
            // A file that cannot be opened has no copy that could be shown.
            if self.open(later).is_err() {
                continue;
            }
            let from = if later == at { (id, row.part, row.ordinal) } else { (id, i64::MIN, 0) };
            let copies = self.copies(later, trace)?;
            let next = copies.get(copies.partition_point(|copy| *copy <= from));
            if next.is_some_and(|(of, ..)| *of == id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the spans of a trace are in a file, as far as it counts.
    fn copies(&mut self, at: usize, trace: u128) -> rusqlite::Result<Copies> {
        let file = &mut self.files[at];
        if let Some(copies) = file.copies.get(&trace) {
            return Ok(copies.clone());
        }
        let Some(snapshot) = &file.snapshot else { return Ok(Rc::default()) };
        let mut find =
            snapshot.file().prepare_cached("SELECT id, spans FROM part WHERE trace = ?1 AND id <= ?2")?;
        let mut rows = find.query((low(trace), file.last_part))?;
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
        if file.copies.len() >= KNOWN {
            file.copies.clear();
        }
        file.copies.insert(trace, copies.clone());
        Ok(copies)
    }

    fn has_conditions(&self) -> bool {
        self.needle.is_some() || !self.query.attributes.is_empty() || !self.query.tags.is_empty()
    }

    /// Whether the record of a span has the attributes and the text.
    fn mentions(&mut self, at: usize, row: &Row, (part, id): (&Part, u64)) -> rusqlite::Result<bool> {
        self.opened += 1;
        let Some(snapshot) = &self.files[at].snapshot else { return Ok(false) };
        let block = snapshot.block(part.block)?;
        let Some(entry) = block::entries(&block, part.offset).nth(row.ordinal as usize) else {
            return Ok(false);
        };
        let mut raw = Vec::new();
        entry.write((part.trace, id), &mut raw);
        if let Some(needle) = &self.needle
            && !schema::mentions(&raw, Slice::all(&raw), &schema::SPAN, needle.as_bytes())
        {
            return Ok(false);
        }
        for (key, value) in &self.query.attributes {
            let has = match tags::attribute(&raw, key) {
                Some(found) => found == *value,
                None => snapshot
                    .origin((entry.resource, entry.scope))?
                    .attribute(key)
                    .is_some_and(|found| found == *value),
            };
            if !has {
                return Ok(false);
            }
        }
        if self.query.tags.is_empty() {
            return Ok(true);
        }
        let origin = snapshot.origin((entry.resource, entry.scope))?;
        let Ok(span) = Span::decode(&raw[..]) else { return Ok(false) };
        Ok(self.query.tags.iter().all(|tag| tags::has(&span, &origin, tag)))
    }

    /// The page, of which the search ended early if it `is_cut`.
    fn into_page(self, is_cut: bool) -> Result<SpanPage, ReadError> {
        // Up to here there may be spans that were not looked into, so what starts earlier comes in the next page.
        let frontier = self.frontier().filter(|_| is_cut).map(|(latest, _)| latest);
        let is_certain = |cursor: &Cursor| frontier.is_none_or(|frontier| cursor.start_unix_nanos > frontier);
        let certain = self.best.iter().rev().filter(|(cursor, _)| is_certain(cursor));
        let mut page = SpanPage::default();
        for (cursor, (at, row)) in certain.take(self.query.limit) {
            let Some(snapshot) = &self.files[*at].snapshot else { continue };
            page.hits.push(hit(snapshot, cursor, row)?);
            page.next = Some(*cursor);
        }
        let is_whole = page.hits.len() == self.query.limit;
        page.next = match frontier {
            Some(start) if !is_whole => Cursor::before_all_at(start),
            Some(_) => page.next,
            None => page.next.filter(|_| self.is_full()),
        };
        Ok(page)
    }
}

fn hit(snapshot: &Snapshot<'_>, cursor: &Cursor, row: &Row) -> rusqlite::Result<SpanHit> {
    let mut find = snapshot.file().prepare_cached(
        "SELECT service, name, primitive, primitive_type, workflow, model, kind FROM shape WHERE id = ?1",
    )?;
    let shape = find.query_row([row.shape], |row| {
        let mut words = [0_u32; 6];
        for (at, word) in words.iter_mut().enumerate() {
            *word = row.get(at)?;
        }
        Ok((words, row.get(6)?))
    });
    let (words, kind) = shape.optional()?.unwrap_or_default();
    let [service, name, primitive, primitive_type, workflow, model] = words;
    Ok(SpanHit {
        trace_id: cursor.trace_id,
        span_id: cursor.span_id,
        service: snapshot.text(service)?,
        name: snapshot.text(name)?,
        primitive: snapshot.text(primitive)?,
        primitive_type: snapshot.text(primitive_type)?,
        workflow: snapshot.text(workflow)?,
        model: snapshot.text(model)?,
        agent: snapshot.text(row.agent)?,
        session: snapshot.text(row.session)?,
        kind,
        status: row.status,
        is_root: row.is_root,
        start_unix_nanos: row.start,
        duration_nanos: row.duration,
    })
}
