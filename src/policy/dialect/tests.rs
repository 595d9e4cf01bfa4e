//! Each dialect as a table: what is said, what it comes to, what is left of the request.

use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::policy::cache_status::{Staleness, Tier};
use crate::policy::{CacheStatus, Directives, Lookup, PolicyOptions};
use crate::wire::{Operation, UpstreamKind};

const OPENAI: Beyond<'_> = Beyond {
    host: "api.openai.com",
    kind: UpstreamKind::OpenAi,
};

const fn compatible(host: &str) -> Beyond<'_> {
    Beyond {
        host,
        kind: UpstreamKind::Compatible,
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn heard(pairs: &[(&'static str, &str)]) -> Spoken {
    Spoken::take(&mut headers(pairs), OPENAI)
}

fn directives(pairs: &[(&'static str, &str)], body: &str, options: &PolicyOptions) -> Directives {
    let mut headers = headers(pairs);
    let mut spoken = Spoken::take(&mut headers, OPENAI);
    spoken.hear_body(body.as_bytes());
    Directives::of(&headers, &spoken, Operation::Chat, options)
}

fn asked(pairs: &[(&'static str, &str)]) -> Directives {
    directives(pairs, "", &PolicyOptions::default())
}

fn said(body: &str) -> Directives {
    directives(&[], body, &PolicyOptions::default())
}

const NONE: Directives = Directives::NONE;
const REFRESH: Directives = Directives {
    lookup: Lookup::Refresh,
    ..NONE
};
const LEFT_OUT: Directives = Directives {
    lookup: Lookup::Bypass,
    store: false,
    ..NONE
};
const READ_ONLY: Directives = Directives {
    store: false,
    ..NONE
};

const fn ttl(seconds: u64) -> Directives {
    Directives {
        ttl: Some(Duration::from_secs(seconds)),
        ..NONE
    }
}

const fn max_age(seconds: u64) -> Directives {
    Directives {
        max_age: Some(Duration::from_secs(seconds)),
        ..NONE
    }
}

const HEADERS: &[(&str, &str, Directives)] = &[
    ("helicone-cache-enabled", "true", NONE),
    ("helicone-cache-enabled", "True", NONE),
    ("helicone-cache-enabled", "false", LEFT_OUT),
    ("helicone-cache-enabled", "perhaps", LEFT_OUT),
    ("helicone-cache-save", "true", REFRESH),
    ("helicone-cache-read", "true", READ_ONLY),
    ("helicone-cache-save", "false", READ_ONLY),
    ("helicone-cache-ignore-keys", "seed,user", NONE),
    ("helicone-cache-bucket-max-size", "3", NONE),
    ("helicone-cache-bucket-max-size", "many", LEFT_OUT),
    ("helicone-cache-bucket-max-size", "0", LEFT_OUT),
    ("cf-aig-cache-ttl", "3600", ttl(3600)),
    ("cf-cache-ttl", "60", ttl(60)),
    ("cf-aig-cache-ttl", "3600000", ttl(2_592_000)),
    ("cf-aig-cache-ttl", "1h", NONE),
    ("cf-aig-skip-cache", "true", LEFT_OUT),
    ("cf-skip-cache", "true", LEFT_OUT),
    ("cf-aig-skip-cache", "false", NONE),
    ("cf-aig-skip-cache", "x", LEFT_OUT),
    ("x-portkey-cache-force-refresh", "true", REFRESH),
    ("x-portkey-cache-force-refresh", "", REFRESH),
    ("x-portkey-cache-force-refresh", "False", NONE),
    (
        "x-portkey-config",
        r#"{"cache":{"mode":"simple","max_age":60}}"#,
        ttl(60),
    ),
    (
        "x-portkey-config",
        r#"{"cache":{"mode":"semantic","max_age":60000}}"#,
        ttl(60_000),
    ),
    ("x-portkey-config", r#"{"cache":"simple"}"#, NONE),
    ("x-portkey-config", "pc-1234", NONE),
    ("x-bf-cache-ttl", "30s", ttl(30)),
    ("x-bf-cache-ttl", "5m", ttl(300)),
    ("x-bf-cache-ttl", "90", ttl(90)),
    ("x-bf-cache-ttl", "500ms", ttl(0)),
    ("x-bf-cache-no-store", "true", READ_ONLY),
    ("x-bf-cache-no-store", "false", NONE),
    ("x-bf-cache-type", "semantic", NONE),
    ("x-bf-cache-threshold", "0.8", NONE),
    ("x-openrouter-cache", "true", NONE),
    ("x-openrouter-cache", "false", LEFT_OUT),
    ("x-openrouter-cache-ttl", "300", ttl(300)),
    ("x-openrouter-cache-clear", "true", REFRESH),
    ("x-bt-use-cache", "auto", NONE),
    ("x-bt-use-cache", "always", NONE),
    ("x-bt-use-cache", "never", LEFT_OUT),
    ("x-bt-use-cache", "sometimes", LEFT_OUT),
    ("x-bt-cache-ttl", "60", ttl(60)),
    ("x-no-cache", "true", LEFT_OUT),
    ("x-vsr-cache-control", "no-cache", REFRESH),
    ("x-vsr-cache-control", "no-store", LEFT_OUT),
    ("x-vsr-cache-control", "bypass", LEFT_OUT),
    ("x-vsr-cache-control", "max-age=60", max_age(60)),
    ("x-vsr-cache-control", "ttl=60", ttl(60)),
    ("x-higress-skip-ai-cache", "on", LEFT_OUT),
    ("op-cache", "readWrite", NONE),
    ("op-cache", "readOnly", READ_ONLY),
    ("op-cache", "writeOnly", REFRESH),
    ("op-cache", "x", LEFT_OUT),
    ("x-cache-control", "no-cache", REFRESH),
];

#[test]
fn each_header_comes_to_its_directive() {
    for (name, value, expected) in HEADERS {
        assert_eq!(asked(&[(name, value)]), *expected, "{name}: {value}");
        let mut request = headers(&[(name, value), ("x-custom", "1")]);
        let spoken = Spoken::take(&mut request, OPENAI);
        assert!(spoken.accents().is_any(), "{name}");
        assert_eq!(request.len(), 1, "{name}: {value} is left in {request:?}");
    }
}

const MEMBERS: &[(&str, Directives)] = &[
    (r#""cache":{"ttl":60}"#, ttl(60)),
    (r#""cache":{"ttl":"60"}"#, ttl(60)),
    (r#""cache":{"ttl":60.5}"#, ttl(60)),
    (r#""cache":{"ttl":"soon"}"#, NONE),
    (r#""cache":{"s-maxage":60}"#, max_age(60)),
    (r#""cache":{"s-max-age":60,"s-maxage":90}"#, max_age(60)),
    (
        r#""cache":{"s-maxage":-1}"#,
        Directives {
            lookup: Lookup::Refresh,
            ..max_age(0)
        },
    ),
    (r#""cache":{"no-cache":true}"#, REFRESH),
    (r#""cache":{"no-cache":false}"#, NONE),
    (r#""cache":{"no-cache":[]}"#, REFRESH),
    (r#""cache":{"no-store":true}"#, READ_ONLY),
    (r#""cache":{"no-store":true,"no-cache":true}"#, LEFT_OUT),
    (r#""cache":{"use-cache":true}"#, NONE),
    (r#""cache":{"use-cache":false}"#, LEFT_OUT),
    (r#""cache":{"type":"exact_match","ttl":1800}"#, ttl(1800)),
    (r#""cache":{"ttl":null,"no-cache":null}"#, NONE),
    (r#""cache":null"#, NONE),
    (r#""cache":{}"#, NONE),
    (
        r#""litellm_metadata":{"api_base":"x"},"litellm_call_id":"1""#,
        NONE,
    ),
    (r#""cache_skip":true"#, REFRESH),
    (r#""cache_skip":false"#, NONE),
    (
        r#""tensorzero::cache_options":{"enabled":"on","max_age_s":60}"#,
        max_age(60),
    ),
    (r#""tensorzero::cache_options":{"enabled":"off"}"#, LEFT_OUT),
    (
        r#""tensorzero::cache_options":{"enabled":"read_only"}"#,
        READ_ONLY,
    ),
    (
        r#""tensorzero::cache_options":{"enabled":"write_only"}"#,
        REFRESH,
    ),
];

#[test]
fn each_member_comes_to_its_directive_and_is_cut_out() {
    for (member, expected) in MEMBERS {
        let body = format!("{{ \"a\":1.0, {member} ,\n\"b\" : [\"cache\"]}}");
        assert_eq!(said(&body), *expected, "{member}");
        let mut spoken = Spoken::default();
        let left = spoken.hear_body(body.as_bytes()).unwrap();
        let left = String::from_utf8(left).unwrap();
        assert_eq!(left, "{ \"a\":1.0 ,\n\"b\" : [\"cache\"]}", "{member}");
        assert!(spoken.accents().is_any());
    }
}

#[test]
fn a_body_that_says_nothing_or_is_too_odd_is_left_as_it_is() {
    for body in [
        "",
        "{}",
        r#"{"model":"m","metadata":{"cache":true}}"#,
        r#"{"messages":[{"content":"say \"cache\""}]}"#,
        r#"{"\u0063ache":{"no-cache":true}}"#,
        // Not of the type it should be of: it may be a provider's own.
        r#"{"cache":true}"#,
        r#"{"cache":"x"}"#,
        r#"{"cache":[{"no-cache":true}]}"#,
        r#"{"cache_skip":"maybe"}"#,
        r#"{"tensorzero::cache_options":"off"}"#,
        "{\"litellm_\u{1}\":1}",
        // Said twice, or no JSON.
        r#"{"cache":{"ttl":1},"cache":{"ttl":2}}"#,
        r#"{"cache":{"ttl":01}}"#,
        r#"{"cache":{"ttl":1,}}"#,
        r#"{"cache":{"a":1,"a":2}}"#,
        r#"{"cache":{"ttl":1}"#,
        r#"[{"cache":{"ttl":1}}]"#,
        "--boundary\r\n\"cache\"",
    ] {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.hear_body(body.as_bytes()), None, "{body}");
        assert_eq!(spoken, Spoken::default(), "{body}");
    }
}

#[test]
fn every_part_of_a_key_has_the_name_of_what_it_was_said_with() {
    let mut spoken = heard(&[
        ("x-portkey-cache-namespace", "a"),
        ("cf-aig-cache-key", "b"),
        ("helicone-cache-seed", "c"),
        ("x-bf-cache-key", "d2"),
        ("x-bf-cache-key", "d1"),
    ]);
    spoken.hear_body(br#"{"cache":{"namespace":"e"}}"#);
    let parts: Vec<(&str, &[u8])> = spoken
        .parts()
        .iter()
        .map(|(name, value)| (*name, value.as_ref()))
        .collect();
    assert_eq!(
        parts,
        [
            ("cf-aig-cache-key", b"b".as_slice()),
            ("helicone-cache-seed", b"c"),
            ("litellm-namespace", b"e"),
            ("x-bf-cache-key", b"d2"),
            ("x-bf-cache-key", b"d1"),
            ("x-portkey-cache-namespace", b"a"),
        ]
    );
    spoken.join_others();
    assert!(spoken.parts().is_empty());
}

#[test]
fn one_of_the_wanted_answers_is_chosen() {
    let choose = |size: &str, random: u32| {
        let mut spoken = heard(&[("helicone-cache-bucket-max-size", size)]);
        spoken.choose(|| random);
        (spoken.accents().bucket, spoken.parts().len())
    };
    assert_eq!(choose("3", 3), (Some(0), 0), "the first is everybody's");
    assert_eq!(choose("3", 4), (Some(1), 1));
    assert_eq!(choose("3", 5), (Some(2), 1));
    assert_eq!(choose("1", 7), (Some(0), 0));
    assert_eq!(choose("1000", 19), (Some(19), 1));
    assert_eq!(choose("1000", 20), (Some(0), 0), "20 at most");
    assert_eq!(choose("many", 1), (None, 0));
}

#[test]
fn restrictions_add_up_and_one_time_to_live_counts() {
    let all = [
        ("x-cache-ttl", "20"),
        ("cf-aig-cache-ttl", "40"),
        ("x-bt-cache-ttl", "30"),
        ("cache-control", "max-age=500"),
    ];
    let body = r#"{"cache":{"ttl":10,"s-maxage":400}}"#;
    let options = PolicyOptions::default();
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    let both = directives(&all, body, &options);
    assert_eq!(
        (seconds(both.ttl), seconds(both.max_age)),
        (Some(10), Some(400))
    );
    let headers = asked(&all);
    assert_eq!(
        (seconds(headers.ttl), seconds(headers.max_age)),
        (Some(20), Some(500))
    );
    assert_eq!(
        seconds(asked(&all[1..]).ttl),
        Some(30),
        "of several others the least"
    );
    // What is not said is not a permission.
    let on = [
        ("x-openrouter-cache", "true"),
        ("cache-control", "no-store"),
    ];
    assert_eq!(asked(&on), LEFT_OUT);
    let off = directives(
        &[("x-no-cache", "true")],
        r#"{"cache":{"no-cache":false,"use-cache":true}}"#,
        &options,
    );
    assert_eq!(off, LEFT_OUT);
    let halves = [("cache-control", "no-cache"), ("op-cache", "readOnly")];
    assert_eq!(asked(&halves), LEFT_OUT);
}

#[test]
fn the_operator_has_the_last_word() {
    let options = PolicyOptions {
        clients_may_bypass: false,
        clients_may_extend: false,
        completion_ttl: Duration::from_mins(10),
        ..PolicyOptions::default()
    };
    for (name, value) in [
        ("cf-aig-skip-cache", "true"),
        ("x-portkey-cache-force-refresh", "true"),
        ("x-vsr-cache-control", "max-age=0"),
    ] {
        assert_eq!(
            directives(&[(name, value)], "", &options).lookup,
            Lookup::Allowed
        );
    }
    let body = r#"{"cache":{"ttl":999999,"no-cache":true,"no-store":true,"s-maxage":5}}"#;
    let held = directives(&[], body, &options);
    assert_eq!(
        held,
        Directives {
            store: false,
            ..ttl(600)
        }
    );
    assert_eq!(
        directives(&[("x-bf-cache-ttl", "5m")], "", &options),
        ttl(300)
    );
}

#[test]
fn what_is_for_a_gateway_goes_where_one_may_be() {
    let request = [
        ("helicone-auth", "Bearer h"),
        ("cf-aig-authorization", "Bearer c"),
        ("x-portkey-api-key", "p"),
        ("helicone-property-team", "t"),
        ("x-portkey-provider", "openai"),
        (
            "x-portkey-config",
            r#"{"cache":{"mode":"simple"}, "retry":{"attempts":3}}"#,
        ),
        ("cf-aig-metadata", "{}"),
        ("x-bf-dim-team", "t"),
        ("cf-ray", "1"),
        ("x-openrouter-title", "t"),
        ("authorization", "Bearer k"),
    ];
    let left = |beyond: Beyond<'_>| {
        let mut request = headers(&request);
        Spoken::take(&mut request, beyond);
        let mut names: Vec<String> = request.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        (names.join(" "), request)
    };
    let others = "authorization cf-ray x-openrouter-title";
    assert_eq!(left(OPENAI).0, others);
    let kept = "cf-aig-metadata cf-ray helicone-property-team x-bf-dim-team \
                x-openrouter-title x-portkey-config x-portkey-provider";
    let (names, request) = left(compatible("gateway.internal"));
    assert_eq!(names, format!("authorization {kept}"));
    assert_eq!(request["x-portkey-config"], r#"{"retry":{"attempts":3}}"#);
    for (host, credential) in [
        ("oai.helicone.ai", "helicone-auth"),
        ("gateway.ai.cloudflare.com", "cf-aig-authorization"),
        ("api.portkey.ai", "x-portkey-api-key"),
    ] {
        let (_, request) = left(compatible(host));
        let credentials = ["helicone-auth", "cf-aig-authorization", "x-portkey-api-key"];
        for name in credentials {
            assert_eq!(
                request.contains_key(name),
                name == credential,
                "{name} to {host}"
            );
        }
    }
    let (_, request) = left(compatible("nothelicone.ai"));
    assert!(!request.contains_key("helicone-auth"));
}

#[test]
fn what_another_provider_has_no_use_for_is_left_behind() {
    let mut request = headers(&[("helicone-user-id", "u"), ("x-custom", "1")]);
    let spoken = Spoken::take(&mut request, compatible("gateway.internal"));
    assert_eq!(request.len(), 2);
    spoken.leave_behind(&mut request, OPENAI);
    assert_eq!(request.len(), 1);
}

#[test]
fn headers_of_nobody_cost_nothing_and_stay() {
    let request = headers(&[
        ("authorization", "Bearer k"),
        ("x-stainless-lang", "python"),
        ("x-title", "t"),
        ("x-openrouter-title", "t"),
        ("cf-ray", "1"),
        ("x-cache-ttl", "60"),
        ("x-client-request-id", "1"),
        ("openai-beta", "x"),
    ]);
    let mut left = request.clone();
    let spoken = Spoken::take(&mut left, OPENAI);
    assert_eq!((left, spoken), (request, Spoken::default()));
}

const OK: StatusCode = StatusCode::OK;
const HIT: CacheStatus = CacheStatus::Hit {
    tier: Tier::Memory,
    ttl: 50,
};
const STALE: CacheStatus = CacheStatus::Stale {
    why: Staleness::Accepted,
    ttl: -5,
};
const MISS: CacheStatus = CacheStatus::Miss {
    status: OK,
    stored: false,
};
const ANEW: CacheStatus = CacheStatus::Refresh { status: OK };
const BYPASS: CacheStatus = CacheStatus::Bypass { reason: "no-store" };
const PARTIAL: CacheStatus = CacheStatus::Partial { hits: 1, items: 2 };

type Said = &'static [(&'static str, &'static str)];

/// What is told of each outcome to whoever has said that.
const MARKERS: &[(Said, CacheStatus, &str)] = &[
    (&[], HIT, ""),
    (&[("helicone-user-id", "u")], HIT, "helicone-cache: HIT"),
    (
        &[("helicone-cache-enabled", "true")],
        MISS,
        "helicone-cache: MISS",
    ),
    (
        &[("helicone-cache-bucket-max-size", "2")],
        HIT,
        "helicone-cache-bucket-idx: 1, helicone-cache: HIT",
    ),
    (
        &[("cf-aig-metadata", "{}")],
        STALE,
        "cf-aig-cache-status: HIT",
    ),
    (
        &[("cf-skip-cache", "true")],
        BYPASS,
        "cf-aig-cache-status: MISS",
    ),
    (
        &[("x-portkey-provider", "o")],
        HIT,
        "x-portkey-cache-status: HIT",
    ),
    (
        &[("x-portkey-provider", "o")],
        PARTIAL,
        "x-portkey-cache-status: MISS",
    ),
    (
        &[("x-portkey-provider", "o")],
        ANEW,
        "x-portkey-cache-status: REFRESH",
    ),
    (
        &[("x-portkey-provider", "o")],
        BYPASS,
        "x-portkey-cache-status: DISABLED",
    ),
    (
        &[("x-portkey-provider", "o")],
        CacheStatus::Collapsed,
        "x-portkey-cache-status: HIT",
    ),
    (
        &[("x-openrouter-cache", "true")],
        HIT,
        "x-openrouter-cache-age: 7, x-openrouter-cache-status: HIT, \
             x-openrouter-cache-ttl: 50",
    ),
    (
        &[("x-openrouter-cache", "true")],
        STALE,
        "x-openrouter-cache-age: 7, x-openrouter-cache-status: HIT, \
             x-openrouter-cache-ttl: 0",
    ),
    (
        &[("x-openrouter-cache", "true")],
        MISS,
        "x-openrouter-cache-status: MISS",
    ),
    (&[("x-bt-use-cache", "auto")], HIT, "x-bt-cached: HIT"),
    (&[("x-bt-cache-ttl", "5")], ANEW, "x-bt-cached: MISS"),
    (&[("x-no-cache", "false")], HIT, "x-llmgateway-cache: HIT"),
    (&[("x-no-cache", "true")], BYPASS, ""),
    (
        &[("x-vsr-cache-control", "ttl=5")],
        HIT,
        "x-vsr-cache-hit: true",
    ),
    (&[("x-vsr-cache-control", "ttl=5")], MISS, ""),
    (&[("x-bf-cache-key", "k")], HIT, ""),
    (&[("op-cache", "readOnly")], HIT, ""),
    (
        &[("x-bt-use-cache", "auto"), ("cf-aig-cache-ttl", "60")],
        HIT,
        "cf-aig-cache-status: HIT, x-bt-cached: HIT",
    ),
];

#[test]
fn each_dialect_is_answered_in_its_own_words_and_no_other_is() {
    for (request, outcome, expected) in MARKERS {
        let mut spoken = heard(request);
        spoken.choose(|| 1);
        let mut answer = headers(&[("age", "7")]);
        spoken.accents().answer(*outcome, &mut answer);
        answer.remove("age");
        let mut told: Vec<String> = answer
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        told.sort_unstable();
        assert_eq!(told.join(", "), *expected, "{request:?} {outcome:?}");
    }
}

/// A member as somebody might write it, well or badly.
fn any_member() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("cache"),
        Just("cache_skip"),
        Just("litellm_a"),
        Just("tensorzero::cache_options"),
        Just("a"),
        Just("b\\u0063"),
    ];
    let value = prop_oneof![
        Just("1"),
        Just("01"),
        Just("true"),
        Just("null"),
        Just("{}"),
        Just(r#"{ "ttl" : 5 }"#),
        Just(r#"{"ttl":5,}"#),
        Just(r#"{"no-cache":true,"namespace":"}"}"#),
        Just(r#""\"cache\":{}""#),
        Just(r#"[{"cache":1}]"#),
    ];
    let space = prop_oneof![Just(""), Just(" "), Just("\n\t")];
    (name, value, space)
        .prop_map(|(name, value, space)| format!("{space}\"{name}\"{space}:{value}{space}"))
}

proptest! {
    /// What is left of a body is the body without what was said, and a body that is no
    /// JSON does not become any.
    #[test]
    fn what_is_cut_out_leaves_the_rest(
        members in prop::collection::vec(any_member(), 0..5),
        end in prop_oneof![4 => Just(""), 1 => Just(",")],
    ) {
        use crate::wire::{Json, json::parse};

        let text = format!("{{{}{end}}}", members.join(","));
        let mut spoken = Spoken::default();
        let Some(left) = spoken.hear_body(text.as_bytes()) else {
            prop_assert_eq!(spoken, Spoken::default());
            return Ok(());
        };
        match (parse(text.as_bytes()), parse(&left)) {
            (Ok(Json::Object(mut members)), Ok(left)) => {
                members.retain(|(name, _)| name == "a" || name == "bc");
                prop_assert_eq!(left, Json::Object(members));
            }
            (Ok(_), _) => prop_assert!(false, "{}", text),
            // What is LiteLLM's own is taken out however often it comes.
            (Err(_), Ok(_)) => prop_assert!(text.matches("litellm_a").count() > 1, "{}", text),
            (Err(_), Err(_)) => {}
        }
    }
}
