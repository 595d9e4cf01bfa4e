//! Why a caller is turned away.

/// Why a caller is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It brings no key.
    #[error("this server needs an API key of its own, as `Authorization: Bearer rpk_…`")]
    NoKey,
    /// It brings a key that is not one of ours, or was revoked.
    #[error("this API key is not known here; it may have been revoked")]
    UnknownKey,
    /// Its key has been switched off.
    #[error("this API key is switched off")]
    Disabled,
    /// Its key has ended.
    #[error("this API key has expired")]
    Expired,
    /// It brings a token that cannot be accepted.
    #[error("this token is not accepted: {0}")]
    Token(TokenFault),
    /// It brings one of our keys to a server that passes the provider's through.
    #[error(
        "this is an API key of Reprise, and this server passes the provider's keys through: set REPRISE_ACCESS=keys, or bring a key of the provider"
    )]
    WrongMode,
    /// The keys have not been read from the backend yet.
    #[error("the API keys cannot be read yet, because their store is away; try again")]
    NotReady,
    /// It may not use this endpoint.
    #[error("this API key may not use this endpoint")]
    Operation,
    /// It may not use this model.
    #[error("this API key may not use this model")]
    Model,
    /// It may only use some models, and the request does not say which it asks for.
    #[error("this API key may only use some models, and no model can be read in the request")]
    ModelUnread,
    /// A page of another site asks, through the browser of somebody whom this server
    /// lends its credential.
    #[error("a page of another site may not use the credential that this server lends; bring one")]
    ForeignPage,
    /// It wants to choose a provider or a credential.
    #[error(
        "`{0}` is not for requests: this server's administrator says which provider is asked, and with which credential"
    )]
    Foreign(&'static str),
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is none, or signed by somebody else.
    #[error("its signature does not fit")]
    Signature,
    /// Its time is over, or has not come.
    #[error("it is not valid at this time")]
    Time,
    /// It is from or for somebody else.
    #[error("its issuer or audience is another")]
    Audience,
    /// It does not say who it stands for.
    #[error("it does not say who it stands for, or whose tenant that is")]
    Subject,
    /// It does not say when it ends.
    #[error("it does not say when it ends (`exp`)")]
    Endless,
    /// What it is held to is not understood.
    #[error("its claim `reprise` may say `models` and `operations`, as lists of texts")]
    Narrowing,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// The keys it would be checked with are not known.
    #[error("the keys it would be checked with are not known yet")]
    NoKeys,
}

impl Denied {
    /// The `code` of the error envelope.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoKey | Self::UnknownKey | Self::Disabled | Self::Expired | Self::WrongMode => {
                "invalid_api_key"
            }
            Self::Token(TokenFault::NoKeys) | Self::NotReady => "keys_unavailable",
            Self::Token(_) => "invalid_token",
            Self::Foreign(_) => "parameter_not_allowed",
            Self::ForeignPage => "origin_not_allowed",
            Self::Operation => "operation_not_allowed",
            Self::Model | Self::ModelUnread => "model_not_allowed",
        }
    }
}
