//! Which family of endpoint a request belongs to.

/// An endpoint family. One name for header, log, metric and stored entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Everything that is forwarded and never stored.
    Passthrough,
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/embeddings`.
    Embedding,
    /// `POST /v1/moderations`.
    Moderation,
    /// `GET /v1/models` and `GET /v1/models/{id}`.
    Models,
    /// `POST /v1/responses`.
    Response,
    /// `POST /v1/completions`, of the time before chat.
    Completion,
    /// `POST /v1/messages`, Anthropic's.
    Message,
    /// `POST /v1/messages/count_tokens`, Anthropic's.
    TokenCount,
    /// `POST /v1/rerank`.
    Rerank,
    /// `POST /v1/audio/transcriptions`.
    Transcription,
    /// `POST /v1/audio/translations`.
    Translation,
    /// `POST /v1/audio/speech`.
    Speech,
}

/// The part of an Azure address that names a deployment stands behind this.
const DEPLOYMENTS: &str = "/openai/deployments/";

impl Operation {
    /// Every operation, for registering metrics, by its code.
    pub const ALL: [Self; 13] = [
        Self::Passthrough,
        Self::Chat,
        Self::Embedding,
        Self::Moderation,
        Self::Models,
        Self::Response,
        Self::Completion,
        Self::Message,
        Self::TokenCount,
        Self::Rerank,
        Self::Transcription,
        Self::Translation,
        Self::Speech,
    ];

    /// The name used in logs, metric labels and readable columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Moderation => "moderation",
            Self::Models => "models",
            Self::Response => "response",
            Self::Completion => "completion",
            Self::Message => "message",
            Self::TokenCount => "token-count",
            Self::Rerank => "rerank",
            Self::Transcription => "transcription",
            Self::Translation => "translation",
            Self::Speech => "speech",
        }
    }

    /// The byte that stands for the operation in a stored entry. Never reused.
    pub const fn code(self) -> u8 {
        match self {
            Self::Passthrough => 0,
            Self::Chat => 1,
            Self::Embedding => 2,
            Self::Moderation => 3,
            Self::Models => 4,
            Self::Response => 5,
            Self::Completion => 6,
            Self::Message => 7,
            Self::TokenCount => 8,
            Self::Rerank => 9,
            Self::Transcription => 10,
            Self::Translation => 11,
            Self::Speech => 12,
        }
    }

    /// The operation a stored byte stands for; `None` for one of a newer version.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The operation of a request for `path`, below the API's root and without query:
    /// `POST` where it has a body.
    pub fn at(path: &str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        match endpoint(path) {
            "/chat/completions" => Self::Chat,
            "/embeddings" => Self::Embedding,
            "/moderations" => Self::Moderation,
            "/responses" => Self::Response,
            "/completions" => Self::Completion,
            "/messages" => Self::Message,
            "/messages/count_tokens" => Self::TokenCount,
            "/rerank" | "/v2/rerank" => Self::Rerank,
            "/audio/transcriptions" => Self::Transcription,
            "/audio/translations" => Self::Translation,
            "/audio/speech" => Self::Speech,
            "/models" => Self::Models,
            endpoint if endpoint.starts_with("/models/") => Self::Models,
            _ => Self::Passthrough,
        }
    }
}

/// The deployment that an address on Azure names, where others name a model in the body.
pub fn deployment(path: &str) -> Option<&str> {
    let (name, _) = path.strip_prefix(DEPLOYMENTS)?.split_once('/')?;
    (!name.is_empty()).then_some(name)
}

/// An address on Azure with the deployment `name` in place of the one it names; `None` if
/// it names none.
pub fn with_deployment(path: &str, name: &str) -> Option<String> {
    let before = deployment(path)?;
    let rest = path.get(DEPLOYMENTS.len() + before.len()..)?;
    Some(format!("{DEPLOYMENTS}{name}{rest}"))
}

/// What of a path is the same at every provider: Azure's root, and the deployment in
/// its addresses, are left out.
fn endpoint(path: &str) -> &str {
    if let Some(name) = deployment(path) {
        return path
            .get(DEPLOYMENTS.len() + name.len()..)
            .unwrap_or_default();
    }
    let Some(below) = path.strip_prefix("/openai") else {
        return path;
    };
    let below = below.strip_prefix("/v1").unwrap_or(below);
    if below.starts_with('/') { below } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_places_in_the_list_and_names_differ() {
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(operation.code()), place);
            assert_eq!(Operation::from_code(operation.code()), Some(operation));
        }
        let names: std::collections::HashSet<_> = Operation::ALL.map(Operation::as_str).into();
        assert_eq!(names.len(), Operation::ALL.len());
        assert_eq!(Operation::from_code(200), None);
    }

    #[test]
    fn an_address_names_its_operation_at_every_provider() {
        for (path, operation) in [
            ("/chat/completions", Operation::Chat),
            ("/chat/completions/", Operation::Chat),
            ("/openai/v1/responses", Operation::Response),
            ("/openai/responses", Operation::Response),
            (
                "/openai/deployments/gpt-4o/chat/completions",
                Operation::Chat,
            ),
            ("/openai/deployments/ada/embeddings", Operation::Embedding),
            ("/models/gpt-4o", Operation::Models),
            (
                "/openai/deployments//chat/completions",
                Operation::Passthrough,
            ),
            ("/openaix/responses", Operation::Passthrough),
            ("/responses/resp_1", Operation::Passthrough),
            ("/v2/rerank", Operation::Rerank),
            ("/files", Operation::Passthrough),
        ] {
            assert_eq!(Operation::at(path), operation, "{path}");
        }
        assert_eq!(deployment("/openai/deployments/a/embeddings"), Some("a"));
        assert_eq!(deployment("/embeddings"), None);
        assert_eq!(
            with_deployment("/openai/deployments/deployments/x?a=/b/", "c").as_deref(),
            Some("/openai/deployments/c/x?a=/b/")
        );
        assert_eq!(with_deployment("/openai/responses", "c"), None);
    }
}
