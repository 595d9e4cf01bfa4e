//! What an administrator says of a provider, and what is wrong with it.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::location::{LocationError, base_url};
use crate::policy::Pattern;
use crate::price::{Prices, Seller};
use crate::wire::UpstreamKind;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// The longest text that is taken for a model, a pattern or a header's value, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The most patterns, and the most aliases, of one provider.
const MODELS_MAX: usize = 200;

/// The most headers of one provider.
const HEADERS_MAX: usize = 20;

/// Names that stand for something else in reports and answers.
const TAKEN: [&str; 2] = ["default", "mock"];

/// Headers that belong to one connection or one message, or that this server sets.
const NOT_FIXED: [&str; 17] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// What names of headers have in them that carry a secret. A value in the clear is not
/// the place for one.
const SECRET_WORDS: [&str; 8] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "token",
];

/// What is kept of a provider besides its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRecord {
    /// What it is called: in routes, reports and models' names (`name/model`).
    pub name: String,
    /// What kind of server it is.
    pub kind: UpstreamKind,
    /// Where it is, its root (`/v1`) included.
    pub base_url: String,
    /// Whether it may be reached without TLS although it is not on this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// The models it answers for, as `gpt-*`.
    #[serde(default)]
    pub models: Vec<Pattern>,
    /// Other names for models of it: what is asked for, and what it is called there.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Headers that every call to it has.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long its completions are fresh, in seconds, instead of what is configured.
    #[serde(default)]
    pub completion_ttl_seconds: Option<u64>,
    /// How long its embeddings are fresh, in seconds, instead of what is configured.
    #[serde(default)]
    pub embedding_ttl_seconds: Option<u64>,
    /// Which of two that are as specific is taken: the greater one.
    #[serde(default)]
    pub priority: i32,
    /// Whether it is switched off.
    #[serde(default)]
    pub disabled: bool,
    /// Whether callers' own credentials may be sent to it, where callers bring the
    /// provider's keys.
    #[serde(default)]
    pub pass_through: bool,
    /// Whose prices count; those of the provider its host belongs to where nothing is
    /// said.
    #[serde(default)]
    pub price_provider: Option<String>,
    /// How its credential is recognized; `None` if it has none.
    #[serde(default)]
    pub credential: Option<Recognized>,
}

/// What is told of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognized {
    /// Its end; `None` of one too short to show any of.
    pub last4: Option<String>,
}

/// What is wrong with a provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its name.
    #[error(
        "a name is 1 to 63 small letters, digits and hyphens, beginning with a letter or a digit"
    )]
    Name,
    /// Its name stands for something else.
    #[error("the name {0} stands for something else")]
    NameTaken(String),
    /// Its base URL.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A pattern of models.
    #[error("up to 200 patterns of 1 to 256 visible characters are taken")]
    Models,
    /// An alias.
    #[error("up to 200 aliases of 1 to 256 visible characters are taken")]
    Aliases,
    /// Too many headers, or one that cannot be sent.
    #[error("up to 20 headers are taken, with values of 1 to 256 visible characters")]
    Headers,
    /// A header that is not fixed.
    #[error("the header {0} cannot be fixed")]
    HeaderNotFixed(String),
    /// A header that looks like a secret.
    #[error("the header {0} looks like a secret, which is kept as `credential` alone")]
    HeaderSecret(String),
    /// The table has no such prices.
    #[error("the table of prices has no provider {0}")]
    Prices(String),
    /// A credential that cannot be sent.
    #[error("a credential is 1 to 4096 visible characters")]
    Credential,
}

impl RecordError {
    /// The member at fault.
    pub const fn member(&self) -> &'static str {
        match self {
            Self::Name | Self::NameTaken(_) => "name",
            Self::Location(_) => "base_url",
            Self::Models => "models",
            Self::Aliases => "aliases",
            Self::Headers | Self::HeaderNotFixed(_) | Self::HeaderSecret(_) => "headers",
            Self::Prices(_) => "price_provider",
            Self::Credential => "credential",
        }
    }
}

/// A provider's record, understood.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) base: Url,
    pub(super) headers: HeaderMap,
    pub(super) seller: Seller,
}

impl ProviderRecord {
    /// Makes sure that it can be a provider.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RecordError> {
        self.understand().map(|_sound| ())
    }

    pub(super) fn understand(&self) -> Result<Understood, RecordError> {
        check_name(&self.name)?;
        let base = base_url(&self.base_url, self.allow_http)?;
        let models = self.models.iter().map(Pattern::as_str);
        if self.models.len() > MODELS_MAX || !models.into_iter().all(is_visible) {
            return Err(RecordError::Models);
        }
        let mut aliases = self.aliases.iter();
        if self.aliases.len() > MODELS_MAX
            || !aliases.all(|(alias, model)| is_visible(alias) && is_visible(model))
        {
            return Err(RecordError::Aliases);
        }
        Ok(Understood {
            headers: self.fixed_headers()?,
            seller: self.seller(&base)?,
            base,
        })
    }

    /// What it is in a key: all that decides what the same question means there. It
    /// begins with a word that no base URL begins with.
    pub(super) fn identity(&self, base: &Url) -> String {
        let place = format!(
            "provider {} {} {}",
            self.name,
            self.kind.as_str(),
            base.as_str().trim_end_matches('/')
        );
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| format!("\n{}: {value}", name.to_lowercase()));
        std::iter::once(place).chain(headers).collect()
    }

    /// The scheme, host and port a credential is for.
    pub fn origin(&self) -> Option<String> {
        let base = base_url(&self.base_url, self.allow_http).ok()?;
        Some(base.origin().ascii_serialization())
    }

    fn seller(&self, base: &Url) -> Result<Seller, RecordError> {
        let shipped = Prices::shipped();
        let seller = match &self.price_provider {
            Some(id) => Some(
                shipped
                    .provider_called(id)
                    .ok_or_else(|| RecordError::Prices(id.clone()))?,
            ),
            None => shipped
                .provider_of_host(base.host_str().unwrap_or_default())
                .or_else(|| shipped.provider_called(self.kind.usual_prices()?)),
        };
        Ok(seller.map_or(Seller::Unknown, Seller::Provider))
    }

    fn fixed_headers(&self) -> Result<HeaderMap, RecordError> {
        if self.headers.len() > HEADERS_MAX {
            return Err(RecordError::Headers);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let is_ours = lower.starts_with("x-forwarded-") || lower.starts_with("x-cache-");
            if NOT_FIXED.contains(&lower.as_str()) || is_ours {
                return Err(RecordError::HeaderNotFixed(lower));
            }
            if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                return Err(RecordError::HeaderSecret(lower));
            }
            let name = HeaderName::try_from(lower).map_err(|_bad| RecordError::Headers)?;
            if value.len() > TEXT_BYTES_MAX || value.is_empty() {
                return Err(RecordError::Headers);
            }
            let value = HeaderValue::from_str(value).map_err(|_bad| RecordError::Headers)?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// Makes sure that a text can be a provider's name.
///
/// # Errors
/// If it cannot.
pub(super) fn check_name(name: &str) -> Result<(), RecordError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = name.bytes().next().is_some_and(is_plain);
    let goes_on = name.bytes().all(|byte| is_plain(byte) || byte == b'-');
    if !begins || !goes_on || name.len() > NAME_BYTES_MAX {
        return Err(RecordError::Name);
    }
    if TAKEN.contains(&name) {
        return Err(RecordError::NameTaken(name.to_owned()));
    }
    Ok(())
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ProviderRecord {
        serde_json::from_value(serde_json::json!({
            "name": "eu", "kind": "openai", "base_url": "https://eu.api.openai.com/v1",
        }))
        .unwrap()
    }

    #[test]
    fn names_are_plain_and_mean_nothing_else() {
        for good in ["a", "0", "azure-eu", &"a".repeat(63)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "A", "a_b", "a/b", "a.b", "ä", "a\n", &long] {
            assert_eq!(check_name(bad), Err(RecordError::Name), "{bad}");
        }
        assert!(check_name("default").is_err() && check_name("mock").is_err());
    }

    #[test]
    fn headers_that_are_secret_or_not_fixed_are_refused() {
        let with = |name: &str, value: &str| {
            let mut record = record();
            record.headers.insert(name.to_owned(), value.to_owned());
            record.check()
        };
        assert_eq!(with("OpenAI-Organization", "org-1"), Ok(()));
        assert_eq!(with("anthropic-version", "2023-06-01"), Ok(()));
        for name in ["Authorization", "x-api-key", "Cookie", "x-my-token"] {
            let refused = with(name, "1");
            assert!(
                matches!(refused, Err(RecordError::HeaderSecret(_))),
                "{name}"
            );
        }
        for name in ["Host", "content-length", "x-forwarded-for", "X-Cache-Tags"] {
            let refused = with(name, "1");
            assert!(
                matches!(refused, Err(RecordError::HeaderNotFixed(_))),
                "{name}"
            );
        }
        assert_eq!(with("a b", "1"), Err(RecordError::Headers));
        assert_eq!(with("a", "1\r\nb: 2"), Err(RecordError::Headers));
    }

    #[test]
    fn the_identity_changes_with_all_that_changes_answers() {
        let identity = |record: &ProviderRecord| {
            let understood = record.understand().unwrap();
            record.identity(&understood.base)
        };
        let base = record();
        let mut others = vec![base.clone(); 4];
        others[0].name = "us".to_owned();
        others[1].kind = UpstreamKind::Compatible;
        others[2].base_url = "https://us.api.openai.com/v1".to_owned();
        others[3].headers = [("openai-organization".to_owned(), "o".to_owned())].into();
        let mut seen: Vec<_> = others.iter().map(identity).collect();
        seen.push(identity(&base));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        let mut same = base.clone();
        same.priority = 5;
        same.base_url.push('/');
        same.credential = Some(Recognized { last4: None });
        assert_eq!(identity(&same), identity(&base));
    }

    #[test]
    fn prices_are_those_of_the_host_or_those_that_are_said() {
        let seller = |record: &ProviderRecord| record.understand().map(|one| one.seller);
        let mut record = record();
        record.base_url = "https://api.openai.com/v1".to_owned();
        assert_eq!(seller(&record), Ok(Seller::Provider("openai")));
        record.base_url = "https://llm.example/v1".to_owned();
        assert_eq!(seller(&record), Ok(Seller::Unknown));
        record.price_provider = Some("anthropic".to_owned());
        assert_eq!(seller(&record), Ok(Seller::Provider("anthropic")));
        record.price_provider = Some("nobody".to_owned());
        assert_eq!(
            seller(&record),
            Err(RecordError::Prices("nobody".to_owned()))
        );
    }
}
