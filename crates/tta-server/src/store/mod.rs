//! The store: batches of telemetry in one directory, on disk before they are acknowledged.
//!
//! Records are kept as the bytes that came. What is searched for often is read from them on the way in and kept beside them, in a
//! form that is small and quick to pass by; the rest is decoded when somebody looks at it. One thread writes, and commits all that
//! waits at once, so that many batches share the wait for the disk. Readers have connections of their own and see the last
//! commit.
//!
//! # What is promised
//!
//! - A batch whose [`Ticket`] answered well is on disk, all of it, and stays there when the process is killed.
//! - A batch that is sent again, byte by byte, counts once, as long as fewer than 100,000 others came in between.
//! - A span that comes again in another batch is shown once, as it came last, and is found only as that. The sums by minute
//!   (rates, percentiles, the map) count it each time.
//! - What is damaged on disk is left out of answers and [reported](Store::damage); the rest is still read.

pub(crate) mod bins;
pub(crate) mod block;
pub(crate) mod bloom;
mod edges;
mod ingest;
mod intern;
mod lock;
mod look;
mod open;
mod queue;
mod replay;
pub(crate) mod rollup;
pub(crate) mod run;
pub(crate) mod segment;
mod shared;
mod small;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

pub use bins::RELATIVE_ERROR;
pub(crate) use ingest::low;
pub(crate) use intern::{Shape, UNKNOWN_SERVICE};
pub use queue::{Batch, Ticket};
pub(crate) use replay::{ids, rolled};
pub(crate) use shared::Shared;
pub use shared::{Damage, Stats};

use crate::read::Reader;

/// Where the store is and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory, which is made if it is not there.
    pub directory: PathBuf,
    /// How old telemetry may become, counted from the end of the day in which it came. 7 days.
    pub max_age: Duration,
    /// How many bytes of disk it may take, as far as whole files can be given up. 10 GiB.
    pub max_bytes: u64,
    /// How many bytes may wait to be written before more is refused. 64 MiB.
    pub queue_bytes: usize,
    /// How many batches may wait. 1,024.
    pub queue_batches: usize,
    /// Tells the day in which a batch comes.
    pub clock: Clock,
}

impl Options {
    /// The defaults, for a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            max_bytes: 10 << 30,
            queue_bytes: 64 << 20,
            queue_batches: 1_024,
            clock: Clock::default(),
        }
    }

    /// How large a file may become until the next one is begun: small enough that giving up one is not much of the whole, and
    /// that it is examined in a moment when the store is opened.
    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 8).clamp(1 << 20, 256 << 20)
    }
}

/// Tells the time: the system's, or a test's.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that a test sets.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use{}; stop the other server, or give this one another directory", .path.display(), holder(*.pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The number of the other process, if it told.
        pid: Option<u32>,
    },
    /// A later version of the program wrote it.
    #[error("{} has schema {version}, and this version of the program knows up to {known}; use the later version, or another directory", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        version: usize,
        /// The latest version that is known.
        known: usize,
    },
    /// The directory, or a file in it, cannot be made, read or written.
    #[error("cannot use {}: {source}", .path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite cannot open or read a file.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// SQLite cannot do something in a file that is open already.
    #[error("cannot use the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// Why a batch is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// As much waits as may; the sender should try again a little later.
    #[error("too much is waiting to be stored; send it again later")]
    Full,
    /// The disk is full, read-only or failing; the sender should try again later.
    #[error("the store cannot be written to: {0}; send it again later")]
    Unavailable(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// An open store. It is closed when it is dropped, after what waits is written.
///
/// # Examples
///
/// ```
/// use tta_server::{Options, Store, Traces};
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(Options::new(directory.path()))?;
/// let ticket = store.submit(Traces::scan(Vec::new().into())?.into())?;
/// ticket.blocking_wait()?;
/// assert_eq!(store.stats().spans, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    _lock: lock::Lock,
}

impl Store {
    /// Puts a batch into the queue. The ticket answers when it is on disk.
    ///
    /// # Errors
    ///
    /// When too much waits already, or the store is closed. Nothing of the batch is stored then.
    pub fn submit(&self, batch: Batch) -> Result<Ticket, WriteError> {
        self.shared.queue.push(Some(batch))
    }

    /// Asks for everything that was committed to be in the sums by minute. They are at most half a second late without, when
    /// little comes, and 33,000 spans when much does; only the map of calls shows it.
    ///
    /// # Errors
    ///
    /// When the store is closed.
    pub fn sum_up(&self) -> Result<Ticket, WriteError> {
        self.shared.queue.push(None)
    }

    /// What reads. It can be cloned and used from any thread, and may outlive the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// How much there is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// What was found damaged since the store was opened.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.shared.damage()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was told by its thread; its batches were answered as closed.
            let _ = writer.join();
        }
    }
}
