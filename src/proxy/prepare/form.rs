//! The same for a form, whose fields are what members are in a document.

use bytes::Bytes;

use super::super::{Admitted, Proxy};
use crate::access::{Denied, Rights, foreign};
use crate::wire::multipart::Multipart;

/// The field that names the model.
const MODEL: &str = "model";

impl Proxy {
    /// Makes a form ready to be identified, and gives it as it is asked.
    ///
    /// # Errors
    /// If the caller may not ask this.
    pub(super) fn prepare_form(
        &self,
        admitted: &mut Admitted,
        body: Bytes,
        boundary: &str,
    ) -> Result<Bytes, Denied> {
        let rights = &admitted.principal.rights;
        let mut body = body;
        if admitted.principal.is_ours {
            let form = Multipart::read(&body, boundary).ok();
            if let Some(form) = &form {
                refuse_foreign(form)?;
            }
            if rights.models.is_some() {
                judge_models(rights, form.as_ref())?;
            }
            body = with_preferences(rights, body, boundary);
        }
        if !self.upstreams.is_single()
            && let Some(model) = model_of(&body, boundary)
        {
            let route = self.upstreams.route(&model, admitted.credential());
            if let Some(name) = route.model {
                body = with(&body, boundary, (MODEL, &name)).unwrap_or(body);
            }
            admitted.go_to(route.upstream);
        }
        admitted.bring_credential();
        Ok(body)
    }
}

/// Makes sure that a form does not choose a provider or a credential.
fn refuse_foreign(form: &Multipart<'_>) -> Result<(), Denied> {
    let mut parts = form.parts().iter();
    match parts.find_map(|part| foreign::member(part.name)) {
        Some(name) => Err(Denied::Foreign(name)),
        None => Ok(()),
    }
}

/// Makes sure that a caller that is held to some models asks for one of them.
fn judge_models(rights: &Rights, form: Option<&Multipart<'_>>) -> Result<(), Denied> {
    let form = form.ok_or(Denied::ModelUnread)?;
    let model = form.text(MODEL).ok_or(Denied::ModelUnread)?;
    // There are readers for whom case does not count, and some that take lists.
    let mut parts = form.parts().iter();
    let is_odd = |name: &str| {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix("[]").unwrap_or(&name);
        matches!(name, "model" | "models")
    };
    if parts.any(|part| is_odd(part.name) && (part.name != MODEL || part.is_file)) {
        return Err(Denied::ModelUnread);
    }
    if rights.allow_model(model) {
        Ok(())
    } else {
        Err(Denied::Model)
    }
}

/// The model a form asks for.
fn model_of(body: &[u8], boundary: &str) -> Option<String> {
    let form = Multipart::read(body, boundary).ok()?;
    form.text(MODEL).map(str::to_owned)
}

/// A form with what its caller prefers filled in where it says nothing. What is no text,
/// number or truth has no place in a form.
fn with_preferences(rights: &Rights, body: Bytes, boundary: &str) -> Bytes {
    let mut body = body;
    for (name, value) in &rights.preferences {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string(),
            serde_json::Value::Null
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => continue,
        };
        let Ok(form) = Multipart::read(&body, boundary) else {
            return body;
        };
        if form.parts().iter().all(|part| part.name != name) {
            body = with(&body, boundary, (name, &text)).unwrap_or(body);
        }
    }
    body
}

/// A form that says something else in a field.
fn with(body: &Bytes, boundary: &str, (name, text): (&str, &str)) -> Option<Bytes> {
    let form = Multipart::read(body, boundary).ok()?;
    form.with(name, text).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &str) -> Vec<u8> {
        let parts = parts.split(' ').map(|part| {
            let (name, text) = part.split_once('=').unwrap();
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        });
        [parts.collect::<String>(), "--b--".to_owned()]
            .concat()
            .into()
    }

    fn rights(text: &str) -> Rights {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_form_is_held_to_models() {
        let rights = rights(r#"{"models":["whisper-*"]}"#);
        let judge = |parts: &str| {
            let body = form(parts);
            judge_models(&rights, Multipart::read(&body, "b").ok().as_ref())
        };
        assert_eq!(judge("model=whisper-1"), Ok(()));
        assert_eq!(judge("model=gpt-4o"), Err(Denied::Model));
        for odd in [
            "file=x",
            "model=whisper-1 model=gpt-4o",
            "model=whisper-1 MODEL=gpt-4o",
            "model=whisper-1 model[]=gpt-4o",
            "model=whisper-1 models=gpt-4o",
        ] {
            assert_eq!(judge(odd), Err(Denied::ModelUnread), "{odd}");
        }
        assert_eq!(judge_models(&rights, None), Err(Denied::ModelUnread));
    }

    #[test]
    fn a_form_chooses_no_provider() {
        let body = form("model=m api_base=x");
        let form = Multipart::read(&body, "b").unwrap();
        assert_eq!(refuse_foreign(&form), Err(Denied::Foreign("api_base")));
    }

    #[test]
    fn preferences_are_filled_in_where_nothing_is_said() {
        let rights = rights(r#"{"preferences":{"temperature":0.5,"language":"en","a":[1]}}"#);
        let body = with_preferences(&rights, form("language=de").into(), "b");
        let form = Multipart::read(&body, "b").unwrap();
        assert_eq!(form.text("temperature"), Some("0.5"));
        assert_eq!(form.text("language"), Some("de"));
        assert_eq!(form.parts().len(), 2);
    }
}
