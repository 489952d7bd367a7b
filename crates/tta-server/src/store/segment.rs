//! Segments: the files that the store consists of.
//!
//! Each day has its own files, and a large day several. So old telemetry is given up by deleting files, and what is wrong
//! with one file stays in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::OpenError;

/// The scripts that made the schema what it is, in their order. The version of a file is how many it has had.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1_spans.sql"),
    include_str!("schema/2_logs_and_metrics.sql"),
    include_str!("schema/3_units.sql"),
];

const ENDING: &str = "sqlite";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Which of all files a segment is, in the order in which they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The day in which its batches came, in days since 1970, in UTC.
    pub(super) day: u64,
    /// The number of the file in its day.
    pub(super) number: u32,
}

impl Place {
    /// The first place of the day that a time lies in.
    pub(super) fn at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { day: since.as_secs() / DAY.as_secs(), number: 0 }
    }

    /// The end of the day.
    pub(super) fn end(self) -> SystemTime {
        UNIX_EPOCH + DAY * u32::try_from(self.day + 1).unwrap_or(u32::MAX)
    }

    /// As in `2026-11-20.003.sqlite`.
    pub(super) fn file(self) -> String {
        let day = UNIX_EPOCH + DAY * u32::try_from(self.day).unwrap_or(u32::MAX);
        let date = humantime::format_rfc3339_seconds(day).to_string();
        format!("{}.{:03}.{ENDING}", &date[..10], self.number)
    }

    fn parse(path: &Path) -> Option<Self> {
        let (name, ending) = path.file_name()?.to_str()?.rsplit_once('.')?;
        let (date, number) = name.split_once('.')?;
        let day = humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok()?;
        let place = Self { number: number.parse().ok()?, ..Self::at(day) };
        (ending == ENDING && place.file() == *path.file_name()?.to_str()?).then_some(place)
    }
}

/// A file of the store, as everybody sees it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) place: Place,
    pub(crate) path: PathBuf,
    pub(super) spans: AtomicU64,
    pub(super) logs: AtomicU64,
    pub(super) metrics: AtomicU64,
    /// Between which times its spans start, in nanoseconds.
    pub(super) first: AtomicI64,
    pub(super) last: AtomicI64,
    /// Whether something in it cannot be read; nothing is written to it then.
    pub(super) damaged: AtomicBool,
    /// Whether somebody else writes to it, so that nobody tells here what came since it was opened.
    pub(super) grows: AtomicBool,
}

impl Segment {
    pub(super) fn new(directory: &Path, place: Place) -> Self {
        Self {
            place,
            path: directory.join(place.file()),
            spans: AtomicU64::new(0),
            logs: AtomicU64::new(0),
            metrics: AtomicU64::new(0),
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
            damaged: AtomicBool::new(false),
            grows: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.place.file()
    }

    /// The start of the latest span, or later where that is not certain.
    pub(crate) fn last_start(&self) -> i64 {
        if self.is_uncertain() { i64::MAX } else { self.last.load(Relaxed) }
    }

    /// Whether spans may be in it that start in a time; true also where that is not certain.
    pub(crate) fn may_have(&self, times: &std::ops::RangeInclusive<i64>) -> bool {
        let (first, last) = (self.first.load(Relaxed), self.last.load(Relaxed));
        self.is_uncertain() || first > last || first <= *times.end() && last >= *times.start()
    }

    /// Whether spans may be in it that were not counted.
    fn is_uncertain(&self) -> bool {
        self.damaged.load(Relaxed) || self.grows.load(Relaxed)
    }

    /// The bytes on disk, those of the log that belongs to it included.
    pub(super) fn bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        self.files().iter().map(|path| size(path)).sum()
    }

    /// The file, and those that SQLite keeps beside it.
    pub(super) fn files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|ending| {
            let mut path = self.path.clone().into_os_string();
            path.push(ending);
            path.into()
        })
    }

    pub(super) fn remove(&self) -> std::io::Result<()> {
        for file in self.files() {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts what the file holds.
    pub(super) fn count(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sums = "SELECT ifnull(sum(count), 0), min(first), max(last) FROM run INDEXED BY run_time";
        let (spans, first, last): (i64, Option<i64>, Option<i64>) =
            connection.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let count = |table: &str| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        };
        self.spans.store(spans.cast_unsigned(), Relaxed);
        self.first.store(first.unwrap_or(i64::MAX), Relaxed);
        self.last.store(last.unwrap_or(i64::MIN), Relaxed);
        self.logs.store(count("log")?.cast_unsigned(), Relaxed);
        self.metrics.store(count("metric")?.cast_unsigned(), Relaxed);
        Ok(())
    }
}

/// The places of the segments in a directory, oldest first.
pub(super) fn list(directory: &Path) -> std::io::Result<Vec<Place>> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        places.extend(Place::parse(&entry?.path()));
    }
    places.sort_unstable();
    Ok(places)
}

/// Opens a file for the thread that writes, and brings its schema up to date.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // An acknowledged batch is on disk, not only in the system's memory.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&connection, path)?;
    Ok(connection)
}

/// Opens a file for reading, while it may be written to.
pub(crate) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// The version of the schema of a file.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(0);
    if version > MIGRATIONS.len() {
        return Err(OpenError::Newer { path: path.to_owned(), version, known: MIGRATIONS.len() });
    }
    Ok(version)
}

/// Whether a file has all that this version of the program writes.
pub(super) fn is_current(version: usize) -> bool {
    version == MIGRATIONS.len()
}

fn migrate(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let from = version(connection, path)?;
    for (at, script) in MIGRATIONS.iter().enumerate().skip(from) {
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {script}; PRAGMA user_version = {}; COMMIT", at + 1))?;
    }
    Ok(())
}

/// What is wrong with the structure of a file, or none if nothing is.
pub(crate) fn examine(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// Whether an error says that the file is not as it was written.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    let conversion = matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    );
    // Every file is brought up to date when it is opened, so what is missing could not be made in it.
    let is_incomplete = || error.to_string().starts_with("no such ");
    conversion
        || matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || is_incomplete()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_name_of_its_file() {
        let place = Place { day: 20_777, number: 3 };
        assert_eq!(place.file(), "2026-11-20.003.sqlite");
        assert_eq!(Place::parse(Path::new("/x/2026-11-20.003.sqlite")), Some(place));
        for other in ["2026-11-20.3.sqlite", "2026-11-20.003.sqlite-wal", "lock", "2026-13-20.003.sqlite"] {
            assert_eq!(Place::parse(Path::new(other)), None, "{other}");
        }
    }
}
