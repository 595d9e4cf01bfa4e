//! What a token says, and what of it counts (RFC 7519 §4).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Token, TokenOptions, revoked};
use crate::access::{Pattern, Rights, TokenFault, is_name};
use crate::clock::UnixMillis;
use crate::ledger::Caller;

/// The claims of a token.
pub(super) type Members = serde_json::Map<String, Value>;

/// The claim in which an issuer holds a token to less.
const NARROWING: &str = "reprise";

/// The longest subject that is shown as it is.
const SUBJECT_BYTES_MAX: usize = 64;

/// To what an issuer holds a token. More rights than all it cannot give.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Narrowing {
    models: Option<Vec<Pattern>>,
    operations: Option<BTreeSet<String>>,
}

impl Token {
    /// Reads the claims of a token whose signature fits. `signed` is what was signed.
    pub(super) fn read(
        claims: &Members,
        signed: &str,
        options: &TokenOptions,
    ) -> Result<Self, TokenFault> {
        judge_parties(claims, options)?;
        let expires_at = moment(claims, "exp")?.ok_or(TokenFault::Endless)?;
        let subject = text(claims, "sub").ok_or(TokenFault::Subject)?;
        let tenant = text(claims, &options.tenant_claim).filter(|tenant| is_name(tenant));
        let tenant = tenant.ok_or(TokenFault::Subject)?;
        let narrowing = match claims.get(NARROWING) {
            None => Narrowing::default(),
            Some(said) => Narrowing::deserialize(said).map_err(|_unknown| TokenFault::Narrowing)?,
        };
        let mut names = vec![revoked::name_of_signed(signed)];
        names.extend(text(claims, "jti").map(revoked::name_of_id));
        Ok(Self {
            caller: Caller {
                key: key_of(subject).into(),
                tenant: tenant.into(),
            },
            rights: Arc::new(Rights {
                models: narrowing.models,
                operations: narrowing.operations,
                ..Rights::default()
            }),
            expires_at,
            not_before: moment(claims, "nbf")?,
            names,
        })
    }
}

/// Who issued it, and whom it is meant for. A token that is meant for somebody is
/// refused by whoever does not know to be it (RFC 7519 §4.1.3).
fn judge_parties(claims: &Members, options: &TokenOptions) -> Result<(), TokenFault> {
    let issuer = options.issuer.as_deref();
    if issuer.is_some() && issuer != claims.get("iss").and_then(Value::as_str) {
        return Err(TokenFault::Audience);
    }
    let own = options.audience.as_deref();
    let is_meant = match claims.get("aud") {
        None => own.is_none(),
        Some(Value::Array(all)) => {
            let mut all = all.iter();
            own.is_some() && all.any(|one| one.as_str() == own)
        }
        Some(one) => own.is_some() && one.as_str() == own,
    };
    if is_meant {
        Ok(())
    } else {
        Err(TokenFault::Audience)
    }
}

/// A time: seconds since 1970, with or without a fraction (RFC 7519 §2).
fn moment(claims: &Members, name: &str) -> Result<Option<UnixMillis>, TokenFault> {
    let Some(said) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = said.as_f64().filter(|seconds| *seconds >= 0.0);
    let seconds = seconds.ok_or(TokenFault::Time)?;
    let since = std::time::Duration::try_from_secs_f64(seconds);
    let millis = since.map_or(u128::MAX, |since| since.as_millis());
    Ok(Some(
        UnixMillis::try_from(millis).unwrap_or(UnixMillis::MAX),
    ))
}

fn text<'a>(claims: &'a Members, name: &str) -> Option<&'a str> {
    let text = claims.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The name a subject is counted under: itself, or a digest of one that is long or odd.
fn key_of(subject: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@|:".contains(&byte);
    if subject.len() <= SUBJECT_BYTES_MAX && subject.bytes().all(is_plain) {
        return format!("jwt_{subject}");
    }
    let digest = hex::encode(Sha256::digest(subject));
    // No plain subject has a tilde in it.
    format!("jwt_~{}", digest.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_shown_as_it_is_or_as_a_digest_that_no_other_can_be() {
        assert_eq!(key_of("auth0|u-1@example.com"), "jwt_auth0|u-1@example.com");
        let long = "x".repeat(65);
        for odd in ["a b", "a,b", "ü", "a\n", "~0123456789abcdef", long.as_str()] {
            let name = key_of(odd);
            assert!(name.starts_with("jwt_~") && name.len() == 21, "{name}");
        }
        assert_ne!(key_of("a b"), key_of("a c"));
    }
}
