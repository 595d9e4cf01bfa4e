//! What the scripted upstream completes.

use super::*;

#[tokio::test]
async fn completions_are_the_same_as_a_document_and_as_events() {
    let server = Server::plain().await;
    let asked = |stream: bool| {
        json!({
            "model": "m", "prompt": ["a", "b"], "n": 2, "echo": true, "logprobs": 1,
            "max_tokens": 3, "stream": stream, "stream_options": {"include_usage": true},
        })
    };
    let (status, whole) = server.post("/v1/completions", &asked(false)).await;
    assert_eq!(
        (status, &whole["object"]),
        (StatusCode::OK, &json!("text_completion"))
    );
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    let text = choices[3]["text"].as_str().unwrap();
    assert!(
        text.starts_with('b') && choices[3]["finish_reason"] == "length",
        "{text}"
    );
    let events = server
        .send("/v1/completions", asked(true).to_string())
        .await;
    let events = events.text().await.unwrap();
    let mut told = String::new();
    let mut offsets = Vec::new();
    for event in events
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: {"))
    {
        let chunk: Value = serde_json::from_str(&format!("{{{event}")).unwrap();
        if chunk["choices"][0]["index"] == 3 {
            told.push_str(chunk["choices"][0]["text"].as_str().unwrap());
            let logprobs = &chunk["choices"][0]["logprobs"];
            offsets.extend(
                logprobs["text_offset"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        if chunk["choices"] == json!([]) {
            assert_eq!(chunk["usage"], whole["usage"]);
        }
    }
    assert_eq!(told, text);
    assert_eq!(json!(offsets), choices[3]["logprobs"]["text_offset"]);
    assert!(events.ends_with("data: [DONE]\n\n"));
    for odd in [json!({"model": "m"}), json!({"model": "m", "prompt": []})] {
        let (status, _) = server.post("/v1/completions", &odd).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
