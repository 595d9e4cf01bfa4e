//! What is read off an embedding request.

use crate::wire::Json;

/// The form in which vectors are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// An array of numbers: what a request without `encoding_format` gets.
    Numbers,
    /// Base64 (RFC 4648 §4) of 32-bit floats, little-endian: what the official
    /// SDKs ask for when their caller says nothing.
    Base64,
}

/// The input of a request, in any of its four forms, as a list of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'j> {
    /// Texts. One text alone is a list of one.
    Texts(Vec<&'j str>),
    /// Texts that are tokens already. One array of tokens is a list of one.
    Tokens(Vec<&'j Json<'j>>),
}

/// An embedding request, read only.
#[derive(Clone, Copy, Debug)]
pub struct Request<'j>(&'j Json<'j>);

impl<'j> Request<'j> {
    /// Looks at `request`, which may be anything.
    pub const fn new(request: &'j Json<'j>) -> Self {
        Self(request)
    }

    /// The model asked for.
    pub fn model(&self) -> Option<&'j str> {
        self.0.get("model").and_then(Json::as_str)
    }

    /// The form asked for; `None` if it is one nobody here can write.
    pub fn encoding(&self) -> Option<Encoding> {
        match self.0.get("encoding_format") {
            None | Some(Json::Null) => Some(Encoding::Numbers),
            Some(format) => match format.as_str()? {
                "float" => Some(Encoding::Numbers),
                "base64" => Some(Encoding::Base64),
                _ => None,
            },
        }
    }

    /// The items asked for; `None` if the input is of no documented form. Empty
    /// lists and empty items are told as they are.
    pub fn input(&self) -> Option<Input<'j>> {
        let input = self.0.get("input")?;
        if let Some(text) = input.as_str() {
            return Some(Input::Texts(vec![text]));
        }
        let items = input.as_array()?;
        let is_token = |item: &Json<'_>| item.as_u64().is_some();
        if items.is_empty() {
            return Some(Input::Texts(Vec::new()));
        }
        if items.iter().all(is_token) {
            return Some(Input::Tokens(vec![input]));
        }
        if let Some(texts) = items.iter().map(Json::as_str).collect() {
            return Some(Input::Texts(texts));
        }
        let is_tokens =
            |item: &Json<'_>| item.as_array().is_some_and(|all| all.iter().all(is_token));
        items
            .iter()
            .all(is_tokens)
            .then(|| Input::Tokens(items.iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    fn shape(input: &str) -> Option<(bool, usize)> {
        let text = format!(r#"{{"input":{input}}}"#);
        let json = parse(text.as_bytes()).unwrap();
        Some(match Request::new(&json).input()? {
            Input::Texts(texts) => (true, texts.len()),
            Input::Tokens(tokens) => (false, tokens.len()),
        })
    }

    #[test]
    fn an_input_has_four_forms_and_no_other() {
        assert_eq!(shape(r#""a""#), Some((true, 1)));
        assert_eq!(shape(r#"["a","b"]"#), Some((true, 2)));
        assert_eq!(shape("[1,2,3]"), Some((false, 1)));
        assert_eq!(shape("[[1,2],[3]]"), Some((false, 2)));
        assert_eq!(shape("[]"), Some((true, 0)));
        assert_eq!(shape("[[]]"), Some((false, 1)));
        for odd in [
            "1",
            "null",
            "{}",
            r#"["a",1]"#,
            r#"[1,"a"]"#,
            "[1.5]",
            "[-1]",
            "[[1],2]",
            r#"[["a"]]"#,
            "[null]",
        ] {
            assert_eq!(shape(odd), None, "{odd}");
        }
    }

    #[test]
    fn floats_are_the_default_form() {
        let encoding = |text: &str| Request::new(&parse(text.as_bytes()).unwrap()).encoding();
        assert_eq!(encoding("{}"), Some(Encoding::Numbers));
        assert_eq!(
            encoding(r#"{"encoding_format":null}"#),
            Some(Encoding::Numbers)
        );
        assert_eq!(
            encoding(r#"{"encoding_format":"float"}"#),
            Some(Encoding::Numbers)
        );
        assert_eq!(
            encoding(r#"{"encoding_format":"base64"}"#),
            Some(Encoding::Base64)
        );
        assert_eq!(encoding(r#"{"encoding_format":"int8"}"#), None);
        assert_eq!(encoding(r#"{"encoding_format":1}"#), None);
    }
}
