//! Opening a directory to read it, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

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
    /// When the directory is not there or cannot be read, or another version of the program wrote it.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let options = Options::new(directory);
        let directory = options.directory.clone();
        let failed = |source| OpenError::Directory { path: directory.clone(), source };
        let limits = Limits { bytes: 0, batches: 0, commit_bytes: 0 };
        let shared = Arc::new(Shared::new(options, Queue::new(limits)));
        for place in segment::list(&directory).map_err(failed)? {
            let segment = Segment::new(&directory, place);
            let file = segment::open_to_read(&segment.path)?;
            if !segment::is_current(segment::version(&file, &segment.path)?) {
                let why = "an earlier version of the program wrote it; `tta serve` brings it up to date";
                return Err(OpenError::Directory { path: segment.path, source: std::io::Error::other(why) });
            }
            match segment.count(&file) {
                Err(error) if segment::is_damage(&error) => shared.report(&segment, &error.to_string()),
                counted => counted?,
            }
            shared.add(Arc::new(segment));
        }
        Ok(Self::new(shared))
    }
}
