//! Small runs, put together.
//!
//! A program that sends ten spans a second makes a run of ten spans with each commit, and a search would have fifty times as many runs
//! to pass by as with full ones. So the rows of small runs stay in memory, and once there are enough of a service, one run is
//! written in place of them.
//!
//! It happens with the sums by minute, and only to runs that were in the sums before: so no run is moved from one side of what they
//! go up to to the other. After a restart those that were in memory stay small.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::bloom::Bloom;
use super::run::{self, Row, Zone};

/// A run with fewer spans than this is small.
const SMALL: usize = run::LONGEST / 2;
/// Small runs with so many spans together need not wait for more.
const ENOUGH: usize = run::LONGEST - run::LONGEST / 8;
/// With how many rows in memory, some megabytes, the sums are due.
const DUE: usize = 8_192;
/// How many more there are when they are due again, if what there is could not be put together.
const AGAIN: usize = DUE / 4;
/// With how many rows whatever there is is put together.
const MOST: usize = 16_384;
/// So many hashes take as much memory as a row.
const HASHES_OF_A_ROW: usize = 8;
/// A run with more hashes stays as it is: a few such would fill the memory.
const MOST_HASHES: usize = 4_096;

/// Writes runs.
pub(super) struct RunWriter {
    bloom: Bloom,
    filter: Vec<u8>,
    spans: Vec<u8>,
}

impl RunWriter {
    pub(super) fn new() -> Self {
        Self { bloom: Bloom::new(), filter: Vec::new(), spans: Vec::new() }
    }

    /// Writes a run of rows that are sorted by start, with the hashes of their attributes.
    pub(super) fn write(
        &mut self,
        file: &Connection,
        (id, service): (i64, u32),
        rows: &[Row],
        hashes: impl Iterator<Item = u64>,
    ) -> rusqlite::Result<()> {
        let Zone { first, last, longest, errors } = Zone::of(rows);
        run::write(rows, &mut self.spans);
        self.bloom.clear();
        hashes.for_each(|hash| self.bloom.add(hash));
        self.bloom.write(&mut self.filter);
        let count = rows.len() as i64;
        let values = params![id, service, first, last, longest, errors, count, self.spans, self.filter];
        file.prepare_cached("INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(values)?;
        Ok(())
    }
}

/// A run that is small.
struct SmallRun {
    id: i64,
    rows: Vec<Row>,
    /// The hashes of the attributes, each once.
    hashes: Vec<u64>,
}

/// The small runs of one file that wait to be put together, by service and in the order in which they came.
#[derive(Default)]
pub(super) struct SmallRuns {
    of: BTreeMap<u32, Vec<SmallRun>>,
    /// What they take, in rows.
    weight: usize,
    /// With how much the sums were written last.
    tried: usize,
}

impl SmallRun {
    fn weight(&self) -> usize {
        self.rows.len() + self.hashes.len() / HASHES_OF_A_ROW
    }
}

impl SmallRuns {
    /// Takes note of a run, if it is small.
    pub(super) fn add(&mut self, (id, service): (i64, u32), rows: &[Row], hashes: impl Iterator<Item = u64>) {
        if rows.len() >= SMALL {
            return;
        }
        let mut hashes: Vec<u64> = hashes.collect();
        hashes.sort_unstable();
        hashes.dedup();
        if hashes.len() > MOST_HASHES {
            return;
        }
        hashes.shrink_to_fit();
        let run = SmallRun { id, rows: rows.to_vec(), hashes };
        self.weight += run.weight();
        self.of.entry(service).or_default().push(run);
    }

    /// Whether so much waits that the sums should be written, so that it can be put together.
    pub(super) fn is_due(&self) -> bool {
        self.weight >= DUE.max(self.tried + AGAIN)
    }

    /// Puts together the runs up to a number, as far as they fill one.
    pub(super) fn put_together(
        &mut self,
        file: &Connection,
        writer: &mut RunWriter,
        last: i64,
    ) -> rusqlite::Result<()> {
        let enough = if self.weight >= MOST { 0 } else { ENOUGH };
        for (service, runs) in &mut self.of {
            let old = runs.partition_point(|run| run.id <= last);
            let mut taken = 0;
            while let Some(many) = fill(&runs[taken..old], enough) {
                let these = &runs[taken..taken + many];
                replace(file, writer, *service, these)?;
                self.weight -= these.iter().map(SmallRun::weight).sum::<usize>();
                taken += many;
            }
            runs.drain(..taken);
        }
        self.of.retain(|_, runs| !runs.is_empty());
        self.tried = self.weight;
        Ok(())
    }
}

/// How many runs, from the first on, are put together next: as many as a run holds, or fewer if those have enough rows.
fn fill(runs: &[SmallRun], enough: usize) -> Option<usize> {
    let (mut many, mut rows) = (0, 0);
    for run in runs {
        if rows + run.rows.len() > run::LONGEST {
            return Some(many);
        }
        (many, rows) = (many + 1, rows + run.rows.len());
    }
    (many > 0 && rows >= enough).then_some(many)
}

/// Writes one run in place of several.
fn replace(
    file: &Connection,
    writer: &mut RunWriter,
    service: u32,
    runs: &[SmallRun],
) -> rusqlite::Result<()> {
    let [.., last] = runs else { return Ok(()) };
    if runs.len() == 1 {
        return Ok(());
    }
    let mut delete = file.prepare_cached("DELETE FROM run WHERE id = ?1")?;
    for run in runs {
        delete.execute([run.id])?;
    }
    let mut rows: Vec<Row> = runs.iter().flat_map(|run| run.rows.iter().copied()).collect();
    rows.sort_by_key(|row| row.start);
    let hashes = runs.iter().flat_map(|run| run.hashes.iter().copied());
    writer.write(file, (last.id, service), &rows, hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: i64, rows: usize) -> SmallRun {
        SmallRun { id, rows: vec![Row::default(); rows], hashes: Vec::new() }
    }

    #[test]
    fn a_run_is_filled_as_far_as_it_goes() {
        let check = |sizes: &[usize], enough: usize, expect: Option<usize>| {
            let runs: Vec<_> = sizes.iter().zip(1..).map(|(rows, id)| run(id, *rows)).collect();
            assert_eq!(fill(&runs, enough), expect, "{sizes:?} {enough}");
        };
        check(&[], ENOUGH, None);
        check(&[], 0, None);
        check(&[100, 100], ENOUGH, None);
        check(&[100, 100], 0, Some(2));
        check(&[200, 200, 48], ENOUGH, Some(3));
        check(&[200, 200, 200], ENOUGH, Some(2));
        check(&[255, 255, 2], ENOUGH, Some(3));
    }

    #[test]
    fn what_waits_is_bounded_and_not_tried_again_and_again() {
        let file = Connection::open_in_memory().expect("it opens");
        file.execute_batch(include_str!("schema/1_spans.sql")).expect("it is SQL");
        let (mut writer, mut small) = (RunWriter::new(), SmallRuns::default());
        small.add((1, 1), &[Row::default()], 0..MOST_HASHES as u64 + 1);
        assert_eq!(small.weight, 0);
        let hashes = (DUE * HASHES_OF_A_ROW / MOST_HASHES) as u32;
        for service in 0..hashes {
            assert!(!small.is_due());
            small.add((2, service), &[Row::default()], 0..MOST_HASHES as u64);
        }
        assert!(small.is_due());
        // Each is the only one of its service.
        small.put_together(&file, &mut writer, 2).expect("there is room");
        assert!(!small.is_due());
        assert_eq!(small.of.len(), hashes as usize);
    }

    #[test]
    fn only_runs_that_were_in_the_sums_are_put_together() {
        let file = Connection::open_in_memory().expect("it opens");
        file.execute_batch(include_str!("schema/1_spans.sql")).expect("it is SQL");
        let (mut writer, mut small) = (RunWriter::new(), SmallRuns::default());
        let rows: Vec<Row> = (0..50).map(|start| Row { start, ..Row::default() }).collect();
        for id in 1..=20 {
            writer.write(&file, (id, 7), &rows, [1].into_iter()).expect("there is room");
            small.add((id, 7), &rows, [1].into_iter());
        }
        let ids = || -> Vec<(i64, i64)> {
            let mut all = file.prepare("SELECT id, count FROM run ORDER BY id").expect("it is SQL");
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it is read");
            rows.map(|row| row.expect("they are numbers")).collect()
        };
        small.put_together(&file, &mut writer, 12).expect("there is room");
        assert_eq!(ids()[..3], [(10, 500), (11, 50), (12, 50)]);
        assert_eq!((ids().len(), small.weight), (11, 500));
        small.put_together(&file, &mut writer, 20).expect("there is room");
        assert_eq!(ids(), [(10, 500), (20, 500)]);
        assert_eq!((small.weight, small.of.len()), (0, 0));
    }
}
