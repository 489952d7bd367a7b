//! Rate, errors and durations over time, from the sums by minute.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::snapshot::Snapshot;
use super::{ReadError, Reader, Times};
use crate::store::bins::{MINUTE, Tally, lower, minute};
use crate::store::rollup::{ROLLED_RUN, add_row};
use crate::store::{rolled, run};

/// What the series are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedBy {
    /// One series for each operation of each service.
    Operation,
    /// One for each service.
    Service,
    /// One of all.
    Total,
}

/// Which executions are wanted.
#[derive(Clone, Debug)]
pub struct RedQuery {
    /// Of this service.
    pub service: Option<String>,
    /// Of operations of this name.
    pub name: Option<String>,
    /// Those that started in the minutes that this time touches.
    pub times: Times,
    /// How many minutes are summed up in a point; 0 sums up the whole time.
    pub step_minutes: u32,
    /// What the series are told by.
    pub by: RedBy,
}

/// Executions over time.
#[derive(Clone, Debug, PartialEq)]
pub struct RedSeries {
    /// The service; empty in a total.
    pub service: String,
    /// The operation; empty in a total and for a service.
    pub name: String,
    /// The steps in which something was executed, in their order.
    pub points: Vec<RedPoint>,
}

/// Executions in one step. Percentiles are right within [`RELATIVE_ERROR`](crate::RELATIVE_ERROR).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RedPoint {
    /// The start of the step, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// How many executions.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// The mean of the durations, in nanoseconds.
    pub mean_nanos: u64,
    /// The duration that half of them did not exceed.
    pub p50_nanos: u64,
    /// That 90 % did not exceed.
    pub p90_nanos: u64,
    /// That 95 % did not exceed.
    pub p95_nanos: u64,
    /// That 99 % did not exceed.
    pub p99_nanos: u64,
    /// The longest.
    pub max_nanos: u64,
}

impl RedPoint {
    pub(super) fn of(tally: &Tally, start_unix_nanos: i64) -> Self {
        let part = |part| tally.bins.quantile(part).unwrap_or(0);
        Self {
            start_unix_nanos,
            count: tally.count,
            errors: tally.errors,
            mean_nanos: tally.total / tally.count.max(1),
            p50_nanos: part(0.5),
            p90_nanos: part(0.9),
            p95_nanos: part(0.95),
            p99_nanos: part(0.99),
            max_nanos: part(1.0),
        }
    }
}

/// Part of a heat map: how many executions of one step took how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeatCell {
    /// The start of the step, in nanoseconds since 1970.
    pub start_unix_nanos: i64,
    /// The shortest duration of the cell, in nanoseconds.
    pub from_nanos: u64,
    /// The end of the durations of the cell, in nanoseconds: four cells are a doubling.
    pub to_nanos: u64,
    /// How many.
    pub count: u64,
}

/// A service and the name of an operation.
type Key = (Arc<str>, Arc<str>);
/// The series of a question, and what each has in each step.
type Sums = HashMap<Key, HashMap<i64, Tally>>;

/// Reads rate, errors and durations over time, the series by service and name.
///
/// # Errors
///
/// When the files cannot be read.
pub fn red(reader: &Reader, query: &RedQuery) -> Result<Vec<RedSeries>, ReadError> {
    let mut series: Vec<RedSeries> = sums(reader, query)?
        .into_iter()
        .map(|((service, name), steps)| {
            let mut points: Vec<RedPoint> =
                steps.iter().map(|(start, tally)| RedPoint::of(tally, *start)).collect();
            points.sort_by_key(|point| point.start_unix_nanos);
            RedSeries { service: service.to_string(), name: name.to_string(), points }
        })
        .collect();
    series.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    Ok(series)
}

/// Reads how many executions took how long in which step, of all series together.
///
/// # Errors
///
/// When the files cannot be read.
pub fn heatmap(reader: &Reader, query: &RedQuery) -> Result<Vec<HeatCell>, ReadError> {
    /// A quarter of an octave of 64 bins.
    const WIDTH: usize = 16;
    let query = RedQuery { by: RedBy::Total, ..query.clone() };
    let mut cells: HashMap<(i64, usize), u64> = HashMap::new();
    for (start, tally) in sums(reader, &query)?.into_values().flatten() {
        for (bin, count) in tally.bins.filled() {
            *cells.entry((start, bin / WIDTH)).or_default() += count;
        }
    }
    let cell = |((start_unix_nanos, at), count)| {
        let (from_nanos, to_nanos) = (lower(at * WIDTH), lower((at + 1) * WIDTH));
        HeatCell { start_unix_nanos, from_nanos, to_nanos, count }
    };
    let mut cells: Vec<HeatCell> = cells.into_iter().map(cell).collect();
    cells.sort_unstable();
    Ok(cells)
}

/// A question, in minutes.
struct Steps<'a> {
    query: &'a RedQuery,
    first: i64,
    last: i64,
}

impl Steps<'_> {
    /// The start of the step of a minute, if it is asked for.
    fn step(&self, minute: i64) -> Option<i64> {
        let step = i64::from(self.query.step_minutes);
        let start = match step {
            0 => self.first.max(0),
            step => minute.div_euclid(step) * step,
        };
        (self.first..=self.last).contains(&minute).then(|| start * MINUTE)
    }
}

fn sums(reader: &Reader, query: &RedQuery) -> Result<Sums, ReadError> {
    let steps = Steps { query, first: minute(*query.times.start()), last: minute(*query.times.end()) };
    let mut sums = Sums::new();
    reader.each(|snapshot| {
        add_summed(snapshot, &steps, &mut sums)?;
        add_later(snapshot, &steps, &mut sums)
    })?;
    Ok(sums)
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

/// The series that a service and a name of a file belong to, if they are asked for.
fn key(
    snapshot: &Snapshot<'_>,
    query: &RedQuery,
    (service, name): (u32, u32),
) -> rusqlite::Result<Option<Key>> {
    let (service, name) = (snapshot.text(service)?, snapshot.text(name)?);
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    if !fits(&query.service, &service) || !fits(&query.name, &name) {
        return Ok(None);
    }
    Ok(Some(match query.by {
        RedBy::Operation => (service, name),
        RedBy::Service => (service, "".into()),
        RedBy::Total => ("".into(), "".into()),
    }))
}

/// Adds the sums that are written.
fn add_summed(snapshot: &Snapshot<'_>, steps: &Steps<'_>, sums: &mut Sums) -> rusqlite::Result<()> {
    let mut series = snapshot.file().prepare_cached("SELECT id, service, name FROM series")?;
    let mut minutes = snapshot.file().prepare_cached(
        "SELECT minute, count, errors, total, bins FROM red WHERE series = ?1 AND minute BETWEEN ?2 AND ?3",
    )?;
    let mut all = series.query([])?;
    while let Some(found) = all.next()? {
        let words = (found.get(1)?, found.get(2)?);
        let Some(key) = key(snapshot, steps.query, words)? else { continue };
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

/// Adds the runs that came after the sums.
fn add_later(snapshot: &Snapshot<'_>, steps: &Steps<'_>, sums: &mut Sums) -> rusqlite::Result<()> {
    let after = rolled(snapshot.file(), ROLLED_RUN)?;
    let mut runs = snapshot.file().prepare_cached("SELECT id, spans FROM run WHERE id > ?1")?;
    let mut shape = snapshot.file().prepare_cached("SELECT service, name FROM shape WHERE id = ?1")?;
    let mut keys: HashMap<u32, Option<Key>> = HashMap::new();
    let mut found = runs.query([after])?;
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
                    let words =
                        shape.query_row([row.shape], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                    new.insert(words.map_or(Ok(None), |words| key(snapshot, steps.query, words))?)
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
