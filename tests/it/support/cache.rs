//! The administration of the cache, as an administrator asks it.

use serde_json::{Value, json};

use super::app::{ADMIN, ALICE, House};
use super::http::{Request, Response};
use super::wait::eventually;

impl House {
    /// Sends a request without a body to the administration.
    pub(crate) async fn order(&self, method: &str, path: &str) -> Response {
        self.send(&Request::new(method, path).bearer(ADMIN)).await
    }

    /// Asks to remove what a selector means.
    pub(crate) async fn invalidate(&self, selector: &Value) -> Response {
        let body = selector.to_string();
        let request = Request::post("/admin/v1/cache/invalidate", body);
        self.send(&request.bearer(ADMIN)).await
    }

    /// Every entry that is listed, page by page.
    pub(crate) async fn entries(&self, filters: &str) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/admin/v1/cache/entries?limit=20&{filters}{after}");
            let page = self.admin(&path).await;
            assert_eq!(page.status, 200, "{}", page.text());
            let page = page.json();
            all.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }

    /// Waits until a purge is complete, and gives it back.
    pub(crate) async fn purged(&self, purge: &Value) -> Value {
        let path = format!("/admin/v1/cache/purges/{}", purge["id"].as_str().unwrap());
        eventually("the purge is complete", || async {
            let told = self.admin(&path).await.json();
            (told["state"] == "complete").then_some(told)
        })
        .await
    }

    /// Asks for a chat completion under a tag; how the cache answered.
    pub(crate) async fn ask_tagged(&self, question: &Value, tag: &str) -> String {
        let request = super::app::chat(question).header("x-cache-tags", tag);
        self.send(&request).await.x_cache().to_owned()
    }

    /// Asks for a chat completion with a credential; how the cache answered.
    pub(crate) async fn ask_as(&self, credential: &str, question: &Value) -> String {
        let request = Request::post("/v1/chat/completions", question.to_string());
        let answer = self.send(&request.bearer(credential)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.x_cache().to_owned()
    }

    /// Has so many embeddings stored, by one request.
    pub(crate) async fn embed_many(&self, count: usize) {
        let inputs: Vec<String> = (0..count).map(|number| format!("input {number}")).collect();
        let question = json!({"model": "test-embedding", "input": inputs});
        let request = Request::post("/v1/embeddings", question.to_string());
        let answer = self.send(&request.bearer(ALICE)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
