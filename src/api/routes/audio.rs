//! `POST /v1/audio/transcriptions`, `/v1/audio/translations` and `/v1/audio/speech`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::inbound::{answer_form, answer_json, pass_unread};
use crate::api::schema::{
    ErrorEnvelope, ServerSentEvent, Sound, SpeechRequest, Transcript, TranscriptionForm,
};
use crate::wire::Operation;

const TRANSCRIPTIONS: &str = "/audio/transcriptions";
const TRANSLATIONS: &str = "/audio/translations";
const SPEECH: &str = "/audio/speech";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create_transcription))
        .routes(routes!(create_translation))
        .routes(routes!(create_speech))
}

/// The same under the spellings clients use.
pub(super) fn aliases() -> Router<ApiState> {
    Router::new()
        .route("/v1/audio/transcriptions/", post(create_transcription))
        .route("/audio/transcriptions", post(create_transcription))
        .route("/audio/transcriptions/", post(create_transcription))
        .route("/v1/audio/translations/", post(create_translation))
        .route("/audio/translations", post(create_translation))
        .route("/audio/translations/", post(create_translation))
        .route("/v1/audio/speech/", post(create_speech))
        .route("/audio/speech", post(create_speech))
        .route("/audio/speech/", post(create_speech))
}

/// Writes down what is said in a recording.
///
/// Transcripts are stored only with `REPRISE_CACHE_AUDIO=true`; otherwise requests are
/// forwarded as they come. What is asked is the bytes of the recording and every other
/// field; the name of the file is not part of it. Streams are forwarded. `Cache-Control`
/// and `x-cache-ttl` direct the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/audio/transcriptions",
    operation_id = "createTranscription",
    tag = "Answers",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The text, in the format that was asked for.", content(
            (Transcript = "application/json"), (String = "text/plain"), (ServerSentEvent = "text/event-stream"),
        ), headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of a stored answer, in seconds (RFC 9111 §5.1)."),
            ("x-request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is compressed.", body = ErrorEnvelope),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_transcription(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_at(&state, Operation::Transcription, TRANSCRIPTIONS, request).await
}

/// Writes down in English what is said in a recording.
///
/// Stored as transcripts are.
#[utoipa::path(
    post,
    path = "/v1/audio/translations",
    operation_id = "createTranslation",
    tag = "Answers",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The text, in the format that was asked for.", content(
            (Transcript = "application/json"), (String = "text/plain"),
        ), headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of a stored answer, in seconds (RFC 9111 §5.1)."),
            ("x-request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is compressed.", body = ErrorEnvelope),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_translation(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_at(&state, Operation::Translation, TRANSLATIONS, request).await
}

/// Says a text.
///
/// Speech is stored only with `REPRISE_CACHE_AUDIO=true`; otherwise requests are
/// forwarded as they come. Speech as server-sent events is forwarded. `Cache-Control`
/// and `x-cache-ttl` direct the cache as they do for completions.
#[utoipa::path(
    post,
    path = "/v1/audio/speech",
    operation_id = "createSpeech",
    tag = "Answers",
    request_body = SpeechRequest,
    params(
        ("Cache-Control" = Option<String>, Header, description = "Directives to the cache (RFC 9111 §5.2.1, RFC 5861)."),
        ("x-cache-ttl" = Option<u64>, Header, description = "How long the answer stays fresh, in seconds."),
    ),
    responses(
        (status = 200, description = "The sound, in the format that was asked for.", content(
            (Sound = "audio/mpeg"), (Sound = "audio/wav"), (Sound = "application/octet-stream"), (ServerSentEvent = "text/event-stream"),
        ), headers(
            ("x-cache" = String, description = "HIT, MISS, STALE, COALESCED, REFRESH or BYPASS."),
            ("cache-status" = String, description = "What the cache did (RFC 9211)."),
            ("age" = u64, description = "The age of a stored answer, in seconds (RFC 9111 §5.1)."),
            ("x-request-id" = String, description = "The id this request is logged under."),
        )),
        (status = 413, description = "The body is too large.", body = ErrorEnvelope),
        (status = 415, description = "The body is not plain JSON.", body = ErrorEnvelope),
        (status = 502, description = "The upstream cannot be reached, or its answer broke off.", body = ErrorEnvelope),
        (status = 504, description = "The upstream did not answer in time, or `only-if-cached` found nothing.", body = ErrorEnvelope),
        (status = "4XX", description = "The upstream's own error, as it came.", body = ErrorEnvelope),
    ),
    security((), ("upstream_key" = [])),
)]
async fn create_speech(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    answer_at(&state, Operation::Speech, SPEECH, request).await
}

/// Answers what is asked of sound, at this address: as it comes, where it is not stored.
pub(super) async fn answer_at(
    state: &ApiState,
    operation: Operation,
    path: &str,
    request: Request,
) -> Result<Response, ApiError> {
    if !state.proxy.stores(operation) {
        pass_unread(state, operation, request).await
    } else if operation == Operation::Speech {
        answer_json(state, operation, path, request).await
    } else {
        answer_form(state, operation, path, request).await
    }
}
