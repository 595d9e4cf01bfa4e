//! The envelope every error of the `OpenAI` API comes in.

use super::Json;

/// What an error says. All four members are always written: the official SDKs
/// read each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// A sentence for a person.
    pub message: &'a str,
    /// The class, `type` on the wire: `invalid_request_error`, `api_error`, …
    pub kind: &'a str,
    /// The request field it is about.
    pub param: Option<&'a str>,
    /// The word a program switches on.
    pub code: Option<&'a str>,
}

impl ErrorBody<'_> {
    /// `{"error":{"message","type","param","code"}}`, compact.
    pub fn to_bytes(&self) -> Vec<u8> {
        let optional = |text: Option<&'_ str>| match text {
            Some(text) => Json::string(text.to_owned()),
            None => Json::Null,
        };
        let body = Json::Object(vec![
            ("message".into(), Json::string(self.message)),
            ("type".into(), Json::string(self.kind)),
            ("param".into(), optional(self.param)),
            ("code".into(), optional(self.code)),
        ]);
        Json::Object(vec![("error".into(), body)]).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_members_are_written_and_text_is_escaped() {
        let error = ErrorBody {
            message: "no \"such\"\nmodel",
            kind: "invalid_request_error",
            param: Some("model"),
            code: None,
        };
        assert_eq!(
            String::from_utf8(error.to_bytes()).unwrap(),
            r#"{"error":{"message":"no \"such\"\nmodel","type":"invalid_request_error","param":"model","code":null}}"#
        );
    }
}
