//! Between admitting and identifying: what the caller's key fills in, whether it may
//! ask for the model, and which provider answers for that.
//!
//! Where nothing of this is configured, which is the rule, the request is not looked at.

use std::sync::Arc;

use bytes::Bytes;

use super::{Admitted, Proxy};
use crate::access::{Denied, Rights};
use crate::wire::json::members::MembersReader;
use crate::wire::json::span::ObjectSpan;

impl Proxy {
    /// Makes a request ready to be identified, and gives its body as it is asked.
    ///
    /// # Errors
    /// If the caller may not ask this.
    pub(super) fn prepare(&self, admitted: &mut Admitted, body: Bytes) -> Result<Bytes, Denied> {
        let rights = Arc::clone(&admitted.principal.rights);
        let mut body = body;
        if rights.read_requests() || !self.upstreams.is_single() {
            body = with_preferences(&rights, body);
            let model = model_of(&body);
            match &model {
                Some(model) if !rights.allow_model(model) => return Err(Denied::Model),
                None if rights.models.is_some() && !body.is_empty() => {
                    return Err(Denied::ModelUnread);
                }
                Some(_) | None => {}
            }
            if let Some(model) = model {
                let route = self.upstreams.route(&model, admitted.credential());
                if let Some(name) = route.model {
                    body = with_model(&name, &body);
                }
                admitted.go_to(route.upstream);
            }
        }
        admitted.bring_credential();
        Ok(body)
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
