//! SQL over the whole store, read-only, also while a server writes to it.
//!
//! The files of the store hold packed rows and compressed blocks, a file or more a day, and spans that came again are in them twice. So
//! statements do not see the files: they see [tables()] that are computed, in which each span is there once. A table reads what
//! the conditions of the statement leave of it, as far as it knows the columns, and opens the records only for columns that are not
//! in the index.
//!
//! Statements run in a database in memory that has nothing of its own, with SQLite's dialect and functions, and [functions()] of ours.
//! Only those that read are run.
//!
//! # Examples
//!
//! ```
//! use std::ops::ControlFlow;
//! use tta_server::sql::{Sql, SqlError, Value};
//! use tta_server::{Options, Store};
//!
//! let directory = tempfile::tempdir()?;
//! let store = Store::open(Options::new(directory.path()))?;
//! let sql = Sql::open(store.reader())?;
//! let mut statement = sql.prepare("SELECT count(*) AS spans FROM spans")?;
//! assert_eq!(statement.columns(), ["spans"]);
//! statement.run(None, |row| {
//!     assert_eq!(row, [Value::Integer(0)]);
//!     Ok::<_, SqlError>(ControlFlow::Continue(()))
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod functions;
mod guard;
mod json;
mod module;
mod plan;
mod source;
mod table;
mod tables;

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use error::SqlError;
pub use functions::{FunctionInfo, functions};
use guard::Guard;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use source::Source;
pub use table::{ColumnInfo, ColumnType, TableInfo};
pub use tables::tables;

use crate::read::Reader;

/// The bytes of the longest text that a statement may make; a query that repeats one could fill the memory.
const LONGEST: i32 = 64 << 20;
/// After how many of SQLite's instructions it is asked whether to stop.
const OFTEN: i32 = 1_000;

/// Runs statements over a store.
pub struct Sql {
    connection: Connection,
    source: Arc<Source>,
    guard: Arc<Guard>,
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").finish_non_exhaustive()
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text; what is no UTF-8 in it is replaced.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> From<ValueRef<'a>> for Value<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(int) => Self::Integer(int),
            ValueRef::Real(real) => Self::Real(real),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

/// Stops the statement that runs, from another thread.
#[derive(Clone)]
pub struct Interrupt(Arc<Guard>);

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").finish_non_exhaustive()
    }
}

impl Interrupt {
    /// Stops the statement that runs; it ends with [`SqlError::Interrupted`]. Where none runs, nothing happens.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }
}

impl Sql {
    /// Gets ready to run statements over what a reader reads.
    ///
    /// # Errors
    ///
    /// When SQLite has no memory.
    pub fn open(reader: Reader) -> Result<Self, SqlError> {
        let guard = Arc::new(Guard::default());
        let source = Arc::new(Source::new(reader, Arc::clone(&guard)));
        let connection = connect(&source, &guard).map_err(|error| SqlError::Statement(error.to_string()))?;
        Ok(Self { connection, source, guard })
    }

    /// What stops a statement.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(Arc::clone(&self.guard))
    }

    /// Makes a statement ready to run.
    ///
    /// # Errors
    ///
    /// When the text is not one statement that reads, or SQLite does not understand it.
    pub fn prepare(&self, statement: &str) -> Result<Statement<'_>, SqlError> {
        self.guard.begin();
        let prepared = self.connection.prepare(statement);
        if let Some(what) = self.guard.refused() {
            return Err(SqlError::Refused(what));
        }
        let prepared = prepared.map_err(|error| error::told(&error, statement))?;
        if prepared.expanded_sql().is_none_or(|text| text.is_empty()) {
            return Err(SqlError::Empty);
        }
        if prepared.parameter_count() > 0 {
            let why = "parameters such as ?1 cannot be given; write the values into the statement";
            return Err(SqlError::Statement(String::from(why)));
        }
        if !prepared.readonly() {
            return Err(SqlError::Refused(String::from("this statement")));
        }
        let columns = prepared.column_names().map(str::to_owned).collect();
        Ok(Statement { sql: self, statement: prepared, text: statement.to_owned(), columns })
    }

    /// Why a statement did not come to its end.
    fn failure(&self, error: &rusqlite::Error, statement: &str, limit: Option<Duration>) -> SqlError {
        // A function that is a table is looked at only when it is read.
        if let Some(what) = self.guard.refused() {
            return SqlError::Refused(what);
        }
        let is_stopped = error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted);
        match limit {
            _ if !is_stopped && !self.guard.is_stopped() => error::told(error, statement),
            _ if self.guard.is_interrupted() => SqlError::Interrupted,
            Some(limit) => SqlError::TimedOut(limit),
            None => error::told(error, statement),
        }
    }
}

fn connect(source: &Arc<Source>, guard: &Arc<Guard>) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_MEMORY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_in_memory_with_flags(flags)?;
    tables::all(source).into_iter().try_for_each(|table| module::register(&connection, table))?;
    functions::register(&connection, source)?;
    let of = Arc::clone(guard);
    connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| of.authorize(&context)))?;
    let of = Arc::clone(guard);
    connection.progress_handler(OFTEN, Some(move || of.is_interrupted() || of.is_late()))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
    Ok(connection)
}

/// A statement that can be run.
pub struct Statement<'a> {
    sql: &'a Sql,
    statement: rusqlite::Statement<'a>,
    text: String,
    columns: Vec<String>,
}

impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Statement<'_> {
    /// The names of the columns of its rows.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Runs it, and hands over its rows one after the other, until the answer is to break. It may take as long as `limit`.
    ///
    /// # Errors
    ///
    /// When the statement fails, is interrupted or takes too long, or what `each` answers.
    pub fn run<E: From<SqlError>>(
        &mut self,
        limit: Option<Duration>,
        mut each: impl FnMut(&[Value<'_>]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (sql, text, width) = (self.sql, &self.text, self.columns.len());
        sql.source.begin();
        sql.guard.begin();
        sql.guard.set_deadline(limit.and_then(|limit| Instant::now().checked_add(limit)));
        let failed = |error: rusqlite::Error| sql.failure(&error, text, limit);
        let mut rows = self.statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let mut values = Vec::with_capacity(width);
            for at in 0..width {
                values.push(Value::from(row.get_ref(at).map_err(failed)?));
            }
            if each(&values)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
