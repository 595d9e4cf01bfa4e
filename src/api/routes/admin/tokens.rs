//! `POST /admin/v1/tokens/revoke`: a token that is not to be accepted any more.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::token::{self, Revocation};
use crate::access::{Role, Tokens};
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::inbound::{require_json, whole_body};
use crate::api::schema::ErrorEnvelope;
use crate::backend::{Change, Seen};
use crate::clock::{Clock as _, SystemClock};

/// The longest id of a token, in bytes.
const ID_BYTES_MAX: usize = 1024;

/// The furthest end of a token that is revoked by its id, in seconds from now.
const AHEAD_MAX: u64 = 10 * 366 * 24 * 60 * 60;

/// Which token: itself, or its id and its end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokedToken {
    /// The token.
    #[serde(default, deserialize_with = "unseen")]
    #[schema(value_type = Option<String>)]
    token: Option<SecretString>,
    /// Its id (`jti`), where the token is not at hand.
    jti: Option<String>,
    /// When it ends (`exp`), in seconds since 1970; needed with `jti`.
    expires_at: Option<u64>,
}

/// That a token is revoked.
#[derive(Debug, Serialize, ToSchema)]
struct TokenRevocation {
    /// Always `token.revocation`.
    #[schema(example = "token.revocation")]
    object: &'static str,
    /// What it is kept under: a digest.
    id: String,
    /// Until when it is kept, in seconds since 1970: the token has ended then.
    until: u64,
}

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(revoke_token))
}

/// Revokes a token (JWT) until it ends.
///
/// It is not accepted from now on, here at once and on every other instance within a
/// second. What is kept of it is a digest.
#[utoipa::path(
    post,
    path = "/admin/v1/tokens/revoke",
    operation_id = "revokeToken",
    tag = "Access",
    request_body = RevokedToken,
    responses(
        (status = 200, description = "It is revoked.", body = TokenRevocation),
        (status = 400, description = "The request is wrong, or the token is not accepted anyway.", body = ErrorEnvelope),
        (status = 401, description = "The admin key is missing or wrong.", body = ErrorEnvelope),
        (status = 403, description = "The role `manage_keys` is missing.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["manage_keys"])),
)]
async fn revoke_token(
    admin: Admin,
    State(state): State<ApiState>,
    request: Request,
) -> Result<Json<TokenRevocation>, ApiError> {
    admin.may(Role::ManageKeys)?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = whole_body(&parts.headers, body, &state.options).await?;
    // What serde says of a wrong body would quote from it.
    let said: RevokedToken = serde_json::from_slice(&body).map_err(|_quoting| {
        let wanted = "an object of `token`, or of `jti` and `expires_at`";
        ApiError::invalid(None, format!("the body must be {wanted}"))
    })?;
    let now = SystemClock.unix_millis();
    let revocation = said.read(&state.tokens, now / 1000)?;
    let change = Change {
        kind: token::KIND,
        id: revocation.name.clone(),
        seen: Seen::Anything,
        content: Some(revocation.content()),
        keep_for: Some(Duration::from_millis(revocation.until.saturating_sub(now))),
    };
    state.replica.change(change).await?;
    state
        .audit
        .note(admin.actor(), "token.revoke", &revocation.name);
    Ok(Json(TokenRevocation {
        object: "token.revocation",
        id: revocation.name,
        until: revocation.until / 1000,
    }))
}

impl RevokedToken {
    fn read(self, tokens: &Tokens, now: u64) -> Result<Revocation, ApiError> {
        match (self.token, self.jti, self.expires_at) {
            (Some(token), None, None) => {
                tokens.revocation(token.expose_secret()).map_err(|fault| {
                    let message = format!("`token` is not accepted anyway: {fault}");
                    ApiError::invalid(Some("token"), message)
                })
            }
            (None, Some(id), Some(end)) => {
                if id.is_empty() || ID_BYTES_MAX < id.len() {
                    let message = "`jti` must be a text of 1 to 1024 bytes".to_owned();
                    return Err(ApiError::invalid(Some("jti"), message));
                }
                if end <= now || AHEAD_MAX < end - now {
                    let message = "`expires_at` must be a second to come, in seconds since 1970, \
                                   within ten years"
                        .to_owned();
                    return Err(ApiError::invalid(Some("expires_at"), message));
                }
                Ok(Tokens::revocation_of_id(&id, end.saturating_mul(1000)))
            }
            (None, Some(_), None) => {
                let message = "`expires_at` is needed with `jti`".to_owned();
                Err(ApiError::invalid(Some("expires_at"), message))
            }
            (Some(_), _, _) | (None, None, _) => {
                let message = "say either `token`, or `jti` and `expires_at`".to_owned();
                Err(ApiError::invalid(Some("token"), message))
            }
        }
    }
}

/// A text that is a secret from the moment it is read.
fn unseen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(SecretString::from))
}
