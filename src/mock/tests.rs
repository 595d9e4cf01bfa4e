//! The scripted upstream over a socket, asked with the client that calls providers.

use super::*;

async fn start(options: MockOptions) -> (String, tokio::task::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(serve(listener, options, std::future::pending()));
    (url, task)
}

async fn ask(url: &str, body: &Value) -> (StatusCode, String) {
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{url}/v1/chat/completions"))
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (response.status(), response.text().await.unwrap())
}

fn question() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn the_same_question_gets_the_same_words_under_another_id() {
    let (url, _task) = start(MockOptions::default()).await;
    let answers: Vec<Value> = [ask(&url, &question()).await, ask(&url, &question()).await]
        .iter()
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(answers[0]["choices"], answers[1]["choices"]);
    assert_ne!(answers[0]["id"], answers[1]["id"]);
}

#[tokio::test]
async fn a_stream_tells_its_usage_when_asked_and_ends_with_done() {
    let (url, _task) = start(MockOptions::default()).await;
    let mut request = question();
    request["stream"] = true.into();
    let (_, plain) = ask(&url, &request).await;
    assert!(!plain.contains("usage") && plain.ends_with("data: [DONE]\n\n"));
    request["stream_options"] = json!({"include_usage": true});
    let (_, told) = ask(&url, &request).await;
    assert!(told.contains("\"completion_tokens\":24"));
}

#[tokio::test]
async fn it_fails_as_it_is_told() {
    let options = MockOptions {
        fail: Some("503:2".parse().unwrap()),
        ..MockOptions::default()
    };
    let (url, _task) = start(options).await;
    assert_eq!(ask(&url, &question()).await.0, StatusCode::OK);
    let (status, text) = ask(&url, &question()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("\"error\""));
}
