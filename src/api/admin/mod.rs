//! Who may see and change what is the operator's: whoever brings the admin key, a key
//! that was given a role, or a session opened with one of them.
//!
//! A handler of the administration takes an [`Admin`] before anything else and asks at
//! once what it [`Admin::may`], so that a stranger learns nothing of what a request
//! means here.

mod cookie;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use secrecy::SecretString;

use super::ApiState;
use super::error::ApiError;
use super::layers::RequestId;
use super::peer::Peer;
use crate::access::session::{self, Session, Signed};
use crate::access::{Actor, AdminKey, Keyring, Role, SessionDesk, keyring, presented};
use crate::clock::{Clock as _, SystemClock};

pub(super) use cookie::{clearing, is_https, setting, strip};

/// Where the administration is. Nothing below is ever forwarded to a provider: what
/// opens it is none of its business.
pub(super) const PREFIX: &str = "/admin";

/// What made admin keys begin with.
const ADMIN_KEY_PREFIX: &str = "rk-admin-";

/// How much of what a browser says it is is worth keeping, in bytes.
const USER_AGENT_MAX: usize = 200;

/// Somebody who may administer. A handler that takes one is closed to everybody else,
/// and asks first whether it [`Admin::may`].
#[derive(Clone, Debug)]
pub(super) struct Admin {
    actor: Actor,
    session: Option<Held>,
}

/// The session a request came with.
#[derive(Clone, Debug)]
struct Held {
    session: Arc<Session>,
    token: SecretString,
}

impl Admin {
    /// Who it is.
    pub(super) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The session it came with, and the token of that.
    pub(super) fn session(&self) -> Option<(&Session, &SecretString)> {
        self.session
            .as_ref()
            .map(|held| (&*held.session, &held.token))
    }

    /// Makes sure that what a role is for may be done.
    ///
    /// # Errors
    /// If it may not.
    pub(super) fn may(&self, role: Role) -> Result<(), ApiError> {
        if self.actor.may(role) {
            Ok(())
        } else {
            tracing::debug!(
                actor = self.actor().id,
                role = role.as_str(),
                "a role is missing"
            );
            Err(ApiError::RoleMissing(role))
        }
    }

    fn of_bearer(doors: &Doors<'_>, token: &str) -> Result<Self, ApiError> {
        if doors.admin_key.is(token) {
            return Ok(Self::of_key(Actor::owner()));
        }
        if let Some(signed) = doors.sessions.find(token) {
            return Ok(Self::of_session(signed, token));
        }
        let now = SystemClock.unix_millis();
        let key = doors.keyring.find(token).filter(|key| key.is_good(now));
        let key = key.ok_or(ApiError::AdminKeyWrong)?;
        if key.roles.is_empty() {
            return Err(ApiError::NoRole);
        }
        Ok(Self::of_key(Actor::of_key(&key)))
    }

    /// A browser sends its cookies whoever made the page: what changes anything must
    /// also bring what only a page of ours can know.
    fn of_cookie(doors: &Doors<'_>, token: &str, parts: &Parts) -> Result<Self, ApiError> {
        let signed = doors.sessions.find(token).ok_or(ApiError::AdminKeyWrong)?;
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        if changes && !(is_same_origin(&parts.headers) && brings_csrf(&parts.headers, token)) {
            return Err(ApiError::Forged);
        }
        Ok(Self::of_session(signed, token))
    }

    const fn of_key(actor: Actor) -> Self {
        Self {
            actor,
            session: None,
        }
    }

    fn of_session(Signed { session, actor }: Signed, token: &str) -> Self {
        let token = token.into();
        Self {
            actor,
            session: Some(Held { session, token }),
        }
    }
}

/// What the administration can be opened with.
struct Doors<'a> {
    admin_key: &'a AdminKey,
    sessions: &'a SessionDesk,
    keyring: &'a Keyring,
}

impl Doors<'_> {
    fn admit(&self, parts: &Parts) -> Result<Admin, ApiError> {
        if let Some(presented) = parts.headers.get(AUTHORIZATION) {
            let token = presented.to_str().ok().and_then(bearer);
            return Admin::of_bearer(self, token.ok_or(ApiError::AdminKeyWrong)?);
        }
        let token = cookie::token(&parts.headers);
        Admin::of_cookie(self, token.ok_or(ApiError::AdminKeyMissing)?, parts)
    }
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ApiState,
    ) -> Result<Self, Self::Rejection> {
        let doors = Doors {
            admin_key: &state.admin_key,
            sessions: &state.sessions,
            keyring: &state.keyring,
        };
        let mut admin = doors.admit(parts)?;
        let id = parts.extensions.get::<RequestId>();
        admin.actor.origin.request = id.map(|id| id.0.clone());
        let peer = parts.extensions.get::<Peer>();
        admin.actor.origin.peer = peer.map(|peer| peer.0.to_string());
        Ok(admin)
    }
}

/// Whether a request brings what opens this server's administration, and is therefore
/// not the provider's to see.
pub(super) fn brings_admin_key(state: &ApiState, headers: &HeaderMap) -> bool {
    let opens = |presented: &HeaderValue| {
        let token = presented.to_str().ok().and_then(bearer);
        token.is_some_and(|token| is_ours(token) || state.admin_key.is(token))
    };
    // Without an authorization a cookie is what the request is signed with.
    headers.get_all(AUTHORIZATION).iter().any(opens)
        || (!headers.contains_key(AUTHORIZATION) && cookie::token(headers).is_some())
}

/// Whether a request brings what can only be meant for the administration: a session's
/// token or a made admin key. Elsewhere such a request goes nowhere.
pub(super) fn is_astray(headers: &HeaderMap) -> bool {
    presented(headers).is_some_and(|token| {
        token.starts_with(session::PREFIX) || token.starts_with(ADMIN_KEY_PREFIX)
    })
}

/// Whether a token is one that this server makes.
fn is_ours(token: &str) -> bool {
    [session::PREFIX, ADMIN_KEY_PREFIX, keyring::PREFIX]
        .iter()
        .any(|prefix| token.starts_with(prefix))
}

/// Whether a path is of the administration.
pub(super) fn is_below_prefix(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The beginning of what a client says it is.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(USER_AGENT)?.to_str().ok()?;
    // Only visible ASCII is left by now, so every place is the end of a letter.
    Some(said.chars().take(USER_AGENT_MAX).collect())
}

/// Whether the word against forgery is the one of the session.
fn brings_csrf(headers: &HeaderMap, token: &str) -> bool {
    headers
        .get("x-csrf-token")
        .is_some_and(|word| session::is_csrf(token, word.as_bytes()))
}

/// Whether a page of this very origin made the request, as the browser says: in
/// `Sec-Fetch-Site` (Fetch Metadata), else in `Origin`, which must name our host.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text("origin"), text("host")) else {
        return false;
    };
    origin
        .split_once("://")
        .is_some_and(|(_scheme, of)| of.eq_ignore_ascii_case(host))
}

/// The token of `Bearer` credentials (RFC 6750 §2.1); the scheme's case does not
/// count (RFC 9110 §11.1).
fn bearer(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests;
