//! What is taken for what.

use super::*;

fn seen(text: &str) -> Option<(Volatile, &str)> {
    let (kind, range) = volatile(text, true)?;
    Some((kind, text.get(range).unwrap()))
}

#[test]
fn what_changes_from_request_to_request_is_seen() {
    use Volatile::{Date, Number, RandomId, Timestamp, Uuid};
    for (text, kind, part) in [
        (
            "now: 2026-11-21T10:00:00Z",
            Timestamp,
            "2026-11-21T10:00:00Z",
        ),
        (
            "2026-11-21T10:00:00.123+01:00.",
            Timestamp,
            "2026-11-21T10:00:00.123+01:00",
        ),
        (
            "It is 2026-11-21 10:00:00, so",
            Timestamp,
            "2026-11-21 10:00:00",
        ),
        ("time=\"2026-11-21T10:00Z\"", Timestamp, "2026-11-21T10:00Z"),
        (
            "Sat, 21 Nov 2026 10:00:00 +0000",
            Timestamp,
            "21 Nov 2026 10:00:00",
        ),
        ("at 9:05 sharp", Timestamp, "9:05"),
        ("clock:23:59:60", Timestamp, "23:59:60"),
        ("{\"ts\":1763719200}", Timestamp, "1763719200"),
        ("ts 1763719200123", Timestamp, "1763719200123"),
        ("ts 1763719200.5", Timestamp, "1763719200.5"),
        ("Today is 2026-11-21.", Date, "2026-11-21"),
        ("(2026/11/21)", Date, "2026/11/21"),
        ("am 21.11.2026 um", Date, "21.11.2026"),
        ("on 11/21/2026", Date, "11/21/2026"),
        ("Today is November 21, 2026.", Date, "November 21, 2026"),
        ("the 21st Nov 2026, a", Date, "21st Nov 2026"),
        ("May 5", Date, "May 5"),
        (
            "<id>550e8400-e29b-41d4-a716-446655440000</id>",
            Uuid,
            "550e8400-e29b-41d4-a716-446655440000",
        ),
        ("commit 0123456789abcdef", RandomId, "0123456789abcdef"),
        (
            "token=aGVsbG8gd29ybGQgMTIzNDU=",
            RandomId,
            "aGVsbG8gd29ybGQgMTIzNDU",
        ),
        ("[req_8fk2]", RandomId, "req_8fk2"),
        ("sess_01HXYZ: go", RandomId, "sess_01HXYZ"),
        (
            "https://a.example/x/0123456789abcdef/y",
            RandomId,
            "0123456789abcdef",
        ),
        ("number 12345678901234567", RandomId, "12345678901234567"),
        ("Request #4711 of many", Number, "4711"),
    ] {
        assert_eq!(seen(text), Some((kind, part)), "{text}");
    }
}

#[test]
fn words_are_not_taken_for_ids() {
    for text in [
        "",
        "You are a helpful assistant.",
        "Use model gpt-4o-mini or Llama-3-70B-Instruct",
        "internationalization-and-more",
        "a/b/c and 25:99h and 1:2:3:4",
        "deadbeef",
        "may I",
    ] {
        assert_eq!(seen(text), None, "{text}");
    }
    assert_eq!(volatile("step 3 of 7", false), None);
}

#[test]
fn the_surest_of_several_is_told() {
    assert_eq!(
        seen("3 of req_12ab on 2026-11-21, at 10:00"),
        Some((Volatile::Timestamp, "10:00"))
    );
}

proptest::proptest! {
    #[test]
    fn any_text_can_be_looked_at(text in "\\PC{0,60}") {
        if let Some((_, range)) = volatile(&text, true) {
            proptest::prop_assert!(text.get(range).is_some_and(|part| !part.is_empty()));
        }
    }
}
