//! Edits by span against edits of the tree.

use proptest::prelude::*;

use super::super::{Json, parse};
use super::*;

fn removed(text: &str, name: &str) -> String {
    let edit = ObjectSpan::read(text).unwrap().without(name).unwrap();
    String::from_utf8(edit.apply(text.as_bytes())).unwrap()
}

fn placed(text: &str, name: &str, value: &str) -> String {
    let edit = ObjectSpan::read(text).unwrap().with(name, value);
    String::from_utf8(edit.apply(text.as_bytes())).unwrap()
}

#[test]
fn a_member_goes_with_its_comma_and_nothing_else() {
    assert_eq!(removed(r#"{"a":1,"b":2,"c":3}"#, "a"), r#"{"b":2,"c":3}"#);
    assert_eq!(removed(r#"{"a":1,"b":2,"c":3}"#, "b"), r#"{"a":1,"c":3}"#);
    assert_eq!(removed(r#"{"a":1,"b":2,"c":3}"#, "c"), r#"{"a":1,"b":2}"#);
    assert_eq!(removed(" { \"a\" : 1 } ", "a"), " {  } ");
    assert_eq!(
        removed(
            "{ \"a\" : [1, {\"b\":\"]}\"}] ,\n \"b\" : null , \"c\" : \"\\\"\" }",
            "b"
        ),
        "{ \"a\" : [1, {\"b\":\"]}\"}] ,\n \"c\" : \"\\\"\" }"
    );
    assert_eq!(
        ObjectSpan::read(r#"{"a":{"b":1}}"#).unwrap().without("b"),
        None
    );
}

#[test]
fn a_value_is_replaced_in_place_and_a_new_member_comes_last() {
    assert_eq!(
        placed(r#"{"a": null ,"b":2}"#, "a", "{}"),
        r#"{"a": {} ,"b":2}"#
    );
    assert_eq!(placed("{ \"a\":1 }", "b", "2"), "{ \"a\":1,\"b\":2 }");
    assert_eq!(placed("{ }", "b", "2"), "{ \"b\":2}");
    assert_eq!(placed(r#"{"\u0061":1}"#, "a", "2"), r#"{"\u0061":2}"#);
}

#[test]
fn what_is_no_object_has_no_members() {
    for text in [
        "",
        "[]",
        "1",
        "\"{}\"",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{} x",
        "{\"a\":[}",
    ] {
        assert_eq!(ObjectSpan::read(text), None, "{text}");
    }
}

fn any_object() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a\"\\\\{}\\[\\],: ]{0,6}".prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-d\"]{0,2}", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d\"\\\\]{0,2}", value, 0..6)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

#[test]
fn several_members_are_cut_out_and_the_rest_stays_as_written() {
    for (text, expected) in [
        (r#"{"x":1,"a":2,"y":3}"#, r#"{"a":2}"#),
        (r#"{ "a" : 1 , "x":2 ,"b":3}"#, r#"{ "a" : 1 ,"b":3}"#),
        (r#" {"x":1, "y":{"x":2} } "#, r" { } "),
        (r#"{"x":1, "a":2}"#, r#"{"a":2}"#),
        (r#"{"a":2, "x":1, "y":2 }"#, r#"{"a":2 }"#),
        (r"{ }", r"{ }"),
        (r#"{"\u0078":1,"a":"x"}"#, r#"{"a":"x"}"#),
    ] {
        let span = ObjectSpan::read(text).unwrap();
        let edited = span.without_all(|name| matches!(name, "x" | "y"));
        assert_eq!(edited, expected, "{text}");
    }
}

proptest! {
    #[test]
    fn taking_out_by_span_is_taking_out_of_the_tree(object in any_object(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
        let span = ObjectSpan::read(&text).unwrap();
        let names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
        prop_assert_eq!(span.members().len(), names.len());
        for name in names {
            let edited = span.without(&name).unwrap().apply(text.as_bytes());
            let Json::Object(mut expected) = parse(text.as_bytes()).unwrap() else { unreachable!() };
            expected.retain(|(member, _)| *member != name);
            prop_assert_eq!(parse(&edited).unwrap(), Json::Object(expected));
        }
        let keep = |name: &str| name.starts_with('a');
        let Json::Object(mut expected) = parse(text.as_bytes()).unwrap() else { unreachable!() };
        expected.retain(|(member, _)| keep(member));
        let edited = span.without_all(|name| !keep(name));
        prop_assert_eq!(parse(edited.as_bytes()).unwrap(), Json::Object(expected));
        prop_assert_eq!(&span.without_all(|_| false), &text);
        let added = span.with("new", "[1]").apply(text.as_bytes());
        prop_assert_eq!(parse(&added).unwrap().get("new").cloned(), parse(b"[1]").ok());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]\",:\\\\a1 é]{0,24}") {
        if let Some(span) = ObjectSpan::read(&text) {
            for member in span.members() {
                let _edited = span.without(&member.name).unwrap().apply(text.as_bytes());
            }
            let _edited = span.without_all(|name| name == "a");
            let _edited = span.with("a", "1").apply(text.as_bytes());
        }
    }
}
