//! The reader against tables and, on well-formed text, against `serde_json`.

use proptest::prelude::*;

use super::{DEPTH_MAX, Json, JsonError, parse};

#[test]
fn order_and_lexemes_survive() {
    let text = br#"{"z":1.0,"a":[18446744073709551617,-0,1E-400],"m":{"k":null}}"#;
    assert_eq!(parse(text).unwrap().to_bytes(), text);
}

#[test]
fn escapes_are_decoded() {
    let value = parse(br#""a\u00e9\ud83d\ude00\n\/\"\\\u2028""#).unwrap();
    assert_eq!(value.as_str(), Some("aé😀\n/\"\\\u{2028}"));
    assert_eq!(value.to_bytes(), "\"aé😀\\n/\\\"\\\\\\u2028\"".as_bytes());
}

type IsExpected = fn(&JsonError) -> bool;

#[test]
fn what_two_readers_might_read_differently_is_refused() {
    let wide: Vec<String> = (0..40).map(|n| format!("\"k{n}\":0,")).collect();
    let wide = wide.concat();
    let cases: Vec<(Vec<u8>, IsExpected)> = vec![
        (br#"{"a":1,"a":2}"#.to_vec(), |error| {
            matches!(error, JsonError::DuplicateName(_))
        }),
        (br#"{"a":1,"\u0061":2}"#.to_vec(), |error| {
            matches!(error, JsonError::DuplicateName(_))
        }),
        (format!("{{{wide}\"k39\":1}}").into_bytes(), |error| {
            matches!(error, JsonError::DuplicateName(_))
        }),
        (br#""\ud83d""#.to_vec(), |error| {
            matches!(error, JsonError::LoneSurrogate(_))
        }),
        (br#""\ud83dx""#.to_vec(), |error| {
            matches!(error, JsonError::LoneSurrogate(_))
        }),
        (br#""\ude00\ud83d""#.to_vec(), |error| {
            matches!(error, JsonError::LoneSurrogate(_))
        }),
        (b"\"\xff\"".to_vec(), |error| *error == JsonError::Utf8),
        ("[".repeat(DEPTH_MAX + 1).into_bytes(), |error| {
            *error == JsonError::TooDeep
        }),
    ];
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "{} {}",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "NaN",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"open",
        "tru",
        "// c\n1",
        "[1",
        "{\"a\":",
    ] {
        assert!(
            matches!(parse(text.as_bytes()), Err(JsonError::Syntax(_))),
            "{text:?}"
        );
    }
}

#[test]
fn the_deepest_allowed_nesting_is_read() {
    let text = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(parse(text.as_bytes()).is_ok());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("JSON has no NaN", |value| value.is_finite())
            .prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..20)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn well_formed_text_means_what_serde_json_says(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let written = parse(&text).unwrap().to_bytes();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_are_read_that_serde_json_refuses(
        bytes in prop::collection::vec(prop_oneof![
            Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b':'),
            Just(b','), Just(b'1'), Just(b'-'), Just(b'e'), Just(b'u'), Just(b'd'), Just(b' '), any::<u8>(),
        ], 0..40)
    ) {
        let ours = parse(&bytes);
        if ours.is_ok() {
            // A number beyond f64 is well formed, but serde_json has no value for it.
            let theirs = serde_json::from_slice::<&serde_json::value::RawValue>(&bytes);
            prop_assert!(theirs.is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn owning_changes_nothing(value in any_json()) {
        let text = serde_json::to_vec(&value).unwrap();
        let borrowed = parse(&text).unwrap();
        prop_assert_eq!(borrowed.clone().into_owned(), borrowed);
    }
}

#[test]
fn reading_reaches_into_objects() {
    let value = parse(br#"{"a":{"b":[true,7,"x",null]}}"#).unwrap();
    let items = value
        .get("a")
        .and_then(|a| a.get("b"))
        .and_then(Json::as_array)
        .unwrap();
    assert_eq!(items[0].as_bool(), Some(true));
    assert_eq!(items[1].as_u64(), Some(7));
    assert_eq!(items[2].as_str(), Some("x"));
    assert!(items[3].is_null());
    assert_eq!(value.get("nothing"), None);
}

#[test]
fn strings_are_read_wherever_in_a_block_they_stop() {
    for before in 0..70 {
        for after in [0, 1, 31, 32, 33, 64] {
            let (head, tail) = ("é".repeat(before / 2) + "x", "y".repeat(after));
            let head = head.repeat(1 + before % 2);
            let text = format!(r#"["{head}","{head}\n{tail}",0]"#);
            let expected = Json::Array(vec![
                Json::string(head.as_str()),
                Json::string(format!("{head}\n{tail}")),
                Json::number(0),
            ]);
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{before} {after}");
            let raw = format!("\"{head}\n{tail}\"");
            assert_eq!(
                parse(raw.as_bytes()),
                Err(JsonError::Syntax(head.len() + 1))
            );
            let open = format!("\"{head}{tail}");
            assert!(parse(open.as_bytes()).is_err());
        }
    }
}
