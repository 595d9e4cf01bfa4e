//! A selector means what its members say, all of them and of each any value.

use proptest::prelude::*;

use super::*;

fn meta() -> Meta {
    Meta {
        model: "gpt-4o".to_owned(),
        resolved_model: Some("gpt-4o-2024-08-06".to_owned()),
        tenant: Some("acme".to_owned()),
        tags: vec!["team=search".to_owned(), "nightly".to_owned()],
        ..Meta::default()
    }
}

fn matches(selector: &Selector) -> bool {
    selector.matches(&Facts {
        id: &[0xAB; 32],
        operation: Operation::Chat,
        stored_at: 1_000,
        meta: &meta(),
    })
}

fn of(json: &str) -> Selector {
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_member_must_hold_and_one_value_of_each() {
    let whole = "ab".repeat(32);
    for (json, expected) in [
        ("{}", false),
        (r#"{"operations":["chat"]}"#, true),
        (r#"{"operations":["embedding","chat"]}"#, true),
        (r#"{"operations":["embedding"]}"#, false),
        (r#"{"models":["gpt-4o"]}"#, true),
        (r#"{"models":["gpt-4o-2024*"]}"#, true),
        (r#"{"models":["gpt-4"]}"#, false),
        (r#"{"tenants":["acme"]}"#, true),
        (r#"{"tenants":["ac*"]}"#, false),
        (r#"{"tags":["nightly","none"]}"#, true),
        (r#"{"tags":["night"]}"#, false),
        (r#"{"keys":["ab"]}"#, true),
        (r#"{"keys":["aba"]}"#, true),
        (r#"{"keys":["abc"]}"#, false),
        (&format!(r#"{{"keys":["{whole}"]}}"#), true),
        (r#"{"created_before":1001}"#, true),
        (r#"{"created_before":1000}"#, false),
        (
            r#"{"tags":["nightly"],"tenants":["acme"],"keys":["a"]}"#,
            true,
        ),
        (r#"{"tags":["nightly"],"tenants":["other"]}"#, false),
    ] {
        assert_eq!(matches(&of(json)), expected, "{json}");
    }
}

#[test]
fn a_tenant_is_compared_whatever_is_in_its_name() {
    let odd = "a*:{x}\r\nFLUSHALL";
    let selector = Selector {
        tenants: vec![odd.to_owned()],
        ..Selector::default()
    };
    let of = |tenant: &str| Meta {
        tenant: Some(tenant.to_owned()),
        ..Meta::default()
    };
    let means = |meta: &Meta| {
        selector.matches(&Facts {
            id: &[0; 32],
            operation: Operation::Chat,
            stored_at: 0,
            meta,
        })
    };
    assert!(means(&of(odd)));
    assert!(!means(&of("a")) && !means(&of("aaa:{x}\r\nFLUSHALL")));
}

#[test]
fn only_digits_make_a_key() {
    for text in ["", "g", "0x", "ab*", &"a".repeat(65)] {
        assert_eq!(KeyPrefix::new(text), Err(NotAKey), "{text}");
    }
    assert_eq!(KeyPrefix::new("AB").unwrap().to_string(), "ab");
    assert_eq!(KeyPrefix::new("ab").unwrap().whole(), None);
    let id = [0x5A; 32];
    assert_eq!(Selector::key(&id).ids(), Some(vec![id]));
    assert_eq!(Selector::default().ids(), None);
}

proptest! {
    #[test]
    fn a_key_begins_with_each_beginning_of_its_digits(
        id in prop::array::uniform32(0..=255_u8), other in prop::array::uniform32(0..=255_u8), digits in 1..=64_usize,
    ) {
        let (text, beside) = (hex::encode(id), hex::encode(other));
        let prefix = KeyPrefix::new(text.get(..digits).unwrap()).unwrap();
        prop_assert!(prefix.begins(&id));
        prop_assert_eq!(prefix.begins(&other), text.get(..digits) == beside.get(..digits));
        prop_assert_eq!(prefix.whole(), (digits == 64).then_some(id));
    }

    #[test]
    fn another_member_never_makes_a_selector_mean_more(
        tag in prop::sample::select(vec!["nightly", "none"]),
        model in prop::sample::select(vec!["gpt-*", "claude-*"]),
        before in 0..2_000_u64,
    ) {
        let by_tag = Selector { tags: vec![tag.to_owned()], ..Selector::default() };
        let by_two = Selector { models: vec![Pattern::new(model)], ..by_tag.clone() };
        let by_three = Selector { created_before: Some(before), ..by_two.clone() };
        prop_assert!(matches(&by_tag) || !matches(&by_two));
        prop_assert!(matches(&by_two) || !matches(&by_three));
    }
}
