//! `GET /admin/v1/audit`: who did what.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::described::AuditQuery;
use crate::access::Role;
use crate::access::audit::{Act, Wanted};
use crate::api::ApiState;
use crate::api::admin::Admin;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::schema::ErrorEnvelope;

/// How many acts are told where nothing is said, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(audit))
}

/// Acts of the administration, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct ActList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The acts.
    data: Vec<ActInfo>,
    /// Whether there are older ones.
    has_more: bool,
}

/// An act of the administration.
#[derive(Debug, Serialize, ToSchema)]
struct ActInfo {
    /// Always `act`.
    #[schema(example = "act")]
    object: &'static str,
    /// Its id; ids are in the order of time.
    #[schema(example = "1763721826123-000000-0a1b2c3d")]
    id: String,
    /// When, in milliseconds since the Unix epoch.
    #[schema(example = 1_763_721_826_123_u64)]
    time: u64,
    /// Who did it: `owner`, or the id of a key.
    #[schema(example = "owner")]
    actor: String,
    /// The session that was used; null if it was the key itself.
    session: Option<String>,
    /// The id of the request.
    request_id: Option<String>,
    /// The address it came from; null if it is not known.
    peer: Option<String>,
    /// What was done.
    #[schema(example = "session.open")]
    act: String,
    /// To what.
    #[schema(example = "ses_0123456789abcdef")]
    subject: String,
}

/// Tells who did what in the administration.
///
/// Acts are kept for 400 days, the last ten thousand of them; all are read for each page.
/// That somebody reads them is an act itself, noted once an hour.
#[utoipa::path(
    get,
    path = "/admin/v1/audit",
    operation_id = "listActs",
    tag = "Administration",
    params(AuditQuery),
    responses(
        (status = 200, description = "The acts.", body = ActList),
        (status = 400, description = "A parameter means nothing; `param` names it.", body = ErrorEnvelope),
        (status = 401, description = "The credentials are missing or not good.", body = ErrorEnvelope),
        (status = 403, description = "The role `owner` is missing.", body = ErrorEnvelope),
        (status = 503, description = "The store cannot be reached.", body = ErrorEnvelope),
    ),
    security(("admin_key" = ["owner"])),
)]
async fn audit(
    admin: Admin,
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<ActList>, ApiError> {
    admin.may(Role::Owner)?;
    let wanted = format!("a number from 1 to {LIMIT_MAX}");
    let limit = parameters.read("limit", &wanted, |text| {
        let limit = text.parse().ok()?;
        (1..=LIMIT_MAX).contains(&limit).then_some(limit)
    })?;
    let text = |name| Ok::<_, ApiError>(parameters.one(name)?.map(str::to_owned));
    let wanted = Wanted {
        actor: text("actor")?,
        act: text("act")?,
        before: text("before")?,
        limit: limit.unwrap_or(LIMIT),
    };
    let acts = state.audit.read(admin.actor(), &wanted).await?;
    Ok(Json(ActList {
        object: "list",
        data: acts.acts.into_iter().map(ActInfo::from).collect(),
        has_more: acts.has_more,
    }))
}

impl From<Act> for ActInfo {
    fn from(act: Act) -> Self {
        Self {
            object: "act",
            id: act.id,
            time: act.at,
            actor: act.actor,
            session: act.session,
            request_id: act.request,
            peer: act.peer,
            act: act.act,
            subject: act.subject,
        }
    }
}
