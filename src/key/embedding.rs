//! What is in the question of an embedding request, item by item.
//!
//! The vector of an item hangs on the item, the model, the dimensions, and on
//! whatever else the request says: `input_type`, `task` and `truncate` change it,
//! and so may a field nobody has heard of. It does not hang on the other items of
//! the request, nor on the form it is written in.

use crate::wire::Json;
use crate::wire::embedding::{Input, Request};

use super::canonical::Form;
use super::field::{as_written, given, is_control_field, names_one_model};
use super::{Batch, Bypass, Canonical, Rules};

/// The most items of a request, and the most tokens of an item (`OpenAI`, "Create
/// embeddings"). The tokens of texts are counted by the upstream alone.
const ITEMS_MAX: usize = 2048;
const ITEM_TOKENS_MAX: usize = 8192;
/// The most tokens of a request, which is also what the answer to one may count.
pub const TOKENS_MAX: usize = 300_000;

/// The fields that are out of the question: `user` names the caller, and every
/// form of a vector is made of the same entry.
pub(super) const ASIDE: [&str; 3] = ["encoding_format", "input", "user"];

/// The documented fields, whose numbers may be written in any way.
pub(super) const QUESTION: [&str; 2] = ["dimensions", "model"];

/// Fields with which servers are asked for other numbers than floats. Their
/// base64 is not that of floats, so one entry could not serve both forms.
const NUMBER_TYPES: [&str; 5] = [
    "embedding_type",
    "embedding_types",
    "output_dtype",
    "output_type",
    "precision",
];

/// The canonical question of an embedding request.
///
/// # Errors
/// Why the request has no keys; it is to be forwarded as it came.
pub fn identify<'a>(body: &'a Json<'a>, rules: Rules) -> Result<Batch, Bypass> {
    let shared = form(body).ok_or(Bypass::Invalid)?;
    if !names_one_model(body, rules) {
        return Err(Bypass::Invalid);
    }
    let request = Request::new(body);
    if request.encoding().is_none() || NUMBER_TYPES.iter().any(|name| is_no_float(body, name)) {
        return Err(Bypass::Encoding);
    }
    let items = items(&request.input().ok_or(Bypass::Invalid)?)?;
    Ok(Batch {
        shared: Canonical::of(&shared),
        items,
    })
}

/// What of a request is in the question of each item; `None` if it is no object.
pub(super) fn form<'a>(body: &'a Json<'a>) -> Option<Form<'a>> {
    let members = body.as_object()?.iter();
    let members = members.filter_map(|(name, value)| Some((name.as_ref(), field(name, value)?)));
    Some(Form::Object(members.collect()))
}

fn items(input: &Input<'_>) -> Result<Vec<Canonical>, Bypass> {
    match input {
        Input::Texts(texts) => {
            if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
                return Err(Bypass::Invalid);
            }
            if texts.len() > ITEMS_MAX {
                return Err(Bypass::OverLimit);
            }
            let item = |text: &&str| Canonical::of(&Form::Text(text));
            Ok(texts.iter().map(item).collect())
        }
        Input::Tokens(arrays) => {
            let lengths = || {
                arrays
                    .iter()
                    .filter_map(|item| Some(item.as_array()?.len()))
            };
            if lengths().any(|length| length == 0) {
                return Err(Bypass::Invalid);
            }
            if arrays.len() > ITEMS_MAX
                || lengths().any(|length| length > ITEM_TOKENS_MAX)
                || lengths().sum::<usize>() > TOKENS_MAX
            {
                return Err(Bypass::OverLimit);
            }
            let item = |tokens: &&Json<'_>| Canonical::of(&Form::Normal(tokens));
            Ok(arrays.iter().map(item).collect())
        }
    }
}

/// What of a top-level field is in the question; `None` if nothing is.
fn field<'a>(name: &str, value: &'a Json<'a>) -> Option<Form<'a>> {
    if ASIDE.contains(&name) || is_control_field(name) {
        return None;
    }
    if !QUESTION.contains(&name) {
        return Some(as_written(value));
    }
    (!value.is_null()).then_some(Form::Normal(value))
}

fn is_no_float(body: &Json<'_>, name: &str) -> bool {
    given(body, name).is_some_and(|kind| kind.as_str() != Some("float"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::UpstreamKind;
    use crate::wire::json::parse;

    fn read(text: &str) -> Result<Batch, Bypass> {
        identify(
            &parse(text.as_bytes()).unwrap(),
            Rules::of(UpstreamKind::OpenAi),
        )
    }

    fn with(members: &str) -> Result<Batch, Bypass> {
        read(&format!(r#"{{"model":"m",{members}}}"#))
    }

    #[test]
    fn one_item_is_a_list_of_one_and_text_is_no_token() {
        assert_eq!(with(r#""input":"x""#), with(r#""input":["x"]"#));
        assert_eq!(with(r#""input":[1,2]"#), with(r#""input":[[1,2]]"#));
        assert_ne!(with(r#""input":"1""#), with(r#""input":[1]"#));
        assert_ne!(with(r#""input":[[1],[2]]"#), with(r#""input":[1,2]"#));
        let batch = with(r#""input":["a","b","a"]"#).unwrap();
        assert_eq!(batch.items[0], batch.items[2]);
        assert_ne!(batch.items[0], batch.items[1]);
        assert_eq!(batch.items[1], with(r#""input":"b""#).unwrap().items[0]);
    }

    #[test]
    fn what_changes_a_vector_is_in_the_question_of_every_item() {
        let plain = with(r#""input":"x""#).unwrap().shared;
        for same in [
            r#""input":"y""#,
            r#""input":"x","user":"u""#,
            r#""input":"x","encoding_format":"base64""#,
            r#""input":"x","dimensions":null"#,
            r#""dimensions":null,"input":["x","y"]"#,
        ] {
            assert_eq!(with(same).unwrap().shared, plain, "{same}");
        }
        let mut seen = std::collections::HashSet::from([plain.as_bytes().to_vec()]);
        for other in [
            r#""dimensions":256"#,
            r#""dimensions":512"#,
            r#""input_type":"query""#,
            r#""input_type":"document""#,
            r#""truncate":"END""#,
            r#""task":null"#,
            r#""late_chunking":true"#,
            r#""embedding_type":"float""#,
        ] {
            let shared = with(&format!(r#""input":"x",{other}"#)).unwrap().shared;
            assert!(seen.insert(shared.as_bytes().to_vec()), "{other}");
        }
        let spelled = |text: &str| with(&format!(r#""input":"x","dimensions":{text}"#));
        assert_eq!(spelled("256"), spelled("256.0"));
    }

    #[test]
    fn what_the_upstream_refuses_is_the_upstreams_to_refuse() {
        let texts = |count: usize| format!(r#""input":[{}"a"]"#, r#""a","#.repeat(count - 1));
        let tokens = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        let arrays = |count: usize, length: usize| {
            format!(r#""input":[{}]"#, vec![tokens(length); count].join(","))
        };
        assert!(with(&texts(2048)).is_ok());
        assert_eq!(with(&texts(2049)), Err(Bypass::OverLimit));
        assert!(with(&arrays(2, 8192)).is_ok());
        assert_eq!(with(&arrays(2, 8193)), Err(Bypass::OverLimit));
        assert_eq!(with(&arrays(37, 8192)), Err(Bypass::OverLimit));
        for invalid in [
            r#""input":"""#,
            r#""input":[]"#,
            r#""input":["a",""]"#,
            r#""input":[[1],[]]"#,
            r#""input":["a",1]"#,
            r#""input":null"#,
            r#""dimensions":1"#,
        ] {
            assert_eq!(with(invalid), Err(Bypass::Invalid), "{invalid}");
        }
        assert_eq!(read(r#"{"input":"x"}"#), Err(Bypass::Invalid));
        assert_eq!(read(r#"{"model":"","input":"x"}"#), Err(Bypass::Invalid));
        assert_eq!(read("[]"), Err(Bypass::Invalid));
    }

    #[test]
    fn vectors_of_other_numbers_are_not_kept() {
        for other in [
            r#""encoding_format":"int8""#,
            r#""output_dtype":"binary""#,
            r#""embedding_types":["int8"]"#,
        ] {
            let members = format!(r#""input":"x",{other}"#);
            assert_eq!(with(&members), Err(Bypass::Encoding), "{other}");
        }
    }

    #[test]
    fn on_azure_the_path_names_the_model() {
        let body = parse(br#"{"input":"x"}"#).unwrap();
        let deployed = Rules {
            model_in_address: true,
            ..Rules::of(UpstreamKind::Azure)
        };
        assert!(identify(&body, deployed).is_ok());
    }
}
