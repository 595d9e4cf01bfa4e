//! Between admitting and identifying: what the caller's key fills in, whether it may
//! ask for the model, and which provider answers for that.
//!
//! Where nothing of this is configured, which is the rule, the request is not looked at.

use std::sync::Arc;

use bytes::Bytes;

use super::{Admitted, Proxy};
use crate::access::{Denied, Rights, foreign};
use crate::wire::json;
use crate::wire::json::members::MembersReader;
use crate::wire::json::span::ObjectSpan;

/// Where the description of one model is.
const MODELS: &str = "/models/";

impl Proxy {
    /// Makes a request ready to be identified, and gives its body as it is asked.
    ///
    /// # Errors
    /// If the caller may not ask this.
    pub(super) fn prepare(&self, admitted: &mut Admitted, body: Bytes) -> Result<Bytes, Denied> {
        let rights = Arc::clone(&admitted.principal.rights);
        let mut body = body;
        if admitted.principal.is_ours {
            refuse_foreign(&body)?;
            body = with_preferences(&rights, body);
            if rights.models.is_some() {
                judge_models(&rights, &admitted.asked.path_and_query, &body)?;
            }
        }
        if !self.upstreams.is_single()
            && let Some(model) = model_of(&body)
        {
            let route = self.upstreams.route(&model, admitted.credential());
            if let Some(name) = route.model {
                body = with_model(&name, &body);
            }
            admitted.go_to(route.upstream);
        }
        admitted.bring_credential();
        Ok(body)
    }
}

/// Makes sure that a body does not choose a provider or a credential. One that cannot be
/// read cannot be refused for it; it is as unreadable to others.
fn refuse_foreign(body: &[u8]) -> Result<(), Denied> {
    let span = std::str::from_utf8(body).ok().and_then(ObjectSpan::read);
    let span = span.as_ref();
    let mut members = span.into_iter().flat_map(ObjectSpan::members);
    match members.find_map(|member| foreign::member(&member.name)) {
        Some(name) => Err(Denied::Foreign(name)),
        None => Ok(()),
    }
}

/// Makes sure that a caller that is held to some models asks for one of them, in a
/// request that no two servers read differently.
fn judge_models(rights: &Rights, path: &str, body: &[u8]) -> Result<(), Denied> {
    let judge = |model: &str| {
        let allowed = rights.allow_model(model);
        allowed.then_some(()).ok_or(Denied::Model)
    };
    if body.is_empty() {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        return path.strip_prefix(MODELS).map_or(Ok(()), judge);
    }
    let request = json::parse(body).map_err(|_unreadable| Denied::ModelUnread)?;
    let mut is_named = false;
    for (name, value) in request.as_object().unwrap_or_default() {
        // There are readers for whom case does not count, and providers that take a
        // list of models to fall back on.
        if name.eq_ignore_ascii_case("models") {
            let models = value.as_array().ok_or(Denied::ModelUnread)?;
            for model in models {
                judge(model.as_str().ok_or(Denied::ModelUnread)?)?;
            }
        } else if name.eq_ignore_ascii_case("model") {
            judge(value.as_str().ok_or(Denied::ModelUnread)?)?;
            is_named |= name == "model";
        }
    }
    if is_named {
        Ok(())
    } else {
        Err(Denied::ModelUnread)
    }
}

/// The model a body asks for.
fn model_of(body: &[u8]) -> Option<String> {
    let mut reader = MembersReader::new(&["model"]);
    reader.take(body);
    serde_json::from_slice(reader.get("model")?).ok()
}

/// A body with what its caller prefers filled in where it says nothing.
fn with_preferences(rights: &Rights, body: Bytes) -> Bytes {
    let mut body = body;
    for (name, value) in &rights.preferences {
        let Ok(text) = std::str::from_utf8(&body) else {
            return body;
        };
        let Some(span) = ObjectSpan::read(text) else {
            return body;
        };
        if span.value(name).is_none() {
            let edit = span.with(name, &value.to_string());
            body = edit.apply(&body).into();
        }
    }
    body
}

/// A body that asks for another model.
fn with_model(model: &str, body: &Bytes) -> Bytes {
    let span = std::str::from_utf8(body).ok().and_then(ObjectSpan::read);
    let name = serde_json::Value::from(model).to_string();
    span.map_or_else(
        || body.clone(),
        |span| span.with("model", &name).apply(body).into(),
    )
}
