//! What is in the question of a rerank request, as Cohere, Jina, Voyage and vLLM take it.
//!
//! Everything but who asks. The documents are taken as they were written, in their order:
//! answers name them by their place, and an object is put into a prompt member by member.

use crate::wire::Json;

use super::canonical::Form;
use super::field::{as_written, given, is_control_field, names_one_model};
use super::reference::contains_reference;
use super::{Bypass, Canonical, Rules};

/// The documented fields that are in the question.
pub(super) const QUESTION: [&str; 11] = [
    "documents",
    "max_chunks_per_doc",
    "max_tokens_per_doc",
    "model",
    "query",
    "rank_fields",
    "return_documents",
    "top_k",
    "top_n",
    "truncate_prompt_tokens",
    "truncation",
];

/// The fields that are out of the question: they name the caller, and are not shown to
/// the model.
const ASIDE: [&str; 2] = ["safety_identifier", "user"];

/// The canonical question of a rerank request.
///
/// # Errors
/// Why the request has no key; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Canonical, Bypass> {
    let form = form(body).ok_or(Bypass::Invalid)?;
    let query = given(body, "query").ok_or(Bypass::Invalid)?;
    let documents = given(body, "documents").ok_or(Bypass::Invalid)?;
    let is_document = |item: &Json<'_>| item.as_str().is_some() || item.as_object().is_some();
    let are_sound = documents
        .as_array()
        .is_some_and(|items| items.iter().all(is_document));
    if !are_sound || !names_one_model(body, rules) {
        return Err(Bypass::Invalid);
    }
    let elsewhere = contains_reference(query) || contains_reference(documents);
    if elsewhere && !rules.remote_references {
        return Err(Bypass::RemoteReference);
    }
    Ok(Canonical::of(&form))
}

/// Whether nothing is asked for: no documents, or none of them.
pub fn asks_for_nothing(body: &Json<'_>) -> bool {
    let documents = given(body, "documents").and_then(Json::as_array);
    let is_zero = |name| given(body, name).and_then(Json::as_u64) == Some(0);
    documents.is_some_and(<[_]>::is_empty) || is_zero("top_n") || is_zero("top_k")
}

/// What of a request is in the question; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>) -> Option<Form<'a>> {
    let members = body.as_object()?.iter();
    let members = members.filter_map(|(name, value)| Some((name.as_ref(), field(name, value)?)));
    Some(Form::Object(members.collect()))
}

/// What of a top-level field is in the question; `None` if nothing is.
fn field<'a>(name: &str, value: &'a Json<'a>) -> Option<Form<'a>> {
    if ASIDE.contains(&name) || is_control_field(name) {
        return None;
    }
    if !QUESTION.contains(&name) {
        return Some(as_written(value));
    }
    (!value.is_null()).then(|| match name {
        "documents" | "query" => as_written(value),
        _ => Form::Normal(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::UpstreamKind;
    use crate::wire::json::parse;

    fn read(text: &str) -> Result<Canonical, Bypass> {
        let rules = Rules::of(UpstreamKind::Compatible);
        identify(&parse(text.as_bytes()).unwrap(), rules)
    }

    #[test]
    fn who_asks_is_out_and_everything_else_is_in() {
        let plain = read(r#"{"model":"m","query":"q","documents":["a","b"]}"#).unwrap();
        for same in [
            r#"{"documents":["a","b"],"query":"q","model":"m","user":"u"}"#,
            r#"{"model":"m","query":"q","documents":["a","b"],"top_n":null}"#,
        ] {
            assert_eq!(read(same).as_ref(), Ok(&plain), "{same}");
        }
        for other in [
            r#"{"model":"m","query":"q","documents":["b","a"]}"#,
            r#"{"model":"m","query":"q","documents":[{"text":"a"},"b"]}"#,
            r#"{"model":"m","query":"Q","documents":["a","b"]}"#,
            r#"{"model":"n","query":"q","documents":["a","b"]}"#,
            r#"{"model":"m","query":"q","documents":["a","b"],"top_n":1}"#,
            r#"{"model":"m","query":"q","documents":["a","b"],"return_documents":true}"#,
            r#"{"model":"m","query":"q","documents":["a","b"],"odd":null}"#,
        ] {
            assert_ne!(read(other).as_ref(), Ok(&plain), "{other}");
        }
    }

    #[test]
    fn the_order_of_what_a_document_says_counts() {
        let read = |document: &str| {
            read(&format!(
                r#"{{"model":"m","query":"q","documents":[{document}]}}"#
            ))
        };
        assert_ne!(read(r#"{"a":"1","b":"2"}"#), read(r#"{"b":"2","a":"1"}"#));
        let elsewhere = read(r#"{"image_url":"https://example.com/a.png"}"#);
        assert_eq!(elsewhere, Err(Bypass::RemoteReference));
    }

    #[test]
    fn what_cannot_be_ranked_has_no_key() {
        for odd in [
            "[]",
            r#"{"model":"m","query":"q"}"#,
            r#"{"model":"m","documents":["a"]}"#,
            r#"{"model":"m","query":"q","documents":"a"}"#,
            r#"{"model":"m","query":"q","documents":[1]}"#,
            r#"{"query":"q","documents":["a"]}"#,
        ] {
            assert_eq!(read(odd), Err(Bypass::Invalid), "{odd}");
        }
        let nothing = |text: &str| asks_for_nothing(&parse(text.as_bytes()).unwrap());
        assert!(nothing(r#"{"documents":[]}"#));
        assert!(nothing(r#"{"documents":["a"],"top_n":0}"#));
        assert!(!nothing(r#"{"documents":["a"],"top_n":1}"#));
    }
}
