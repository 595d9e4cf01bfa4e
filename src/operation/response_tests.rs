//! What the story is told of a response.

use super::*;
use crate::policy::PolicyOptions;
use crate::wire::UpstreamKind;

fn question(members: &str) -> Question {
    let text = format!(r#"{{"model":"m","input":"x"{members}}}"#);
    let asking = Asking {
        body: text.as_bytes(),
        content_type: None,
        path: "/responses",
        kind: UpstreamKind::OpenAi,
        policy: &PolicyOptions::default(),
    };
    Response.read(&asking).unwrap()
}

/// An answer that repeats this user.
fn answer(user: &str) -> Bytes {
    format!(
        r#"{{"id":"resp_1", "status":"completed", "model":"m-1", "user":{user}, "metadata":{{}}, "output":[
        {{"type":"message","id":"m","content":[{{"type":"output_text","text":"x"}}]}}]}}"#
    )
    .into()
}

#[test]
fn what_is_stored_is_nobodys_and_told_to_everybody_as_their_own() {
    let alice = question(r#","user":"alice""#).facts;
    let bob = question(r#","user":"bob","metadata":{"a":"b"}"#).facts;
    let appraisal = Response.appraise(&answer(r#""alice""#), &alice);
    assert_eq!(appraisal.verdict, Ok(()));
    let stored = appraisal.stored.unwrap();
    assert_eq!(stored, answer("null"));
    let told = Response.retell(&stored, bob.echo.as_deref().unwrap());
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(
        (&told["user"], &told["metadata"]["a"]),
        (&"bob".into(), &"b".into())
    );
    let json = json::parse(&stored).unwrap();
    let stream = String::from_utf8(
        Response
            .replay(&json, &bob, StreamFacts::default())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        stream
            .matches(r#""user":"bob","metadata":{"a":"b"}"#)
            .count(),
        3
    );
    let plain = Response
        .replay(&json, &question("").facts, StreamFacts::default())
        .unwrap();
    assert!(!String::from_utf8(plain).unwrap().contains("bob"));
}

#[test]
fn a_response_that_is_kept_is_fresh_as_long_as_it_is() {
    assert_eq!(Response.kept_for(&answer("null")), Some(KEPT_FOR));
    assert_eq!(Response.kept_for(br#"{"store":true}"#), Some(KEPT_FOR));
    assert_eq!(Response.kept_for(br#"{"store":false}"#), None);
    assert_eq!(Response.kept_for(b"oops"), Some(KEPT_FOR));
}

#[test]
fn a_field_for_a_gateway_is_a_bypass() {
    let asking = Asking {
        body: br#"{"model":"m","input":"x","cache":{}}"#,
        content_type: None,
        path: "/responses",
        kind: UpstreamKind::OpenAi,
        policy: &PolicyOptions::default(),
    };
    assert_eq!(Response.read(&asking).unwrap_err(), Bypass::ControlField);
}
