//! The client that openapi-generator makes of `/openapi.json`, on the running product.

use std::time::{SystemTime, UNIX_EPOCH};

use reprise_api::apis::configuration::Configuration;
use reprise_api::apis::{
    access_api, answers_api, cache_api, operations_api, providers_api, usage_api,
};
use reprise_api::models::{
    ChatCompletionRequest, ChatMessage, CompletionsGroup, CostsGroup, EmbeddingInput,
    EmbeddingRequest, InvalidateRequest, KeyRequest,
};
use reprise_clients::{twice, variable};
use serde_json::json;

fn bearer(key: &str) -> Configuration {
    let base = variable("BASE_URL");
    Configuration {
        base_path: base.trim_end_matches("/v1").to_owned(),
        bearer_access_token: Some(key.to_owned()),
        ..Configuration::default()
    }
}

async fn answers() {
    let caller = bearer("sk-generated");
    let message = ChatMessage {
        content: Some(Some(json!("generated rust"))),
        ..ChatMessage::new("user".to_owned())
    };
    let asked = ChatCompletionRequest::new("test-model".to_owned(), vec![message]);
    let ask = || async {
        let asked = asked.clone();
        let answer = answers_api::create_chat_completion(&caller, asked, None, None).await;
        answer.expect("an answer")
    };
    let answer = twice(ask).await;
    assert_eq!(answer["object"], "chat.completion");
    println!("pass a completion is the same from the cache");

    let texts = EmbeddingInput::ArrayVecString(vec!["x".to_owned(), "y".to_owned()]);
    let asked = EmbeddingRequest::new("test-model".to_owned(), texts);
    let embed = || async {
        let asked = asked.clone();
        let answer = answers_api::create_embedding(&caller, asked, None, None).await;
        answer.expect("vectors").data
    };
    assert_eq!(twice(embed).await.len(), 2);
    println!("pass vectors are the same from the cache");

    let models = answers_api::list_models(&caller, None, None).await;
    assert_eq!(models.expect("models").data[0].id, "test-model");
    println!("pass models are listed");
}

async fn administration() {
    let admin = bearer(&variable("ADMIN_KEY"));
    let asked = KeyRequest {
        name: Some(Some("generated".to_owned())),
        tenant: Some(Some("acme".to_owned())),
        ..KeyRequest::new()
    };
    let made = access_api::create_key(&admin, asked).await.expect("a key");
    let kept = access_api::retrieve_key(&admin, &made.id).await;
    assert_eq!(kept.expect("the key").tenant, "acme");
    let keys = access_api::list_keys(&admin, Some(10), None, Some("acme")).await;
    assert_eq!(keys.expect("keys").data.len(), 1);
    println!("pass a key is made and found");

    let stats = cache_api::retrieve_cache_stats(&admin).await;
    stats.expect("the cache's numbers");
    let health = operations_api::server_health(&admin).await;
    health.expect("the server's health");
    let providers = providers_api::list_providers(&admin).await;
    assert_eq!(providers.expect("providers").data.len(), 1);
    let prices = usage_api::list_prices(&admin, Some("openai")).await;
    prices.expect("prices");
    println!("pass the server's pages are read");

    let asked = InvalidateRequest {
        model: Some(Some(vec!["test-*".to_owned()])),
        dry_run: Some(Some(true)),
        ..InvalidateRequest::new()
    };
    let meant = cache_api::invalidate_cache(&admin, asked).await;
    let meant = meant.expect("what would be removed");
    assert_eq!(meant.object, "dry_run");
    assert!(meant.entries >= 1, "{meant:?}");
    println!("pass a purge is tried");
}

async fn usage() {
    let admin = bearer(&variable("ADMIN_KEY"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let day = i64::try_from(now.expect("a clock").as_secs()).expect("a time") - 86_400;
    let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
    let page = usage_api::usage_completions(
        &admin,
        day,
        None,
        None,
        Some(vec![CompletionsGroup::Model, CompletionsGroup::ApiKeyId]),
        None,
        None,
        words(&["test-model", "test-model-1"]),
        None,
        None,
        Some(5),
        None,
    );
    assert_eq!(page.await.expect("a page of usage").object, "page");
    let page = usage_api::costs(
        &admin,
        day,
        None,
        None,
        Some(vec![CostsGroup::LineItem]),
        None,
        words(&["key_x", "key_y"]),
        None,
        Some(2),
        None,
    );
    assert_eq!(page.await.expect("a page of costs").object, "page");
    println!("pass usage and costs are read, with lists as parameters");
}

#[tokio::main]
async fn main() {
    answers().await;
    administration().await;
    usage().await;
}
