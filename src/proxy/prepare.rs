//! Between admitting and identifying: what the caller's key fills in, whether it may
//! ask for the model, and which provider answers for that.
//!
//! Where nothing of this is configured, which is the rule, the request is not looked at.

mod form;

use std::sync::Arc;

use bytes::Bytes;

use super::identify::content_type;
use super::{Admitted, Proxy};
use crate::access::{Denied, Rights, foreign};
use crate::wire::json::members::MembersReader;
use crate::wire::json::span::ObjectSpan;
use crate::wire::{deployment, json, multipart, with_deployment};

/// Where the description of one model is.
const MODELS: &str = "/models/";

impl Proxy {
    /// Makes a request ready to be identified, and gives its body as it is asked.
    ///
    /// # Errors
    /// If the caller may not ask this.
    pub(super) fn prepare(&self, admitted: &mut Admitted, body: Bytes) -> Result<Bytes, Denied> {
        let rights = Arc::clone(&admitted.principal.rights);
        let mut body = self.hear_body(admitted, body);
        let boundary = content_type(&admitted.asked.headers).and_then(multipart::boundary);
        if let Some(boundary) = boundary {
            let boundary = boundary.to_owned();
            return self.prepare_form(admitted, body, &boundary);
        }
        if admitted.principal.is_ours {
            refuse_foreign(&body)?;
            body = with_preferences(&rights, body);
            if rights.models.is_some() {
                judge_models(&rights, &admitted.asked.path_and_query, &body)?;
            }
        }
        if !self.upstreams.is_single() {
            body = self.route(admitted, body);
        }
        admitted.bring_credential();
        Ok(body)
    }

    /// Sends a request to who answers for its model, under the name it has there.
    fn route(&self, admitted: &mut Admitted, body: Bytes) -> Bytes {
        let named = model_of(&body);
        let deployed = deployment(admitted.asked.path()).map(str::to_owned);
        let Some(model) = deployed.as_ref().or(named.as_ref()) else {
            return body;
        };
        let route = self.upstreams.route(model, admitted.credential());
        let mut body = body;
        if let Some(name) = route.model {
            // Where the address names the model, the body may name it again, or another
            // that does not count.
            if named.as_ref() == Some(model) {
                body = with_model(&name, &body);
            }
            let asked = &mut admitted.asked;
            if is_plain(&name)
                && let Some(place) = with_deployment(&asked.path_and_query, &name)
            {
                asked.path_and_query = place;
            }
        }
        admitted.go_to(route.upstream);
        body
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
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let deployment = deployment(path);
    if let Some(name) = deployment {
        if !is_plain(name) {
            return Err(Denied::ModelUnread);
        }
        judge(name)?;
    }
    if body.is_empty() {
        return path.strip_prefix(MODELS).map_or(Ok(()), judge);
    }
    let request = json::parse(body).map_err(|_unreadable| Denied::ModelUnread)?;
    // What the body names besides a deployment is judged all the same: there are gateways
    // that go by it.
    let mut is_named = deployment.is_some();
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

/// Whether a deployment's name is one that is the same for every reader of an address:
/// nothing in it is escaped, and it leads nowhere else.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.bytes().all(is_plain) && !name.bytes().all(|byte| byte == b'.')
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
