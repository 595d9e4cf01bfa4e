//! Usage is told in any grouping and width, and within bounds.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ledger::{Counter, Granularity, Labels, Line, Tags, Tally};
use crate::usage::books::scripted::{NOW, Office, chat};

const DAY: u64 = Granularity::Day.seconds();

async fn ask(office: &Office, query: &str) -> Value {
    let told = tell(&office.books, &Parameters::of(query)).await;
    serde_json::to_value(told.unwrap()).unwrap()
}

async fn busy() -> Office {
    let office = Office::open();
    let tagged = Labels {
        tags: Tags::of(["a", "b"]),
        ..chat("m", "k")
    };
    let mut tally = Tally::default();
    for (counter, count) in [
        (Counter::Requests, 4),
        (Counter::Hits, 3),
        (Counter::Misses, 1),
        (Counter::Calls, 1),
        (Counter::CallsUnpriced, 1),
        (Counter::SpentInput, 10),
        (Counter::ServedInput, 40),
        (Counter::SavedInput, 30),
        (Counter::SpentNanos, 1_000),
        (Counter::SavedMicros, 1_500_000),
    ] {
        tally.add(counter, count);
    }
    tally.total.record(Duration::from_millis(100));
    let line = |second: u64, labels: &Labels| Line {
        minute: Granularity::Minute.start_of(second),
        labels: labels.clone(),
        tally: tally.clone(),
    };
    office
        .ledger
        .write(vec![
            line(NOW, &tagged),
            line(NOW - 3_600, &chat("n", "")),
            line(NOW - 10 * DAY, &chat("m", "k")),
        ])
        .await;
    office
}

#[tokio::test]
async fn the_last_day_is_told_by_the_hour_if_nothing_is_said() {
    let office = busy().await;
    let told = ask(&office, "").await;
    assert_eq!(told["granularity"], "hour");
    let data = told["data"].as_array().unwrap();
    assert_eq!(data.len(), 25);
    assert_eq!(told["start"], data[0]["start_time"]);
    assert_eq!(told["end"], data[24]["end_time"]);
    let group = &data[24]["groups"][0];
    for (pointer, expected) in [
        ("/requests", json!(4)),
        ("/hit_ratio", json!(0.75)),
        ("/tokens/upstream/input", json!(10)),
        ("/tokens/served/input", json!(40)),
        ("/tokens/saved/input", json!(30)),
        ("/cost_usd", json!(0.000_001)),
        ("/saved_seconds", json!(1.5)),
        ("/unpriced", json!(1)),
        ("/first_byte_ms", json!(null)),
    ] {
        assert_eq!(group.pointer(pointer), Some(&expected), "{pointer}");
    }
    let p50 = group["latency_ms"]["p50"].as_f64().unwrap();
    assert!((p50 - 100.0).abs() < 7.0, "{p50}");
    assert!(group.get("model").is_none() && group.get("others").is_none());
    assert_eq!(told["totals"]["requests"], 8);
    assert_eq!(told["unpriced_models"], json!(["m", "n"]));
}

#[tokio::test]
async fn groups_have_the_names_that_were_asked_for() {
    let office = busy().await;
    let told = ask(&office, "granularity=total&group_by=key,tag").await;
    assert_eq!(told["granularity"], "total");
    assert_eq!(told["group_by"], json!(["key", "tag"]));
    let groups = told["data"][0]["groups"].as_array().unwrap();
    let names: Vec<_> = groups
        .iter()
        .map(|one| (&one["key"], &one["tag"]))
        .collect();
    let (k, a, b) = (json!("k"), json!("a"), json!("b"));
    let null = Value::Null;
    assert_eq!(names, [(&null, &null), (&k, &a), (&k, &b)]);
    assert!(groups[0].get("key").is_some() && groups[0].get("model").is_none());
    // A request with two tags is in two groups and once in the totals.
    assert_eq!(told["totals"]["requests"], 8);

    let told = ask(&office, "granularity=total&group_by=model&limit=1").await;
    let groups = told["data"][0]["groups"].as_array().unwrap();
    assert_eq!(groups[0]["model"], "m");
    assert_eq!(
        (&groups[1]["model"], &groups[1]["others"]),
        (&json!("other"), &json!(1))
    );

    let told = ask(&office, "granularity=total&tag=b&model=m,n").await;
    assert_eq!(told["totals"]["requests"], 4);
}

#[tokio::test]
async fn the_width_fits_the_range_and_what_is_kept() {
    let office = busy().await;
    for (query, width, buckets) in [
        (format!("start={}", NOW - 3_600), "minute", 61),
        (format!("start={}", NOW - 8 * DAY), "hour", 193),
        (format!("start={}", NOW - 30 * DAY), "day", 31),
        // Minutes are not kept for three days.
        (
            format!("start={}&end={}", NOW - 3 * DAY, NOW - 3 * DAY + 60),
            "hour",
            1,
        ),
        (
            format!("start={}&granularity=total", NOW - 30 * DAY),
            "total",
            1,
        ),
        (
            "start=2026-01-02T00:00:00Z&end=2026-01-02T10:00:00Z".to_owned(),
            "hour",
            10,
        ),
        (
            "granularity=minute&start=2026-01-02T10:20:00Z".to_owned(),
            "minute",
            11,
        ),
    ] {
        let told = ask(&office, &query).await;
        let data = told["data"].as_array().unwrap();
        assert_eq!(
            (told["granularity"].as_str().unwrap(), data.len()),
            (width, buckets),
            "{query}"
        );
    }
    let told = ask(
        &office,
        &format!("start={}&granularity=total", NOW - 30 * DAY),
    )
    .await;
    assert_eq!(told["totals"]["requests"], 12);
    assert_eq!(told["data"][0]["start_time"], told["start"]);
    assert_eq!(told["data"][0]["end_time"], told["end"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_said() {
    let office = Office::open();
    for (query, param) in [
        ("start=soon", "start"),
        ("start=20&end=10", "start"),
        ("start=99999999999", "start"),
        ("granularity=week", "granularity"),
        ("granularity=minute&start=1767240000", "granularity"),
        ("group_by=user", "group_by"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
    ] {
        let told = tell(&office.books, &Parameters::of(query)).await;
        let refused = told.unwrap_err();
        assert_eq!(refused.param(), Some(param), "{query}");
    }
}

#[tokio::test]
async fn an_answer_has_a_bounded_number_of_groups() {
    let office = Office::open();
    let mut lines = Vec::new();
    for hour in 0..30_u64 {
        for key in 0..900 {
            let mut tally = Tally::default();
            tally.add(Counter::Requests, 1);
            lines.push(Line {
                minute: Granularity::Minute.start_of(NOW - hour * 3_600),
                labels: chat("m", &format!("k{key}")),
                tally,
            });
        }
    }
    office.ledger.write(lines).await;
    let query = format!("granularity=hour&group_by=key&start={}", NOW - 29 * 3_600);
    let parameters = Parameters::of(&format!("{query}&limit=1000"));
    let told = tell(&office.books, &parameters).await;
    assert_eq!(told.unwrap_err().param(), Some("limit"));
    let told = ask(&office, &format!("{query}&limit=10")).await;
    assert_eq!(told["data"][0]["groups"].as_array().unwrap().len(), 11);
    assert_eq!(told["data"][0]["groups"][10]["others"], 890);
}
