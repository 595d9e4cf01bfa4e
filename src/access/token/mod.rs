//! Tokens of an identity provider (JWT, RFC 7519) as identities in key mode.
//!
//! Which algorithm a token may be signed with is said by the key it is checked with,
//! never by the token. A token that was checked is remembered until it ends, so that a
//! request costs a digest; its time and its revocation are judged on each request.

mod claims;
mod key_set;
mod revoked;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{Validation, decode, decode_header};
use quick_cache::sync::Cache;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::{Denied, Rights, TokenFault};
use crate::backend::{Changes, Follower};
use crate::clock::{Clock, UnixMillis};
use crate::ledger::Caller;

pub use key_set::KeySetError;
pub use revoked::{KIND, Revocation};

use claims::Members;
use key_set::TokenKey;
use revoked::Revocations;

/// How many checked tokens are remembered. One forgotten is only checked again.
const REMEMBERED_MAX: usize = 10_000;

/// How many keys are tried on a token that does not say which it was signed with.
const TRIED_MAX: usize = 16;

/// How far the clocks of two machines may be apart.
const LEEWAY_MS: u64 = 30_000;

/// Which tokens are accepted.
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    /// The secret of tokens signed with HS256.
    pub secret: Option<SecretString>,
    /// Where the public keys of all others are.
    pub key_set: Option<KeySetSource>,
    /// Who must have issued them (`iss`); anybody who has the key where it is not said.
    pub issuer: Option<String>,
    /// Whom they must be meant for (`aud`); tokens for nobody in particular where it is
    /// not said.
    pub audience: Option<String>,
    /// The claim that names the tenant.
    pub tenant_claim: String,
}

/// Where a set of keys (RFC 7517) is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetSource {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(String),
}

/// A token that was checked.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whom it stands for.
    pub caller: Caller,
    /// What they may do.
    pub rights: Arc<Rights>,
    /// When it ends, leeway not counted.
    pub expires_at: UnixMillis,
    not_before: Option<UnixMillis>,
    /// The names it may be revoked under.
    names: Vec<String>,
}

/// Tells good tokens from others.
pub struct Tokens {
    options: TokenOptions,
    secret: Option<TokenKey>,
    /// The public keys; `None` before they have been read.
    public: ArcSwapOption<Vec<TokenKey>>,
    /// How often the public keys have changed.
    generation: AtomicU64,
    checked: Cache<[u8; 32], (u64, Arc<Token>)>,
    revocations: Revocations,
    unknown_key: Notify,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Tokens are checked as the options say. Their public keys are to be given with
    /// [`Tokens::set_keys`].
    pub fn new(options: TokenOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            secret: options.secret.as_ref().map(TokenKey::of_secret),
            options,
            public: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            checked: Cache::new(REMEMBERED_MAX),
            revocations: Revocations::default(),
            unknown_key: Notify::new(),
            clock,
        }
    }

    /// Whether a text may be a token: three parts with dots between them.
    pub fn may_be(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whether any token is accepted.
    pub const fn is_configured(&self) -> bool {
        self.secret.is_some() || self.options.key_set.is_some()
    }

    /// Takes public keys instead of those known. Returns how many can be used.
    ///
    /// # Errors
    /// If the text is no set of keys.
    pub fn set_keys(&self, text: &[u8]) -> Result<usize, KeySetError> {
        let keys = key_set::read(text)?;
        let count = keys.len();
        self.public.store(Some(Arc::new(keys)));
        // Whatever a key that is gone has signed is checked anew.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(count)
    }

    /// Waits until a token comes that was signed with a key that is not known.
    pub async fn unknown_key(&self) {
        self.unknown_key.notified().await;
    }

    /// Says whom a token stands for.
    ///
    /// # Errors
    /// If it is not accepted now.
    pub fn check(&self, text: &str) -> Result<Arc<Token>, Denied> {
        if !self.revocations.is_read() {
            return Err(Denied::NotReady);
        }
        self.accept(text).map_err(Denied::Token)
    }

    fn accept(&self, text: &str) -> Result<Arc<Token>, TokenFault> {
        let generation = self.generation.load(Ordering::Acquire);
        let digest: [u8; 32] = Sha256::digest(text).into();
        let known = self.checked.get(&digest);
        let known = known.filter(|(then, _)| *then == generation);
        let token = if let Some((_, token)) = known {
            token
        } else {
            let token = Arc::new(self.verify(text)?);
            let remembered = (generation, Arc::clone(&token));
            self.checked.insert(digest, remembered);
            token
        };
        let now = self.clock.unix_millis();
        if !token.is_good(now) {
            self.checked.remove(&digest);
            return Err(TokenFault::Time);
        }
        if self.revocations.has_any(&token.names) {
            return Err(TokenFault::Revoked);
        }
        Ok(token)
    }

    /// Checks who signed a token, and reads what it says.
    fn verify(&self, text: &str) -> Result<Token, TokenFault> {
        let header = decode_header(text).map_err(|_unreadable| TokenFault::Signature)?;
        // What must be understood (RFC 7515 §4.1.11) is not.
        if header.crit.is_some() {
            return Err(TokenFault::Signature);
        }
        let kid = header.kid.as_deref();
        let public = self.public.load();
        let mut keys = self
            .secret
            .iter()
            .chain(public.iter().flat_map(|all| &***all));
        let mut is_known = false;
        let mut validation = Validation::default();
        validation.required_spec_claims.clear();
        // What it says is judged by our own clock, behind this.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let fitting = keys.by_ref().filter(|key| key.fits(header.alg, kid));
        for key in fitting.take(TRIED_MAX) {
            is_known = true;
            validation.algorithms.clone_from(&key.algorithms);
            let Ok(signed) = decode::<Members>(text, &key.key, &validation) else {
                continue;
            };
            let (signed_part, _) = text.rsplit_once('.').unwrap_or((text, ""));
            return Token::read(&signed.claims, signed_part, &self.options);
        }
        if !is_known && self.options.key_set.is_some() {
            self.unknown_key.notify_one();
            if public.is_none() {
                return Err(TokenFault::NoKeys);
            }
        }
        Err(TokenFault::Signature)
    }

    /// What revokes a token that is good now.
    ///
    /// # Errors
    /// If it is not accepted anyway.
    pub fn revocation(&self, text: &str) -> Result<Revocation, TokenFault> {
        let token = self.accept(text)?;
        let name = token.names.first().ok_or(TokenFault::Signature)?;
        let until = token.expires_at.saturating_add(LEEWAY_MS);
        Ok(Revocation::of(name, until))
    }

    /// What revokes the token of an id (`jti`) that ends at this time.
    pub fn revocation_of_id(id: &str, expires_at: UnixMillis) -> Revocation {
        Revocation::of(
            &revoked::name_of_id(id),
            expires_at.saturating_add(LEEWAY_MS),
        )
    }
}

impl Token {
    fn is_good(&self, now: UnixMillis) -> bool {
        let has_begun = |begin: UnixMillis| begin <= now.saturating_add(LEEWAY_MS);
        now < self.expires_at.saturating_add(LEEWAY_MS) && self.not_before.is_none_or(has_begun)
    }
}

impl Follower for Tokens {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn follow(&self, changes: &Changes) {
        self.revocations.follow(changes, self.clock.unix_millis());
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
