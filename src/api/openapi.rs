//! The OpenAPI document: drawn from the routes, so that it lists what is served.

use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::routes;

/// The document of everything this server answers itself.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_router, document) =
        utoipa_axum::router::OpenApiRouter::with_openapi(Description::openapi())
            .merge(routes::described())
            .split_for_parts();
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Reprise",
        description = "A caching proxy for OpenAI-compatible APIs. Point a client's base URL here; a request answered before is answered from the cache. Paths that are not listed are forwarded to the upstream provider as they are.",
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "Answers", description = "What is cached."),
        (name = "Operations", description = "What an operator looks at."),
    ),
    modifiers(&Credentials),
)]
struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "The key of the upstream provider. It is passed on, and answers are kept apart by it."
                .to_owned(),
        );
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("upstream_key", SecurityScheme::Http(scheme));
    }
}

/// A chat completion request. The provider's own fields are all accepted; these
/// are the ones every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ChatCompletionRequest {
    /// The model to ask.
    #[schema(example = "gpt-5-mini")]
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<ChatMessage>,
    /// Whether to answer with server-sent events. One stored answer serves both.
    pub stream: Option<bool>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: std::collections::BTreeMap<String, serde_json::Value>,
}

/// One message of a conversation.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ChatMessage {
    /// Who speaks.
    #[schema(example = "user")]
    pub role: String,
    /// What is said: text, or an array of parts.
    #[schema(value_type = Option<Object>, example = "Say hello.")]
    pub content: Option<serde_json::Value>,
}

/// An error, in the shape the official SDKs read.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// A sentence for people.
    #[schema(example = "the upstream provider cannot be reached")]
    pub message: String,
    /// The kind of error.
    #[serde(rename = "type")]
    #[schema(example = "api_error")]
    pub kind: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// The error's name for programs.
    #[schema(example = "upstream_unreachable")]
    pub code: Option<String>,
}
