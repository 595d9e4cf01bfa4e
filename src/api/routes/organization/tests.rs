//! Pages of usage are whole, go on where the last one ended, and say what is wrong
//! with a query.

use serde_json::Value;

use super::*;
use crate::ledger::{Counter, Granularity, Labels};
use crate::usage::books::scripted::{NOW, Office, chat};

const DAY: u64 = Granularity::Day.seconds();
const TODAY: u64 = NOW - NOW % DAY;

async fn ask(office: &Office, kind: Kind, query: &str) -> Result<Value, (String, String)> {
    let parameters = Parameters::of(query);
    let refused = |error| {
        let ApiError::Invalid { message, param } = error else {
            panic!("{error}");
        };
        (param.unwrap_or_default(), message)
    };
    let asked = Asked::read(kind, &parameters, office.books.now()).map_err(refused)?;
    let series = office.books.series(&asked.query, BOUNDS).await.unwrap();
    let told = match kind {
        Kind::Completions => serde_json::to_value(Page::of(&asked, &series, told::completions)),
        Kind::Embeddings => serde_json::to_value(Page::of(&asked, &series, told::embeddings)),
        Kind::Moderations => serde_json::to_value(Page::of(&asked, &series, told::moderations)),
        Kind::Costs => serde_json::to_value(Page::of(&asked, &series, told::costs)),
    };
    Ok(told.unwrap())
}

async fn completions(office: &Office, query: &str) -> Value {
    ask(office, Kind::Completions, query).await.unwrap()
}

fn embedding() -> Labels {
    Labels {
        operation: "embedding".to_owned(),
        ..chat("e", "k1")
    }
}

/// What two keys used of two models today, and one of them yesterday.
async fn busy() -> Office {
    let office = Office::open();
    let spent = [
        (Counter::Requests, 3),
        (Counter::Hits, 1),
        (Counter::Misses, 2),
        (Counter::Calls, 2),
        (Counter::SpentInput, 100),
        (Counter::SpentCachedInput, 30),
        (Counter::SpentOutput, 7),
        (Counter::SpentNanos, 1_500_000),
        (Counter::SavedInput, 50),
        (Counter::SavedNanos, 250_000),
    ];
    office.count(NOW, &chat("m1", "k1"), &spent).await;
    office.count(NOW, &chat("m2", "k1"), &spent).await;
    office.count(NOW - DAY, &chat("m1", "k2"), &spent).await;
    office.count(NOW, &embedding(), &spent).await;
    let unpriced = [(Counter::Calls, 1), (Counter::CallsUnpriced, 1)];
    office.count(NOW, &chat("new", "k1"), &unpriced).await;
    // Nothing was called and nothing found: nothing to tell.
    let refused = [(Counter::Requests, 1), (Counter::Failed, 1)];
    office
        .count(NOW - 3 * DAY, &chat("m1", "k1"), &refused)
        .await;
    office
}

fn results(page: &Value, bucket: usize) -> &Vec<Value> {
    page["data"][bucket]["results"].as_array().unwrap()
}

#[tokio::test]
async fn completions_are_what_was_called_with_what_the_cache_did_beside_it() {
    let office = busy().await;
    let page = completions(&office, &format!("start_time={}", NOW - 3 * DAY)).await;
    assert_eq!(page["object"], "page");
    assert_eq!(
        (&page["has_more"], &page["next_page"]),
        (&false.into(), &Value::Null)
    );
    let used: Vec<_> = (0..4).map(|bucket| results(&page, bucket).len()).collect();
    assert_eq!(used, [0, 0, 1, 1]);
    assert_eq!(page["data"][3]["object"], "bucket");
    assert_eq!(page["data"][3]["start_time"], TODAY);
    assert_eq!(page["data"][3]["end_time"], TODAY + DAY);
    let today = &results(&page, 3)[0];
    for (name, number) in [
        ("input_tokens", 200),
        ("input_cached_tokens", 60),
        ("input_uncached_tokens", 140),
        ("output_tokens", 14),
        ("num_model_requests", 5),
        ("cache_hits", 2),
        ("cache_misses", 4),
        ("cache_saved_input_tokens", 100),
    ] {
        assert_eq!(today[name], number, "{name}");
    }
    assert_eq!(today["cache_saved_cost_usd"], 0.0005);
    for name in [
        "model",
        "project_id",
        "api_key_id",
        "user_id",
        "batch",
        "input_text_tokens",
    ] {
        assert!(today.get(name).is_some_and(Value::is_null), "{name}");
    }
    assert_eq!(page["unpriced_models"], serde_json::json!(["new"]));
}

#[tokio::test]
async fn groups_are_named_by_what_they_are_grouped_by() {
    let office = busy().await;
    for spelling in [
        "group_by=model,api_key_id",
        "group_by=model&group_by=api_key_id",
        "group_by%5B%5D=model&group_by%5B%5D=api_key_id",
    ] {
        let page = completions(&office, &format!("start_time={TODAY}&{spelling}")).await;
        let named: Vec<_> = results(&page, 0)
            .iter()
            .map(|one| {
                (
                    one["model"].as_str().unwrap(),
                    one["api_key_id"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            named,
            [("m1", "k1"), ("m2", "k1"), ("new", "k1")],
            "{spelling}"
        );
        assert!(results(&page, 0)[0]["project_id"].is_null());
    }
    let page = completions(
        &office,
        &format!("start_time={TODAY}&group_by=project_id,batch,service_tier,user_id,api_source"),
    )
    .await;
    let one = &results(&page, 0)[0];
    assert_eq!(
        (&one["project_id"], &one["batch"]),
        (&"acme".into(), &false.into())
    );
    assert_eq!(one["api_source"], "unlabeled");
    assert!(one["user_id"].is_null() && one["service_tier"].is_null());
}

#[tokio::test]
async fn filters_choose_lines() {
    let office = busy().await;
    let calls = async |filter: &str| {
        let query = format!("start_time={}&{filter}", NOW - DAY);
        let page = completions(&office, &query).await;
        let all = (0..2).flat_map(|bucket| results(&page, bucket));
        all.map(|one| one["num_model_requests"].as_u64().unwrap())
            .sum::<u64>()
    };
    for (filter, expected) in [
        ("", 7),
        ("models=m1", 4),
        ("models[]=m1&models[]=m2", 6),
        ("models=", 7),
        ("api_key_ids=k2", 2),
        ("api_key_ids=k2&models=m2", 0),
        ("project_ids=acme", 7),
        ("project_ids=elsewhere", 0),
        ("user_ids=u", 0),
        ("batch=true", 0),
        ("batch=false", 7),
        ("unknown=whatever", 7),
    ] {
        assert_eq!(calls(filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn embeddings_moderations_and_costs_are_told_apart() {
    let office = busy().await;
    let query = format!("start_time={TODAY}&group_by=api_key_id");
    let page = ask(&office, Kind::Embeddings, &query).await.unwrap();
    let one = &results(&page, 0)[0];
    assert_eq!(one["object"], "organization.usage.embeddings.result");
    assert_eq!(
        (&one["input_tokens"], &one["api_key_id"]),
        (&100.into(), &"k1".into())
    );
    let page = ask(&office, Kind::Moderations, &query).await.unwrap();
    assert!(results(&page, 0).is_empty());

    let query = format!("start_time={TODAY}&group_by=line_item");
    let page = ask(&office, Kind::Costs, &query).await.unwrap();
    let items: Vec<_> = results(&page, 0)
        .iter()
        .map(|one| {
            let value = one["amount"]["value"].as_f64().unwrap();
            (
                one["line_item"].as_str().unwrap(),
                value,
                one["unpriced_requests"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        items,
        [
            ("e", 0.0015, 0),
            ("m1", 0.0015, 0),
            ("m2", 0.0015, 0),
            ("new", 0.0, 1)
        ]
    );
    let one = &results(&page, 0)[0];
    assert_eq!(one["object"], "organization.costs.result");
    assert_eq!(one["amount"]["currency"], "usd");
    assert_eq!(one["cache_saved_cost_usd"], 0.00025);
}

#[tokio::test]
async fn pages_walk_four_hundred_days_without_a_gap_or_a_repeat() {
    let office = Office::open();
    for day in (0..400).step_by(7) {
        let line = [(Counter::Calls, 1)];
        office.count(NOW - day * DAY, &chat("m", "k"), &line).await;
    }
    let query = format!("start_time={}&bucket_width=1d&limit=31", NOW - 399 * DAY);
    let (mut starts, mut calls, mut next) = (Vec::new(), 0, String::new());
    for turn in 0.. {
        // Time goes on while the pages are read: two days begin meanwhile.
        office.clock.set(NOW + turn * DAY / 6);
        let page = completions(&office, &format!("{query}{next}")).await;
        for bucket in page["data"].as_array().unwrap() {
            starts.push(bucket["start_time"].as_u64().unwrap());
            calls += bucket["results"].as_array().unwrap().len();
        }
        let Some(cursor) = page["next_page"].as_str() else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["data"].as_array().unwrap().len(), 31);
        next = format!("&page={cursor}");
    }
    let expected: Vec<_> = (0..402).map(|day| TODAY - 399 * DAY + day * DAY).collect();
    assert_eq!(starts, expected);
    assert_eq!(calls, 58);
}

#[tokio::test]
async fn a_page_with_very_many_groups_ends_early() {
    let office = Office::open();
    let mut lines = Vec::new();
    for day in 0..15 {
        for key in 0..1_100 {
            let mut tally = crate::ledger::Tally::default();
            tally.add(Counter::Calls, 1);
            lines.push(crate::ledger::Line {
                minute: NOW - NOW % 60 - day * DAY,
                labels: chat("m", &format!("k{key}")),
                tally,
            });
        }
    }
    office.ledger.write(lines).await;
    let query = format!("start_time={}&limit=31&group_by=api_key_id", NOW - 14 * DAY);
    let page = completions(&office, &query).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    assert_eq!(results(&page, 0).len(), 1_001);
    assert_eq!(results(&page, 0)[1_000]["num_model_requests"], 100);
    assert_eq!(results(&page, 0)[1_000]["api_key_id"], "other");
    let next = page["next_page"].as_str().unwrap();
    let page = completions(&office, &format!("{query}&page={next}")).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 5);
    assert_eq!(page["has_more"], false);
}

#[tokio::test]
async fn buckets_are_as_many_as_the_width_allows() {
    let office = Office::open();
    let start = NOW - 30 * DAY;
    for (query, buckets) in [
        (String::new(), 7),
        ("&limit=31".to_owned(), 31),
        ("&bucket_width=1h".to_owned(), 24),
        ("&bucket_width=1h&limit=168".to_owned(), 168),
        ("&bucket_width=1m".to_owned(), 60),
        ("&bucket_width=1m&limit=1440".to_owned(), 1_440),
        (format!("&end_time={}", start + 1), 1),
        (format!("&end_time={}", NOW + 99 * DAY), 7),
    ] {
        let page = completions(&office, &format!("start_time={start}{query}")).await;
        let data = page["data"].as_array().unwrap();
        assert_eq!(data.len(), buckets, "{query}");
    }
    let page = completions(&office, &format!("start_time={}", NOW + DAY)).await;
    assert_eq!(page["data"], serde_json::json!([]));
    assert_eq!(page["has_more"], false);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_said_by_the_name_of_the_parameter() {
    let office = Office::open();
    for (kind, query, param) in [
        (Kind::Completions, "", "start_time"),
        (Kind::Completions, "start_time=yesterday", "start_time"),
        (Kind::Completions, "start_time=-5", "start_time"),
        (Kind::Completions, "start_time=9&end_time=9", "end_time"),
        (
            Kind::Completions,
            "start_time=9&bucket_width=1w",
            "bucket_width",
        ),
        (Kind::Costs, "start_time=9&bucket_width=1h", "bucket_width"),
        (Kind::Completions, "start_time=9&limit=0", "limit"),
        (Kind::Completions, "start_time=9&limit=32", "limit"),
        (Kind::Costs, "start_time=9&limit=181", "limit"),
        (
            Kind::Completions,
            "start_time=9&group_by=line_item",
            "group_by",
        ),
        (Kind::Embeddings, "start_time=9&group_by=batch", "group_by"),
        (Kind::Completions, "start_time=9&batch=maybe", "batch"),
        (Kind::Completions, "start_time=9&page=what", "page"),
        (Kind::Completions, "start_time=9&limit=1&limit=2", "limit"),
    ] {
        let refused = ask(&office, kind, query).await.unwrap_err();
        assert_eq!(refused.0, param, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_query_is_refused() {
    let office = busy().await;
    let page = completions(&office, "start_time=0").await;
    let cursor = page["next_page"].as_str().unwrap();
    let more = format!("start_time=0&page={cursor}");
    assert_eq!(
        completions(&office, &format!("{more}&limit=3")).await["data"][0]["start_time"],
        7 * DAY
    );
    for other in [
        format!("start_time=1&page={cursor}"),
        format!("{more}&end_time=99999999999"),
        format!("{more}&group_by=model"),
        format!("{more}&models=m1"),
        format!("{more}&bucket_width=1h"),
    ] {
        let refused = ask(&office, Kind::Completions, &other).await.unwrap_err();
        assert_eq!(refused.0, "page", "{other}");
    }
    assert!(ask(&office, Kind::Embeddings, &more).await.is_err());
}

#[test]
fn paths_are_known_in_every_spelling() {
    assert!(is_ours("/v1/organization/costs") && is_ours("/organization/usage/embeddings/"));
    assert!(!is_ours("/v1/organization/usage/images"));
    assert!(is_administration("/v1/organization/usage/images"));
    assert!(!is_administration("/v1/organizations"));
}
