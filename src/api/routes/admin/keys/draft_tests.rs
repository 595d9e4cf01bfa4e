//! What may be said of a key.

use serde_json::{Value, json};

use super::*;
use crate::access::Isolation;

const NOW: UnixMillis = 1_800_000_000_000;

fn draft(said: &Value) -> Result<Draft, ApiError> {
    Draft::new(said.as_object().unwrap().clone(), NOW)
}

fn record(draft: Draft) -> KeyRecord {
    let vault = crate::vault::Vault::new(vec![crate::vault::MasterKey::of(1, "s")]);
    let made = crate::access::Keyring::new(&vault).make().unwrap();
    KeyRecord {
        id: made.id,
        name: draft.name,
        tenant: draft.tenant,
        digest: made.digest,
        prefix: made.prefix,
        last4: made.last4,
        created_at: NOW,
        expires_at: draft.expires_at,
        disabled: draft.disabled,
        roles: draft.roles,
        rights: draft.rights.into(),
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_its_name() {
    for (member, value, param) in [
        ("name", json!(""), "name"),
        ("name", json!("x".repeat(129)), "name"),
        ("tenant", json!(null), "tenant"),
        ("tenant", json!("a*:{x}\r\nFLUSHALL"), "tenant"),
        ("tenant", json!(1), "tenant"),
        ("expires_at", json!(1_700_000_000), "expires_at"),
        ("expires_at", json!("tomorrow"), "expires_at"),
        ("expires_in_seconds", json!(0), "expires_in_seconds"),
        ("expires_in_seconds", json!(u64::MAX), "expires_in_seconds"),
        ("roles", json!(["emperor"]), "roles"),
        ("colour", json!("red"), "colour"),
    ] {
        refuses(member, &value, param);
    }
}

fn refuses(member: &str, value: &Value, param: &str) {
    let mut said = json!({"name": "n", "tenant": "t"});
    said[member] = value.clone();
    let refused = draft(&said).unwrap_err();
    assert_eq!(refused.param(), Some(param), "{member} {value}: {refused}");
}

#[test]
fn rights_that_make_no_sense_are_refused_by_their_name() {
    for (member, value, param) in [
        ("rights", json!([]), "rights"),
        ("rights", json!({"model": []}), "rights.model"),
        ("rights", json!({"models": [""]}), "rights.models"),
        ("rights", json!({"models": "gpt"}), "rights.models"),
        (
            "rights",
            json!({"operations": ["sing"]}),
            "rights.operations",
        ),
        ("rights", json!({"tags": ["a,b"]}), "rights.tags"),
        (
            "rights",
            json!({"isolation": {"shared": ""}}),
            "rights.isolation",
        ),
        (
            "rights",
            json!({"isolation": "everybody"}),
            "rights.isolation",
        ),
        ("rights", json!({"namespaces": "yes"}), "rights.namespaces"),
        (
            "rights",
            json!({"directives": {"ttl": 1}}),
            "rights.directives",
        ),
        (
            "rights",
            json!({"directives": {"ttl_seconds": 2, "ttl_max_seconds": 1}}),
            "rights.directives.ttl_seconds",
        ),
        ("rights", json!({"preferences": []}), "rights.preferences"),
        (
            "rights",
            json!({"preferences": {"stream": true}}),
            "rights.preferences.stream",
        ),
        (
            "rights",
            json!({"preferences": {"a\"b": 1}}),
            "rights.preferences.a\"b",
        ),
        (
            "rights",
            json!({"preferences": {"base_url": "x"}}),
            "rights.preferences.base_url",
        ),
        (
            "rights",
            json!({"allowance": {"budget": {"day_usd": -1}}}),
            "rights.allowance.budget.day_usd",
        ),
        (
            "rights",
            json!({"allowance": {"budget": {"warn_at": 2}}}),
            "rights.allowance.budget.warn_at",
        ),
        (
            "rights",
            json!({"allowance": {"concurrent": -1}}),
            "rights.allowance",
        ),
    ] {
        refuses(member, &value, param);
    }
}

#[test]
fn a_tenant_is_opaque_text() {
    for tenant in [
        "a*:{x}", "FLUSHALL", "ünï", "a b", "*", "{", "a/../b", "\"'",
    ] {
        let draft = draft(&json!({"name": "n", "tenant": tenant})).unwrap();
        assert_eq!(draft.tenant, tenant);
    }
}

#[test]
fn a_change_is_merged_and_null_takes_back() {
    let made = draft(&json!({
        "name": "n", "tenant": "t", "expires_in_seconds": 60, "roles": ["read_usage"],
        "rights": {
            "models": ["a"], "isolation": {"shared": "s"},
            "preferences": {"temperature": 0, "seed": 1},
            "directives": {"refresh": false},
        },
    }))
    .unwrap();
    assert_eq!(made.expires_at, Some(NOW + 60_000));
    let old = record(made);
    let same = Draft::changed(&old, Map::new(), NOW).unwrap();
    assert_eq!((&same.rights, &same.roles), (&*old.rights, &old.roles));
    let change = json!({
        "name": "m", "expires_at": null, "disabled": true,
        "rights": {
            "models": null, "isolation": "key",
            "preferences": {"seed": null, "top_p": 1},
            "directives": {"extend": false},
        },
    });
    let new = Draft::changed(&old, change.as_object().unwrap().clone(), NOW).unwrap();
    assert_eq!((new.name.as_str(), new.tenant.as_str()), ("m", "t"));
    assert_eq!((new.expires_at, new.disabled), (None, true));
    assert_eq!(
        (new.rights.models, new.rights.isolation),
        (None, Isolation::Key)
    );
    let names: Vec<_> = new.rights.preferences.keys().map(String::as_str).collect();
    assert_eq!(names, ["temperature", "top_p"]);
    assert!(!new.rights.directives.refresh && !new.rights.directives.extend);
    for nothing in ["name", "tenant"] {
        let change = json!({nothing: null});
        assert!(Draft::changed(&old, change.as_object().unwrap().clone(), NOW).is_err());
    }
}

#[test]
fn a_key_that_has_ended_can_still_be_changed() {
    let made = draft(&json!({"name": "n", "tenant": "t", "expires_in_seconds": 1})).unwrap();
    let old = record(made);
    let said = json!({"disabled": true});
    assert!(Draft::changed(&old, said.as_object().unwrap().clone(), NOW + 5_000).is_ok());
}
