//! Reading what a sealed entry says of itself, without its key.

use std::time::Duration;

use super::header::Header;
use super::{OpenError, Peeked};
use crate::wire::Operation;

/// Reads head and metadata of a sealed entry, or of as much of its beginning.
///
/// Nothing of it is checked: the check needs the proof, which only who asks the
/// question has. So this is for listing and removing, where the worst a forged entry
/// can do is to be removed, and never for answering.
///
/// # Errors
/// If the bytes are not the beginning of an entry of this version.
pub fn inspect(head: &[u8]) -> Result<Peeked, OpenError> {
    let (header, rest) = Header::read(head)?;
    let meta = rest
        .get(..usize::from(header.meta_len))
        .ok_or(OpenError::Foreign)?;
    Ok(Peeked {
        operation: Operation::from_code(header.kind).ok_or(OpenError::Unsupported)?,
        stored_at: header.stored_at,
        fresh_for: Duration::from_millis(header.fresh_millis),
        meta: minicbor::decode(meta).map_err(|_cbor| OpenError::Undecodable)?,
        body_bytes: header.plain_len,
    })
}

/// How many bytes of a sealed entry [`inspect`] needs; `None` if the beginning given is
/// too short to tell, or is of something else.
pub fn inspected_bytes(head: &[u8]) -> Option<usize> {
    let (header, rest) = Header::read(head).ok()?;
    Some(head.len() - rest.len() + usize::from(header.meta_len))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::{Entry, Meta, peek, seal};
    use crate::key::Key;

    fn sealed(key: &Key) -> Vec<u8> {
        let entry = Entry {
            operation: Operation::Chat,
            stored_at: 5,
            fresh_for: Duration::from_secs(3),
            meta: Meta {
                model: "m".to_owned(),
                tags: vec!["a".to_owned()],
                tenant: Some("t".to_owned()),
                generation: 7,
                ..Meta::default()
            },
            body: Bytes::from_static(b"{}"),
        };
        seal(&entry, key).unwrap()
    }

    #[test]
    fn it_tells_what_peeking_tells_and_needs_only_the_beginning() {
        let key = Key::for_tests(1);
        let sealed = sealed(&key);
        let needed = inspected_bytes(&sealed).unwrap();
        assert!(needed < sealed.len());
        let peeked = peek(&sealed, &key).unwrap();
        assert_eq!(inspect(&sealed), Ok(peeked.clone()));
        assert_eq!(inspect(&sealed[..needed]), Ok(peeked));
    }

    #[test]
    fn what_is_cut_or_foreign_is_an_error_and_no_panic() {
        let sealed = sealed(&Key::for_tests(1));
        let needed = inspected_bytes(&sealed).unwrap();
        for cut in 0..needed {
            assert!(inspect(&sealed[..cut]).is_err(), "{cut}");
        }
        assert!(inspect(b"something else altogether, and long").is_err());
        for at in 0..needed {
            let mut bent = sealed.clone();
            bent[at] ^= 0xFF;
            drop(inspect(&bent));
        }
    }
}
