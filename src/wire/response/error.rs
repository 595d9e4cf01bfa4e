//! An error in the middle of a stream of a response.

use bytes::Bytes;

use crate::wire::Json;
use crate::wire::error::ErrorBody;

/// The event, with the number `sequence_number`.
///
/// The error is told twice: nested, which is what makes the official SDKs raise, and
/// flat, as the API's description has it. They read the flat form alone as a part of the
/// answer.
pub fn error_event(error: &ErrorBody<'_>, sequence_number: u64) -> Bytes {
    let optional =
        |text: Option<&str>| text.map_or(Json::Null, |text| Json::string(text.to_owned()));
    let nested = Json::Object(vec![
        ("type".into(), Json::string(error.kind)),
        ("code".into(), optional(error.code)),
        ("message".into(), Json::string(error.message)),
        ("param".into(), optional(error.param)),
    ]);
    let event = Json::Object(vec![
        ("type".into(), Json::string("error")),
        ("error".into(), nested),
        ("code".into(), optional(error.code)),
        ("message".into(), Json::string(error.message)),
        ("param".into(), optional(error.param)),
        ("sequence_number".into(), Json::number(sequence_number)),
    ]);
    let mut out = b"event: error\ndata: ".to_vec();
    event.write(&mut out);
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_nested_and_flat() {
        let error = ErrorBody {
            message: "gone",
            kind: "api_error",
            param: None,
            code: Some("upstream_cut"),
        };
        assert_eq!(
            error_event(&error, 3),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\
             \"code\":\"upstream_cut\",\"message\":\"gone\",\"param\":null},\
             \"code\":\"upstream_cut\",\"message\":\"gone\",\"param\":null,\"sequence_number\":3}\n\n"
        );
    }
}
