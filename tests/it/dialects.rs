//! A client of another gateway keeps its headers and members: they are obeyed, go no
//! further, and are answered in the same words.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{
    Crowd, Gate, House, Reply, Request, Response, Store, answer, batch, chat, embed, in_time,
    on_each_store, question, streaming,
};

type Headers = &'static [(&'static str, &'static str)];

/// How each gateway is asked to use its cache, in headers and in the body, and what it
/// says of a miss and of a hit.
const USED: [(Headers, &str, Headers, Headers); 9] = [
    (
        &[
            ("helicone-auth", "Bearer sk-helicone"),
            ("helicone-cache-enabled", "true"),
            ("helicone-user-id", "u"),
            ("helicone-property-team", "t"),
            ("cache-control", "max-age=3600"),
        ],
        "",
        &[("helicone-cache", "MISS")],
        &[("helicone-cache", "HIT")],
    ),
    (
        &[
            ("cf-aig-cache-ttl", "3600"),
            ("cf-aig-authorization", "Bearer cf"),
            ("cf-aig-metadata", "{\"user\":1}"),
            ("cf-aig-collect-log", "true"),
        ],
        "",
        &[("cf-aig-cache-status", "MISS")],
        &[("cf-aig-cache-status", "HIT")],
    ),
    (
        &[
            (
                "x-portkey-config",
                "{\"cache\":{\"mode\":\"semantic\",\"max_age\":3600},\"retry\":{\"attempts\":2}}",
            ),
            ("x-portkey-api-key", "pk"),
            ("x-portkey-provider", "openai"),
            ("x-portkey-trace-id", "1"),
        ],
        "",
        &[("x-portkey-cache-status", "MISS")],
        &[("x-portkey-cache-status", "HIT")],
    ),
    (
        &[
            ("x-openrouter-cache", "true"),
            ("x-openrouter-cache-ttl", "3600"),
        ],
        "",
        &[("x-openrouter-cache-status", "MISS")],
        &[("x-openrouter-cache-status", "HIT")],
    ),
    (
        &[("x-bt-use-cache", "always"), ("x-bt-cache-ttl", "3600")],
        "",
        &[("x-bt-cached", "MISS")],
        &[("x-bt-cached", "HIT")],
    ),
    (
        &[
            ("x-bf-cache-ttl", "60m"),
            ("x-bf-cache-type", "direct"),
            ("x-bf-dim-team", "t"),
        ],
        "",
        &[],
        &[],
    ),
    (
        &[("x-vsr-cache-control", "ttl=3600")],
        "",
        &[],
        &[("x-vsr-cache-hit", "true")],
    ),
    (
        &[],
        "\"cache\": {\"ttl\": 3600, \"no-cache\": false}, \"litellm_metadata\": {\"a\": 1}, ",
        &[],
        &[],
    ),
    (
        &[],
        "\"tensorzero::cache_options\":{\"enabled\":\"on\"},\"cache_skip\":false,",
        &[],
        &[],
    ),
];

/// A chat request with headers, and with members written before those of the question.
fn spoken(asked: &Value, headers: Headers, members: &str) -> Request {
    let body = asked.to_string().replacen('{', &format!("{{{members}"), 1);
    let request = chat(&json!({})).body(body);
    with(request, headers)
}

fn with(request: Request, headers: Headers) -> Request {
    let mut headers = headers.iter();
    headers
        .try_fold(request, |request, (name, value)| {
            Some(request.header(name, value))
        })
        .unwrap()
}

fn assert_marked(seen: &Response, marks: Headers) {
    for (name, value) in marks {
        assert_eq!(seen.header(name), Some(*value), "{name}");
    }
}

/// How many seconds a stored answer is still fresh.
fn ttl(seen: &Response) -> u64 {
    let status = seen.cache_status();
    let (_, rest) = status.split_once("ttl=").unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

on_each_store! {
    async fn each_dialect_is_obeyed_and_goes_no_further(store) {
        let house = House::start(store).await;
        for (at, (headers, members, miss, hit)) in USED.into_iter().enumerate() {
            for form in ["json", "stream"] {
                let mut asked = question(&format!("{at} {form}"));
                if form == "stream" {
                    asked["stream"] = json!(true);
                    asked["stream_options"] = json!({"include_usage": true});
                }
                let request = spoken(&asked, headers, members);
                let first = house.send(&request).await;
                assert_eq!((first.status, first.x_cache()), (200, "MISS"), "{headers:?}{members}");
                assert_marked(&first, miss);
                let got = house.upstream.last();
                assert_eq!(String::from_utf8_lossy(&got.body), asked.to_string());
                for (name, _) in headers {
                    assert_eq!(got.header(name), None, "{name} was forwarded");
                }
                let second = house.send(&request).await;
                assert_eq!(second.x_cache(), "HIT", "{headers:?}{members}");
                assert_marked(&second, hit);
                // It is the answer of everybody who asks the same, who hears nothing of it.
                let plain = house.send(&chat(&asked)).await;
                assert_eq!(plain.x_cache(), "HIT");
                for (name, _) in hit {
                    assert_eq!(plain.header(name), None, "{name}");
                }
                // Helicone's is the greatest age that is accepted.
                let words = format!("{headers:?}{members}");
                let is_hour = words.contains("3600") || words.contains("60m");
                if is_hour && !words.contains("max-age") {
                    assert!((1..=3600).contains(&ttl(&second)), "{headers:?} {}", ttl(&second));
                }
            }
        }
        assert_eq!(house.upstream.calls(), USED.len() * 2);
    }

    async fn who_leaves_the_cache_out_is_forwarded_without_the_words(store) {
        let house = House::start(store).await;
        let rows: [(Headers, &str, Headers); 12] = [
            (&[("helicone-cache-enabled", "false")], "", &[("helicone-cache", "MISS")]),
            (&[("cf-aig-skip-cache", "true")], "", &[("cf-aig-cache-status", "MISS")]),
            (&[("cf-skip-cache", "true")], "", &[("cf-aig-cache-status", "MISS")]),
            (&[("x-openrouter-cache", "false")], "", &[("x-openrouter-cache-status", "MISS")]),
            (&[("x-bt-use-cache", "never")], "", &[("x-bt-cached", "MISS")]),
            (
                &[("x-no-cache", "true"), ("x-portkey-cache", "simple")],
                "",
                &[("x-portkey-cache-status", "DISABLED")],
            ),
            (&[("x-vsr-cache-control", "bypass")], "", &[]),
            (&[("x-higress-skip-ai-cache", "on")], "", &[]),
            (&[("x-cache-control", "no-store")], "", &[]),
            (&[], "\"cache\":{\"use-cache\":false},", &[]),
            (&[], "\"cache\":{\"no-cache\":true,\"no-store\":true},", &[]),
            (&[], "\"tensorzero::cache_options\":{\"enabled\":\"off\"},", &[]),
        ];
        for (at, (headers, members, marks)) in rows.into_iter().enumerate() {
            let asked = question(&format!("left out {at}"));
            house.ask(&asked).await;
            let before = house.upstream.calls();
            let seen = house.send(&spoken(&asked, headers, members)).await;
            assert_eq!(seen.cache_status(), "reprise; fwd=bypass; detail=no-store", "{headers:?}");
            assert_marked(&seen, marks);
            assert_eq!(house.upstream.calls(), before + 1);
            let got = house.upstream.last();
            assert_eq!(String::from_utf8_lossy(&got.body), asked.to_string());
            for (name, _) in headers {
                assert_eq!(got.header(name), None, "{name} was forwarded");
            }
            assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        }
    }

    async fn who_wants_a_new_answer_or_none_kept_gets_it(store) {
        let house = House::start(store).await;
        let anew: [(Headers, &str, Headers); 6] = [
            (&[("x-portkey-cache-force-refresh", "true")], "", &[("x-portkey-cache-status", "REFRESH")]),
            (&[("x-openrouter-cache-clear", "true")], "", &[("x-openrouter-cache-status", "MISS")]),
            (&[("helicone-cache-save", "true")], "", &[("helicone-cache", "MISS")]),
            (&[("op-cache", "writeOnly")], "", &[]),
            (&[], "\"cache\":{\"no-cache\":true},", &[]),
            (&[], "\"cache_skip\":true,", &[]),
        ];
        for (at, (headers, members, marks)) in anew.into_iter().enumerate() {
            let asked = question(&format!("anew {at}"));
            let first = house.ask(&asked).await;
            let second = house.send(&spoken(&asked, headers, members)).await;
            assert_eq!(second.x_cache(), "REFRESH", "{headers:?}{members}");
            assert_marked(&second, marks);
            assert_ne!(second.body, first.body);
            let third = house.ask(&asked).await;
            assert_eq!((third.x_cache(), &third.body), ("HIT", &second.body));
        }
        let unkept: [(Headers, &str); 4] = [
            (&[("x-bf-cache-no-store", "true")], ""),
            (&[("helicone-cache-read", "true")], ""),
            (&[("op-cache", "readOnly")], ""),
            (&[], "\"cache\":{\"no-store\":true},"),
        ];
        for (at, (headers, members)) in unkept.into_iter().enumerate() {
            let asked = question(&format!("unkept {at}"));
            let request = spoken(&asked, headers, members);
            assert_eq!(house.send(&request).await.x_cache(), "MISS", "{headers:?}{members}");
            assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{headers:?}{members}");
            assert_eq!(house.send(&request).await.x_cache(), "HIT", "what is kept is read");
        }
    }

    async fn a_part_of_the_key_splits_and_never_joins(store) {
        let house = House::start(store).await;
        let parts: [(&[Headers; 2], [&str; 2]); 6] = [
            (&[&[("helicone-cache-seed", "a")], &[("helicone-cache-seed", "b")]], ["", ""]),
            (&[&[("cf-aig-cache-key", "a")], &[("cf-aig-cache-key", "b")]], ["", ""]),
            (
                &[&[("x-portkey-cache-namespace", "a")], &[("x-portkey-cache-namespace", "b")]],
                ["", ""],
            ),
            (&[&[("x-bf-cache-key", "a")], &[("x-bf-cache-key", "b")]], ["", ""]),
            (&[&[], &[]], ["\"cache\":{\"namespace\":\"a\"},", "\"cache\":{\"namespace\":\"b\"},"]),
            (
                &[&[("x-bf-cache-key", "ab")], &[("x-bf-cache-key", "a"), ("x-bf-cache-key", "b")]],
                ["", ""],
            ),
        ];
        let asked = question("apart");
        let list = batch(["apart"]);
        house.ask(&asked).await;
        house.embed(&list).await;
        for (headers, members) in parts {
            for (headers, members) in headers.iter().zip(members) {
                let request = spoken(&asked, headers, members);
                let first = house.send(&request).await;
                assert_eq!(first.x_cache(), "MISS", "{headers:?}{members}");
                let again = house.send(&request).await;
                assert_eq!((again.x_cache(), &again.body), ("HIT", &first.body));
                if members.is_empty() {
                    let request = with(embed(&list), headers);
                    assert_eq!(house.send(&request).await.x_cache(), "MISS", "{headers:?}");
                    assert_eq!(house.send(&request).await.x_cache(), "HIT", "{headers:?}");
                }
            }
        }
        // The same key asks for another question, which is another answer.
        let other = spoken(&question("another"), &[("cf-aig-cache-key", "a")], "");
        assert_eq!(house.send(&other).await.x_cache(), "MISS");
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }

    async fn several_answers_to_one_question_are_kept(store) {
        let house = House::start(store).await;
        let asked = question("several");
        let headers: Headers =
            &[("helicone-cache-enabled", "true"), ("helicone-cache-bucket-max-size", "3")];
        let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
        // That 100 draws leave one of three out happens once in 10^17 times.
        for _ in 0..100 {
            let seen = house.send(&spoken(&asked, headers, "")).await;
            let bucket = seen.header("helicone-cache-bucket-idx").unwrap().to_owned();
            let is_known = bodies.contains_key(&bucket);
            assert_eq!(seen.header("helicone-cache"), Some(if is_known { "HIT" } else { "MISS" }));
            let body = bodies.entry(bucket).or_insert_with(|| seen.body.clone());
            assert_eq!(*body, seen.body);
        }
        let mut indices: Vec<_> = bodies.keys().cloned().collect();
        indices.sort_unstable();
        assert_eq!((indices.join(" "), house.upstream.calls()), ("0 1 2".to_owned(), 3));
        let plain = house.ask(&asked).await;
        assert_eq!((plain.x_cache(), &plain.body), ("HIT", &bodies["0"]));
    }

    async fn who_waits_along_is_told_as_well(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let whole = answer("one", "together");
        house.upstream.next(Reply::json(200, whole.to_string()).after(&gate));
        let request = spoken(&question("together"), &[("x-bt-use-cache", "always")], "");
        let running = Crowd::sending(&house, vec![request; 5]);
        running.arrived(&house).await;
        gate.open();
        let mut words: Vec<(String, String)> = Vec::new();
        for seen in running.answers().await {
            words.push((seen.x_cache().to_owned(), seen.header("x-bt-cached").unwrap().to_owned()));
        }
        assert_eq!(house.upstream.calls(), 1);
        for (word, told) in words {
            assert_eq!(told, if word == "MISS" { "MISS" } else { "HIT" }, "{word}");
        }
    }

    async fn a_list_is_answered_in_the_same_words(store) {
        let house = House::start(store).await;
        let headers: Headers = &[("x-portkey-cache", "simple"), ("cf-aig-cache-ttl", "600")];
        let marked = async |asked: &Value, members: &str| {
            let body = asked.to_string().replacen('{', &format!("{{{members}"), 1);
            let seen = house.send(&with(embed(&json!({})).body(body), headers)).await;
            ["x-portkey-cache-status", "cf-aig-cache-status", "x-cache"]
                .map(|name| seen.header(name).unwrap().to_owned())
        };
        let one = batch(["one"]);
        assert_eq!(marked(&one, "").await, ["MISS", "MISS", "MISS"]);
        assert_eq!(house.upstream.last().header("cf-aig-cache-ttl"), None);
        assert_eq!(marked(&one, "").await, ["HIT", "HIT", "HIT"]);
        assert_eq!(marked(&one, "\"cache\":{\"ttl\":60},").await, ["HIT", "HIT", "HIT"]);
        assert_eq!(marked(&batch(["one", "two"]), "").await, ["MISS", "MISS", "PARTIAL"]);
        assert_eq!(house.upstream.batches().pop().unwrap(), ["two"]);
        let anew = "\"cache\":{\"no-cache\":true},";
        assert_eq!(marked(&one, anew).await, ["REFRESH", "MISS", "REFRESH"]);
        assert_eq!(house.upstream.last().json().get("cache"), None);
        let out = "\"cache\":{\"use-cache\":false},";
        assert_eq!(marked(&one, out).await, ["DISABLED", "MISS", "BYPASS"]);
    }

    async fn what_cannot_be_taken_out_is_left_and_not_cached(store) {
        let house = House::start(store).await;
        for (members, detail) in [
            ("\"cache\":true,", "control-field"),
            ("\"\\u0063ache\":{\"ttl\":60},", "control-field"),
            ("\"cache\":{\"ttl\":60},\"cache\":{\"ttl\":61},", "uncanonical"),
        ] {
            let asked = question("odd");
            let request = spoken(&asked, &[], members);
            for _ in 0..2 {
                let seen = house.send(&request).await;
                assert_eq!(seen.cache_status(), format!("reprise; fwd=bypass; detail={detail}"));
                let got = house.upstream.last();
                let body = String::from_utf8_lossy(&got.body).into_owned();
                assert!(body.starts_with(&format!("{{{members}")), "{body}");
            }
        }
    }

    async fn a_key_may_do_no_more_in_other_words(store) {
        let house = House::with_keys(store).start().await;
        let held = json!({"directives": {"refresh": false, "ttl_max_seconds": 60}});
        let held = house.key("a", held).await;
        let may = house.key("b", json!({"namespaces": true})).await;
        let asked = question("rights");
        let say = |key: &crate::support::ApiKey, headers: Headers| with(key.chat(&asked), headers);
        assert_eq!(house.send(&say(&held, &[("cf-aig-cache-ttl", "600")])).await.x_cache(), "MISS");
        for headers in [
            &[("x-portkey-cache-force-refresh", "true")] as Headers,
            &[("cf-aig-skip-cache", "true")],
            &[("x-bf-cache-key", "mine")],
            &[("helicone-cache-bucket-max-size", "20"), ("helicone-cache-seed", "s")],
        ] {
            let seen = house.send(&say(&held, headers)).await;
            assert_eq!(seen.x_cache(), "HIT", "{headers:?}");
            assert!(ttl(&seen) <= 60);
        }
        assert_eq!(house.upstream.calls(), 1);
        let apart: Headers = &[("x-bf-cache-key", "mine")];
        for (headers, word) in [(&[] as Headers, "MISS"), (apart, "MISS"), (apart, "HIT")] {
            assert_eq!(house.send(&say(&may, headers)).await.x_cache(), word, "{headers:?}");
        }
        // What would choose a provider or is a credential there goes no further.
        let moved: Headers = &[
            ("x-portkey-config", "{\"provider\":\"x\",\"custom_host\":\"http://169.254.169.254\"}"),
            ("x-portkey-provider", "anthropic"),
            ("x-portkey-virtual-key", "v"),
            ("helicone-auth", "Bearer h"),
            ("cf-aig-authorization", "Bearer c"),
            ("x-bf-vk", "v"),
        ];
        let other = question("moved");
        assert_eq!(house.send(&with(may.chat(&other), moved)).await.x_cache(), "MISS");
        let got = house.upstream.last();
        for (name, _) in moved {
            assert_eq!(got.header(name), None, "{name} was forwarded");
        }
        let chosen: Headers = &[("x-portkey-custom-host", "http://169.254.169.254")];
        assert_eq!(house.send(&with(may.chat(&other), chosen)).await.status, 400);
    }

    async fn a_gateway_behind_gets_what_is_for_it_but_no_word_about_the_cache(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_KIND", "compatible").start().await;
        let asked = question("behind");
        let config = "{\"cache\":{\"max_age\":60},\"retry\":{\"attempts\":2}}";
        let say = |asked: &Value, provider: &str, trace: &str| {
            chat(asked)
                .header("x-portkey-provider", provider)
                .header("x-portkey-config", config)
                .header("x-portkey-cache-namespace", "n")
                .header("x-portkey-trace-id", trace)
                .header("x-portkey-api-key", "pk")
        };
        assert_eq!(house.send(&say(&asked, "openai", "one")).await.x_cache(), "MISS");
        let got = house.upstream.last();
        assert_eq!(got.header("x-portkey-provider"), Some("openai"));
        assert_eq!(got.header("x-portkey-config"), Some("{\"retry\":{\"attempts\":2}}"));
        assert_eq!(got.header("x-portkey-trace-id"), Some("one"));
        assert_eq!(got.header("x-portkey-cache-namespace"), None);
        assert_eq!(got.header("x-portkey-api-key"), None);
        // What it traces by is no part of the question, what it does is.
        assert_eq!(house.send(&say(&asked, "openai", "two")).await.x_cache(), "HIT");
        assert_eq!(house.send(&say(&asked, "groq", "two")).await.x_cache(), "MISS");
        let streamed = house.send(&say(&streaming(&asked), "openai", "three")).await;
        assert_eq!(streamed.header("x-portkey-cache-status"), Some("HIT"));
    }
}
