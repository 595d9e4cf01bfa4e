//! The headers of other gateways, and what each comes to.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::directives::read::{self, Argument};
use super::{Dialect, Spoken, Wishes, value};
use crate::wire::json::span::ObjectSpan;
use crate::wire::{UpstreamKind, json};

/// The part of a key that tells the answers to one question apart.
pub(super) const BUCKET: &str = "helicone-cache-bucket";

/// The most answers to one question (Helicone's own limit).
const BUCKETS_MAX: u32 = 20;

const PORTKEY_CONFIG: &str = "x-portkey-config";

/// What a header says to a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// `true`: use the cache. Anything else leaves it out.
    Use,
    /// `true`: leave the cache out.
    Skip,
    /// `true`: ask anew.
    Refresh,
    /// `true`: do not store.
    NoStore,
    /// How long the answer is fresh, in seconds.
    Seconds,
    /// How long the answer is fresh, in seconds or with units.
    Duration,
    /// It is part of the key.
    Part,
    /// The same grammar as `Cache-Control`.
    Control,
    /// Helicone's three flags.
    Enabled,
    Save,
    Read,
    /// How many answers to the same question there may be.
    Buckets,
    /// `auto`, `always` or `never`.
    When,
    /// `readWrite`, `readOnly` or `writeOnly`.
    Mode,
    /// Nothing that is done here.
    Nothing,
}

/// Every header that speaks to a cache: it goes no further than here.
const CONTROLS: [(&str, Dialect, Says); 31] = {
    use Dialect::{
        Bifrost, Braintrust, Cloudflare, GoModel, Helicone, Higress, LlmGateway, OpenPipe,
        OpenRouter, Portkey, SemanticRouter,
    };
    [
        ("helicone-cache-enabled", Helicone, Says::Enabled),
        ("helicone-cache-save", Helicone, Says::Save),
        ("helicone-cache-read", Helicone, Says::Read),
        ("helicone-cache-seed", Helicone, Says::Part),
        ("helicone-cache-bucket-max-size", Helicone, Says::Buckets),
        // A request without some of its fields is not the same request.
        ("helicone-cache-ignore-keys", Helicone, Says::Nothing),
        ("cf-aig-cache-ttl", Cloudflare, Says::Seconds),
        ("cf-cache-ttl", Cloudflare, Says::Seconds),
        ("cf-aig-skip-cache", Cloudflare, Says::Skip),
        ("cf-skip-cache", Cloudflare, Says::Skip),
        ("cf-aig-cache-key", Cloudflare, Says::Part),
        ("x-portkey-cache-force-refresh", Portkey, Says::Refresh),
        ("x-portkey-cache-namespace", Portkey, Says::Part),
        ("x-portkey-cache", Portkey, Says::Nothing),
        ("x-bf-cache-key", Bifrost, Says::Part),
        ("x-bf-cache-ttl", Bifrost, Says::Duration),
        ("x-bf-cache-no-store", Bifrost, Says::NoStore),
        // Every answer here is to the same question, to the letter.
        ("x-bf-cache-type", Bifrost, Says::Nothing),
        ("x-bf-cache-threshold", Bifrost, Says::Nothing),
        ("x-openrouter-cache", OpenRouter, Says::Use),
        ("x-openrouter-cache-ttl", OpenRouter, Says::Seconds),
        ("x-openrouter-cache-clear", OpenRouter, Says::Refresh),
        ("x-bt-use-cache", Braintrust, Says::When),
        ("x-bt-cache-ttl", Braintrust, Says::Seconds),
        ("x-no-cache", LlmGateway, Says::Skip),
        ("x-vsr-cache-control", SemanticRouter, Says::Control),
        ("x-higress-skip-ai-cache", Higress, Says::Skip),
        ("op-cache", OpenPipe, Says::Mode),
        ("x-cache-control", GoModel, Says::Control),
        ("x-cache-type", GoModel, Says::Nothing),
        ("x-cache-semantic-threshold", GoModel, Says::Nothing),
    ]
};

/// What else is meant for a gateway, by how it begins. A provider has no use for it.
const GATEWAYS: [(&str, Dialect); 4] = [
    ("helicone-", Dialect::Helicone),
    ("cf-aig-", Dialect::Cloudflare),
    ("x-portkey-", Dialect::Portkey),
    ("x-bf-", Dialect::Bifrost),
];

/// Credentials of gateways, and the domains they are good for.
const CREDENTIALS: [(&str, &[&str]); 3] = [
    ("helicone-auth", &["helicone.ai", "hconeai.com"]),
    ("cf-aig-authorization", &["gateway.ai.cloudflare.com"]),
    ("x-portkey-api-key", &["portkey.ai"]),
];

/// The server a request goes to.
#[derive(Clone, Copy, Debug)]
pub struct Beyond<'a> {
    /// Where it is.
    pub host: &'a str,
    /// What it is.
    pub kind: UpstreamKind,
}

impl Beyond<'_> {
    /// Whether a header that is meant for a gateway may be meant for this server.
    fn may_want(&self, name: &str) -> bool {
        let credential = CREDENTIALS.iter().find(|(known, _)| *known == name);
        match (self.kind, credential) {
            (UpstreamKind::OpenAi | UpstreamKind::Azure | UpstreamKind::Anthropic, _) => false,
            (UpstreamKind::Compatible, None) => true,
            (UpstreamKind::Compatible, Some((_, domains))) => domains.iter().any(|domain| {
                let before = self.host.strip_suffix(domain);
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }),
        }
    }
}

/// Whether a header may be one of another gateway, by its first letters.
pub(super) fn may_be_one(name: &HeaderName) -> bool {
    matches!(
        name.as_str().as_bytes(),
        [
            b'x',
            b'-',
            b'b' | b'c' | b'h' | b'n' | b'o' | b'p' | b'v',
            ..
        ] | [b'h', b'e', b'l', ..]
            | [b'c', b'f', b'-', ..]
            | [b'o', b'p', b'-', ..]
    )
}

/// Helicone's flags, which only together mean something.
#[derive(Default)]
struct Flags {
    enabled: Option<bool>,
    save: Option<bool>,
    read: Option<bool>,
}

impl Flags {
    /// What is not said of reading or of saving follows from what is said of both; where
    /// only one of them is asked for, the other is not wanted.
    fn wish(&self, wishes: &mut Wishes) {
        let whole = |other: Option<bool>| self.enabled.unwrap_or(other != Some(true));
        wishes.read &= self.read.unwrap_or_else(|| whole(self.save));
        wishes.store &= self.save.unwrap_or_else(|| whole(self.read));
    }
}

/// Hears what the headers say and takes it out of them.
pub(super) fn take(spoken: &mut Spoken, headers: &mut HeaderMap, beyond: Beyond<'_>) {
    let mut flags = Flags::default();
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| may_be_one(name))
        .cloned()
        .collect();
    for name in names {
        let control = CONTROLS.iter().find(|(known, ..)| *known == name.as_str());
        if let Some((known, dialect, says)) = control {
            spoken.accents.hear(*dialect);
            for value in headers.get_all(&name) {
                spoken.hear(known, *says, value, &mut flags);
            }
            headers.remove(&name);
        } else if let Some((_, dialect)) = gateway(name.as_str()) {
            spoken.accents.hear(*dialect);
            if name.as_str() == PORTKEY_CONFIG {
                take_config(&mut spoken.headers, headers);
            }
            if !beyond.may_want(name.as_str()) {
                headers.remove(&name);
            }
        }
    }
    flags.wish(&mut spoken.headers);
}

/// Takes out what is not for the server beyond.
pub(super) fn leave_behind(headers: &mut HeaderMap, beyond: Beyond<'_>) {
    let is_left =
        |name: &&HeaderName| gateway(name.as_str()).is_some() && !beyond.may_want(name.as_str());
    let left: Vec<HeaderName> = headers.keys().filter(is_left).cloned().collect();
    for name in left {
        headers.remove(name);
    }
}

fn gateway(name: &str) -> Option<&'static (&'static str, Dialect)> {
    GATEWAYS.iter().find(|(start, _)| name.starts_with(start))
}

impl Spoken {
    fn hear(&mut self, name: &'static str, says: Says, value: &HeaderValue, flags: &mut Flags) {
        let text = value.as_bytes();
        let is_true = value::is_true(text);
        let wishes = &mut self.headers;
        match says {
            Says::Use => {
                if is_true != Some(true) {
                    wishes.leave_out();
                }
            }
            Says::Skip => {
                if is_true != Some(false) {
                    wishes.leave_out();
                }
            }
            Says::Refresh => wishes.read &= is_true == Some(false),
            Says::NoStore => wishes.store &= is_true == Some(false),
            Says::Seconds => wishes.live(read::delta_seconds(text)),
            Says::Duration => wishes.live(value::go_duration(text)),
            Says::Part => self.part(name, text),
            Says::Control => control(wishes, text),
            Says::Enabled => both(&mut flags.enabled, is_true),
            Says::Save => both(&mut flags.save, is_true),
            Says::Read => both(&mut flags.read, is_true),
            Says::Buckets => match buckets(text) {
                Some(buckets) => self.buckets = buckets.min(BUCKETS_MAX),
                // Whoever wants several answers does not want always the same.
                None => wishes.leave_out(),
            },
            Says::When => when(wishes, text),
            Says::Mode => mode(wishes, text),
            Says::Nothing => {}
        }
    }
}

/// One more value of a flag: only `true`, every time, is true.
fn both(flag: &mut Option<bool>, more: Option<bool>) {
    *flag = Some(flag.unwrap_or(true) && more == Some(true));
}

fn buckets(text: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(text).ok()?.trim().parse().ok();
    number.filter(|number| *number > 0)
}

fn control(wishes: &mut Wishes, text: &[u8]) {
    for directive in read::directives(text) {
        match directive.name.as_str() {
            "no-cache" => wishes.read = false,
            "no-store" | "bypass" => wishes.leave_out(),
            "max-age" => wishes.accept(directive.argument.seconds().unwrap_or_default()),
            "ttl" => match directive.argument {
                Argument::Seconds(seconds) => wishes.live(Some(seconds)),
                Argument::None | Argument::Unreadable => {}
            },
            _ => {}
        }
    }
}

fn when(wishes: &mut Wishes, text: &[u8]) {
    let text = text.trim_ascii();
    if !text.eq_ignore_ascii_case(b"auto") && !text.eq_ignore_ascii_case(b"always") {
        wishes.leave_out();
    }
}

fn mode(wishes: &mut Wishes, text: &[u8]) {
    let text = text.trim_ascii();
    if text.eq_ignore_ascii_case(b"readonly") {
        wishes.store = false;
    } else if text.eq_ignore_ascii_case(b"writeonly") {
        wishes.read = false;
    } else if !text.eq_ignore_ascii_case(b"readwrite") {
        wishes.leave_out();
    }
}

/// Hears `cache` in Portkey's configuration and takes it out; nothing is left of one that
/// says nothing else. One that is only named, or cannot be read, is kept somewhere else.
fn take_config(wishes: &mut Wishes, headers: &mut HeaderMap) {
    let mut kept = Vec::new();
    for line in headers.get_all(PORTKEY_CONFIG) {
        let text = line.to_str().unwrap_or_default();
        let read = json::parse(text.as_bytes())
            .ok()
            .zip(ObjectSpan::read(text));
        let Some((config, span)) = read else {
            kept.push(line.clone());
            continue;
        };
        if let Some(cache) = config.get("cache") {
            // What it calls `semantic` finds what is the same as well.
            let age = cache.get("max_age").and_then(value::seconds);
            wishes.live(age);
        }
        let is_more = span.members().iter().any(|member| member.name != "cache");
        let rest = span.without_all(|name| name == "cache");
        if is_more && let Ok(rest) = HeaderValue::try_from(rest) {
            kept.push(rest);
        }
    }
    headers.remove(PORTKEY_CONFIG);
    for line in kept {
        headers.append(PORTKEY_CONFIG, line);
    }
}
