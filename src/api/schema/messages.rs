//! The bodies of Anthropic's Messages API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request for a message. The provider's own fields are all accepted; these are the
/// ones every request has, or many.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct MessageRequest {
    /// The model to ask.
    #[schema(example = "claude-sonnet-4-5")]
    pub model: String,
    /// The most tokens the answer may have.
    #[schema(minimum = 1, example = 1024)]
    pub max_tokens: u64,
    /// The conversation so far.
    pub messages: Vec<AnthropicMessage>,
    /// What the model is told before the conversation: text, or an array of blocks.
    #[schema(value_type = Option<Object>, example = "Be brief.")]
    pub system: Option<serde_json::Value>,
    /// Whether to answer with server-sent events. One stored answer serves both.
    pub stream: Option<bool>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A request for the number of tokens that the request of a message has.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct TokenCountRequest {
    /// The model that would be asked.
    #[schema(example = "claude-sonnet-4-5")]
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<AnthropicMessage>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// One message of a conversation.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct AnthropicMessage {
    /// Who speaks: `user` or `assistant`.
    #[schema(example = "user")]
    pub role: String,
    /// What is said: text, or an array of blocks.
    #[schema(value_type = Object, example = "Say hello.")]
    pub content: serde_json::Value,
}

/// How many tokens a request has.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct TokenCount {
    /// The tokens of the messages, the system prompt and the tools.
    #[schema(example = 14)]
    pub input_tokens: u64,
}

/// An error of Anthropic's API, or of this server on its paths.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct AnthropicError {
    /// Always `error`.
    #[serde(rename = "type")]
    #[schema(example = "error")]
    pub kind: String,
    /// What went wrong.
    pub error: AnthropicErrorBody,
    /// The id the request is logged under.
    pub request_id: Option<String>,
}

/// What went wrong.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct AnthropicErrorBody {
    /// The class: `invalid_request_error`, `authentication_error`, `permission_error`,
    /// `not_found_error`, `request_too_large`, `rate_limit_error`, `timeout_error`,
    /// `overloaded_error` or `api_error`.
    #[serde(rename = "type")]
    #[schema(example = "invalid_request_error")]
    pub kind: String,
    /// A sentence for a person.
    pub message: String,
}
