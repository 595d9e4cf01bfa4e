//! A sketch is small, tells nothing without the secret, and finds what differs.

use proptest::prelude::*;

use super::*;
use crate::wire::UpstreamKind;
use crate::wire::json::parse;

const SECRET: CacheSecret = CacheSecret::new([7; 32]);
const RULES: Rules = Rules::of(UpstreamKind::OpenAi);

fn sketch_by(secret: &CacheSecret, tenant: &str, body: &str) -> Vec<u8> {
    let body = parse(body.as_bytes()).unwrap();
    let sketcher = Sketcher::new(secret);
    let read = sketcher.read(tenant, &body, RULES).unwrap();
    read.sketch().unwrap()
}

fn sketch(body: &str) -> Sketch {
    Sketch::unpack(&sketch_by(&SECRET, "acme", body)).unwrap()
}

/// What differs in `own` from `stored`.
fn differences(own: &str, stored: &str) -> Vec<Difference> {
    let stored = sketch(stored);
    let body = parse(own.as_bytes()).unwrap();
    let read = Sketcher::new(&SECRET).read("acme", &body, RULES).unwrap();
    let told = read.differences(&stored);
    assert_eq!(read.distance(&stored), told.len());
    told
}

fn paths(told: &[Difference]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|difference| (difference.path.as_str(), difference.kind.as_str()))
        .collect()
}

fn chat(messages: &[(&str, &str)]) -> String {
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, text)| serde_json::json!({"role": role, "content": text}))
        .collect();
    serde_json::json!({"model": "m", "messages": messages}).to_string()
}

#[test]
fn a_sketch_is_the_same_tomorrow() {
    let body = r#"{"model":"m","temperature":0.5,"messages":[{"role":"user","content":"a b"}]}"#;
    assert_eq!(
        hex::encode(sketch_by(&SECRET, "acme", body)),
        "010206a58365469b1c377bb2d7d10101029a25eb0600010002014d26c207"
    );
}

#[test]
fn another_secret_or_tenant_makes_other_digests() {
    let body = chat(&[("user", "hello there")]);
    let base = sketch_by(&SECRET, "acme", &body);
    let others = [
        sketch_by(&CacheSecret::new([8; 32]), "acme", &body),
        sketch_by(&SECRET, "other", &body),
    ];
    for other in others {
        assert_eq!(other.len(), base.len());
        let (base, other) = (
            Sketch::unpack(&base).unwrap(),
            Sketch::unpack(&other).unwrap(),
        );
        assert_ne!(base.members, other.members);
        assert_ne!(base.head[0].hash, other.head[0].hash);
        assert_ne!(base.texts[0].pieces, other.texts[0].pieces);
    }
}

#[test]
fn what_is_one_question_is_one_sketch() {
    let with = |text: &str| format!(r#"{{"messages":[],"model":"m",{text}}}"#);
    let base = sketch(&with(r#""seed":5,"temperature":0.7"#));
    for same in [
        r#""temperature":0.70,"seed":5.0"#,
        r#""seed":5,"temperature":7e-1,"user":"u","n":1,"stream":true"#,
    ] {
        assert_eq!(sketch(&with(same)), base, "{same}");
    }
}

#[test]
fn a_timestamp_in_a_system_prompt_is_found() {
    let prompt = |time: &str| {
        let text = format!(
            "You are an assistant of a shop that sells shoes. The time is {time}. Be short, be kind, and never speak of prices or of other shops."
        );
        chat(&[("system", &text), ("user", "Hello")])
    };
    let told = differences(
        &prompt("2026-11-21T10:00:05Z"),
        &prompt("2026-11-21T10:00:00Z"),
    );
    assert_eq!(paths(&told), [("messages[0].content", "changed")]);
    assert_eq!(told[0].looks_like, Some(Volatile::Timestamp));
    let yours = told[0].yours.as_deref().unwrap();
    assert!(yours.contains("2026-11-21T10:00:05Z"), "{yours}");
    assert!(yours.split(' ').count() <= 3, "{yours}");
    let start = "your system prompt carries a timestamp: 2026-11-21T10:00:05Z";
    assert!(told[0].message.starts_with(start), "{}", told[0].message);
}

#[test]
fn members_are_told_by_name() {
    let with = |text: &str| format!(r#"{{"model":"m","messages":[]{text}}}"#);
    let told = differences(
        &with(r#","temperature":0.5,"seed":7"#),
        &with(r#","temperature":0.6,"top_p":0.1,"min_p":1,"house_rule":1"#),
    );
    let mut seen = paths(&told);
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("another member", "missing"),
            ("min_p", "missing"),
            ("seed", "added"),
            ("temperature", "changed"),
            ("top_p", "missing"),
        ]
    );
    let by = |path: &str| told.iter().find(|one| one.path == path).unwrap();
    assert_eq!(by("temperature").yours.as_deref(), Some("0.5"));
    assert_eq!(by("temperature").looks_like, None);
    assert_eq!(by("seed").looks_like, Some(Volatile::Number));
}

#[test]
fn messages_more_or_fewer_are_told() {
    let base = [
        ("system", "s"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ];
    let more = [base[0], base[1], base[2], ("user", "new"), base[3]];
    assert_eq!(
        paths(&differences(&chat(&more), &chat(&base))),
        [("messages[3]", "added")]
    );
    assert_eq!(
        paths(&differences(&chat(&base), &chat(&more))),
        [("messages[3]", "missing")]
    );
    let other = [("developer", "s"), base[1], base[2], base[3]];
    assert_eq!(
        paths(&differences(&chat(&other), &chat(&base))),
        [("messages[0].role", "changed")]
    );
}

#[test]
fn white_space_and_what_is_no_text_is_told_as_such() {
    let told = differences(&chat(&[("user", "a  b")]), &chat(&[("user", "a b")]));
    assert_eq!(paths(&told), [("messages[0]", "changed")]);
    let image = |url: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"look"}},{{"type":"image_url","image_url":{{"url":"data:,{url}"}}}}]}}]}}"#
        )
    };
    let told = differences(&image("a"), &image("b"));
    assert_eq!(paths(&told), [("messages[0]", "changed")]);
    assert_eq!(told[0].yours, None);
}

#[test]
fn a_long_conversation_is_told_of_as_far_as_it_is_known() {
    let texts: Vec<String> = (0..60).map(|number| format!("text {number}")).collect();
    let roles = ["user", "assistant"].into_iter().cycle();
    let mut said: Vec<_> = roles
        .zip(&texts)
        .map(|(role, text)| (role, text.as_str()))
        .collect();
    let base = chat(&said);
    assert!(sketch_by(&SECRET, "acme", &base).len() <= SKETCH_BYTES_MAX);
    said[59].1 = "another";
    let told = differences(&chat(&said), &base);
    assert_eq!(paths(&told), [("messages[59].content", "changed")]);
    said[59].1 = "text 59";
    said[25].1 = "another";
    let told = differences(&chat(&said), &base);
    let [only] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(only.path.contains(".."), "{}", only.path);
}

#[test]
fn damaged_bytes_are_no_sketch() {
    let bytes = sketch_by(&SECRET, "acme", &chat(&[("user", "hello there")]));
    for length in 0..bytes.len() {
        assert_eq!(Sketch::unpack(&bytes[..length]), None, "{length}");
    }
    assert_eq!(Sketch::unpack(&[&bytes[..], b"\0"].concat()), None);
    assert_eq!(Sketch::unpack(&[2]), None);
}

const MEMBERS: [&str; 6] = [
    "frequency_penalty",
    "max_tokens",
    "seed",
    "top_k",
    "top_p",
    "verbosity",
];

proptest! {
    #[test]
    fn changing_one_member_changes_exactly_its_digest(
        values in proptest::collection::vec(2_u32..1000, 6),
        at in 0_usize..6,
        by in 1_u32..9,
    ) {
        let body = |values: &[u32]| {
            let members: Vec<_> = MEMBERS.iter().zip(values)
                .map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
            format!(r#"{{"model":"m","messages":[],{}}}"#, members.join(","))
        };
        let mut changed = values.clone();
        changed[at] += by;
        let told = differences(&body(&changed), &body(&values));
        prop_assert_eq!(paths(&told), [(MEMBERS[at], "changed")]);
    }

    #[test]
    fn a_changed_word_is_located(
        words in proptest::collection::vec("[a-z]{1,8}", 1..80),
        at in any::<proptest::sample::Index>(),
        how in 0_u8..3,
    ) {
        let at = at.index(words.len());
        let mut own = words.clone();
        match how {
            0 => own[at] = "CHANGED".to_owned(),
            1 => own.insert(at, "CHANGED".to_owned()),
            _ => own[at] = "CHANGED two more".to_owned(),
        }
        let told = differences(&chat(&[("user", &own.join(" "))]), &chat(&[("user", &words.join(" "))]));
        prop_assert_eq!(paths(&told), [("messages[0].content", "changed")]);
        let yours = told[0].yours.as_deref().unwrap();
        prop_assert!(yours.contains("CHANGED"), "{}", yours);
        // No more than the piece it is in, its neighbour and what was put in between.
        let most = words.len().div_ceil(12) * 2 + 3;
        prop_assert!(yours.split(' ').count() <= most, "{}", yours);
    }

    #[test]
    fn a_sketch_is_capped_and_comes_back(
        texts in proptest::collection::vec("[a-z 0-9é]{0,80}", 0..40),
        members in 0_usize..20,
    ) {
        let mut body: serde_json::Value = serde_json::from_str(&chat(
            &texts.iter().map(|text| ("user", text.as_str())).collect::<Vec<_>>()
        )).unwrap();
        for member in 0..members {
            body[format!("m{member}")] = serde_json::json!(member);
        }
        let bytes = sketch_by(&SECRET, "acme", &body.to_string());
        prop_assert!(bytes.len() <= SKETCH_BYTES_MAX);
        prop_assert_eq!(Sketch::unpack(&bytes).unwrap().pack(), bytes);
        // At most what is not known is said to differ.
        let told = differences(&body.to_string(), &body.to_string());
        prop_assert!(told.iter().all(|one| one.path.contains("..")), "{:?}", told);
    }

    #[test]
    fn any_bytes_can_be_read_and_compared(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
        let forged = [&[1][..], &bytes].concat();
        if let Some(stored) = Sketch::unpack(&forged) {
            let body = chat(&[("system", "a b c"), ("user", "d")]);
            let body = parse(body.as_bytes()).unwrap();
            let read = Sketcher::new(&SECRET).read("acme", &body, RULES).unwrap();
            prop_assert!(read.differences(&stored).len() < 300);
        }
    }
}
