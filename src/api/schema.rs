//! The bodies of requests and answers, as far as the OpenAPI document tells of them.
//!
//! They describe and are not read: what a client sends goes on as it came.

pub mod messages;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A request for completions, of the time before chat. The provider's own fields are all
/// accepted.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct CompletionRequest {
    /// The model to ask.
    #[schema(example = "gpt-3.5-turbo-instruct")]
    pub model: String,
    /// A text, several texts, the tokens of one, or the tokens of several.
    #[schema(value_type = Object, example = "Once upon a time")]
    pub prompt: serde_json::Value,
    /// Whether to answer with server-sent events. One stored answer serves both.
    pub stream: Option<bool>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A request for a response. The provider's own fields are all accepted; these are the
/// ones every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ResponseRequest {
    /// The model to ask.
    #[schema(example = "gpt-5-mini")]
    pub model: String,
    /// What is asked: text, or an array of items.
    #[schema(value_type = Option<Object>, example = "Say hello.")]
    pub input: Option<serde_json::Value>,
    /// Whether to answer with server-sent events. One stored answer serves both.
    pub stream: Option<bool>,
    /// Whether the provider is to keep the response under its id. Kept and not kept are
    /// two questions.
    pub store: Option<bool>,
    /// The provider's other parameters: part of what is asked, but for those that name
    /// the caller.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// One event of a stream, as the fields of its lines (WHATWG HTML §9.2).
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ServerSentEvent {
    /// JSON, or `[DONE]` at the end.
    pub data: String,
    /// The kind of event; `message` where the stream does not say.
    #[schema(example = "message")]
    pub event: Option<String>,
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

/// A request for embeddings. The provider's own fields are all accepted; these are
/// the ones every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct EmbeddingRequest {
    /// The model to ask.
    #[schema(example = "text-embedding-3-small")]
    pub model: String,
    /// What to embed.
    pub input: EmbeddingInput,
    /// How the vectors are written: `float` or `base64`. One stored vector serves both.
    #[schema(example = "float")]
    pub encoding_format: Option<String>,
    /// How many values a vector has, where the model leaves that open.
    pub dimensions: Option<u32>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// What to embed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One text as tokens.
    Tokens(Vec<u32>),
    /// Several texts as tokens.
    ManyTokens(Vec<Vec<u32>>),
}

/// The vectors of all inputs, in their order.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct EmbeddingList {
    /// Always `list`.
    #[schema(example = "list")]
    pub object: String,
    /// The vectors.
    pub data: Vec<Embedding>,
    /// The model that answered.
    #[schema(example = "text-embedding-3-small")]
    pub model: String,
    /// The tokens of all inputs; missing if the upstream counted none.
    pub usage: Option<EmbeddingUsage>,
}

/// The vector of one input.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Embedding {
    /// Always `embedding`.
    #[schema(example = "embedding")]
    pub object: String,
    /// The place of its input in the request.
    pub index: u32,
    /// The vector, in the encoding asked for.
    pub embedding: Vector,
}

/// A vector.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vector {
    /// As numbers.
    Numbers(Vec<f64>),
    /// As base64 of 32-bit floats, little-endian.
    Base64(String),
}

/// What embedding took.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct EmbeddingUsage {
    /// The tokens of the inputs.
    pub prompt_tokens: u64,
    /// The same: there is no output to count.
    pub total_tokens: u64,
}

/// A request for moderation.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ModerationRequest {
    /// The model to ask.
    #[schema(example = "omni-moderation-latest")]
    pub model: Option<String>,
    /// A text, several texts, or the parts of one message.
    #[schema(value_type = Object, example = "A kind word.")]
    pub input: serde_json::Value,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// The judgements of all inputs, in their order.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ModerationList {
    /// The upstream's id of the first judgement.
    #[schema(example = "modr-123")]
    pub id: String,
    /// The model that judged.
    #[schema(example = "omni-moderation-latest")]
    pub model: String,
    /// The judgements.
    pub results: Vec<Judgement>,
}

/// The judgement of one input.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Judgement {
    /// Whether anything was found.
    pub flagged: bool,
    /// What was found, by category, and what else the provider says.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// The models a key may use.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    #[schema(example = "list")]
    pub object: Option<String>,
    /// The models.
    pub data: Vec<Model>,
}

/// A model.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Model {
    /// Its name.
    #[schema(example = "gpt-5-mini")]
    pub id: String,
    /// What else the provider says of it.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
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

/// A request for a ranking of documents. The provider's own fields are all accepted;
/// these are the ones every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct RerankRequest {
    /// The model to ask.
    #[schema(example = "rerank-v3.5")]
    pub model: String,
    /// What the documents are to be about.
    #[schema(example = "What is a panda?")]
    pub query: String,
    /// The documents: texts, or objects. Their order is part of what is asked.
    #[schema(value_type = Vec<Object>, example = json!(["It is a bear.", "Hi."]))]
    pub documents: Vec<serde_json::Value>,
    /// How many results are wanted.
    pub top_n: Option<u32>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A ranking, as most providers write it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct RerankResponse {
    /// The documents that fit best, the best first.
    pub results: Vec<RerankResult>,
    /// What the provider says besides.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// How well one document fits.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct RerankResult {
    /// The place of the document in the request.
    pub index: u32,
    /// How well it fits.
    #[schema(example = 0.82)]
    pub relevance_score: f64,
}

/// A form that asks for the text of a recording. The provider's own fields are all
/// accepted; these are the ones every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct TranscriptionForm {
    /// The recording. Its bytes are part of what is asked, its name is not.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    pub file: Vec<u8>,
    /// The model to ask.
    #[schema(example = "whisper-1")]
    pub model: String,
    /// The form of the answer: `json`, `text`, `srt`, `verbose_json`, `vtt`, `diarized_json`.
    #[schema(example = "json")]
    pub response_format: Option<String>,
    /// What the recording may be about.
    pub prompt: Option<String>,
    /// From 0, always the same, to 1.
    pub temperature: Option<f64>,
}

/// The text of a recording.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Transcript {
    /// What is said.
    #[schema(example = "Hello, friend.")]
    pub text: String,
    /// What the provider says besides.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A request for speech. The provider's own fields are all accepted; these are the ones
/// every provider knows.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct SpeechRequest {
    /// The model to ask.
    #[schema(example = "gpt-4o-mini-tts")]
    pub model: String,
    /// What is to be said.
    #[schema(example = "Hello.")]
    pub input: String,
    /// Who says it.
    #[schema(value_type = Object, example = "alloy")]
    pub voice: serde_json::Value,
    /// The form of the sound: `mp3`, `opus`, `aac`, `flac`, `wav`, `pcm`.
    #[schema(example = "mp3")]
    pub response_format: Option<String>,
    /// The provider's other parameters, all of them part of what is asked.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// Sound, in the format that was asked for.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Sound(pub Vec<u8>);
