//! Who may see and change what is the operator's: whoever brings the admin key.

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::ApiState;
use super::error::ApiError;
use crate::access::{Actor, Role};

/// Where the administration is. Nothing below is ever forwarded to a provider: the
/// admin key is none of its business.
pub(super) const PREFIX: &str = "/admin";

/// Somebody who may administer. A handler that takes one is closed to everybody else,
/// and asks first whether it [`Admin::may`].
#[derive(Clone, Debug)]
pub(super) struct Admin(Actor);

impl Admin {
    /// Who it is.
    pub(super) const fn actor(&self) -> &Actor {
        &self.0
    }

    /// Makes sure that what a role is for may be done.
    ///
    /// # Errors
    /// If it may not.
    pub(super) fn may(&self, role: Role) -> Result<(), ApiError> {
        if self.0.may(role) {
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
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ApiState,
    ) -> Result<Self, Self::Rejection> {
        let presented = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or(ApiError::AdminKeyMissing)?;
        if is_admin_key(state, presented) {
            Ok(Self(Actor::owner()))
        } else {
            Err(ApiError::AdminKeyWrong)
        }
    }
}

/// Whether a request brings the admin key.
pub(super) fn brings_admin_key(state: &ApiState, headers: &HeaderMap) -> bool {
    headers
        .get_all(AUTHORIZATION)
        .iter()
        .any(|presented| is_admin_key(state, presented))
}

fn is_admin_key(state: &ApiState, presented: &HeaderValue) -> bool {
    let key = presented.to_str().ok().and_then(bearer);
    key.is_some_and(|key| state.admin_key.is(key))
}

/// Whether a path is of the administration.
pub(super) fn is_below_prefix(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn the_administration_is_a_folder_not_a_beginning() {
        assert!(is_below_prefix("/admin") && is_below_prefix("/admin/v1/usage"));
        assert!(!is_below_prefix("/administer") && !is_below_prefix("/v1/admin"));
    }
}
