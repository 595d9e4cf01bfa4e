//! Why a request has no key: the closed list of bypasses.
//!
//! A bypassed request is forwarded as it came and its answer is not stored; the
//! reason shows in the `Cache-Status` header, the log and the metrics.

use crate::wire::json::JsonError;

/// Why a request is neither looked up nor stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// Not JSON, or JSON that two readers may take differently: a name twice in
    /// an object, invalid UTF-8, a lone surrogate, nested too deep.
    Uncanonical,
    /// What the operation cannot do without is missing or of the wrong type; the
    /// upstream shall say so in its own words.
    Invalid,
    /// The request asks the upstream to keep something (`store: true`).
    Stateful,
    /// The answer depends on the moment it is asked: web search, deep research.
    Volatile,
    /// A tool that the upstream runs itself, with effects nobody can repeat.
    HostedTool,
    /// The request points at content that may change behind its address.
    RemoteReference,
    /// Spoken answers: large, and named by ids that expire.
    AudioOutput,
    /// A form of the answer that cannot be kept: quantized vectors, an unknown
    /// encoding.
    Encoding,
    /// More than the upstream takes in one request; it shall say so itself.
    OverLimit,
    /// A field meant for a gateway that could not be taken out of the request. It is not
    /// part of what the model is asked, but goes upstream with it, where it may change the
    /// answer.
    ControlField,
    /// The operator has not said that this family of endpoints is to be kept.
    NotEnabled,
    /// The answer is wanted as a stream, of a family whose streams are not kept.
    Stream,
}

impl Bypass {
    /// Every bypass, for registering metrics.
    pub const ALL: [Self; 12] = [
        Self::Uncanonical,
        Self::Invalid,
        Self::Stateful,
        Self::Volatile,
        Self::HostedTool,
        Self::RemoteReference,
        Self::AudioOutput,
        Self::Encoding,
        Self::OverLimit,
        Self::ControlField,
        Self::NotEnabled,
        Self::Stream,
    ];

    /// The name used in headers, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uncanonical => "uncanonical",
            Self::Invalid => "invalid",
            Self::Stateful => "stateful",
            Self::Volatile => "volatile",
            Self::HostedTool => "hosted-tool",
            Self::RemoteReference => "remote-reference",
            Self::AudioOutput => "audio-output",
            Self::Encoding => "encoding",
            Self::OverLimit => "over-limit",
            Self::ControlField => "control-field",
            Self::NotEnabled => "not-enabled",
            Self::Stream => "stream",
        }
    }
}

impl From<JsonError> for Bypass {
    fn from(_unreadable: JsonError) -> Self {
        Self::Uncanonical
    }
}
