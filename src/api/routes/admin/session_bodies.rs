//! What is told of sessions, and what is asked of them.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::session::{Opened, Session, SessionRecord, Signed};
use crate::api::error::ApiError;

/// The longest label, in letters.
const LABEL_MAX: usize = 100;

/// What a session is to be called.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    /// What people call it: at most 100 letters.
    #[schema(example = "the laptop in the hall")]
    pub(super) label: Option<String>,
}

impl SessionRequest {
    /// Reads a body, which may be empty, or `null`.
    pub(super) fn read(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let asked: Option<Self> = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(None, format!("the body: {error}")))?;
        let asked = asked.unwrap_or_default();
        let is_long = |label: &String| label.chars().count() > LABEL_MAX;
        if asked.label.as_ref().is_some_and(is_long) {
            let message = format!("`label` has more than {LABEL_MAX} letters");
            return Err(ApiError::invalid(Some("label"), message));
        }
        Ok(asked)
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionInfo {
    /// Always `session`.
    #[schema(example = "session")]
    object: &'static str,
    /// Its id.
    #[schema(example = "ses_0123456789abcdef")]
    id: String,
    /// Who opened it: `owner`, or the id of a key.
    #[schema(example = "owner")]
    actor: String,
    /// What it may do now.
    #[schema(example = json!(["owner"]))]
    roles: Vec<&'static str>,
    /// What people call it.
    label: Option<String>,
    /// When it was opened, in seconds since the Unix epoch.
    created_at: u64,
    /// When it was last used, to the minute, in seconds since the Unix epoch.
    last_used_at: u64,
    /// When it ends, in seconds since the Unix epoch.
    expires_at: u64,
    /// The beginning of what the browser said it is.
    user_agent: Option<String>,
    /// Whether it is the one this request came with.
    current: bool,
}

/// Sessions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The sessions.
    data: Vec<SessionInfo>,
}

/// A session that was opened just now.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedSession {
    /// The session.
    #[serde(flatten)]
    session: SessionInfo,
    /// What it is used with, as `Authorization: Bearer …`. It is told this once.
    token: String,
    /// What a request that is signed with the cookie and changes anything must have in
    /// `x-csrf-token`.
    csrf_token: String,
}

/// The session this request came with.
#[derive(Serialize, ToSchema)]
pub(super) struct CurrentSession {
    /// The session.
    #[serde(flatten)]
    session: SessionInfo,
    /// What a request that is signed with the cookie and changes anything must have in
    /// `x-csrf-token`.
    csrf_token: String,
}

/// How many sessions were closed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokedSessions {
    /// Always `sessions_revoked`.
    #[schema(example = "sessions_revoked")]
    object: &'static str,
    /// How many.
    #[schema(example = 2)]
    revoked: usize,
}

impl SessionInfo {
    fn of(record: &SessionRecord, used_at: u64, roles: Vec<&'static str>) -> Self {
        Self {
            object: "session",
            id: record.id.clone(),
            actor: record.opener.actor_id().to_owned(),
            roles,
            label: record.label.clone(),
            created_at: record.created_at / 1000,
            last_used_at: used_at / 1000,
            expires_at: record.expires_at / 1000,
            user_agent: record.user_agent.clone(),
            current: false,
        }
    }
}

impl SessionList {
    pub(super) fn of(signed: &[Signed], current: Option<&str>) -> Self {
        let info = |one: &Signed| {
            let Session { record, .. } = &*one.session;
            let roles = one.actor.roles.iter().map(|role| role.as_str()).collect();
            let info = SessionInfo::of(record, one.session.used_at(), roles);
            SessionInfo {
                current: current == Some(record.id.as_str()),
                ..info
            }
        };
        Self {
            object: "list",
            data: signed.iter().map(info).collect(),
        }
    }
}

impl OpenedSession {
    pub(super) fn of(opened: &Opened, roles: Vec<&'static str>) -> Self {
        let record = &opened.record;
        Self {
            session: SessionInfo::of(record, record.used_at, roles),
            token: opened.token.expose_secret().to_owned(),
            csrf_token: opened.csrf.expose_secret().to_owned(),
        }
    }
}

impl CurrentSession {
    pub(super) fn of(session: &Session, roles: Vec<&'static str>, csrf: &SecretString) -> Self {
        let info = SessionInfo::of(&session.record, session.used_at(), roles);
        Self {
            session: SessionInfo {
                current: true,
                ..info
            },
            csrf_token: csrf.expose_secret().to_owned(),
        }
    }
}

impl RevokedSessions {
    pub(super) const fn of(revoked: usize) -> Self {
        Self {
            object: "sessions_revoked",
            revoked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_left_out_or_null() {
        for body in ["", " ", "null", "{}", r#"{"label":null}"#] {
            let asked = SessionRequest::read(body.as_bytes());
            assert!(
                matches!(asked, Ok(asked) if asked.label.is_none()),
                "{body}"
            );
        }
        let asked = SessionRequest::read(br#"{"label":"hall"}"#);
        assert!(matches!(asked, Ok(asked) if asked.label.as_deref() == Some("hall")));
        for body in ["[]", "1", r#"{"lable":"hall"}"#] {
            assert!(SessionRequest::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
