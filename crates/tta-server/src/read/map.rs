//! Who calls whom, and what each of them did.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::params;

use super::red::{RedPoint, RedSeries, series};
use super::snapshot::Snapshot;
use super::sums::{Key, Steps, Sums, Table, add_runs, add_summed};
use super::{ReadError, Reader, Times};
use crate::store::Shape;
use crate::store::bins::{MINUTE, Tally, minute};
use crate::store::rollup::add_row;

/// What the map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapBy {
    /// Services, and calls from one to another.
    Service,
    /// Primitives of services, or operations where spans name no primitive, and all calls.
    Primitive,
}

/// Calls from one place to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The service that calls.
    pub caller_service: String,
    /// The primitive or operation that calls; empty in a map of services.
    pub caller: String,
    /// The service that is called.
    pub callee_service: String,
    /// The primitive or operation that is called; empty in a map of services.
    pub callee: String,
    /// How many, how many of them failed, and how long they took.
    pub executions: RedPoint,
}

/// Reads the calls that started in the minutes that a time touches, by caller and callee.
///
/// What was committed in the last half second may be missing, and spans whose parent came much later or not at all.
///
/// # Errors
///
/// When the files cannot be read.
pub fn calls(reader: &Reader, times: &Times, by: MapBy) -> Result<Vec<Call>, ReadError> {
    let sums = add_up(reader, times, |_, mut ends| {
        if by == MapBy::Service {
            if ends.0.0 == ends.1.0 {
                return None;
            }
            (ends.0.1, ends.1.1) = ("".into(), "".into());
        }
        Some(ends)
    })?;
    Ok(sums.into_iter().map(|(ends, tally)| call(ends, &tally, (*times.start()).max(0))).collect())
}

/// Reads the calls of each minute that a time touches, by minute, caller and callee. The start of the executions is that of the minute.
pub(crate) fn calls_by_minute(reader: &Reader, times: &Times) -> Result<Vec<Call>, ReadError> {
    let sums = add_up(reader, times, |minute, ends| Some((minute, ends)))?;
    let of_minute =
        |((minute, ends), tally): ((i64, _), _)| call(ends, &tally, minute.saturating_mul(MINUTE));
    Ok(sums.into_iter().map(of_minute).collect())
}

/// The first minute from one on in which there are calls.
pub(crate) fn next_minute(reader: &Reader, from: i64) -> Result<Option<i64>, ReadError> {
    let mut first: Option<i64> = None;
    reader.each(|snapshot| {
        let mut find = snapshot.file().prepare_cached("SELECT min(minute) FROM edge WHERE minute >= ?1")?;
        let found: Option<i64> = find.query_row([from], |row| row.get(0))?;
        first = first.into_iter().chain(found).min();
        Ok(())
    })?;
    Ok(first)
}

/// Adds up what has the same key, in the order of the keys; what has none is left out.
fn add_up<K: Ord + Hash>(
    reader: &Reader,
    times: &Times,
    key: impl Fn(i64, (Key, Key)) -> Option<K>,
) -> Result<Vec<(K, Tally)>, ReadError> {
    let (first, last) = (minute(*times.start()), minute(*times.end()));
    let mut sums: HashMap<K, Tally> = HashMap::new();
    reader.each(|snapshot| {
        let query = "SELECT count, errors, total, bins, caller.service, caller.place, callee.service, callee.place, minute
             FROM edge JOIN node AS caller ON caller.id = edge.caller JOIN node AS callee ON callee.id = edge.callee
             WHERE minute BETWEEN ?1 AND ?2";
        let mut all = snapshot.file().prepare_cached(query)?;
        let mut rows = all.query(params![first, last])?;
        while let Some(row) = rows.next()? {
            let text = |at| row.get(at).and_then(|word| snapshot.text(word));
            let ends = ((text(4)?, text(5)?), (text(6)?, text(7)?));
            let Some(key) = key(row.get(8)?, ends) else { continue };
            if !add_row(sums.entry(key).or_default(), row, 0)? {
                snapshot.report("the durations of the calls of a minute cannot be read");
            }
        }
        Ok(())
    })?;
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sums)
}

fn call((caller, callee): (Key, Key), tally: &Tally, start_unix_nanos: i64) -> Call {
    Call {
        caller_service: caller.0.to_string(),
        caller: caller.1.to_string(),
        callee_service: callee.0.to_string(),
        callee: callee.1.to_string(),
        executions: RedPoint::of(tally, start_unix_nanos),
    }
}

/// Reads what was executed at each place of a map [by primitive](MapBy::Primitive), in one point for the minutes that a time touches:
/// the executions of a primitive, or those of an operation whose spans name no primitive.
///
/// # Errors
///
/// When the files cannot be read.
pub fn places(reader: &Reader, times: &Times) -> Result<Vec<RedSeries>, ReadError> {
    let steps = Steps::new(times, 0);
    let mut sums = Sums::new();
    reader.each(|snapshot| {
        let primitives = |shape: &Shape| match shape.primitive {
            0 => Ok(None),
            primitive => Ok(Some((snapshot.text(shape.service)?, snapshot.text(primitive)?))),
        };
        add_summed(snapshot, (Table::Primitives, steps), primitives, &mut sums)?;
        add_runs(snapshot, (Table::Primitives.rolled(snapshot)?, steps), primitives, &mut sums)?;
        let bare = bare(snapshot)?;
        let operations = |shape: &Shape, wanted: Bare| {
            let fits = shape.primitive == 0 && bare.get(&(shape.service, shape.name)) == Some(&wanted);
            fits.then(|| Ok((snapshot.text(shape.service)?, snapshot.text(shape.name)?))).transpose()
        };
        let always = |shape: &Shape| operations(shape, Bare::Always);
        add_summed(snapshot, (Table::Operations, steps), always, &mut sums)?;
        add_runs(snapshot, (Table::Operations.rolled(snapshot)?, steps), always, &mut sums)?;
        if bare.values().any(|bare| *bare == Bare::Sometimes) {
            // Their sums do not tell the spans apart.
            add_runs(snapshot, (0, steps), |shape| operations(shape, Bare::Sometimes), &mut sums)?;
        }
        Ok(())
    })?;
    Ok(series(sums))
}

/// Whether the spans of an operation name no primitive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Always,
    Sometimes,
}

/// The operations that have spans which name no primitive, by service and name.
fn bare(snapshot: &Snapshot<'_>) -> rusqlite::Result<HashMap<(u32, u32), Bare>> {
    let query =
        "SELECT service, name, max(primitive) FROM shape GROUP BY service, name HAVING min(primitive) = 0";
    let mut all = snapshot.file().prepare_cached(query)?;
    let found = all.query_map([], |row| {
        let bare = if row.get::<_, i64>(2)? == 0 { Bare::Always } else { Bare::Sometimes };
        Ok(((row.get(0)?, row.get(1)?), bare))
    });
    found?.collect()
}
