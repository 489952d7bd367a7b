//! Opening a directory: what is there, what of it is whole, and who has it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::lock::Lock;
use super::queue::{Limits, Queue};
use super::segment::{self, Place, Segment};
use super::writer::{Recent, Writer};
use super::{OpenError, Options, Shared, Store};

/// Where files go that are no longer those of SQLite.
const SET_ASIDE: &str = "damaged";
/// How much is committed at once, in bytes: enough that the wait for the disk is shared, and little enough to be short.
const COMMIT_BYTES: usize = 4 << 20;
/// The files whose batches may be sent again.
const RECENT_FILES: usize = 2;

impl Store {
    /// Opens a directory, and makes it if it is not there.
    ///
    /// A file with an older schema is brought up to date. One that is damaged is read as far as that goes and no longer
    /// written to; one that is not SQLite's any more is moved to `damaged/`. Both are [reported](Store::damage).
    ///
    /// # Errors
    ///
    /// When another process has the directory, a later version of the program wrote it, or it cannot be written to.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        let failed = |source| OpenError::Directory { path: directory.clone(), source };
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let lock = Lock::take(&directory)?;
        let limits =
            Limits { bytes: options.queue_bytes, batches: options.queue_batches, commit_bytes: COMMIT_BYTES };
        let shared = Arc::new(Shared::new(options, Queue::new(limits)));
        let places = segment::list(&directory).map_err(failed)?;
        let newest = places.last().copied();
        for place in &places {
            open_segment(&shared, *place, Some(*place) == newest)?;
        }
        let mut recent = Recent::default();
        let segments = shared.segments();
        for segment in &segments[segments.len().saturating_sub(RECENT_FILES)..] {
            load_recent(&shared, segment, &mut recent);
        }
        let mut writer = Writer::new(Arc::clone(&shared), recent);
        writer.warm_up();
        let thread = std::thread::Builder::new().name(String::from("tta store"));
        let writer = thread.spawn(move || writer.run()).map_err(failed)?;
        Ok(Self { shared, writer: Some(writer), _lock: lock })
    }
}

/// Opens one file and counts what is in it. Only the newest is examined: it is written to, and it is not large.
fn open_segment(shared: &Shared, place: Place, is_newest: bool) -> Result<(), OpenError> {
    let segment = Segment::new(&shared.options.directory, place);
    match try_open(&segment, is_newest) {
        Ok(None) => {}
        Ok(Some(what)) => {
            shared.report(&segment, &what);
            segment.damaged.store(true, Relaxed);
        }
        Err(OpenError::Sqlite(error)) if segment::is_damage(&error) => {
            shared.report(&segment, &error.to_string());
            segment.damaged.store(true, Relaxed);
            if !is_readable(&segment) {
                return set_aside(shared, &segment);
            }
        }
        Err(OpenError::Sqlite(source)) => return Err(OpenError::File { path: segment.path, source }),
        Err(error) => return Err(error),
    }
    shared.add(Arc::new(segment));
    Ok(())
}

/// Answers what is wrong with the file.
fn try_open(segment: &Segment, is_newest: bool) -> Result<Option<String>, OpenError> {
    let file = segment::open_to_read(&segment.path)?;
    let file = if segment::is_current(segment::version(&file, &segment.path)?) {
        file
    } else {
        drop(file);
        segment::open_to_write(&segment.path)?
    };
    let wrong = if is_newest { segment::examine(&file)? } else { None };
    segment.count(&file)?;
    Ok(wrong)
}

/// Whether SQLite sees tables in the file at all.
fn is_readable(segment: &Segment) -> bool {
    segment::open_to_read(&segment.path).is_ok_and(|file| file.prepare("SELECT id FROM part").is_ok())
}

fn set_aside(shared: &Shared, segment: &Segment) -> Result<(), OpenError> {
    let aside = shared.options.directory.join(SET_ASIDE);
    let failed = |source| OpenError::Directory { path: aside.clone(), source };
    std::fs::create_dir_all(&aside).map_err(failed)?;
    for file in segment.files() {
        if let Some(name) = file.file_name().filter(|_| file.exists()) {
            std::fs::rename(&file, aside.join(name)).map_err(failed)?;
        }
    }
    shared.report(segment, "it was moved to the directory `damaged`");
    Ok(())
}

fn load_recent(shared: &Shared, segment: &Segment, recent: &mut Recent) {
    let loaded = shared
        .connection(segment)
        .map_err(|error| error.to_string())
        .and_then(|file| recent.load(&file).map_err(|error| error.to_string()));
    if let Err(error) = loaded {
        shared.report(segment, &format!("which batches it holds cannot be read: {error}"));
    }
}
