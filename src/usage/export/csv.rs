//! Rows as CSV (RFC 4180): a header, then a line a row, each ended by CR LF.
//!
//! Models, keys and tags are words that clients chose, and a spreadsheet takes a cell
//! for a formula by how it begins, quoted or not. Such a cell gets an apostrophe in
//! front, which spreadsheets read as "this is text".

use csv::{Terminator, Writer, WriterBuilder};

use super::table::{Column, Row, Value, dollars, rfc3339};
use super::writer::WriteError;

/// What a cell begins with that a spreadsheet would compute.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// Appends the header.
///
/// # Errors
/// If a name cannot be written.
pub(super) fn begin(columns: &[Column], into: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut lines = lines(into);
    lines.write_record(columns.iter().map(|column| column.name))?;
    Ok(lines.flush()?)
}

/// Appends rows.
///
/// # Errors
/// If a cell cannot be written.
pub(super) fn add(columns: &[Column], rows: &[Row], into: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut lines = lines(into);
    for row in rows {
        lines.write_record(columns.iter().map(|column| cell(column.of(row))))?;
    }
    Ok(lines.flush()?)
}

fn lines(into: &mut Vec<u8>) -> Writer<&mut Vec<u8>> {
    WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(into)
}

fn cell(value: Value<'_>) -> String {
    match value {
        Value::Time(second) => rfc3339(second),
        Value::Text(text) if text.starts_with(FORMULA) => format!("'{text}"),
        Value::Text(text) => text.to_owned(),
        Value::Count(count) => count.to_string(),
        Value::Usd(nanos) => dollars(nanos),
        Value::Real(Some(number)) => number.to_string(),
        Value::Real(None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::columns;
    use super::super::table::tests::row;
    use super::*;
    use crate::usage::books::Dimension;

    fn written(rows: &[Row]) -> Vec<u8> {
        let columns = columns(&[Dimension::Model, Dimension::Tag]);
        let mut text = Vec::new();
        begin(&columns, &mut text).unwrap();
        add(&columns, rows, &mut text).unwrap();
        text
    }

    fn read(text: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text);
        reader
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let odd = "comma, \"quote\"\r\nand a line, ümläut";
        let table = read(&written(&[
            row(1_793_491_200, &["gpt-5-mini", odd]),
            row(1_793_494_800, &["", "plain"]),
        ]));
        assert_eq!(table.len(), 3);
        let [head, first, second] = table.as_slice() else {
            panic!("not three lines");
        };
        let cell = |line: &Vec<String>, name: &str| {
            let at = head.iter().position(|heading| heading == name).unwrap();
            line[at].clone()
        };
        assert_eq!(cell(first, "start_time"), "2026-11-01T00:00:00Z");
        assert_eq!(cell(first, "end_time"), "2026-11-01T01:00:00Z");
        assert_eq!(cell(first, "tag"), odd);
        assert_eq!(cell(first, "requests"), "5");
        assert_eq!(cell(first, "cost_usd"), "1.234567891");
        assert_eq!(cell(first, "hit_ratio"), "0.25");
        assert_eq!(cell(first, "first_byte_p99_ms"), "");
        assert_eq!(cell(second, "start_time"), "2026-11-01T01:00:00Z");
        assert_eq!(cell(second, "tag"), "plain");
    }

    #[test]
    fn lines_end_as_rfc_4180_says_and_an_empty_export_is_a_header() {
        let text = String::from_utf8(written(&[])).unwrap();
        assert!(text.starts_with("start_time,end_time,model,tag,requests,"));
        assert!(text.ends_with("first_byte_p99_ms\r\n"));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn no_cell_that_a_client_chose_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            let table = read(&written(&[row(0, &[bad, "fine=1"])]));
            assert_eq!(table[1][2], format!("'{bad}"));
            assert_eq!(table[1][3], "fine=1");
        }
    }
}
