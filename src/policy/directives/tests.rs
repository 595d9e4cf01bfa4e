//! The directives as tables.

use http::{HeaderName, HeaderValue};

use super::*;

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

fn asked(pairs: &[(&'static str, &str)]) -> Directives {
    Directives::of(
        &headers(pairs),
        &Spoken::default(),
        Operation::Chat,
        &PolicyOptions::default(),
    )
}

fn cache_control(line: &str) -> Directives {
    asked(&[("cache-control", line)])
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const NONE: Directives = Directives::NONE;
const REFRESH: Directives = Directives {
    lookup: Lookup::Refresh,
    ..NONE
};
const NO_STORE: Directives = Directives {
    lookup: Lookup::Bypass,
    store: false,
    ..NONE
};

const HEARD: [(&str, Directives); 16] = [
    ("", NONE),
    ("no-cache", REFRESH),
    ("No-Cache", REFRESH),
    ("no-cache=\"x, no-store\"", REFRESH),
    ("no-store", NO_STORE),
    ("no-cache, no-store", NO_STORE),
    ("no-store, no-cache", NO_STORE),
    (
        "only-if-cached",
        Directives {
            only_if_cached: true,
            ..NONE
        },
    ),
    (
        "max-age=5",
        Directives {
            max_age: Some(seconds(5)),
            ..NONE
        },
    ),
    (
        "max-age=0",
        Directives {
            max_age: Some(seconds(0)),
            ..REFRESH
        },
    ),
    (
        "min-fresh=5",
        Directives {
            min_fresh: Some(seconds(5)),
            ..NONE
        },
    ),
    (
        "max-stale=5",
        Directives {
            max_stale: Some(seconds(5)),
            ..NONE
        },
    ),
    (
        "max-stale",
        Directives {
            max_stale: Some(seconds(1 << 31)),
            ..NONE
        },
    ),
    (
        "stale-if-error=5",
        Directives {
            stale_if_error: Some(seconds(5)),
            ..NONE
        },
    ),
    ("private, foo, foo=bar, =5, ,,", NONE),
    ("no-cachex, xno-store", NONE),
];

#[test]
fn each_directive_is_heard() {
    for (line, expected) in HEARD {
        assert_eq!(cache_control(line), expected, "{line}");
    }
}

#[test]
fn seconds_are_read_as_the_rfc_says() {
    let rows = [
        ("max-age=\"5\"", 5),
        ("max-age=\"\\5\"", 5),
        ("max-age = 5", 5),
        ("MAX-AGE=005", 5),
        ("max-age=2147483648", 1 << 31),
        ("max-age=2147483649", 1 << 31),
        ("max-age=99999999999999999999999999", 1 << 31),
        ("foo=\"a, max-age=9\", max-age=5", 5),
        ("foo=\"a\\\", max-age=9\", max-age=5", 5),
    ];
    for (line, expected) in rows {
        assert_eq!(
            cache_control(line).max_age,
            Some(seconds(expected)),
            "{line}"
        );
    }
}

#[test]
fn what_cannot_be_read_serves_less_from_the_cache() {
    for line in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=x",
        "max-age=\"5",
    ] {
        assert_eq!(cache_control(line).lookup, Lookup::Refresh, "{line}");
    }
    assert_eq!(
        cache_control("min-fresh=x").min_fresh,
        Some(seconds(1 << 31))
    );
    assert_eq!(cache_control("max-stale=x").max_stale, None);
    assert_eq!(cache_control("stale-if-error").stale_if_error, None);
    assert_eq!(asked(&[("x-cache-ttl", "soon")]).ttl, None);
}

#[test]
fn of_directives_that_come_twice_the_stricter_counts() {
    for lines in [["max-age=9", "max-age=5"], ["max-age=5", "max-age=9"]] {
        let both = asked(&[("cache-control", lines[0]), ("cache-control", lines[1])]);
        assert_eq!(both.max_age, Some(seconds(5)));
        assert_eq!(cache_control(&lines.join(",")).max_age, Some(seconds(5)));
    }
    assert_eq!(
        cache_control("min-fresh=5, min-fresh=9").min_fresh,
        Some(seconds(9))
    );
    assert_eq!(
        cache_control("max-stale, max-stale=9").max_stale,
        Some(seconds(9))
    );
    assert_eq!(
        cache_control("max-stale=x, max-stale=9").max_stale,
        Some(seconds(9))
    );
    assert_eq!(
        cache_control("stale-if-error=5, stale-if-error=9").stale_if_error,
        Some(seconds(5))
    );
}

#[test]
fn pragma_counts_only_alone() {
    assert_eq!(asked(&[("pragma", "no-cache")]).lookup, Lookup::Refresh);
    assert_eq!(
        asked(&[("pragma", "foo, No-Cache")]).lookup,
        Lookup::Refresh
    );
    assert_eq!(
        asked(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]).lookup,
        Lookup::Allowed
    );
    assert!(asked(&[("pragma", "no-store")]).store);
}

#[test]
fn a_time_to_live_is_held_to_the_limit() {
    let month = PolicyOptions::default().ttl_max;
    let rows = [
        ("60", Some(seconds(60))),
        (" 60 ", Some(seconds(60))),
        ("0", Some(seconds(0))),
        ("99999999999999999999", Some(month)),
        ("-1", None),
        ("", None),
    ];
    for (value, expected) in rows {
        assert_eq!(asked(&[("x-cache-ttl", value)]).ttl, expected, "{value}");
    }
    assert_eq!(
        asked(&[("x-cache-ttl", "9"), ("x-cache-ttl", "5")]).ttl,
        Some(seconds(5))
    );
}

#[test]
fn who_may_not_bypass_is_answered_from_the_cache() {
    let options = PolicyOptions {
        clients_may_bypass: false,
        ..PolicyOptions::default()
    };
    for line in ["no-cache", "max-age=0", "max-age=5", "min-fresh=5"] {
        let held = Directives::of(
            &headers(&[("cache-control", line)]),
            &Spoken::default(),
            Operation::Chat,
            &options,
        );
        assert_eq!(held, NONE, "{line}");
    }
    let pragma = Directives::of(
        &headers(&[("pragma", "no-cache")]),
        &Spoken::default(),
        Operation::Chat,
        &options,
    );
    assert_eq!(pragma, NONE);
    // What a client wants not kept is not kept, whoever may bypass.
    let no_store = Directives::of(
        &headers(&[("cache-control", "no-store")]),
        &Spoken::default(),
        Operation::Chat,
        &options,
    );
    assert_eq!((no_store.lookup, no_store.store), (Lookup::Allowed, false));
    let only = Directives::of(
        &headers(&[("cache-control", "only-if-cached")]),
        &Spoken::default(),
        Operation::Chat,
        &options,
    );
    assert!(only.only_if_cached);
}

#[test]
fn who_may_not_extend_gets_what_is_configured() {
    let options = PolicyOptions {
        clients_may_extend: false,
        ..PolicyOptions::default()
    };
    let asked = headers(&[
        ("cache-control", "max-stale=5, stale-if-error=999999"),
        ("x-cache-ttl", "99999999"),
    ]);
    let held = Directives::of(&asked, &Spoken::default(), Operation::Chat, &options);
    assert_eq!(held.max_stale, None);
    assert_eq!(held.stale_if_error, Some(options.stale_if_error));
    assert_eq!(held.ttl, Some(options.completion_ttl));
    let less = headers(&[("cache-control", "stale-if-error=5"), ("x-cache-ttl", "5")]);
    let held = Directives::of(&less, &Spoken::default(), Operation::Chat, &options);
    assert_eq!(
        (held.stale_if_error, held.ttl),
        (Some(seconds(5)), Some(seconds(5)))
    );
}
