//! What the scripted upstream ranks, hears and speaks.

use super::*;

#[tokio::test]
async fn documents_are_ranked_by_the_words_they_share_with_the_query() {
    let server = Server::plain().await;
    let request = json!({"model": "m", "query": "a panda", "documents": ["hi", {"text": "Panda"}]});
    let (status, answer) = server.post("/v1/rerank", &request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer["results"][0],
        json!({"index": 1, "relevance_score": 0.5})
    );
    let none = json!({"model": "m", "query": "a", "documents": []});
    assert_eq!(
        server.post("/v1/rerank", &none).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn the_same_sound_is_heard_as_the_same_and_spoken_as_the_same() {
    let server = Server::plain().await;
    let hear = async |file: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{file}\r\n--b--\r\n"
        );
        let url = format!("{}/v1/audio/transcriptions", server.url);
        let request = server.client.post(url).body(body);
        let request = request.header(CONTENT_TYPE, "multipart/form-data; boundary=b");
        request.send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(hear("x").await, hear("x").await);
    assert_ne!(hear("x").await, hear("y").await);
    let speech = json!({"model": "tts-1", "input": "Hi", "voice": "alloy"}).to_string();
    let said = server.send("/v1/audio/speech", speech.clone()).await;
    assert_eq!(said.headers()[CONTENT_TYPE], "audio/mpeg");
    let said = said.bytes().await.unwrap();
    let again = server.send("/v1/audio/speech", speech).await;
    assert_eq!((said.len(), &said), (65, &again.bytes().await.unwrap()));
}
