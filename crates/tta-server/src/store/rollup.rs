//! Sums up executions a minute, in memory, until the sums are written.
//!
//! The sums can always be made again from the runs. So they need not be written with each commit: the file remembers up to
//! which run they go, a reader adds what came later, and so does the writer when it opens the file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, params};

use super::bins::{Bins, Tally, minute};
use super::edges::Edges;
use super::intern::{Interner, Pairs, pair};
use super::run::Row;

/// The keys of `meta`: the last run and the last part that are in the sums.
pub(crate) const ROLLED_RUN: &str = "rolled run";
pub(super) const ROLLED_PART: &str = "rolled part";

/// After how many spans the sums are written.
const OFTEN: u64 = 32_768;

/// Rate, errors and durations by service and operation, in the words of one file.
#[derive(Default)]
pub(super) struct Red {
    tallies: HashMap<(u32, u32, i64), Tally, RandomState>,
    spans: u64,
}

impl Red {
    pub(super) fn add(&mut self, (service, name): (u32, u32), row: &Row) {
        let tally = self.tallies.entry((service, name, minute(row.start))).or_default();
        tally.add(row.duration, row.status == crate::wire::span::ERROR);
        self.spans += 1;
    }

    pub(super) fn is_due(&self) -> bool {
        self.spans >= OFTEN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans == 0
    }

    pub(super) fn clear(&mut self) {
        self.tallies.clear();
        self.spans = 0;
    }

    fn write(&self, file: &Connection) -> rusqlite::Result<()> {
        let mut find = file
            .prepare_cached("SELECT count, errors, total, bins FROM red WHERE series = ?1 AND minute = ?2")?;
        let mut put = file.prepare_cached("INSERT OR REPLACE INTO red VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let mut bins = Vec::new();
        let mut keys: Vec<_> = self.tallies.keys().copied().collect();
        keys.sort_unstable();
        for (service, name, minute) in keys {
            let series = pair(file, Pairs::Series, (service, name))?;
            let before = find.query_row(params![series, minute], tally).optional()?;
            let sum = sum(before, &self.tallies[&(service, name, minute)]);
            bins.clear();
            sum.bins.write(&mut bins);
            let (count, errors, total) = numbers(&sum);
            put.execute(params![series, minute, count, errors, total, bins])?;
        }
        Ok(())
    }
}

/// Writes the sums, which go up to a run and a part.
pub(super) fn write(
    file: &Connection,
    interner: &mut Interner,
    (red, edges): (&Red, &Edges),
    (run, part): (i64, i64),
) -> rusqlite::Result<()> {
    red.write(file)?;
    write_edges(file, interner, edges)?;
    let mut put = file.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
    put.execute(params![ROLLED_RUN, run])?;
    put.execute(params![ROLLED_PART, part])?;
    Ok(())
}

fn write_edges(file: &Connection, interner: &mut Interner, edges: &Edges) -> rusqlite::Result<()> {
    let mut find = file.prepare_cached(
        "SELECT count, errors, total, bins FROM edge WHERE minute = ?1 AND caller = ?2 AND callee = ?3",
    )?;
    let mut put = file.prepare_cached("INSERT OR REPLACE INTO edge VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut bins = Vec::new();
    let mut nodes: HashMap<u32, u32, RandomState> = HashMap::default();
    for ((caller, callee, minute), tally) in edges.tallies() {
        let mut node = |end| match nodes.entry(end) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let (service, place) = edges.node(end);
                let words = (interner.word(file, service)?, interner.word(file, place)?);
                Ok::<_, rusqlite::Error>(*new.insert(pair(file, Pairs::Node, words)?))
            }
        };
        let (caller, callee) = (node(caller)?, node(callee)?);
        let before = find.query_row(params![minute, caller, callee], self::tally).optional()?;
        let sum = sum(before, tally);
        bins.clear();
        sum.bins.write(&mut bins);
        let (count, errors, total) = numbers(&sum);
        put.execute(params![minute, caller, callee, count, errors, total, bins])?;
    }
    Ok(())
}

/// Reads what the last four columns of a row sum up. A sketch that is damaged is empty, and the counts are still right.
fn tally(row: &rusqlite::Row<'_>) -> rusqlite::Result<Tally> {
    let mut tally = Tally::default();
    add_row(&mut tally, row, 0)?;
    Ok(tally)
}

/// Adds a row whose columns from `at` on are count, errors, total and bins. Answers whether the sketch is whole.
pub(crate) fn add_row(tally: &mut Tally, row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<bool> {
    tally.count += row.get::<_, i64>(at)?.cast_unsigned();
    tally.errors += row.get::<_, i64>(at + 1)?.cast_unsigned();
    tally.total = tally.total.saturating_add(row.get::<_, i64>(at + 2)?.cast_unsigned());
    Ok(tally.bins.merge(row.get_ref(at + 3)?.as_blob()?).is_some())
}

fn sum(before: Option<Tally>, tally: &Tally) -> Tally {
    let mut sum = before.unwrap_or_default();
    sum.count += tally.count;
    sum.errors += tally.errors;
    sum.total = sum.total.saturating_add(tally.total).min(i64::MAX as u64);
    add_bins(&mut sum.bins, &tally.bins);
    sum
}

pub(crate) fn add_bins(sum: &mut Bins, bins: &Bins) {
    bins.filled().for_each(|(bin, count)| sum.add_at(bin, count));
}

fn numbers(tally: &Tally) -> (i64, i64, i64) {
    (tally.count.cast_signed(), tally.errors.cast_signed(), tally.total.cast_signed())
}
