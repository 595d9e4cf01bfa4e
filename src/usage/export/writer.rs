//! One face for the formats: rows go in, pieces of a file come out.

use super::table::{Column, Row, columns};
use super::{Format, csv, ndjson};
use crate::usage::books::Dimension;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The program was built without this format.
    #[error("this build does not write {0}: it was made without the feature of that name")]
    NotBuilt(&'static str),
    /// A line of CSV cannot be written.
    #[error("cannot write CSV: {0}")]
    Csv(#[from] ::csv::Error),
    /// Bytes cannot be written.
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A part of a Parquet file cannot be written.
    #[cfg(feature = "parquet")]
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writer {
    columns: Vec<Column>,
    kind: Kind,
    written: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Csv,
    NdJson,
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::File>),
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// If this build does not have the format.
    pub fn begin(format: Format, group_by: &[Dimension]) -> Result<Self, WriteError> {
        let columns = columns(group_by);
        let mut written = Vec::new();
        let kind = match format {
            Format::Csv => {
                csv::begin(&columns, &mut written)?;
                Kind::Csv
            }
            Format::NdJson => Kind::NdJson,
            #[cfg(feature = "parquet")]
            Format::Parquet => Kind::Parquet(Box::new(super::parquet::File::begin(&columns)?)),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(WriteError::NotBuilt(format.as_str())),
        };
        Ok(Self {
            columns,
            kind,
            written,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn add(&mut self, rows: &[Row]) -> Result<(), WriteError> {
        match &mut self.kind {
            Kind::Csv => csv::add(&self.columns, rows, &mut self.written),
            Kind::NdJson => ndjson::add(&self.columns, rows, &mut self.written),
            #[cfg(feature = "parquet")]
            Kind::Parquet(file) => {
                file.add(rows)?;
                self.written.append(&mut file.take()?);
                Ok(())
            }
        }
    }

    /// Takes off what is written so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// Ends the file, and gives what was not taken yet.
    ///
    /// # Errors
    /// If the end cannot be written.
    pub fn end(self) -> Result<Vec<u8>, WriteError> {
        match self.kind {
            Kind::Csv | Kind::NdJson => Ok(self.written),
            #[cfg(feature = "parquet")]
            Kind::Parquet(file) => Ok([self.written, file.end()?].concat()),
        }
    }
}
