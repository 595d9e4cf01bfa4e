//! Who may come in, and what secrets at rest are sealed with.

use secrecy::SecretString;

use super::read::Reader;
use crate::access::{AccessMode, AccessOptions, KeySetSource, TokenOptions};
use crate::upstream::Url;
use crate::vault::MasterKey;

/// The shortest secret of a master key, in bytes: 128 bits as hexadecimal digits.
const MASTER_SECRET_BYTES_MIN: usize = 32;

/// The shortest secret of tokens (RFC 7518 §3.2), in bytes.
const TOKEN_SECRET_BYTES_MIN: usize = 32;

pub(super) fn access(reader: &mut Reader<'_>) -> AccessOptions {
    let wanted = "pass-through or keys";
    let mode = reader.value("access", wanted, AccessMode::default(), |text| match text {
        "pass-through" => Some(AccessMode::PassThrough),
        "keys" => Some(AccessMode::Keys),
        _ => None,
    });
    AccessOptions {
        mode,
        tokens: tokens(reader),
        credential_ttl: reader.duration("credential_ttl"),
        credential_grace: reader.duration("credential_grace"),
        admin_key: reader.credential("admin_key"),
    }
}

fn tokens(reader: &mut Reader<'_>) -> TokenOptions {
    let wanted = "at least 32 characters: the strength of tokens is the secret's own";
    let secret = reader.value("jwt_secret", wanted, None, |text| {
        (TOKEN_SECRET_BYTES_MIN <= text.len()).then(|| Some(SecretString::from(text)))
    });
    let wanted = "a file, or a URL such as https://login.example.com/.well-known/jwks.json";
    let key_set = reader.value("jwt_jwks", wanted, None, |text| {
        if !text.contains("://") {
            return Some(Some(KeySetSource::File(text.into())));
        }
        let url: Url = text.parse().ok()?;
        let is_sound = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_sound.then(|| Some(KeySetSource::Url(text.to_owned())))
    });
    TokenOptions {
        secret,
        key_set,
        issuer: reader.text("jwt_issuer"),
        audience: reader.text("jwt_audience"),
        tenant_claim: reader.text("jwt_tenant_claim").unwrap_or_default(),
    }
}

/// The names the administration is answered under.
pub(super) fn admin_hosts(reader: &mut Reader<'_>) -> Vec<String> {
    let wanted = "host names without ports, several with commas between them, such as \
                  reprise.example.com";
    reader.value("admin_hosts", wanted, Vec::new(), |text| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let names = text.split(',').map(|name| {
            let name = name.trim().trim_end_matches('.');
            let is_name = !name.is_empty() && name.bytes().all(is_plain);
            is_name.then(|| name.to_ascii_lowercase())
        });
        names.collect()
    })
}

pub(super) fn master_keys(reader: &mut Reader<'_>) -> Vec<MasterKey> {
    let wanted = "number:secret, several with commas between them, each with a number of its own \
                  from 1 to 255 and a secret of at least 32 characters without commas";
    reader.value("master_keys", wanted, Vec::new(), |text| {
        let mut keys: Vec<MasterKey> = Vec::new();
        for part in text.split(',') {
            let (id, secret) = part.trim().split_once(':')?;
            let id: u8 = id.parse().ok().filter(|id| *id > 0)?;
            let is_known = keys.iter().any(|key| key.id == id);
            if is_known || secret.len() < MASTER_SECRET_BYTES_MIN {
                return None;
            }
            keys.push(MasterKey::of(id, secret));
        }
        Some(keys)
    })
}
