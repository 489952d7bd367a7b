//! Opening a directory to read it, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::queue::{Limits, Queue};
use super::segment::{self, Segment};
use super::{OpenError, Options, Shared};
use crate::read::Reader;

impl Reader {
    /// Opens a directory without its lock, so that a server may go on writing to it. Nothing is changed or repaired; files that the
    /// server begins later are not seen.
    ///
    /// # Errors
    ///
    /// When the directory is not there or a file in it cannot be read, or another version of the program wrote it.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let options = Options::new(directory);
        let directory = options.directory.clone();
        let failed = |source| OpenError::Directory { path: directory.clone(), source };
        let limits = Limits { bytes: 0, batches: 0, commit_bytes: 0 };
        let shared = Arc::new(Shared::new(options, Queue::new(limits)));
        for place in segment::list(&directory).map_err(failed)? {
            let segment = Segment::new(&directory, place);
            match look(&segment) {
                Ok(true) => {}
                // Given up since the files were listed, or only just being made.
                Ok(false) => continue,
                Err(_) if !segment.path.exists() => continue,
                Err(OpenError::Sqlite(error)) if segment::is_damage(&error) => {
                    shared.report(&segment, &error.to_string());
                    segment.damaged.store(true, Relaxed);
                }
                Err(OpenError::Sqlite(source)) => return Err(OpenError::File { path: segment.path, source }),
                Err(error) => return Err(error),
            }
            shared.add(Arc::new(segment));
        }
        // A server writes to the newest only.
        if let Some(newest) = shared.newest() {
            newest.grows.store(true, Relaxed);
        }
        Ok(Self::new(shared))
    }
}

/// Counts what a file holds. Answers false if nothing was put into it yet, not even a schema.
fn look(segment: &Segment) -> Result<bool, OpenError> {
    let file = segment::open_to_read(&segment.path)?;
    let version = segment::version(&file, &segment.path)?;
    if version == 0 {
        return Ok(false);
    }
    if !segment::is_current(version) {
        let why = "an earlier version of the program wrote it; `tta serve` brings it up to date";
        let (path, source) = (segment.path.clone(), std::io::Error::other(why));
        return Err(OpenError::Directory { path, source });
    }
    segment.count(&file)?;
    Ok(true)
}
