//! What the scripted upstream responds.

use super::*;

const RESPONSES: &str = "/v1/responses";

/// The events of a response, and the response they end with.
async fn ask_response_stream(server: &Server, request: &Value) -> (Vec<Value>, Value) {
    let mut request = request.clone();
    request["stream"] = true.into();
    let response = server.send(RESPONSES, request.to_string()).await;
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let last = events.last().unwrap()["response"].clone();
    (events, last)
}

/// What differs from call to call left out.
fn without_names(whole: &Value) -> Value {
    let mut whole = whole.clone();
    for name in ["id", "created_at"] {
        whole[name] = Value::Null;
    }
    for item in whole["output"].as_array_mut().unwrap() {
        item["id"] = Value::Null;
    }
    whole
}

#[tokio::test]
async fn a_response_says_the_same_in_both_forms_and_repeats_who_asks() {
    let server = Server::plain().await;
    let function = json!({"type": "function", "name": "look", "parameters": {
        "type": "object", "properties": {"place": {"type": "string"}}}});
    for more in [
        json!({"metadata": {"a": "b"}, "user": "u"}),
        json!({"max_output_tokens": 3}),
        json!({"tools": [function], "tool_choice": "required"}),
        json!({"tools": [{"type": "custom", "name": "c"}], "tool_choice": {"type": "custom", "name": "c"}}),
        json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}}),
        json!({"model": "mock-refusal"}),
    ] {
        let mut request = json!({"model": "m", "input": "hello"});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        let (status, whole) = server.post(RESPONSES, &request).await;
        assert_eq!(status, StatusCode::OK, "{whole}");
        let (events, told) = ask_response_stream(&server, &request).await;
        assert_eq!(without_names(&told), without_names(&whole), "{more}");
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number);
        }
        let parsed = crate::wire::json::parse(whole.to_string().as_bytes())
            .map(|answer| crate::wire::response::replay(&answer).is_some());
        assert_eq!(parsed, Ok(true), "{whole}");
    }
    let (_, whole) = server
        .post(RESPONSES, &json!({"model": "m", "input": "x", "user": "u"}))
        .await;
    assert_eq!(
        (&whole["user"], &whole["metadata"]),
        (&json!("u"), &json!({}))
    );
    assert_eq!(whole["status"], "completed");
    let (status, _) = server.post(RESPONSES, &json!({"model": "m"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
