//! What an item is does not depend on how the text was cut up.

use proptest::prelude::*;

use super::*;

fn read(chunks: &[&[u8]]) -> Result<(Vec<String>, String), ListError> {
    let mut reader = ListReader::new("data");
    let mut items = Vec::new();
    for chunk in chunks {
        reader.push(chunk, &mut items)?;
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let frame = text(reader.finish()?);
    Ok((items.into_iter().map(text).collect(), frame))
}

const DOCUMENT: &str = r#" {"a":{"data":[1]},"b":"\"data\":[","data" : [ {"x":[1,{"y":"]}\\\""}]} , "s,]" ,-1.5e3,null, [ ] ],"data_":[2],"z":"data"}
"#;

#[test]
fn items_are_told_apart_and_the_rest_is_kept() {
    let (items, frame) = read(&[DOCUMENT.as_bytes()]).unwrap();
    assert_eq!(
        items,
        [
            r#"{"x":[1,{"y":"]}\\\""}]}"#,
            r#""s,]""#,
            "-1.5e3",
            "null",
            "[ ]"
        ]
    );
    assert_eq!(
        frame,
        " {\"a\":{\"data\":[1]},\"b\":\"\\\"data\\\":[\",\"data\" : [],\"data_\":[2],\"z\":\"data\"}\n"
    );
}

#[test]
fn a_document_without_the_array_has_no_items() {
    let text = r#"{"error":{"data":[1]},"data":{"x":1}}"#;
    assert_eq!(read(&[text.as_bytes()]), Ok((Vec::new(), text.to_owned())));
    let empty = r#"{"data":[]}"#;
    assert_eq!(
        read(&[empty.as_bytes()]),
        Ok((Vec::new(), empty.to_owned()))
    );
}

#[test]
fn what_is_cut_or_crooked_is_an_error() {
    for text in [
        r#"{"data":[1,2]"#,
        r#"{"data":[1,"#,
        r#"{"data":[1,]}"#,
        r#"{"data":[,1]}"#,
        r#"{"data":[{}{}]}"#,
        r#"{"data":[1 2]}"#,
        r#"{"data":[{]"#,
        "}",
        r#"{"data":["a]}"#,
    ] {
        assert!(read(&[text.as_bytes()]).is_err(), "{text}");
    }
}

#[test]
fn parts_that_are_too_long_are_given_up() {
    let mut reader = ListReader::new("data");
    let mut items = Vec::new();
    reader.push(b"{\"data\":[\"", &mut items).unwrap();
    let long = vec![b'x'; 1024 * 1024];
    let read: Vec<_> = (0..3).map(|_| reader.push(&long, &mut items)).collect();
    assert_eq!(read.last(), Some(&Err(ListError::TooLong)));
    let mut reader = ListReader::new("data");
    reader.push(b"{\"other\":\"", &mut items).unwrap();
    let read: Vec<_> = (0..3).map(|_| reader.push(&long, &mut items)).collect();
    assert_eq!(read.last(), Some(&Err(ListError::TooLong)));
}

proptest! {
    #[test]
    fn where_the_text_is_cut_does_not_matter(cuts in proptest::collection::vec(0..DOCUMENT.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let bytes = DOCUMENT.as_bytes();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&bytes[from..cut]);
            from = cut;
        }
        chunks.push(&bytes[from..]);
        prop_assert_eq!(read(&chunks), read(&[bytes]));
    }
}
