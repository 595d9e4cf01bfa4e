//! What kind of server the upstream is, as far as the protocol differs.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The family an upstream's behaviour belongs to. It decides which defaults may
/// be folded in the key: only `OpenAI` and Azure document theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// api.openai.com and its regional hosts.
    OpenAi,
    /// Azure `OpenAI`.
    Azure,
    /// Anthropic's own API.
    Anthropic,
    /// Anything else that speaks the protocol: vLLM, Ollama, `OpenRouter`, …
    Compatible,
}

/// A name that is no upstream kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown upstream kind {0:?}: use openai, azure, anthropic or compatible")]
pub struct UnknownUpstreamKind(pub String);

impl UpstreamKind {
    /// The configuration's name for the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Compatible => "compatible",
        }
    }

    /// The kind a host name gives away; [`Self::Compatible`] for all unknown ones.
    pub fn infer(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let under = |domain: &str| {
            host == domain
                || host
                    .strip_suffix(domain)
                    .is_some_and(|rest| rest.ends_with('.'))
        };
        if under("api.openai.com") {
            Self::OpenAi
        } else if under("openai.azure.com") || under("cognitiveservices.azure.com") {
            Self::Azure
        } else if under("api.anthropic.com") {
            Self::Anthropic
        } else {
            Self::Compatible
        }
    }

    /// Whose prices count for a server of this kind whose host says nothing: Azure is
    /// reached under names of its owner's.
    pub const fn usual_prices(self) -> Option<&'static str> {
        match self {
            Self::Azure => Some("azure"),
            Self::OpenAi | Self::Anthropic | Self::Compatible => None,
        }
    }

    /// Whether leaving a parameter out means the same as writing its documented default.
    pub const fn folds_documented_defaults(self) -> bool {
        match self {
            Self::OpenAi | Self::Azure => true,
            Self::Anthropic | Self::Compatible => false,
        }
    }
}

impl FromStr for UpstreamKind {
    type Err = UnknownUpstreamKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::OpenAi, Self::Azure, Self::Anthropic, Self::Compatible]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownUpstreamKind(name.to_owned()))
    }
}
