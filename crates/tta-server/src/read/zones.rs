//! The runs of one file that a search has to look into, latest first.

use std::collections::{BinaryHeap, VecDeque};

use rusqlite::params;

use super::snapshot::Snapshot;
use super::spans::SpanQuery;

/// How many zones of a service are read at first, and then at once.
const FEW: i64 = 32;
const MANY: i64 = 1_024;

/// The numbers that are asked for, some of all that a file has.
pub(super) struct Numbers(Option<Vec<bool>>);

impl Numbers {
    fn new(ids: Option<Vec<u32>>) -> Self {
        let numbers = |ids: Vec<u32>| {
            let mut numbers = vec![false; ids.iter().max().map_or(0, |most| *most as usize + 1)];
            ids.into_iter().for_each(|id| numbers[id as usize] = true);
            numbers
        };
        Self(ids.map(numbers))
    }

    #[inline]
    pub(super) fn has(&self, id: u32) -> bool {
        self.0.as_ref().is_none_or(|numbers| numbers.get(id as usize).is_some_and(|has| *has))
    }
}

/// What a question means in the numbers of one file.
pub(super) struct Filter {
    pub(super) shapes: Numbers,
    pub(super) agent: Option<u32>,
    pub(super) session: Option<u32>,
    services: Vec<u32>,
}

impl Filter {
    /// None if no span of the file can fit.
    pub(super) fn of(snapshot: &Snapshot<'_>, query: &SpanQuery) -> rusqlite::Result<Option<Self>> {
        let of_shape = [
            ("service", &query.service),
            ("name", &query.name),
            ("primitive", &query.primitive),
            ("primitive_type", &query.primitive_type),
            ("workflow", &query.workflow),
            ("agent_type", &query.agent_type),
            ("provider", &query.provider),
            ("model", &query.model),
        ];
        let Some(mut shapes) = conditions(snapshot, &of_shape)? else { return Ok(None) };
        if let Some(kind) = query.kind {
            shapes.push(format!("kind = {kind}"));
        }
        let word = |wanted: &Option<String>| match wanted {
            None => Ok(Some(None)),
            Some(text) => Ok::<_, rusqlite::Error>(snapshot.word(text)?.map(Some)),
        };
        let (Some(agent), Some(session)) = (word(&query.agent)?, word(&query.session)?) else {
            return Ok(None);
        };
        let services = select(snapshot, "SELECT DISTINCT service FROM shape", &shapes)?;
        let wanted = !shapes.is_empty();
        let shapes = wanted.then(|| select(snapshot, "SELECT id FROM shape", &shapes)).transpose()?;
        let shapes = Numbers::new(shapes);
        Ok((!services.is_empty()).then_some(Self { shapes, agent, session, services }))
    }
}

/// Columns that have to have the number of a word; none if a word does not occur in the file.
fn conditions(
    snapshot: &Snapshot<'_>,
    wanted: &[(&str, &Option<String>)],
) -> rusqlite::Result<Option<Vec<String>>> {
    let mut conditions = Vec::new();
    for (column, text) in wanted {
        let Some(text) = text else { continue };
        let Some(word) = snapshot.word(text)? else { return Ok(None) };
        conditions.push(format!("{column} = {word}"));
    }
    Ok(Some(conditions))
}

fn select(snapshot: &Snapshot<'_>, query: &str, conditions: &[String]) -> rusqlite::Result<Vec<u32>> {
    let filter =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let mut all = snapshot.file().prepare(&format!("{query}{filter}"))?;
    all.query_map([], |row| row.get(0))?.collect()
}

/// The runs of one service.
struct Stream {
    service: u32,
    /// Those that were read, latest first.
    read: VecDeque<(i64, i64)>,
    /// The last one that was read.
    after: (i64, i64),
    is_done: bool,
}

/// The runs of a file, latest first.
pub(super) struct Zones {
    /// The next run of each stream, with the number of the stream.
    heads: BinaryHeap<((i64, i64), usize)>,
    streams: Vec<Stream>,
}

impl Zones {
    pub(super) fn new(snapshot: &Snapshot<'_>, query: &SpanQuery, filter: &Filter) -> rusqlite::Result<Self> {
        let after = (i64::MAX, i64::MAX);
        let stream =
            |service: &u32| Stream { service: *service, read: VecDeque::new(), after, is_done: false };
        let streams = filter.services.iter().map(stream).collect();
        let mut zones = Self { heads: BinaryHeap::new(), streams };
        for at in 0..zones.streams.len() {
            zones.advance(snapshot, query, at)?;
        }
        Ok(zones)
    }

    /// The start of the latest span that is not seen yet.
    pub(super) fn latest(&self) -> Option<i64> {
        self.heads.peek().map(|((last, _), _)| *last)
    }

    /// The number of the next run that has to be looked into.
    pub(super) fn next(
        &mut self,
        snapshot: &Snapshot<'_>,
        query: &SpanQuery,
    ) -> rusqlite::Result<Option<i64>> {
        let Some(((_, id), at)) = self.heads.pop() else { return Ok(None) };
        self.advance(snapshot, query, at)?;
        Ok(Some(id))
    }

    fn advance(&mut self, snapshot: &Snapshot<'_>, query: &SpanQuery, at: usize) -> rusqlite::Result<()> {
        let stream = &mut self.streams[at];
        while stream.read.is_empty() && !stream.is_done {
            stream.read_page(snapshot, query)?;
        }
        self.heads.extend(stream.read.pop_front().map(|run| (run, at)));
        Ok(())
    }
}

impl Stream {
    /// Reads more of the runs in which something can fit; SQLite passes by the others in the index.
    fn read_page(&mut self, snapshot: &Snapshot<'_>, query: &SpanQuery) -> rusqlite::Result<()> {
        let limit = if self.after.0 == i64::MAX { FEW } else { MANY };
        let mut all = snapshot.file().prepare_cached(
            "SELECT last, id FROM run INDEXED BY run_time
             WHERE service = ?1 AND last BETWEEN ?2 AND ?3 AND NOT (last = ?3 AND id >= ?4)
                 AND first <= ?5 AND longest >= ?6 AND errors >= ?7
             ORDER BY last DESC, id DESC LIMIT ?8",
        )?;
        let (from, latest) = (*query.times.start(), query.latest());
        let least_errors = i64::from(query.wants_errors());
        let (last, id) = self.after;
        let longest = query.min_duration_nanos;
        let values = params![self.service, from, last, id, latest, longest, least_errors, limit];
        let mut rows = all.query(values)?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.after = (row.get(0)?, row.get(1)?);
            self.read.push_back(self.after);
        }
        self.is_done = seen < limit;
        Ok(())
    }
}
