//! A house that gives out its own API keys, and those keys.

use serde_json::{Value, json};

use super::app::{ADMIN, House, Setup, Store};
use super::http::{Request, Response};

/// The operator's credential with the provider.
pub(crate) const OPERATOR: &str = "sk-operator-of-the-tests";

/// The master key of houses that share a store.
pub(crate) const MASTER: &str = "1:master-key-of-the-tests-0123456789";

/// An API key.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) key: String,
}

impl House {
    /// A house in key mode, to be changed before it is started.
    pub(crate) fn with_keys(store: Store) -> Setup {
        Self::with(store)
            .set("REPRISE_ACCESS", "keys")
            .set("REPRISE_UPSTREAM_API_KEY", OPERATOR)
            .set("REPRISE_MASTER_KEYS", MASTER)
    }

    /// Sends a body to the administration.
    pub(crate) async fn administer(&self, method: &str, path: &str, body: &Value) -> Response {
        let request = Request::new(method, path)
            .header("content-type", "application/json")
            .bearer(ADMIN);
        self.send(&request.body(body.to_string())).await
    }

    /// Makes a key of a tenant with these rights.
    pub(crate) async fn key(&self, tenant: &str, rights: Value) -> ApiKey {
        self.make_key(&json!({"name": "test", "tenant": tenant, "rights": rights}))
            .await
    }

    /// Makes a key.
    pub(crate) async fn make_key(&self, said: &Value) -> ApiKey {
        let made = self.administer("POST", "/admin/v1/keys", said).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        ApiKey {
            id: made["id"].as_str().unwrap().to_owned(),
            key: made["key"].as_str().unwrap().to_owned(),
        }
    }

    /// Revokes a key.
    pub(crate) async fn revoke(&self, key: &ApiKey) -> Response {
        let path = format!("/admin/v1/keys/{}", key.id);
        self.send(&Request::new("DELETE", &path).bearer(ADMIN))
            .await
    }
}

impl ApiKey {
    /// A chat request.
    pub(crate) fn chat(&self, question: &Value) -> Request {
        Request::post("/v1/chat/completions", question.to_string()).bearer(&self.key)
    }

    /// A request for embeddings.
    pub(crate) fn embed(&self, question: &Value) -> Request {
        Request::post("/v1/embeddings", question.to_string()).bearer(&self.key)
    }

    /// Asks for a chat completion.
    pub(crate) async fn ask(&self, house: &House, question: &Value) -> Response {
        house.send(&self.chat(question)).await
    }
}
