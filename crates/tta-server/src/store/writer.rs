//! The thread that owns the file that is written to.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use foldhash::fast::RandomState;
use rusqlite::Connection;

use super::block;
use super::edges::{Call, Edges};
use super::ingest::{REMEMBERED, SegmentWriter};
use super::intern::service_of;
use super::queue::{Batch, Job, Next};
use super::rollup::{self, Red};
use super::segment::{self, Place, Segment};
use super::{OpenError, Shared, WriteError, replay};
use crate::wire::{SpanRef, Traces, Word};

/// How long nothing has to come until what was committed is summed up.
const IDLE: Duration = Duration::from_millis(500);
/// The same when everything is summed up: old files are still looked for.
const REST: Duration = Duration::from_secs(30);
/// After how many commits old files are looked for.
const OFTEN: u32 = 64;

/// The batches that came last, by their hashes.
#[derive(Default)]
pub(super) struct Recent {
    known: HashSet<[u8; 16], RandomState>,
    order: VecDeque<[u8; 16]>,
}

impl Recent {
    /// Reads the hashes that a file holds.
    pub(super) fn load(&mut self, file: &Connection) -> rusqlite::Result<()> {
        let mut all = file.prepare("SELECT hash FROM batch ORDER BY id")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            if let Ok(hash) = row.get(0) {
                self.add(hash);
            }
        }
        Ok(())
    }

    fn add(&mut self, hash: [u8; 16]) {
        if self.known.insert(hash) {
            self.order.push_back(hash);
        }
        if self.order.len() > REMEMBERED as usize
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot write: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl Failure {
    fn is_damage(&self) -> bool {
        match self {
            Self::Open(OpenError::Sqlite(error)) | Self::Sqlite(error) => segment::is_damage(error),
            Self::Open(_) => false,
        }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    recent: Recent,
    /// The file, and its connection while all is well with it.
    current: Option<(Arc<Segment>, SegmentWriter)>,
    red: Red,
    edges: Edges,
    commits: u32,
}

/// A batch that is written in a commit.
type Fresh<'a> = (&'a Batch, [u8; 16]);

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, recent: Recent) -> Self {
        let (red, edges) = (Red::default(), Edges::default());
        Self { shared, recent, current: None, red, edges, commits: 0 }
    }

    /// Makes sure that the newest file can be written to, before anybody waits for it.
    pub(super) fn warm_up(&mut self) {
        if let Some(newest) = self.shared.newest().filter(|newest| !newest.damaged.load(Relaxed)) {
            // If it cannot be opened now, the next batch tries again, and is told why.
            let _ = self.open(newest);
        }
    }

    /// Writes what comes until the queue is closed.
    pub(super) fn run(mut self) {
        loop {
            let rests = self.red.is_empty() && self.edges.is_empty();
            match self.shared.queue.take(if rests { REST } else { IDLE }) {
                Next::Jobs(jobs) => self.handle(jobs),
                Next::Idle => self.idle(),
                Next::Closed => break,
            }
        }
        self.sum_up();
    }

    fn handle(&mut self, jobs: Vec<Job>) {
        let mut answer = self.write(&jobs).map_err(|failure| self.give_up(&failure));
        if answer.is_ok() && jobs.iter().any(|job| job.batch.is_none()) {
            answer = self.try_sum_up().map_err(|failure| self.give_up(&failure));
        }
        for job in jobs {
            // Whoever no longer waits does not mind.
            let _ = job.answer.send(answer.clone());
        }
        self.shared.unresolved_calls.store(self.edges.unresolved(), Relaxed);
        self.commits += 1;
        if self.commits.is_multiple_of(OFTEN) {
            self.retain();
        }
    }

    fn idle(&mut self) {
        self.sum_up();
        if let Some((_, writer)) = &self.current {
            // What was cached while much came is not needed while nothing does; if it stays, nothing is lost.
            let _ = writer.file.execute_batch("PRAGMA shrink_memory");
        }
        self.retain();
    }

    fn sum_up(&mut self) {
        if let Err(failure) = self.try_sum_up() {
            self.give_up(&failure);
        }
    }

    /// After a failure nothing that is in memory is sure to be in the file, so it is opened again with the next batch.
    fn give_up(&mut self, failure: &Failure) -> WriteError {
        if let Some((segment, writer)) = self.current.take() {
            drop(writer);
            self.edges.forget_shapes();
            self.red.clear();
            if failure.is_damage() {
                self.shared.report(&segment, &failure.to_string());
                segment.damaged.store(true, Relaxed);
            }
        }
        WriteError::Unavailable(failure.to_string())
    }

    fn write(&mut self, jobs: &[Job]) -> Result<(), Failure> {
        let fresh = self.fresh(jobs);
        if fresh.is_empty() {
            return Ok(());
        }
        self.ensure_current()?;
        let many_small = self.current.as_ref().is_some_and(|(_, writer)| writer.has_many_small_runs());
        let sum_up = self.red.is_due() || many_small;
        self.commit(&fresh, sum_up)?;
        self.committed(&fresh, sum_up);
        self.shared.commits.send_modify(|commits| *commits += 1);
        Ok(())
    }

    /// The batches that were not written before.
    fn fresh<'a>(&self, jobs: &'a [Job]) -> Vec<Fresh<'a>> {
        let mut here: HashSet<[u8; 16], RandomState> = HashSet::default();
        let batches = jobs.iter().filter_map(|job| job.batch.as_ref());
        let filled = batches.filter(|(batch, _)| !batch.is_empty()).map(|(batch, hash)| (batch, *hash));
        filled.filter(|(_, hash)| !self.recent.known.contains(hash) && here.insert(*hash)).collect()
    }

    fn commit(&mut self, fresh: &[Fresh<'_>], sum_up: bool) -> rusqlite::Result<()> {
        let Some((_, writer)) = &mut self.current else { return Ok(()) };
        let before = (writer.last.run, writer.last.part);
        writer.begin()?;
        if sum_up {
            rollup::write(&writer.file, &mut writer.interner, (&self.red, &self.edges), before)?;
            writer.summed_up(before.0)?;
        }
        for (batch, hash) in fresh {
            match batch {
                Batch::Traces(batch) => writer.add_traces(batch)?,
                Batch::Logs(batch) => writer.add_logs(batch)?,
                Batch::Metrics(batch) => writer.add_metrics(batch)?,
            }
            writer.remember(hash)?;
        }
        writer.commit()
    }

    /// Takes note of what is on disk now.
    fn committed(&mut self, fresh: &[Fresh<'_>], summed_up: bool) {
        if summed_up {
            self.red.clear();
            self.edges.clear();
        }
        let Some((segment, writer)) = &self.current else { return };
        let mut written = &writer.written[..];
        for (batch, hash) in fresh {
            self.recent.add(*hash);
            match batch {
                Batch::Logs(batch) => _ = segment.logs.fetch_add(batch.records.len() as u64, Relaxed),
                Batch::Metrics(batch) => _ = segment.metrics.fetch_add(batch.metrics.len() as u64, Relaxed),
                Batch::Traces(batch) => {
                    let (these, rest) = written.split_at(batch.spans.len());
                    written = rest;
                    let calls = calls(&mut self.edges, batch, these);
                    self.edges.add(&calls);
                    these.iter().for_each(|span| self.red.add(span.shape, &span.row));
                    segment.spans.fetch_add(these.len() as u64, Relaxed);
                    let starts = || these.iter().map(|span| span.row.start);
                    segment.first.fetch_min(starts().min().unwrap_or(i64::MAX), Relaxed);
                    segment.last.fetch_max(starts().max().unwrap_or(i64::MIN), Relaxed);
                }
            }
        }
    }

    /// Sees to it that there is a file of today, with room, to write to.
    fn ensure_current(&mut self) -> Result<(), Failure> {
        let today = Place::at(self.shared.options.clock.now());
        let newest = self.shared.newest();
        if let Some(newest) = newest {
            let whole = !newest.damaged.load(Relaxed);
            // When the clock was set back, the newest file is of tomorrow; order counts more than the date.
            let fits = newest.place.day >= today.day && newest.bytes() < self.shared.options.segment_bytes();
            if whole && fits {
                return self.open(newest);
            }
            if whole && self.open(newest.clone()).and_then(|()| self.try_sum_up()).is_ok() {
                self.seal();
            }
            let next = Place { number: newest.place.number + 1, ..newest.place };
            self.leave();
            return self.create(today.max(next));
        }
        self.create(today)
    }

    /// Lets go of a file; what was summed up of it is in it, or is made again by its readers.
    fn leave(&mut self) {
        self.current = None;
        self.red.clear();
        self.edges.forget_shapes();
    }

    fn open(&mut self, segment: Arc<Segment>) -> Result<(), Failure> {
        if self.current.as_ref().is_some_and(|(current, _)| current.place == segment.place) {
            return Ok(());
        }
        let writer = SegmentWriter::open(&segment.path)?;
        self.red.clear();
        self.edges.forget_shapes();
        // After a failure it may be that the batches are in the file and nobody was told.
        self.recent.load(&writer.file)?;
        // Calls that are not summed up are still known after a failure; of another process's, nothing is.
        let mut unknown = Edges::default();
        let known = !self.edges.is_new();
        replay::replay(&writer.file, &mut self.red, if known { &mut unknown } else { &mut self.edges })?;
        self.current = Some((segment, writer));
        Ok(())
    }

    fn create(&mut self, place: Place) -> Result<(), Failure> {
        let before = self.shared.newest().and_then(|newest| self.dictionary(&newest));
        let segment = Arc::new(Segment::new(&self.shared.options.directory, place));
        let writer = SegmentWriter::open(&segment.path);
        let made = writer.and_then(|mut writer| {
            if let Some(dictionary) = before {
                writer.use_dictionary(&dictionary)?;
            }
            // The name of the file is on disk only when its directory is.
            let directory = std::fs::File::open(&self.shared.options.directory);
            let synced = directory.and_then(|directory| directory.sync_all());
            let failed = |source| OpenError::Directory { path: segment.path.clone(), source };
            synced.map(|()| writer).map_err(failed)
        });
        let writer = match made {
            Ok(writer) => writer,
            Err(error) => {
                // Nothing was acknowledged that could be in it; it is made anew with the next batch.
                let _ = segment.remove();
                return Err(error.into());
            }
        };
        self.shared.add(segment.clone());
        self.current = Some((segment, writer));
        self.retain();
        Ok(())
    }

    /// The dictionary of a file, which does for the next one as well.
    fn dictionary(&self, segment: &Segment) -> Option<Vec<u8>> {
        let file = self.shared.connection(segment).ok()?;
        let found = block::latest_dictionary(&file).ok()?;
        Some(found?.1)
    }

    /// Moves all of a file's log into the file itself, as nothing more will come.
    fn seal(&mut self) {
        if let Some((_, writer)) = &self.current {
            // A reader may be in the way; then the log stays beside the file, and is as good.
            let _ = writer.file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }

    /// Writes the sums in a commit of their own.
    fn try_sum_up(&mut self) -> Result<(), Failure> {
        if self.red.is_empty() && self.edges.is_empty() {
            return Ok(());
        }
        if self.current.is_none() {
            self.ensure_current()?;
        }
        let Some((_, writer)) = &mut self.current else { return Ok(()) };
        let last = (writer.last.run, writer.last.part);
        writer.begin()?;
        rollup::write(&writer.file, &mut writer.interner, (&self.red, &self.edges), last)?;
        writer.summed_up(last.0)?;
        writer.commit()?;
        self.red.clear();
        self.edges.clear();
        Ok(())
    }

    /// Gives up what is older or more than wanted.
    fn retain(&self) {
        let options = &self.shared.options;
        let oldest = options.clock.now().checked_sub(options.max_age).unwrap_or(std::time::UNIX_EPOCH);
        let segments = self.shared.segments();
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes()).sum();
        // The newest is the one that is written to.
        for segment in segments.iter().rev().skip(1).rev() {
            if segment.place.end() > oldest && bytes <= options.max_bytes {
                break;
            }
            bytes = bytes.saturating_sub(segment.bytes());
            self.shared.drop_segment(segment);
        }
    }
}

impl Drop for Writer {
    /// Whoever waits is told, also when this thread panics.
    fn drop(&mut self) {
        self.shared.queue.abandon();
    }
}

/// The calls of a batch's spans.
fn calls(edges: &mut Edges, batch: &Traces, written: &[super::ingest::Written]) -> Vec<Call> {
    let node = |(span, written): (&SpanRef, &super::ingest::Written)| {
        let node = edges.node_of_shape(written.shape.id, || {
            let place = match span.word(Word::Primitive).text(&batch.body) {
                "" => span.name.text(&batch.body),
                primitive => primitive,
            };
            (service_of(&batch.body, &batch.groups[span.group as usize]), place)
        });
        Call::new(span, node)
    };
    batch.spans.iter().zip(written).map(node).collect()
}
