//! The members of a body that speak to a cache: `LiteLLM`'s and orq.ai's `cache`,
//! `TensorZero`'s `tensorzero::cache_options`, `GPTCache`'s `cache_skip`.
//!
//! They are cut out, with whatever else is `LiteLLM`'s own, and every other byte stays as
//! it was written. A body from which that cannot be done safely is left as it is, and
//! is a bypass: what is said more than once, or is not of the type it should be of, may be
//! meant for somebody else.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{Dialect, Spoken, Wishes, value};
use crate::wire::json::span::{MemberSpan, ObjectSpan};
use crate::wire::{Json, json};

/// The part of a key that `LiteLLM`'s namespace is.
const NAMESPACE: &str = "litellm-namespace";

const CACHE: &str = "cache";
const CACHE_OPTIONS: &str = "tensorzero::cache_options";
const CACHE_SKIP: &str = "cache_skip";
const LITELLM: &str = "litellm_";

/// Texts of which one is in every body that says something: two passes over a body that
/// says nothing.
static SIGNS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("cache"), Finder::new(r#""litellm_"#)]);

/// The same to the letter: many a body is about caches.
static NAMES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    [
        Finder::new(r#""cache""#),
        Finder::new(r#""cache_skip""#),
        Finder::new(r#""litellm_"#),
        Finder::new(r#""tensorzero::cache_options""#),
    ]
});

/// Hears what a body says and gives it without that.
pub(super) fn take(spoken: &mut Spoken, body: &[u8]) -> Option<Vec<u8>> {
    let has_any = |texts: &[Finder<'_>]| texts.iter().any(|text| text.find(body).is_some());
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    if !is_object || !has_any(&*SIGNS) || !has_any(&*NAMES) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let span = ObjectSpan::read(text)?;
    let mut heard = spoken.clone();
    let members = span.members().iter();
    let mut seen: Vec<&str> = Vec::new();
    let mut has_spoken = false;
    for member in members.filter(|member| is_taken(&member.name)) {
        if !member.name.starts_with(LITELLM) {
            if seen.contains(&member.name.as_ref()) {
                return None;
            }
            seen.push(&member.name);
        }
        heard.hear_member(text, member)?;
        has_spoken = true;
    }
    *spoken = heard;
    has_spoken.then(|| span.without_all(is_taken).into_bytes())
}

fn is_taken(name: &str) -> bool {
    matches!(name, CACHE | CACHE_SKIP | CACHE_OPTIONS) || name.starts_with(LITELLM)
}

impl Spoken {
    /// Hears one member; `None` if it is not what it looks like.
    fn hear_member(&mut self, text: &str, member: &MemberSpan<'_>) -> Option<()> {
        // Nothing becomes JSON by what is cut out of it.
        let alone = format!("{{{}}}", text.get(member.member.clone())?);
        let alone = json::parse(alone.as_bytes()).ok()?;
        let (_, value) = alone.as_object()?.first()?;
        match member.name.as_ref() {
            CACHE => {
                self.accents.hear(Dialect::LiteLlm);
                self.hear_cache(value)
            }
            CACHE_OPTIONS => {
                self.accents.hear(Dialect::TensorZero);
                hear_options(&mut self.body, value)
            }
            CACHE_SKIP => {
                self.accents.hear(Dialect::GptCache);
                self.body.read &= !value::flag(value)?;
                Some(())
            }
            _ => {
                self.accents.hear(Dialect::LiteLlm);
                Some(())
            }
        }
    }

    fn hear_cache(&mut self, cache: &Json<'_>) -> Option<()> {
        if cache.is_null() {
            return Some(());
        }
        for (name, value) in cache.as_object()? {
            let wishes = &mut self.body;
            match name.as_ref() {
                _ if value.is_null() => {}
                "ttl" => wishes.live(value::seconds(value)),
                "s-maxage" | "s-max-age" => {
                    wishes.accept(value::seconds(value).unwrap_or_default());
                }
                "no-cache" => wishes.read &= value::flag(value) == Some(false),
                "no-store" => wishes.store &= value::flag(value) == Some(false),
                "use-cache" if value::flag(value) != Some(true) => wishes.leave_out(),
                "namespace" => match value.as_str() {
                    Some(name) => self.part(NAMESPACE, name.as_bytes()),
                    None => self.part(NAMESPACE, &value.to_bytes()),
                },
                _ => {}
            }
        }
        Some(())
    }
}

fn hear_options(wishes: &mut Wishes, options: &Json<'_>) -> Option<()> {
    if options.is_null() {
        return Some(());
    }
    for (name, value) in options.as_object()? {
        match (name.as_ref(), value.as_str()) {
            _ if value.is_null() => {}
            ("enabled", Some("on")) => {}
            ("enabled", Some("read_only")) => wishes.store = false,
            ("enabled", Some("write_only")) => wishes.read = false,
            ("enabled", _) => wishes.leave_out(),
            ("max_age_s", _) => wishes.accept(value::seconds(value).unwrap_or_default()),
            _ => {}
        }
    }
    Some(())
}
