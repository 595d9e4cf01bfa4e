//! Whatever happens to an encrypted entry, it never becomes a wrong answer, and it tells
//! nothing of the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::entry::{Entry, Limits, Meta, OpenError, open, open_with, seal, seal_with};
use crate::key::Key;
use crate::vault::{DataKey, DataKeyId, DataKeys, MasterKey, Vault};
use crate::wire::Operation;

/// Digits of a hash compress to half their length, but are never found in the result.
const CANARY: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

#[derive(Debug)]
struct One(Arc<DataKey>);

impl DataKeys for One {
    fn data_key(&self, id: &DataKeyId) -> Option<Arc<DataKey>> {
        (self.0.id() == *id).then(|| Arc::clone(&self.0))
    }
}

fn one() -> One {
    let vault = Vault::new(vec![MasterKey::of(9, "a secret")]);
    let (id, sealed) = vault.make_data_key("acme").unwrap();
    One(Arc::new(vault.open_data_key("acme", id, &sealed).unwrap()))
}

fn entry(operation: Operation, body: &[u8]) -> Entry {
    Entry {
        operation,
        stored_at: 1_770_000_000_123,
        fresh_for: Duration::from_hours(1),
        meta: Meta {
            model: "gpt-4o-mini".to_owned(),
            status: 200,
            content_type: "application/json".to_owned(),
            tenant: Some("acme".to_owned()),
            ..Meta::default()
        },
        body: Bytes::copy_from_slice(body),
    }
}

fn answers() -> [Entry; 4] {
    let text = format!(r#"{{"choices":[{{"message":{{"content":"{CANARY}"}}}}]}}"#);
    let floats: Vec<u8> = (0..64_u32)
        .flat_map(|at| (0.01 + f64::from(at) / 999.0).to_le_bytes())
        .collect();
    [
        entry(Operation::Chat, text.as_bytes()),
        entry(Operation::Chat, b""),
        entry(Operation::Moderation, b"{}"),
        entry(Operation::Embedding, &floats),
    ]
}

fn with(sealed: &[u8], key: &Key, keys: &One) -> Result<Entry, OpenError> {
    open_with(sealed, key, keys, Limits::default())
}

#[test]
fn an_encrypted_entry_comes_back_as_it_was() {
    let (key, keys) = (Key::for_tests(1), one());
    for answer in answers() {
        let sealed = seal_with(&answer, &key, &keys.0).unwrap();
        assert_eq!(with(&sealed, &key, &keys), Ok(answer));
    }
}

#[test]
fn a_plain_entry_is_opened_beside_encrypted_ones() {
    let (key, keys) = (Key::for_tests(1), one());
    let [answer, ..] = answers();
    let sealed = seal(&answer, &key).unwrap();
    assert_eq!(with(&sealed, &key, &keys), Ok(answer));
}

#[test]
fn every_flipped_bit_is_an_error() {
    let (key, keys) = (Key::for_tests(1), one());
    for answer in answers() {
        let sealed = seal_with(&answer, &key, &keys.0).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(with(&flipped, &key, &keys).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_an_error() {
    let (key, keys) = (Key::for_tests(1), one());
    let [answer, ..] = answers();
    let sealed = seal_with(&answer, &key, &keys.0).unwrap();
    for length in 0..sealed.len() {
        assert!(with(&sealed[..length], &key, &keys).is_err(), "{length}");
    }
    let longer = [&sealed[..], b"\0"].concat();
    assert_eq!(with(&longer, &key, &keys), Err(OpenError::Mismatch));
}

#[test]
fn entries_that_changed_places_are_damage() {
    let (here, there) = (Key::for_tests(1), Key::for_tests(2));
    let keys = one();
    let [answer, ..] = answers();
    let sealed = seal_with(&answer, &here, &keys.0).unwrap();
    let error = with(&sealed, &there, &keys).unwrap_err();
    assert_eq!(error, OpenError::Mismatch);
    assert!(error.is_damage());
}

#[test]
fn parts_of_two_entries_of_one_key_make_none() {
    let (key, keys) = (Key::for_tests(1), one());
    let [answer, ..] = answers();
    let later = Entry {
        stored_at: answer.stored_at + 1,
        ..answer.clone()
    };
    let old = seal_with(&answer, &key, &keys.0).unwrap();
    let new = seal_with(&later, &key, &keys.0).unwrap();
    assert_eq!(old.len(), new.len());
    for cut in 1..old.len() {
        let mixed = [&old[..cut], &new[cut..]].concat();
        if mixed != old && mixed != new {
            assert!(with(&mixed, &key, &keys).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn an_entry_under_an_unknown_key_is_left_alone() {
    let key = Key::for_tests(1);
    let [answer, ..] = answers();
    let sealed = seal_with(&answer, &key, &one().0).unwrap();
    for error in [
        with(&sealed, &key, &one()).unwrap_err(),
        open(&sealed, &key, Limits::default()).unwrap_err(),
    ] {
        assert_eq!(error, OpenError::UnknownKey);
        assert!(!error.is_damage());
    }
}

#[test]
fn nothing_of_an_answer_is_in_its_encrypted_form() {
    let (key, keys) = (Key::for_tests(1), one());
    let [answer, ..] = answers();
    let plain = |sealed: &[u8]| {
        let words = CANARY.as_bytes().windows(8);
        words
            .filter(|word| sealed.windows(8).any(|part| part == *word))
            .count()
    };
    assert!(plain(&answer.body) > 50);
    assert_eq!(plain(&seal_with(&answer, &key, &keys.0).unwrap()), 0);
}
