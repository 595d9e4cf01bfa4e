//! What the scripted upstream says to Anthropic's clients.

use super::*;

const MESSAGES: &str = "/v1/messages";

fn message(more: &Value) -> Value {
    let mut question = json!({"model": "claude-demo", "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}]});
    question
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    question
}

#[tokio::test]
async fn a_message_is_answered_in_both_forms() {
    let server = Server::plain().await;
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let tool = json!({"tools": [{"name": "f", "input_schema": {"type": "object",
        "properties": {"q": {"type": "string"}}, "required": ["q"]}}],
        "tool_choice": {"type": "any"}});
    for (more, kinds, stop_reason) in [
        (json!({}), vec!["text"], "end_turn"),
        (json!({"max_tokens": 2}), vec!["text"], "max_tokens"),
        (thinking, vec!["thinking", "text"], "end_turn"),
        (tool, vec!["tool_use"], "tool_use"),
    ] {
        let mut question = message(&more);
        let (status, whole) = server.post(MESSAGES, &question).await;
        assert_eq!(status, StatusCode::OK, "{whole}");
        let content = whole["content"].as_array().unwrap();
        let types: Vec<_> = content.iter().map(|block| &block["type"]).collect();
        assert_eq!(types, kinds);
        assert_eq!(whole["stop_reason"], stop_reason);
        question["stream"] = json!(true);
        let response = server.send(MESSAGES, question.to_string()).await;
        let stream = response.bytes().await.unwrap();
        let mut folded = fold_message(stream);
        folded["id"] = whole["id"].clone();
        assert_eq!(folded, whole);
    }
}

fn fold_message(stream: Bytes) -> Value {
    let mut reader = crate::wire::sse::FrameReader::new();
    let mut fold = crate::wire::message::MessageFold::new();
    reader.push(stream);
    while let Some(frame) = reader.next_frame() {
        fold.frame(&frame.unwrap());
    }
    serde_json::from_slice(&fold.finish().unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn tokens_are_counted_and_errors_of_messages_are_anthropics() {
    let server = Server::plain().await;
    let counted = server
        .post("/v1/messages/count_tokens", &message(&json!({})))
        .await;
    assert!(counted.1["input_tokens"].as_u64().unwrap() > 1);
    let (status, refusal) = server
        .post(MESSAGES, &json!({"model": "m", "messages": []}))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal["error"]["type"], "invalid_request_error");
    assert_eq!(refusal["type"], "error");
    let request = server.client.post(format!("{}{MESSAGES}", server.url));
    let response = request
        .header("x-api-key", "sk-invalid")
        .body(message(&json!({})).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("request-id"));
    let text = response.text().await.unwrap();
    let refusal: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(refusal["error"]["type"], "authentication_error");
}
