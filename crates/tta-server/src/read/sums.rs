//! The sums by minute of one file, and the runs that came after them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::params;

use super::snapshot::Snapshot;
use super::{ReadError, Reader, Times};
use crate::store::bins::{MINUTE, Tally, minute};
use crate::store::rollup::{PRIMITIVE, ROLLED_RUN, ROLLED_UNIT, WORKFLOW, add_row};
use crate::store::{Shape, rolled, run};

/// A service and what is told of it.
pub(super) type Key = (Arc<str>, Arc<str>);
/// The series of a question, and what each has in each step.
pub(super) type Sums = HashMap<Key, HashMap<i64, Tally>>;

/// The minutes that are asked for, and the steps that they make.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    first: i64,
    last: i64,
    minutes: i64,
}

impl Steps {
    /// Those of the minutes that a time touches; a step of 0 minutes is the whole time.
    pub(super) fn new(times: &Times, minutes: u32) -> Self {
        Self { first: minute(*times.start()), last: minute(*times.end()), minutes: i64::from(minutes) }
    }

    /// From the start of the first minute to the end of the last one.
    pub(super) fn times(&self) -> Times {
        self.first.saturating_mul(MINUTE)..=self.last.saturating_add(1).saturating_mul(MINUTE)
    }

    /// The start of the step of a minute, if it is asked for.
    fn step(&self, minute: i64) -> Option<i64> {
        let start = match self.minutes {
            0 => self.first.max(0),
            minutes => minute.div_euclid(minutes) * minutes,
        };
        (self.first..=self.last).contains(&minute).then(|| start * MINUTE)
    }
}

/// The sums that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// By service and name.
    Operations,
    /// By service and primitive.
    Primitives,
    /// By service and workflow, the runs only.
    Workflows,
}

impl Table {
    /// The last run that is in the sums of a file.
    pub(super) fn rolled(self, snapshot: &Snapshot<'_>) -> rusqlite::Result<i64> {
        let key = if self == Self::Operations { ROLLED_RUN } else { ROLLED_UNIT };
        rolled(snapshot.file(), key)
    }

    fn queries(self) -> (String, &'static str) {
        let units = |kind| {
            let minutes = "SELECT minute, count, errors, total, bins FROM unit_red WHERE unit = ?1 AND minute BETWEEN ?2 AND ?3";
            (format!("SELECT id, service, name FROM unit WHERE kind = {kind}"), minutes)
        };
        match self {
            Self::Operations => (
                String::from("SELECT id, service, name FROM series"),
                "SELECT minute, count, errors, total, bins FROM red WHERE series = ?1 AND minute BETWEEN ?2 AND ?3",
            ),
            Self::Primitives => units(PRIMITIVE),
            Self::Workflows => units(WORKFLOW),
        }
    }

    /// What the spans of a sum have in common; the words that it does not tell are zero.
    fn shape(self, service: u32, name: u32) -> Shape {
        let none = Shape { id: 0, service, name: 0, primitive: 0, workflow: 0, is_run: false };
        match self {
            Self::Operations => Shape { name, ..none },
            Self::Primitives => Shape { primitive: name, ..none },
            Self::Workflows => Shape { workflow: name, is_run: true, ..none },
        }
    }
}

/// Adds the sums of a table; `key` tells the series of a shape, and none for what is not asked for.
pub(super) fn add_summed(
    snapshot: &Snapshot<'_>,
    (table, steps): (Table, Steps),
    mut key: impl FnMut(&Shape) -> rusqlite::Result<Option<Key>>,
    sums: &mut Sums,
) -> rusqlite::Result<()> {
    // A file may be from before the table was there; it has no sums then.
    if table.rolled(snapshot)? == 0 {
        return Ok(());
    }
    let (series, minutes) = table.queries();
    let mut series = snapshot.file().prepare_cached(&series)?;
    let mut minutes = snapshot.file().prepare_cached(minutes)?;
    let mut all = series.query([])?;
    while let Some(found) = all.next()? {
        let Some(key) = key(&table.shape(found.get(1)?, found.get(2)?))? else { continue };
        let id: i64 = found.get(0)?;
        let mut rows = minutes.query(params![id, steps.first, steps.last])?;
        while let Some(row) = rows.next()? {
            let Some(start) = steps.step(row.get(0)?) else { continue };
            let of_series = sums.entry(key.clone()).or_default();
            if !add_row(of_series.entry(start).or_default(), row, 1)? {
                snapshot.report("the durations of a minute cannot be read");
            }
        }
    }
    Ok(())
}

/// Adds the spans of the runs that came after one; `key` is as in [`add_summed`].
pub(super) fn add_runs(
    snapshot: &Snapshot<'_>,
    (after, steps): (i64, Steps),
    mut key: impl FnMut(&Shape) -> rusqlite::Result<Option<Key>>,
    sums: &mut Sums,
) -> rusqlite::Result<()> {
    let query = "SELECT id, spans FROM run WHERE id > ?1 AND last >= ?2 AND first <= ?3";
    let mut runs = snapshot.file().prepare_cached(query)?;
    let (from, to) =
        (steps.first.saturating_mul(MINUTE), steps.last.saturating_add(1).saturating_mul(MINUTE));
    let mut found = runs.query(params![after, from, to])?;
    let mut keys: HashMap<u32, Option<Key>> = HashMap::new();
    let mut rows = Vec::new();
    while let Some(written) = found.next()? {
        if run::read(written.get_ref(1)?.as_blob()?, &mut rows).is_none() {
            snapshot.report(&format!("run {} of the index cannot be read", written.get::<_, i64>(0)?));
            continue;
        }
        for row in &rows {
            let Some(start) = steps.step(minute(row.start)) else { continue };
            let key = match keys.entry(row.shape) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let shape = Shape::read(snapshot.file(), row.shape)?;
                    new.insert(shape.map_or(Ok(None), |shape| key(&shape))?)
                }
            };
            if let Some(key) = key {
                let tally = sums.entry(key.clone()).or_default().entry(start).or_default();
                tally.add(row.duration, row.status == crate::wire::span::ERROR);
            }
        }
    }
    Ok(())
}

/// The first minute from one on in which something started.
pub(crate) fn next_minute(reader: &Reader, from: i64) -> Result<Option<i64>, ReadError> {
    let mut first: Option<i64> = None;
    reader.each(|snapshot| {
        let mut of_series = snapshot.file().prepare_cached(
            "SELECT min((SELECT min(minute) FROM red WHERE series = series.id AND minute >= ?1)) FROM series",
        )?;
        let summed: Option<i64> = of_series.query_row([from], |row| row.get(0))?;
        let mut runs =
            snapshot.file().prepare_cached("SELECT spans FROM run WHERE id > ?1 AND last >= ?2")?;
        let earliest = from.saturating_mul(MINUTE);
        let mut found = runs.query(params![rolled(snapshot.file(), ROLLED_RUN)?, earliest])?;
        let mut rows = Vec::new();
        let mut later: Option<i64> = None;
        while let Some(written) = found.next()? {
            // What cannot be read is told by those who look into it.
            if run::read(written.get_ref(0)?.as_blob()?, &mut rows).is_some() {
                let starts = rows.iter().map(|row| row.start).filter(|start| *start >= earliest);
                later = later.into_iter().chain(starts).min();
            }
        }
        first = first.into_iter().chain(summed).chain(later.map(minute)).min();
        Ok(())
    })?;
    Ok(first)
}
