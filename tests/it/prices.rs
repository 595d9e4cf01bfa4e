//! What tokens cost: as the table says, as the operator says, and never a guess.

use serde_json::{Value, json};

use crate::support::{House, Reply, Store, answer, in_time, on_each_store, question};

/// The shipped table.
fn table() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/price/prices.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A price as the table writes it and as it is served, in one form.
fn price(of: &Value, cached: &str) -> Value {
    let tiers = of["tiers"].as_array().cloned().unwrap_or_default();
    let one = |rates: &Value| {
        let number = |name: &str| rates[name].as_f64();
        json!([
            number("input"),
            number(cached),
            number("output"),
            rates["above"]
        ])
    };
    let tiers: Vec<Value> = tiers.iter().map(one).collect();
    json!([one(of), tiers])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_model_of_the_table_is_served_at_the_price_of_the_file() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let table = table();
        let mut models = 0;
        for provider in table["providers"].as_array().unwrap() {
            let id = provider["id"].as_str().unwrap();
            let seen = house
                .admin(&format!("/admin/v1/prices?provider={id}"))
                .await
                .json();
            assert_eq!(
                (&seen["date"], &seen["source"]),
                (&table["date"], &table["source"])
            );
            let (served, filed) = (&seen["data"], provider["models"].as_array().unwrap());
            assert_eq!(served.as_array().unwrap().len(), filed.len());
            for (served, filed) in served.as_array().unwrap().iter().zip(filed) {
                assert_eq!(served["model"], filed["id"]);
                if filed.get("input").is_none() {
                    assert_eq!(served["price"], Value::Null, "{id} {}", filed["id"]);
                } else {
                    let told = price(&served["price"], "cached_input");
                    assert_eq!(told, price(filed, "cached"), "{id} {}", filed["id"]);
                }
                models += 1;
            }
        }
        assert!(2_000 < models, "{models}");
        let unknown = house.admin("/admin/v1/prices?provider=nobody").await;
        assert_eq!((unknown.status, &*unknown.error_code()), (404, "not_found"));
    })
    .await;
}

/// An answer of this model that took a million tokens each way.
fn costly(model: &str) -> Reply {
    let mut whole = answer("costly", "not much");
    whole["model"] = json!(model);
    whole["usage"] = json!({
        "prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000,
        "prompt_tokens_details": {"cached_tokens": 500_000},
    });
    Reply::json(200, whole.to_string())
}

on_each_store! {
    async fn a_hit_says_what_it_saved_at_the_price_in_force(store) {
        let folder = crate::support::Scratch::new();
        let file = folder.path().join("prices.toml");
        std::fs::write(&file, "[models.own]\ninput = 1\ncached_input = 0.5\noutput = 4\n").unwrap();
        let house = House::with(store)
            .set("REPRISE_PRICES", &file.display().to_string())
            .set("REPRISE_PRICE_PROVIDER", "openai")
            .start()
            .await;
        for (model, saved) in [
            // 2.5 and 1.25 for half a million each, 10 for the answer.
            ("gpt-4o-2024-08-06", Some("11.875")),
            ("own", Some("4.75")),
            ("nobody-knows-me", None),
        ] {
            let mut asked = question(&format!("what does {model} cost?"));
            asked["model"] = json!(model);
            house.upstream.next(costly(model));
            let miss = house.ask(&asked).await;
            assert_eq!((miss.x_cache(), miss.header("x-cache-saved-usd")), ("MISS", None));
            let hit = house.ask(&asked).await;
            assert_eq!((hit.x_cache(), hit.header("x-cache-saved-usd")), ("HIT", saved));
        }
        let metrics = house.metrics().await;
        for line in [
            r#"reprise_cost_nanousd_total{operation="chat",kind="upstream"} 16625000000"#,
            r#"reprise_cost_nanousd_total{operation="chat",kind="saved"} 16625000000"#,
            r#"reprise_unpriced_calls_total{operation="chat"} 1"#,
        ] {
            assert!(metrics.lines().any(|told| told == line), "{line}\n{metrics}");
        }
        let prices = house.admin("/admin/v1/prices").await.json();
        assert_eq!(prices["in_force"], "openai");
        let own = json!([{"model": "own", "price": {"input": 1.0, "cached_input": 0.5, "output": 4.0}}]);
        assert_eq!(prices["overrides"], own);
    }
}
