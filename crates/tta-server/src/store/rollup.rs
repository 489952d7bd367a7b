//! Sums up executions a minute, in memory, until the sums are written.
//!
//! The sums can always be made again from the runs. So they need not be written with each commit: the file remembers up to
//! which run they go, a reader adds what came later, and so does the writer when it opens the file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, params};

use super::bins::{Bins, Tally, minute};
use super::edges::Edges;
use super::intern::{Interner, Pairs, Shape, pair, unit};
use super::run::Row;

/// The keys of `meta`: the last run and the last part that are in the sums.
pub(crate) const ROLLED_RUN: &str = "rolled run";
pub(super) const ROLLED_PART: &str = "rolled part";
/// The last run that is in the sums of units, which a file has only since the third version of its schema: there is none where
/// the runs that came before are not summed up.
pub(crate) const ROLLED_UNIT: &str = "rolled unit";

/// The kinds of a unit, which is what executions are summed up by beside their operations.
pub(crate) const PRIMITIVE: u8 = 1;
pub(crate) const WORKFLOW: u8 = 2;

/// After how many spans the sums are written.
const OFTEN: u64 = 32_768;

/// What sums are told by; the pairs are a service and a name, in the words of one file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Operation(u32, u32),
    Unit(u8, u32, u32),
}

/// Sums by shape and minute, from which all others are made when they are written: so a span is counted once, however many
/// sums it is in.
type Tallies = HashMap<(u32, i64), (Shape, Tally), RandomState>;

/// Rate, errors and durations of what was not written yet.
#[derive(Default)]
pub(super) struct Red {
    tallies: Tallies,
    /// What is in the sums of operations, and not in those of units.
    late: Tallies,
    spans: u64,
}

impl Red {
    pub(super) fn add(&mut self, shape: Shape, row: &Row) {
        add(&mut self.tallies, shape, row);
        self.spans += 1;
    }

    /// Adds a span of a file whose operations were summed up before it had sums of units.
    pub(super) fn add_to_units(&mut self, shape: Shape, row: &Row) {
        add(&mut self.late, shape, row);
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
        self.late.clear();
        self.spans = 0;
    }

    fn write(&self, file: &Connection) -> rusqlite::Result<()> {
        // In their order, so that rows that lie together are written together.
        let mut sums: BTreeMap<(Of, i64), Tally> = BTreeMap::new();
        for ((_, minute), (shape, tally)) in &self.tallies {
            let of = Of::Operation(shape.service, shape.name);
            add_tally(sums.entry((of, *minute)).or_default(), tally);
        }
        for ((_, minute), (shape, tally)) in self.tallies.iter().chain(&self.late) {
            for of in units(shape).into_iter().flatten() {
                add_tally(sums.entry((of, *minute)).or_default(), tally);
            }
        }
        let mut bins = Vec::new();
        for ((of, minute), tally) in sums {
            let (id, find, put) = match of {
                Of::Operation(service, name) => {
                    (pair(file, Pairs::Series, (service, name))?, FIND_RED, PUT_RED)
                }
                Of::Unit(kind, service, name) => (unit(file, kind, (service, name))?, FIND_UNIT, PUT_UNIT),
            };
            let before = file.prepare_cached(find)?.query_row(params![id, minute], self::tally).optional()?;
            let sum = sum(before, &tally);
            bins.clear();
            sum.bins.write(&mut bins);
            let (count, errors, total) = numbers(&sum);
            file.prepare_cached(put)?.execute(params![id, minute, count, errors, total, bins])?;
        }
        Ok(())
    }
}

const FIND_RED: &str = "SELECT count, errors, total, bins FROM red WHERE series = ?1 AND minute = ?2";
const PUT_RED: &str = "INSERT OR REPLACE INTO red VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const FIND_UNIT: &str = "SELECT count, errors, total, bins FROM unit_red WHERE unit = ?1 AND minute = ?2";
const PUT_UNIT: &str = "INSERT OR REPLACE INTO unit_red VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

fn add(tallies: &mut Tallies, shape: Shape, row: &Row) {
    let (_, tally) =
        tallies.entry((shape.id, minute(row.start))).or_insert_with(|| (shape, Tally::default()));
    tally.add(row.duration, row.status == crate::wire::span::ERROR);
}

/// The units that a span of a shape counts for.
fn units(shape: &Shape) -> [Option<Of>; 2] {
    let Shape { service, primitive, workflow, .. } = *shape;
    [
        (primitive != 0).then_some(Of::Unit(PRIMITIVE, service, primitive)),
        shape.is_run.then_some(Of::Unit(WORKFLOW, service, workflow)),
    ]
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
    put.execute(params![ROLLED_UNIT, run])?;
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
    add_tally(&mut sum, tally);
    sum
}

fn add_tally(sum: &mut Tally, tally: &Tally) {
    sum.count += tally.count;
    sum.errors += tally.errors;
    sum.total = sum.total.saturating_add(tally.total).min(i64::MAX as u64);
    add_bins(&mut sum.bins, &tally.bins);
}

pub(crate) fn add_bins(sum: &mut Bins, bins: &Bins) {
    bins.filled().for_each(|(bin, count)| sum.add_at(bin, count));
}

fn numbers(tally: &Tally) -> (i64, i64, i64) {
    (tally.count.cast_signed(), tally.errors.cast_signed(), tally.total.cast_signed())
}
