//! Rows in each format, written as they come; only a table waits for the last.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::{Map, Value as Json};
use tta::server::sql::Value;

use super::Format;
use crate::render::prices::name;

/// How many rows a table shows.
const MOST: usize = 1_000;
/// How many characters of a value a table shows: beyond them, nobody reads, and the table takes long.
const MOST_CHARACTERS: usize = 2_000;

const RULE_BELOW_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Writes the rows of one statement.
pub(super) struct Writer<W: Write> {
    columns: Vec<String>,
    rows: u64,
    kind: Kind<W>,
}

enum Kind<W: Write> {
    Table { out: BufWriter<W>, rows: Vec<Vec<String>>, is_number: Vec<bool>, is_cut: bool },
    Csv(Box<csv::Writer<W>>),
    Json { out: BufWriter<W>, is_array: bool },
}

impl<W: Write> Writer<W> {
    /// # Errors
    ///
    /// When two columns would be one in an object, or the header cannot be written.
    pub(super) fn new(format: Format, columns: &[String], out: W) -> Result<Self, Box<dyn Error>> {
        let columns = columns.to_vec();
        let kind = match format {
            Format::Table => Kind::Table {
                out: BufWriter::new(out),
                rows: Vec::new(),
                is_number: vec![true; columns.len()],
                is_cut: false,
            },
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(&columns).map_err(cause)?;
                Kind::Csv(Box::new(csv))
            }
            Format::Json | Format::Jsonl => {
                let same = columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column));
                if let Some((_, same)) = same {
                    return Err(format!("two columns are named `{same}`; name one otherwise with AS").into());
                }
                Kind::Json { out: BufWriter::new(out), is_array: format == Format::Json }
            }
        };
        Ok(Self { columns, rows: 0, kind })
    }

    /// Writes a row. Answers whether more are wanted.
    pub(super) fn row(&mut self, row: &[Value<'_>]) -> Result<ControlFlow<()>, Box<dyn Error>> {
        match &mut self.kind {
            Kind::Table { rows, is_cut, .. } if rows.len() == MOST => {
                *is_cut = true;
                return Ok(ControlFlow::Break(()));
            }
            Kind::Table { rows, is_number, .. } => {
                for (is_number, value) in is_number.iter_mut().zip(row) {
                    *is_number &= matches!(value, Value::Null | Value::Integer(_) | Value::Real(_));
                }
                rows.push(row.iter().map(shown).collect());
            }
            Kind::Csv(out) => out.write_record(row.iter().map(plain)).map_err(cause)?,
            Kind::Json { out, is_array } => {
                let before = match (*is_array, self.rows) {
                    (false, _) => "",
                    (true, 0) => "[\n",
                    (true, _) => ",\n",
                };
                let pairs = self.columns.iter().cloned().zip(row.iter().map(json));
                write!(out, "{before}{}", Json::Object(pairs.collect::<Map<_, _>>()))?;
                if !*is_array {
                    writeln!(out)?;
                }
            }
        }
        self.rows += 1;
        Ok(ControlFlow::Continue(()))
    }

    /// Whether there was any row.
    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Writes what is left to write.
    pub(super) fn finish(self) -> io::Result<()> {
        let columns = &self.columns;
        match self.kind {
            Kind::Table { mut out, rows, is_number, is_cut } => {
                if rows.is_empty() {
                    writeln!(out, "No rows.")?;
                } else {
                    writeln!(out, "{}", table(columns, rows, &is_number))?;
                }
                if is_cut {
                    writeln!(
                        out,
                        "There are more than these {MOST} rows; --format csv, json or jsonl writes all."
                    )?;
                }
                out.flush()
            }
            Kind::Csv(mut out) => out.flush(),
            Kind::Json { mut out, is_array } => {
                match (is_array, self.rows) {
                    (false, _) => {}
                    (true, 0) => writeln!(out, "[]")?,
                    (true, _) => writeln!(out, "\n]")?,
                }
                out.flush()
            }
        }
    }
}

/// The error of the output itself, so that a reader that has gone is told from what is wrong.
fn cause(error: csv::Error) -> io::Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::Error::other(message),
    }
}

/// As wide as its content; numbers are aligned to the right.
fn table(columns: &[String], rows: Vec<Vec<String>>, is_number: &[bool]) -> String {
    let mut table = Table::new();
    table.load_style(RULE_BELOW_HEADER).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| name(column).into_owned())).add_rows(rows);
    for (column, _) in table.column_iter_mut().zip(is_number).filter(|(_, is_number)| **is_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A value as people read it, safe to be shown; a long one ends with `…`.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::from("-"),
        Value::Text(text) => match text.char_indices().nth(MOST_CHARACTERS) {
            Some((at, _)) => format!("{}…", name(&text[..at])),
            None => name(text).into_owned(),
        },
        Value::Blob(bytes) => match bytes.get(..MOST_CHARACTERS / 2) {
            Some(first) if first.len() < bytes.len() => format!("x'{}…", hex(first)),
            _ => format!("x'{}'", hex(bytes)),
        },
        number => plain(number),
    }
}

/// A value as other programs read it; null is empty.
fn plain(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(int) => int.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.to_string(),
        Value::Blob(bytes) => hex(bytes),
    }
}

/// A value as JSON; what is no finite number is a text, and bytes are hexadecimal digits.
fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(int) => Json::from(*int),
        Value::Real(real) if real.is_finite() => Json::from(*real),
        Value::Real(real) => Json::from(real.to_string()),
        Value::Text(text) => Json::from(text.as_ref()),
        Value::Blob(bytes) => Json::from(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
