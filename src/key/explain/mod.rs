//! What of a request is in its key, told to people.
//!
//! Nothing here decides: the forms are those that keys are made of, written as JSON
//! instead of bytes, and what of a request they lack is what was left out.

mod reason;
mod shown;

use super::canonical::Form;
use super::field::is_hint;
use super::{Rules, chat, completion, embedding, message, moderation, rerank, response, speech};
use crate::wire::{Json, Operation};

/// What of a request is in its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The canonical form: the same for all requests that are the same question.
    pub canonical: Json<'static>,
    /// What is not in the key, and why.
    pub left_out: Vec<LeftOut>,
    /// What says what is documented to be so anyway, and is therefore not in the key.
    pub defaulted: Vec<String>,
}

/// A member of a request that is not in its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands, as `messages[0].cache_control`.
    pub field: String,
    /// Why it is not in the key.
    pub why: &'static str,
}

/// What the members of a request's body come to; `None` where bodies are not read.
pub fn explain(operation: Operation, body: &Json<'_>, rules: Rules) -> Option<Explanation> {
    let mut explanation = Explanation {
        canonical: Json::Null,
        left_out: Vec::new(),
        defaulted: Vec::new(),
    };
    let (form, documented, input): (Form<'_>, &[&str], _) = match operation {
        Operation::Chat => (chat::form(body, rules)?, &chat::QUESTION, None),
        Operation::Response => (response::form(body, rules)?, &response::QUESTION, None),
        Operation::Completion => (completion::form(body, rules)?, &completion::QUESTION, None),
        Operation::Embedding => (
            embedding::form(body)?,
            &embedding::QUESTION,
            body.get("input"),
        ),
        Operation::Moderation => (
            moderation::form(body, rules.kind)?,
            &["model"],
            body.get("input"),
        ),
        Operation::Message | Operation::TokenCount => {
            (message::form(body, rules)?, &message::QUESTION, None)
        }
        Operation::Rerank => (rerank::form(body)?, &rerank::QUESTION, None),
        Operation::Speech => (speech::form(body)?, &speech::QUESTION, None),
        Operation::Models
        | Operation::Passthrough
        | Operation::Transcription
        | Operation::Translation => return None,
    };
    explanation.compare_top(body, &form, documented, input.is_some());
    explanation.canonical = shown::shown(&form);
    if let (Json::Object(members), Some(input)) = (&mut explanation.canonical, input) {
        // Item by item it is a question of its own.
        members.push(("input".into(), input.clone().into_owned()));
    }
    Some(explanation)
}

impl Explanation {
    fn compare_top(&mut self, body: &Json<'_>, form: &Form<'_>, documented: &[&str], items: bool) {
        let members = body.as_object().unwrap_or_default().iter();
        for (name, value) in members.filter(|(name, _)| !items || name != "input") {
            if let Some(form) = member(form, name) {
                self.compare(value, form, name);
            } else if !documented.contains(&name.as_ref()) {
                self.leave_out(name.to_string(), reason::of(name));
            } else if value.is_null() {
                self.leave_out(name.to_string(), reason::NULL);
            } else {
                self.defaulted.push(name.to_string());
            }
        }
    }

    /// Goes down to where something of a value is not in its form.
    fn compare(&mut self, value: &Json<'_>, form: &Form<'_>, path: &str) {
        match (value, form) {
            (Json::Object(members), Form::Object(_)) => {
                for (name, value) in members {
                    let path = format!("{path}.{name}");
                    match member(form, name) {
                        Some(form) => self.compare(value, form, &path),
                        None if is_defaulted(&path, name, value) => self.defaulted.push(path),
                        None => self.leave_out(path, reason::of(name)),
                    }
                }
            }
            (Json::Array(items), Form::List(forms)) => {
                for (at, (item, form)) in items.iter().zip(forms).enumerate() {
                    self.compare(item, form, &format!("{path}[{at}]"));
                }
            }
            // One part of text is the text alone, and its marks are none of it.
            (Json::Array(items), Form::Text(_)) => {
                let parts = items.iter().filter_map(Json::as_object).flatten();
                for (name, _) in parts.filter(|(name, _)| is_hint(name)) {
                    self.leave_out(format!("{path}[0].{name}"), reason::of(name));
                }
            }
            // Taken as they are: nothing of them is left out.
            (
                Json::Null
                | Json::Bool(_)
                | Json::Number(_)
                | Json::String(_)
                | Json::Array(_)
                | Json::Object(_),
                _,
            ) => {}
        }
    }

    fn leave_out(&mut self, field: String, why: &'static str) {
        self.left_out.push(LeftOut { field, why });
    }
}

/// Whether what is not in a form is so by default, and not out of the question.
fn is_defaulted(path: &str, name: &str, value: &Json<'_>) -> bool {
    name == "detail"
        || path == "text.format"
        || (name == "type" && value.as_str() == Some("message"))
}

fn member<'f, 'a>(form: &'f Form<'a>, name: &str) -> Option<&'f Form<'a>> {
    match form {
        Form::Object(members) => {
            let mut members = members.iter();
            members.find(|(own, _)| *own == name).map(|(_, form)| form)
        }
        Form::Normal(_) | Form::Opaque(_) | Form::Text(_) | Form::List(_) | Form::Set(_) => None,
    }
}

#[cfg(test)]
#[path = "../explain_tests.rs"]
mod tests;
