//! What the programs of this crate share: where the proxy is, and the scripted upstream
//! behind it that tells how often it was asked.

use std::fmt::Debug;
use std::future::Future;

use serde_json::Value;

/// A variable of the environment that the tests set.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// How often the upstream was asked.
pub async fn calls() -> u64 {
    let address = format!("{}/calls", variable("UPSTREAM_CONTROL"));
    let reply = reqwest::get(address).await.expect("the upstream answers");
    let told: Value = reply.json().await.expect("the upstream tells its calls");
    told["calls"].as_u64().expect("a number of calls")
}

/// Runs it twice; the upstream must be asked the first time only, the results must be equal.
pub async fn twice<T, F>(run: impl Fn() -> F) -> T
where
    T: Debug + PartialEq,
    F: Future<Output = T>,
{
    let before = calls().await;
    let first = run().await;
    assert_eq!(calls().await, before + 1, "calls of the first time");
    let second = run().await;
    assert_eq!(calls().await, before + 1, "calls of both times");
    assert_eq!(first, second);
    second
}
