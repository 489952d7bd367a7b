//! A table that is written as it comes, some tens of thousands of rows at once.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

/// How many rows are written at once.
const ROWS: usize = 65_536;
/// How many bytes of texts are kept until then.
const BYTES: usize = 64 << 20;

/// What a column holds. Any cell may be without a value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Nanoseconds since 1970.
    Time,
    Long,
    Double,
    Bool,
}

/// A cell of a row.
pub(super) enum Cell {
    None,
    Text(String),
    /// Also a time.
    Long(i64),
    Double(f64),
    Bool(bool),
}

impl Cell {
    /// A text, unless it is empty.
    pub(super) fn text(text: &str) -> Self {
        if text.is_empty() { Self::None } else { Self::Text(text.to_owned()) }
    }

    /// A time, unless it is zero or after the year 2262.
    pub(super) fn time(unix_nanos: u64) -> Self {
        if unix_nanos == 0 { Self::None } else { Self::long(unix_nanos) }
    }

    /// A number, unless it is too large.
    pub(super) fn long(number: impl TryInto<i64>) -> Self {
        number.try_into().map_or(Self::None, Self::Long)
    }

    pub(super) fn double(number: Option<f64>) -> Self {
        number.map_or(Self::None, Self::Double)
    }
}

/// A column in the making.
struct Column {
    values: Values,
    /// For each row 1, or 0 if it has no value.
    levels: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Long(Vec<i64>),
    Double(Vec<f64>),
    Bool(Vec<bool>),
}

/// A table in the making.
pub(super) struct Table<W: Write + Send> {
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    file: SerializedFileWriter<W>,
}

impl<W: Write + Send> Table<W> {
    pub(super) fn new(columns: &[(&str, Kind)], out: W) -> Result<Self> {
        let fields: Result<_> =
            columns.iter().map(|(name, kind)| Ok(Arc::new(field(name, *kind)?))).collect();
        let schema = Type::group_type_builder("schema").with_fields(fields?).build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(format!("tta {}", env!("CARGO_PKG_VERSION")))
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let columns = columns.iter().map(|(_, kind)| Column::new(*kind)).collect();
        Ok(Self { columns, rows: 0, bytes: 0, file })
    }

    /// Adds a row, with a cell for each column, of its kind.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) -> Result<()> {
        debug_assert_eq!(self.columns.len(), N, "each column has a cell");
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Cell::Text(text) = &cell {
                self.bytes += text.len();
            }
            column.push(cell);
        }
        self.rows += 1;
        if self.rows < ROWS && self.bytes < BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes the rows that wait.
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left, and gives back what it was written to.
    pub(super) fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.file.into_inner()
    }
}

fn field(name: &str, kind: Kind) -> Result<Type> {
    let (physical, logical) = match kind {
        // Of all readers, some take the type of JSON for bytes.
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
        Kind::Long => (Physical::INT64, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Bool => (Physical::BOOLEAN, None),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

impl Column {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Time | Kind::Long => Values::Long(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Bool => Values::Bool(Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    fn push(&mut self, cell: Cell) {
        let is_there = match (&mut self.values, cell) {
            (Values::Text(values), Cell::Text(text)) => {
                values.push(text.into_bytes().into());
                true
            }
            (Values::Long(values), Cell::Long(number)) => {
                values.push(number);
                true
            }
            (Values::Double(values), Cell::Double(number)) => {
                values.push(number);
                true
            }
            (Values::Bool(values), Cell::Bool(bool)) => {
                values.push(bool);
                true
            }
            (_, cell) => {
                debug_assert!(matches!(cell, Cell::None), "a cell is of the kind of its column");
                false
            }
        };
        self.levels.push(i16::from(is_there));
    }

    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match &mut self.values {
            Values::Text(values) => write::<ByteArrayType, W>(group, values, &self.levels)?,
            Values::Long(values) => write::<Int64Type, W>(group, values, &self.levels)?,
            Values::Double(values) => write::<DoubleType, W>(group, values, &self.levels)?,
            Values::Bool(values) => write::<BoolType, W>(group, values, &self.levels)?,
        }
        self.levels.clear();
        Ok(())
    }
}

/// Writes the next column of a group, and empties it.
fn write<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<D::T>,
    levels: &[i16],
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<D>().write_batch(values, Some(levels), None)?;
        column.close()?;
    }
    values.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::{Cell, Kind, ROWS, Table};

    #[test]
    fn many_rows_are_written_in_groups() {
        let columns = [("text", Kind::Text), ("number", Kind::Long), ("float", Kind::Double)];
        let mut table = Table::new(&columns, Vec::new()).unwrap();
        for n in 0..ROWS as i64 + 10 {
            let text = if n % 2 == 0 { Cell::None } else { Cell::Text(format!("text {}", n % 5)) };
            table.row([text, Cell::Long(n), Cell::double(Some(f64::INFINITY))]).unwrap();
        }
        let written = Bytes::from(table.finish().unwrap());
        let reader = SerializedFileReader::new(written).unwrap();
        let groups: Vec<_> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(groups, [ROWS as i64, 10]);
        let mut seen = 0;
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            assert_eq!(row.get_long(1).unwrap(), seen);
            assert_eq!(row.get_double(2).unwrap(), f64::INFINITY);
            match seen % 2 {
                0 => assert!(row.get_string(0).is_err(), "it has no text"),
                _ => assert_eq!(*row.get_string(0).unwrap(), format!("text {}", seen % 5)),
            }
            seen += 1;
        }
        assert_eq!(seen, ROWS as i64 + 10);
    }

    #[test]
    fn a_table_without_rows_has_its_columns() {
        let table = Table::new(&[("a", Kind::Time), ("b", Kind::Bool)], Vec::new()).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(table.finish().unwrap())).unwrap();
        let metadata = reader.metadata().file_metadata();
        assert_eq!((metadata.num_rows(), metadata.schema().get_fields().len()), (0, 2));
    }
}
