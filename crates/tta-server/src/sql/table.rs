//! What a table of ours is: columns, what of a question it can answer itself, and rows.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use tta_model::TraceId;

use super::source::Source;
use crate::read::ReadError;

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Shared(Arc<str>),
    Static(&'static str),
    Text(String),
    Blob(Vec<u8>),
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Shared(text) => ValueRef::Text(text.as_bytes()),
            Self::Static(text) => ValueRef::Text(text.as_bytes()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<i64> for Cell {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<u64> for Cell {
    fn from(int: u64) -> Self {
        Self::Int(i64::try_from(int).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A text of which an empty one says nothing.
pub(super) fn said(text: &Arc<str>) -> Cell {
    if text.is_empty() { Cell::Null } else { Cell::Shared(Arc::clone(text)) }
}

/// A time in nanoseconds since 1970 as in `2026-11-20T10:00:00.000000000Z`, which sorts as the time does.
pub(super) fn time(unix_nanos: i64) -> Cell {
    let since = std::time::Duration::from_nanos(unix_nanos.max(0).cast_unsigned());
    Cell::Text(humantime::format_rfc3339_nanos(std::time::UNIX_EPOCH + since).to_string())
}

/// Nanoseconds as milliseconds.
pub(super) fn millis(nanos: i64) -> Cell {
    Cell::Real(nanos as f64 / 1e6)
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// A text.
    Text,
    /// A text that is JSON.
    Json,
}

impl ColumnType {
    /// The name of the type, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// As SQLite declares it.
    fn declared(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text | Self::Json => "TEXT",
        }
    }
}

/// What of a condition on a column the table answers itself, so that it does not read what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    No,
    /// Equality with a text.
    Equal,
    /// Equality with the id of a trace, which leaves few rows.
    Trace,
    /// Comparison with a number.
    Range,
}

/// A column of rows `R`.
pub(super) struct Col<R> {
    pub(super) name: &'static str,
    pub(super) kind: ColumnType,
    pub(super) about: &'static str,
    pub(super) pushed: Pushed,
    pub(super) value: fn(&R) -> Result<Cell, ReadError>,
}

impl<R> Col<R> {
    pub(super) const fn new(
        name: &'static str,
        kind: ColumnType,
        about: &'static str,
        value: fn(&R) -> Result<Cell, ReadError>,
    ) -> Self {
        Self { name, kind, about, pushed: Pushed::No, value }
    }

    pub(super) const fn pushed(mut self, pushed: Pushed) -> Self {
        self.pushed = pushed;
        self
    }
}

/// The rows that a table answers with.
pub(super) type Rows<R> = Box<dyn Iterator<Item = Result<R, ReadError>>>;

/// A table. It may answer with rows that do not fit: SQLite looks at each again.
pub(super) trait Table: 'static {
    /// A row, whose values are computed when they are asked for.
    type Row: 'static;
    const NAME: &'static str;
    const ABOUT: &'static str;
    const COLUMNS: &'static [Col<Self::Row>];
    /// The columns by each of which the rows come in descending order.
    const DESCENDING: &'static [&'static str] = &[];

    fn rows(source: &Arc<Source>, wanted: &Wanted) -> Result<Rows<Self::Row>, ReadError>;

    /// A number that is the same for the same row in every scan, and another one for another row.
    fn key(row: &Self::Row) -> u64;
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// A condition that all rows have to meet.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) column: &'static str,
    pub(super) op: Op,
    pub(super) value: Value,
}

/// What is asked of a table. A condition that cannot be used as it is, such as a number compared with a text, is left to SQLite.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted(pub(super) Vec<Condition>);

impl Wanted {
    /// Whether no row can fit: nothing compares with null.
    pub(super) fn is_impossible(&self) -> bool {
        self.0.iter().any(|condition| condition.value == Value::Null)
    }

    /// The text that a column has to be.
    pub(super) fn text<'a>(&'a self, column: &str) -> Option<&'a str> {
        let text = |condition: &'a Condition| match (&condition.value, condition.op) {
            (Value::Text(text), Op::Equal) => Some(text.as_str()),
            _ => None,
        };
        self.0.iter().filter(|condition| condition.column == column).find_map(text)
    }

    /// As [`text`](Self::text), owned.
    pub(super) fn owned(&self, column: &str) -> Option<String> {
        self.text(column).map(str::to_owned)
    }

    /// The trace that is wanted; `Some(None)` if the text is the id of none, so that no row can fit.
    pub(super) fn trace(&self) -> Option<Option<TraceId>> {
        let text = self.text("trace_id")?;
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
        Some(number.and_then(TraceId::new))
    }

    /// Between which numbers a column has to be; a little more where fractions are asked for.
    pub(super) fn range(&self, column: &str) -> RangeInclusive<i64> {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for condition in self.0.iter().filter(|condition| condition.column == column) {
            let (floor, ceil) = match condition.value {
                Value::Integer(int) => (int, int),
                Value::Real(real) => (real.floor() as i64, real.ceil() as i64),
                _ => continue,
            };
            match condition.op {
                Op::Equal => (from, to) = (from.max(floor), to.min(ceil)),
                Op::Greater | Op::AtLeast => from = from.max(floor),
                Op::Less | Op::AtMost => to = to.min(ceil),
            }
        }
        from..=to
    }
}

/// A table without its types: what SQLite needs to know.
pub(super) trait Scannable: Send + Sync {
    fn about(&self) -> TableInfo;
    fn pushed(&self) -> Vec<Pushed>;
    fn descending(&self) -> &'static [&'static str];
    fn scan(&self, wanted: &Wanted) -> Result<Box<dyn Scan>, ReadError>;
}

/// The rows of a table, one after the other.
pub(super) trait Scan {
    /// Goes to the next row. Answers whether there is one.
    fn advance(&mut self) -> Result<bool, ReadError>;
    fn value(&self, column: usize) -> Result<Cell, ReadError>;
    fn key(&self) -> u64;
}

/// A table over a source.
pub(super) struct Bound<T> {
    source: Arc<Source>,
    table: std::marker::PhantomData<fn() -> T>,
}

impl<T: Table> Bound<T> {
    pub(super) fn over(source: &Arc<Source>) -> Arc<dyn Scannable> {
        Arc::new(Self { source: Arc::clone(source), table: std::marker::PhantomData })
    }
}

impl<T: Table> Scannable for Bound<T> {
    fn about(&self) -> TableInfo {
        info::<T>()
    }

    fn pushed(&self) -> Vec<Pushed> {
        T::COLUMNS.iter().map(|column| column.pushed).collect()
    }

    fn descending(&self) -> &'static [&'static str] {
        T::DESCENDING
    }

    fn scan(&self, wanted: &Wanted) -> Result<Box<dyn Scan>, ReadError> {
        let rows = if wanted.is_impossible() {
            Box::new(std::iter::empty())
        } else {
            T::rows(&self.source, wanted)?
        };
        Ok(Box::new(Scanning::<T> { source: Arc::clone(&self.source), rows, row: None }))
    }
}

struct Scanning<T: Table> {
    source: Arc<Source>,
    rows: Rows<T::Row>,
    row: Option<T::Row>,
}

impl<T: Table> Scan for Scanning<T> {
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.source.guard.ask()?;
        self.row = self.rows.next().transpose()?;
        Ok(self.row.is_some())
    }

    fn value(&self, column: usize) -> Result<Cell, ReadError> {
        match (&self.row, T::COLUMNS.get(column)) {
            (Some(row), Some(column)) => (column.value)(row),
            _ => Ok(Cell::Null),
        }
    }

    fn key(&self) -> u64 {
        self.row.as_ref().map_or(0, T::key)
    }
}

/// A table, and what its columns hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns, in their order.
    pub columns: Vec<ColumnInfo>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name, which ends in the unit where there is one.
    pub name: &'static str,
    /// What its values are, where they are not null.
    pub kind: ColumnType,
    /// What it holds.
    pub about: &'static str,
}

impl TableInfo {
    /// The statement that SQLite knows the table by.
    pub(super) fn declaration(&self) -> String {
        let column = |column: &ColumnInfo| format!("\"{}\" {}", column.name, column.kind.declared());
        format!("CREATE TABLE x({})", self.columns.iter().map(column).collect::<Vec<_>>().join(", "))
    }
}

pub(super) fn info<T: Table>() -> TableInfo {
    let column =
        |column: &Col<T::Row>| ColumnInfo { name: column.name, kind: column.kind, about: column.about };
    TableInfo { name: T::NAME, about: T::ABOUT, columns: T::COLUMNS.iter().map(column).collect() }
}

/// The key of a row that is made of some bytes.
pub(super) fn key(parts: &[&[u8]]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}
