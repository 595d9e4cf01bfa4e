//! A vector is the same values in every form it is given out in.

use base64::engine::general_purpose;
use proptest::prelude::*;

use super::*;
use crate::wire::json::parse;

fn read(text: &str) -> Result<Vector, OddVector> {
    Vector::read(&parse(text.as_bytes()).unwrap(), UpstreamKind::Compatible)
}

fn numbers(vector: &Vector) -> String {
    let mut out = Vec::new();
    vector.write_numbers(&mut out);
    String::from_utf8(out).unwrap()
}

fn base64(vector: &Vector) -> String {
    let mut out = Vec::new();
    vector.write_base64(&mut out);
    String::from_utf8(out).unwrap()
}

fn values(text: &str) -> Vec<u64> {
    let json = parse(text.as_bytes()).unwrap();
    let numbers = json.as_array().unwrap().iter();
    numbers
        .map(|number| {
            let Json::Number(lexeme) = number else {
                panic!("{number:?} is no number");
            };
            lexeme.parse::<f64>().unwrap().to_bits()
        })
        .collect()
}

#[test]
fn each_way_of_writing_numbers_is_kept() {
    for (text, style) in [
        ("[-0.006929283495992422,0.5]", Style::Widened),
        ("[0.0023064255,-0.009327292]", Style::Shortest),
        ("[0.1,0.2,0.30000000000000004]", Style::Double),
        ("[1,0,-3,12.5]", Style::Widened),
        ("[-0.0,1.0]", Style::Widened),
    ] {
        let vector = read(text).unwrap();
        assert_eq!(vector.style, style, "{text}");
        assert_eq!(values(&numbers(&vector)), values(text), "{text}");
        let again = Vector::from_stored(vector.stored().clone());
        assert_eq!(again, Some(vector), "{text}");
    }
    assert_eq!(numbers(&read("[1,0,-3,12.5]").unwrap()), "[1,0,-3,12.5]");
    assert_eq!(numbers(&read("[1.0,0.0]").unwrap()), "[1.0,0.0]");
}

#[test]
fn base64_is_of_32_bit_floats_and_padded() {
    let vector = read("[1.0,-2.5]").unwrap();
    assert_eq!(base64(&vector), r#""AACAPwAAIMA=""#);
    assert_eq!(read(r#""AACAPwAAIMA=""#), Ok(vector.clone()));
    assert_eq!(read(r#""AACAPwAAIMA""#), Ok(vector));
    let double = read("[0.1,0.30000000000000004]").unwrap();
    let narrowed = read("[0.1,0.3]").unwrap();
    assert_eq!(base64(&double), base64(&narrowed));
}

#[test]
fn base64_of_64_bit_floats_is_not_taken_for_that_of_32_bit_ones() {
    let encoded =
        |bytes: Vec<u8>| read(&format!("\"{}\"", general_purpose::STANDARD.encode(bytes)));
    let doubles = |values: &[f64]| values.iter().flat_map(|one| one.to_le_bytes()).collect();
    let singles = |values: &[f32]| values.iter().flat_map(|one| one.to_le_bytes()).collect();
    let spread: Vec<f64> = (1..=64).map(|at| f64::from(at).sin() / 6.0).collect();
    let widened: Vec<f64> = spread.iter().map(|one| f64::from(narrow(*one))).collect();
    assert_eq!(encoded(doubles(&spread)), Err(OddVector));
    assert_eq!(encoded(doubles(&widened)), Err(OddVector));
    for scale in [1.0_f32, 0.01, 12.0] {
        let narrowed: Vec<f32> = spread.iter().map(|one| narrow(*one) * scale).collect();
        assert!(encoded(singles(&narrowed)).is_ok(), "{scale}");
    }
    let signs: Vec<f32> = spread.iter().map(|one| narrow(one.signum())).collect();
    assert!(encoded(singles(&signs)).is_ok());
}

#[test]
fn what_came_as_base64_is_written_as_its_upstream_writes_numbers() {
    let sent = parse(br#""zczMPQ==""#).unwrap();
    let written = |kind| numbers(&Vector::read(&sent, kind).unwrap());
    assert_eq!(written(UpstreamKind::OpenAi), "[0.1]");
    assert_eq!(written(UpstreamKind::Compatible), "[0.10000000149011612]");
}

#[test]
fn what_is_no_vector_is_refused() {
    for odd in [
        "null",
        "{}",
        "1",
        "[]",
        "[null]",
        r#"["1"]"#,
        "[1e39]",
        "[[1.0]]",
        r#""""#,
        r#""AAAA""#,
        r#""AACAPw=A""#,
        r#""AADAfw==""#,
        r#""AACAfw==""#,
        r#""not base64!""#,
    ] {
        assert_eq!(read(odd), Err(OddVector), "{odd}");
    }
}

#[test]
fn bytes_that_are_no_vector_at_rest_are_not_read() {
    for stored in [
        &b""[..],
        b"\0",
        b"\0abc",
        b"\x02abcd",
        b"\x03abcd",
        b"\x7fabcd",
    ] {
        assert_eq!(Vector::from_stored(Bytes::copy_from_slice(stored)), None);
    }
}

/// Numbers as they may occur in a vector: of any bits, but of no absurd size.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("fair", |value| {
            *value == 0.0 || (1e-10..1e8).contains(&value.abs())
        })
}

proptest! {
    #[test]
    fn any_32_bit_floats_survive_every_form(floats in proptest::collection::vec(finite(), 1..50)) {
        let bytes: Vec<u8> = floats.iter().flat_map(|one| one.to_le_bytes()).collect();
        let sent = format!("\"{}\"", general_purpose::STANDARD.encode(&bytes));
        let vector = read(&sent).unwrap();
        prop_assert_eq!(&base64(&vector), &sent);
        let widened = numbers(&vector);
        let expected: Vec<u64> = floats.iter().map(|one| f64::from(*one).to_bits()).collect();
        prop_assert_eq!(values(&widened), expected);
        let shortest: Vec<String> = floats.iter().map(|one| format!("{one:e}")).collect();
        // Printers differ on ties: what another one chose is kept as 64-bit floats.
        for text in [widened, format!("[{}]", shortest.join(","))] {
            let vector = read(&text).unwrap();
            prop_assert_eq!(&base64(&vector), &sent);
            prop_assert_eq!(values(&numbers(&vector)), values(&text));
        }
    }

    #[test]
    fn any_64_bit_floats_in_range_are_kept_exactly(doubles in proptest::collection::vec(-1e30..1e30_f64, 1..50)) {
        let texts: Vec<String> = doubles.iter().map(|one| format!("{one:?}")).collect();
        let text = format!("[{}]", texts.join(","));
        let vector = read(&text).unwrap();
        prop_assert_eq!(values(&numbers(&vector)), values(&text));
        prop_assert_eq!(vector.dimensions(), doubles.len());
    }
}
