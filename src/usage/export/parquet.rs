//! Rows as Apache Parquet: moments are timestamps, amounts are decimals, and a number
//! that is not known is a null.
//!
//! Rows are gathered to groups of [`GROUP_ROWS`], so that a column's values lie
//! together and readers skip groups by their statistics. Columns are written one by
//! one, without Arrow: the tables of an export are flat.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::table::{Column, Kind, Row, Value};

/// The most rows of a group.
const GROUP_ROWS: usize = 8_192;

/// Digits of an amount, and those of them behind the point. 18 are the most that fit
/// into 64 bits: a thousand million dollars in one bucket.
const USD_DIGITS: i32 = 18;
const USD_DIGITS_BEHIND: i32 = 9;
const USD_NANOS_MAX: i64 = 999_999_999_999_999_999;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct File {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Column>,
    cells: Vec<Cells>,
    rows: usize,
}

/// What stands in one column of the rows that are not written yet.
#[derive(Debug)]
enum Cells {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    /// The numbers that are known, and for each row whether it has one: 1 or 0.
    Real(Vec<f64>, Vec<i16>),
}

impl File {
    /// Begins a file.
    ///
    /// # Errors
    /// If the columns make no table.
    pub(super) fn begin(columns: &[Column]) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("reprise ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let schema = schema(columns)?;
        Ok(Self {
            writer: SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?,
            cells: columns
                .iter()
                .map(|column| Cells::of(column.kind))
                .collect(),
            columns: columns.to_vec(),
            rows: 0,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// If a group that is full with them cannot be written.
    pub(super) fn add(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        for row in rows {
            for (column, cells) in self.columns.iter().zip(&mut self.cells) {
                cells.push(column.of(row));
            }
            self.rows += 1;
            if self.rows == GROUP_ROWS {
                self.write_group()?;
            }
        }
        Ok(())
    }

    /// Takes off what is written so far.
    ///
    /// # Errors
    /// If it cannot be flushed.
    pub(super) fn take(&mut self) -> Result<Vec<u8>, ParquetError> {
        self.writer.flush()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// Ends the file, and gives what was not taken yet.
    ///
    /// # Errors
    /// If the last rows or the footer cannot be written.
    pub(super) fn end(mut self) -> Result<Vec<u8>, ParquetError> {
        self.write_group()?;
        self.writer.finish()?;
        self.take()
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for cells in &mut self.cells {
            if let Some(column) = group.next_column()? {
                cells.write(column)?;
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Cells {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Time | Kind::Count | Kind::Usd => Self::Whole(Vec::new()),
            Kind::Real => Self::Real(Vec::new(), Vec::new()),
        }
    }

    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(cells), Value::Text(text)) => {
                cells.push(ByteArray::from(text.as_bytes().to_vec()));
            }
            (Self::Whole(cells), Value::Time(second)) => {
                cells.push(signed(second.saturating_mul(1000)));
            }
            (Self::Whole(cells), Value::Count(count)) => cells.push(signed(count)),
            (Self::Whole(cells), Value::Usd(nanos)) => {
                cells.push(signed(nanos).min(USD_NANOS_MAX));
            }
            (Self::Real(cells, known), Value::Real(number)) => {
                known.push(i16::from(number.is_some()));
                cells.extend(number);
            }
            // A column makes its own cells: they are of its kind.
            (Self::Text(_) | Self::Whole(_) | Self::Real(..), _) => {}
        }
    }

    /// Writes the cells as one column of a group, and starts over.
    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Self::Text(cells) => {
                column
                    .typed::<ByteArrayType>()
                    .write_batch(cells, None, None)?;
                cells.clear();
            }
            Self::Whole(cells) => {
                column.typed::<Int64Type>().write_batch(cells, None, None)?;
                cells.clear();
            }
            Self::Real(cells, known) => {
                let writer = column.typed::<DoubleType>();
                writer.write_batch(cells, Some(known), None)?;
                cells.clear();
                known.clear();
            }
        }
        column.close()
    }
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let fields = columns
        .iter()
        .map(|column| field(column).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let table = Type::group_type_builder("usage")
        .with_fields(fields)
        .build()?;
    Ok(Arc::new(table))
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical, repetition) = match column.kind {
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::MILLIS)),
            Repetition::REQUIRED,
        ),
        Kind::Text => (
            Physical::BYTE_ARRAY,
            Some(LogicalType::String),
            Repetition::REQUIRED,
        ),
        Kind::Count => (Physical::INT64, None, Repetition::REQUIRED),
        Kind::Usd => (
            Physical::INT64,
            Some(LogicalType::decimal(USD_DIGITS_BEHIND, USD_DIGITS)),
            Repetition::REQUIRED,
        ),
        Kind::Real => (Physical::DOUBLE, None, Repetition::OPTIONAL),
    };
    let mut field = Type::primitive_type_builder(column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical);
    if column.kind == Kind::Usd {
        field = field
            .with_precision(USD_DIGITS)
            .with_scale(USD_DIGITS_BEHIND);
    }
    field.build()
}

/// As far as 64 bits with a sign reach, which every reader knows.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{Field, Row as Read};

    use super::super::table::columns;
    use super::super::table::tests::row;
    use super::*;
    use crate::usage::books::Dimension;

    fn read(file: Vec<u8>) -> (usize, Vec<Read>) {
        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let groups = reader.metadata().num_row_groups();
        let rows = reader.get_row_iter(None).unwrap();
        (groups, rows.map(Result::unwrap).collect())
    }

    fn cell(row: &Read, name: &str) -> Field {
        let found = row.get_column_iter().find(|(column, _)| *column == name);
        found.unwrap().1.clone()
    }

    #[test]
    fn what_was_written_in_pieces_is_read_back() {
        let columns = columns(&[Dimension::Model]);
        let mut file = File::begin(&columns).unwrap();
        let mut bytes = file.take().unwrap();
        let rows: Vec<_> = (0..=u64::try_from(GROUP_ROWS).unwrap())
            .map(|at| row(1_793_491_200 + at * 3_600, &[&format!("=model-{at}")]))
            .collect();
        for some in rows.chunks(1_000) {
            file.add(some).unwrap();
            bytes.extend(file.take().unwrap());
        }
        bytes.extend(file.end().unwrap());
        let (groups, found) = read(bytes);
        assert_eq!((groups, found.len()), (2, rows.len()));
        assert_eq!(found[0].get_column_iter().count(), columns.len());
        let first = &found[0];
        let moment = Field::TimestampMillis(1_793_491_200_000);
        assert_eq!(cell(first, "start_time"), moment);
        assert_eq!(cell(first, "model"), Field::Str("=model-0".to_owned()));
        assert_eq!(cell(first, "requests"), Field::Long(5));
        assert_eq!(cell(first, "hit_ratio"), Field::Double(0.25));
        assert_eq!(cell(first, "first_byte_p50_ms"), Field::Null);
        assert_eq!(cell(first, "cost_usd").to_string(), "1.234567891");
        let last = found.last().unwrap();
        let name = format!("=model-{GROUP_ROWS}");
        assert_eq!(cell(last, "model"), Field::Str(name));
    }

    #[test]
    fn a_file_without_rows_is_a_table() {
        let file = File::begin(&columns(&[])).unwrap();
        let (groups, rows) = read(file.end().unwrap());
        assert_eq!((groups, rows.len()), (0, 0));
    }
}
