//! The scripted upstream over a socket.

mod completions;
mod media;
mod messages;
mod responses;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

struct Server {
    url: String,
    client: reqwest::Client,
    _task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(options: MockOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self {
            url,
            client: reqwest::Client::builder().build().unwrap(),
            _task: tokio::spawn(serve(listener, options, std::future::pending())),
        }
    }

    async fn plain() -> Self {
        Self::start(MockOptions::default()).await
    }

    async fn send(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url)).body(body);
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.send(path, body.to_string()).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = self.client.get(format!("{}{path}", self.url));
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    /// Asks with these members beside the usual ones.
    async fn ask(&self, more: &Value) -> Value {
        let (status, answer) = self.post(CHAT, &question(more)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// Waits until no call is being answered: a client may have read the end of a
    /// stream before the server has put it away.
    async fn is_idle(&self) {
        let idle = async { while self.get("/__calls").await.1["in_flight"] != 0 {} };
        let in_time = tokio::time::timeout(Duration::from_secs(10), idle).await;
        in_time.expect("calls end");
    }

    /// The same as a stream: its events, without the last.
    async fn ask_stream(&self, more: &Value) -> Vec<Value> {
        let mut request = question(more);
        request["stream"] = true.into();
        let response = self.send(CHAT, request.to_string()).await;
        let text = response.text().await.unwrap();
        let text = text.strip_suffix("data: [DONE]\n\n").expect("an end");
        text.split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }
}

const CHAT: &str = "/v1/chat/completions";

fn question(more: &Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

/// What the pieces at `path` in each event come to.
fn folded(events: &[Value], path: &str) -> String {
    let pieces = events.iter().filter_map(|event| event.pointer(path));
    pieces.filter_map(Value::as_str).collect()
}

fn tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

#[tokio::test]
async fn the_same_question_gets_the_same_words_under_another_id() {
    let server = Server::plain().await;
    let first = server.ask(&json!({})).await;
    let second = server.ask(&json!({})).await;
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(first["usage"], second["usage"]);
    assert_ne!(first["id"], second["id"]);
    assert_ne!(first["created"], second["created"]);
    let other = server.ask(&json!({"seed": 1})).await;
    assert_ne!(first["choices"], other["choices"]);
}

#[tokio::test]
async fn no_two_of_many_calls_at_once_have_one_id() {
    let server = Server::plain().await;
    let none = json!({});
    let answers = futures_util::future::join_all((0..64).map(|_| server.ask(&none))).await;
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids.len(), 64);
}

#[tokio::test]
async fn another_run_has_other_ids() {
    let (one, other) = (Server::plain().await, Server::plain().await);
    assert_ne!(
        one.ask(&json!({})).await["id"],
        other.ask(&json!({})).await["id"]
    );
}

#[tokio::test]
async fn a_stream_says_what_the_document_says() {
    let server = Server::plain().await;
    let document = server.ask(&json!({"n": 2})).await;
    let events = server.ask_stream(&json!({"n": 2})).await;
    for index in 0..2 {
        let of_choice: Vec<Value> = events
            .iter()
            .filter(|event| event["choices"][0]["index"] == index)
            .cloned()
            .collect();
        assert_eq!(of_choice[0]["choices"][0]["delta"]["role"], "assistant");
        let choice = &document["choices"][index];
        assert_eq!(
            folded(&of_choice, "/choices/0/delta/content"),
            choice["message"]["content"].as_str().unwrap()
        );
        let last = of_choice.last().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], choice["finish_reason"]);
        assert_eq!(last["choices"][0]["delta"], json!({}));
    }
    let ids: std::collections::BTreeSet<_> =
        events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "all events of a stream have one id");
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn a_stream_tells_its_usage_when_asked() {
    let server = Server::plain().await;
    let options = json!({"stream_options": {"include_usage": true}});
    let events = server.ask_stream(&options).await;
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], server.ask(&json!({})).await["usage"]);
    assert!(
        before
            .iter()
            .all(|event| event.get("usage") == Some(&Value::Null))
    );
}

#[tokio::test]
async fn a_limit_cuts_the_answer_and_says_so() {
    let server = Server::plain().await;
    let cut = server.ask(&json!({"max_completion_tokens": 3})).await;
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 3);
    let whole = server.ask(&json!({"max_tokens": 300})).await;
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_tool_is_called_if_one_has_to_be() {
    let server = Server::plain().await;
    let tools = json!([tool("first"), tool("second")]);
    let named = json!({"type": "function", "function": {"name": "second"}});
    for (choice, wanted) in [(json!("required"), "first"), (named, "second")] {
        let asked = json!({"tools": tools, "tool_choice": choice});
        let answer = server.ask(&asked).await;
        let call = &answer["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], wanted);
        let arguments = call["function"]["arguments"].as_str().unwrap();
        let read: Value = serde_json::from_str(arguments).unwrap();
        assert!(read["city"].is_string());
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
        let events = server.ask_stream(&asked).await;
        let path = "/choices/0/delta/tool_calls/0/function";
        assert_eq!(folded(&events, &format!("{path}/name")), wanted);
        assert_eq!(folded(&events, &format!("{path}/arguments")), arguments);
    }
    let free = server
        .ask(&json!({"tools": tools, "tool_choice": "auto"}))
        .await;
    assert!(free["choices"][0]["message"]["content"].is_string());
}

#[tokio::test]
async fn a_custom_tool_gets_its_input() {
    let server = Server::plain().await;
    let tools = json!([{"type": "custom", "custom": {"name": "free"}}]);
    let asked = json!({"tools": tools, "tool_choice": "required"});
    let answer = server.ask(&asked).await;
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    let events = server.ask_stream(&asked).await;
    let input = folded(&events, "/choices/0/delta/tool_calls/0/custom/input");
    assert_eq!(call["custom"]["input"], input);
    assert_eq!(call["custom"]["name"], "free");
}

#[tokio::test]
async fn json_is_answered_where_it_is_asked_for() {
    let server = Server::plain().await;
    let schema = json!({"type": "object", "properties": {"whole": {"type": "integer"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema}});
    for (format, wanted) in [
        (format, "whole"),
        (json!({"type": "json_object"}), "answer"),
    ] {
        let answer = server.ask(&json!({"response_format": format})).await;
        let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
        let read: Value = serde_json::from_str(content).unwrap();
        assert!(read.get(wanted).is_some(), "{content}");
    }
}

#[tokio::test]
async fn refusals_and_probabilities_come_in_both_forms() {
    let server = Server::plain().await;
    let refusing = json!({"model": "mock-refusal"});
    let answer = server.ask(&refusing).await;
    let events = server.ask_stream(&refusing).await;
    let refusal = folded(&events, "/choices/0/delta/refusal");
    assert_eq!(answer["choices"][0]["message"]["refusal"], refusal);
    let telling = json!({"logprobs": true, "top_logprobs": 2});
    let answer = server.ask(&telling).await;
    let told = answer["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap();
    assert_eq!(told[0]["top_logprobs"].as_array().unwrap().len(), 2);
    let events = server.ask_stream(&telling).await;
    let streamed: Vec<Value> = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/logprobs/content/0"))
        .cloned()
        .collect();
    assert_eq!(&streamed, told);
}

#[tokio::test]
async fn embeddings_are_unit_vectors_in_both_formats() {
    let server = Server::plain().await;
    let ask = async |more: &Value| {
        let mut request = json!({"model": "text-embedding-3-small", "dimensions": 8});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        server.post("/v1/embeddings", &request).await
    };
    let (status, plain) = ask(&json!({"input": ["a", "b", "a"]})).await;
    assert_eq!(status, StatusCode::OK);
    let data = plain["data"].as_array().unwrap();
    assert_eq!(data[0]["embedding"], data[2]["embedding"]);
    assert_ne!(data[0]["embedding"], data[1]["embedding"]);
    assert_eq!(data[2]["index"], 2);
    let floats: Vec<f32> = serde_json::from_value(data[0]["embedding"].clone()).unwrap();
    let length: f32 = floats.iter().map(|one| one * one).sum();
    assert!((length - 1.0).abs() < 1e-5 && floats.len() == 8);
    let (_, coded) = ask(&json!({"input": "a", "encoding_format": "base64"})).await;
    let bytes: Vec<u8> = floats.iter().flat_map(|one| one.to_le_bytes()).collect();
    assert_eq!(coded["data"][0]["embedding"], STANDARD.encode(bytes));
    let (_, tokens) = ask(&json!({"input": [[1, 2], [3]]})).await;
    assert_eq!(tokens["data"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/__calls").await.1["embedding_items"], 6);
    for wrong in [
        json!({"input": ""}),
        json!({"input": []}),
        json!({"input": "a", "dimensions": 0}),
        json!({"input": "a", "encoding_format": "hex"}),
        json!({}),
    ] {
        assert_eq!(ask(&wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let (_, told) = server.get("/__calls").await;
    assert_eq!(
        told["embedding_items"], 6,
        "what is refused is not embedded"
    );
    server.send("/__reset", "").await;
    assert_eq!(server.get("/__calls").await.1["embedding_items"], 0);
}

#[tokio::test]
async fn moderations_and_models_are_told() {
    let server = Server::plain().await;
    let asked = json!({"input": ["I like you", "I will kill you"]});
    let (_, judged) = server.post("/v1/moderations", &asked).await;
    assert_eq!(judged["results"][0]["flagged"], false);
    assert_eq!(judged["results"][1]["categories"]["violence"], true);
    let (_, models) = server.get("/v1/models").await;
    assert_eq!(models["data"][0]["id"], "demo-model");
    let (_, model) = server.get("/v1/models/demo-model").await;
    assert_eq!(model["object"], "model");
    let (status, none) = server.get("/v1/models/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(none["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn every_refusal_has_the_shape_of_an_error() {
    let server = Server::plain().await;
    let none = json!({});
    for (path, body, status) in [
        ("/v1/none", &none, StatusCode::NOT_FOUND),
        (CHAT, &none, StatusCode::BAD_REQUEST),
        (CHAT, &question(&json!({"n": 0})), StatusCode::BAD_REQUEST),
        (
            CHAT,
            &question(&json!({"messages": "hi"})),
            StatusCode::BAD_REQUEST,
        ),
        ("/v1/moderations", &none, StatusCode::BAD_REQUEST),
        ("/v1/models", &none, StatusCode::NOT_FOUND),
    ] {
        let (got, answer) = server.post(path, body).await;
        assert_eq!(got, status, "{path} {body}");
        for member in ["message", "type", "param", "code"] {
            assert!(answer["error"].get(member).is_some(), "{path}: {answer}");
        }
    }
    let (status, answer) = server.get(CHAT).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer["error"]["code"], "method_not_supported");
    let unreadable = server.send(CHAT, "{").await;
    assert_eq!(unreadable.status(), StatusCode::BAD_REQUEST);
    let request = server.client.post(format!("{}{CHAT}", server.url));
    let refused = request.bearer_auth("sk-invalid").body("{}").send().await;
    assert_eq!(refused.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn it_fails_as_it_is_told() {
    let server = Server::start(MockOptions {
        fail: Some("429:2".parse().unwrap()),
        ..MockOptions::default()
    })
    .await;
    let body = question(&json!({})).to_string();
    let first = server.send(CHAT, body.clone()).await;
    assert_eq!(first.status(), StatusCode::OK);
    let second = server.send(CHAT, body).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.headers()["retry-after"], "1");
}

#[tokio::test]
async fn answers_carry_the_headers_of_the_real_one() {
    let server = Server::plain().await;
    let body = question(&json!({})).to_string();
    let first = server.send(CHAT, body.clone()).await;
    let second = server.send(CHAT, body).await;
    assert_ne!(
        first.headers()["x-request-id"],
        second.headers()["x-request-id"]
    );
    for name in [
        "openai-processing-ms",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-tokens",
    ] {
        assert!(first.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn calls_are_counted_and_forgotten() {
    let server = Server::plain().await;
    server.ask(&json!({})).await;
    server.ask_stream(&json!({})).await;
    server.get("/v1/models").await;
    server.is_idle().await;
    let (_, told) = server.get("/__calls").await;
    let by_path = json!({CHAT: 2, "/v1/models": 1});
    assert_eq!(
        told,
        json!({"total": 3, "by_path": by_path, "in_flight": 0, "embedding_items": 0})
    );
    server.send("/__reset", "").await;
    let (_, told) = server.get("/__calls").await;
    assert_eq!(told["total"], 0);
}

#[tokio::test]
async fn a_paced_stream_is_in_flight_until_it_ends() {
    let server = Server::start(MockOptions {
        tokens_per_second: Some(100),
        ..MockOptions::default()
    })
    .await;
    let started = Instant::now();
    let body = question(&json!({"stream": true, "max_tokens": 10})).to_string();
    let mut response = server.send(CHAT, body).await;
    response.chunk().await.unwrap().expect("a first event");
    assert_eq!(server.get("/__calls").await.1["in_flight"], 1);
    while response.chunk().await.unwrap().is_some() {}
    assert!(Duration::from_millis(100) <= started.elapsed());
    server.is_idle().await;
}
