//! Rows as NDJSON: an object a line, the columns as its members, in their order.

use super::table::{Column, Row, Value, dollars, rfc3339};
use super::writer::WriteError;

/// Appends rows.
///
/// # Errors
/// If a text cannot be written.
pub(super) fn add(columns: &[Column], rows: &[Row], into: &mut Vec<u8>) -> Result<(), WriteError> {
    for row in rows {
        for (at, column) in columns.iter().enumerate() {
            into.push(if at == 0 { b'{' } else { b',' });
            serde_json::to_writer(&mut *into, column.name)?;
            into.push(b':');
            member(column.of(row), into)?;
        }
        into.extend_from_slice(b"}\n");
    }
    Ok(())
}

fn member(value: Value<'_>, into: &mut Vec<u8>) -> Result<(), WriteError> {
    match value {
        Value::Time(second) => serde_json::to_writer(into, &rfc3339(second))?,
        Value::Text(text) => serde_json::to_writer(into, text)?,
        Value::Count(count) => serde_json::to_writer(into, &count)?,
        // As digits and not by way of a float, so that the amount is exact.
        Value::Usd(nanos) => into.extend_from_slice(dollars(nanos).as_bytes()),
        Value::Real(number) => serde_json::to_writer(into, &number)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::super::table::columns;
    use super::super::table::tests::row;
    use super::*;
    use crate::usage::books::Dimension;

    #[test]
    fn each_line_is_an_object_with_every_column() {
        let columns = columns(&[Dimension::Tag]);
        let odd = "=quote \" and\nline\u{1}";
        let mut text = Vec::new();
        let rows = [row(1_793_491_200, &[odd]), row(1_793_494_800, &["b"])];
        add(&columns, &rows, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(r#""cost_usd":1.234567891,"saved_cost_usd":0.000000042,"#));
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        for column in &columns {
            assert!(lines[0].get(column.name).is_some(), "{}", column.name);
        }
        assert_eq!(lines[0]["start_time"], "2026-11-01T00:00:00Z");
        assert_eq!(lines[0]["tag"], odd);
        assert_eq!(lines[0]["requests"], 5);
        assert_eq!(lines[0]["hit_ratio"], 0.25);
        assert_eq!(lines[0]["first_byte_p50_ms"], Json::Null);
        assert_eq!(lines[1]["tag"], "b");
    }
}
