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
}

impl Operation {
    /// Every operation, for registering metrics.
    pub const ALL: [Self; 5] = [
        Self::Passthrough,
        Self::Chat,
        Self::Embedding,
        Self::Moderation,
        Self::Models,
    ];

    /// The name used in logs, metric labels and readable columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Moderation => "moderation",
            Self::Models => "models",
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
        }
    }

    /// The operation a stored byte stands for; `None` for one of a newer version.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Passthrough),
            1 => Some(Self::Chat),
            2 => Some(Self::Embedding),
            3 => Some(Self::Moderation),
            4 => Some(Self::Models),
            _ => None,
        }
    }
}
