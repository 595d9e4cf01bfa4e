//! Whether a provider can be used as it is set up.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Answer, Call, CallBody, Upstream, UpstreamError};
use crate::wire::UpstreamKind;

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that is read of a list of models, in bytes.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The version of its API that Anthropic wants to be told.
const ANTHROPIC_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("anthropic-version"),
    HeaderValue::from_static("2023-06-01"),
);

/// What a check found. Nothing of what the provider wrote is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// How many models it lists.
    pub models: Option<usize>,
    /// What is wrong; `None` if nothing is.
    pub fault: Option<Fault>,
}

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// It refuses the credential.
    Refused,
    /// It answers with another status than 200.
    Status,
    /// What it answers is no list of models.
    NoList,
}

impl Fault {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Refused => "credential_refused",
            Self::Status => "status",
            Self::NoList => "not_a_list",
        }
    }
}

/// As much of a list of models as is looked at.
#[derive(Deserialize)]
struct List {
    data: Vec<IgnoredAny>,
}

impl Upstream {
    /// Asks for the list of models with the provider's own credential.
    pub async fn check(&self) -> Checked {
        let began = Instant::now();
        let mut checked = Checked {
            status: None,
            took: Duration::ZERO,
            models: None,
            fault: None,
        };
        let listed = tokio::time::timeout(PATIENCE, self.list_models(&mut checked.status)).await;
        match listed.unwrap_or(Err(Fault::Timeout)) {
            Ok(models) => checked.models = Some(models),
            Err(fault) => checked.fault = Some(fault),
        }
        checked.took = began.elapsed();
        checked
    }

    async fn list_models(&self, status: &mut Option<u16>) -> Result<usize, Fault> {
        let mut headers = HeaderMap::new();
        headers.extend(self.own_credential());
        if self.kind() == UpstreamKind::Anthropic {
            headers.extend([ANTHROPIC_VERSION]);
        }
        let call = Call {
            method: Method::GET,
            path_and_query: "/models".to_owned(),
            headers,
            body: CallBody::Empty,
        };
        let answer = self.send(call).await.map_err(|error| fault(&error))?;
        *status = Some(answer.status.as_u16());
        match answer.status.as_u16() {
            200 => count(answer).await,
            401 | 403 => Err(Fault::Refused),
            _ => Err(Fault::Status),
        }
    }
}

async fn count(answer: Answer) -> Result<usize, Fault> {
    let mut text = BytesMut::new();
    let mut body = answer.body;
    while let Some(piece) = body.next().await {
        text.extend_from_slice(&piece.map_err(|error| fault(&error))?);
        if text.len() > LIST_BYTES_MAX {
            return Err(Fault::NoList);
        }
    }
    let list: List = serde_json::from_slice(&text).map_err(|_no_list| Fault::NoList)?;
    Ok(list.data.len())
}

const fn fault(error: &UpstreamError) -> Fault {
    match error {
        UpstreamError::Silent => Fault::Timeout,
        UpstreamError::Setup(_)
        | UpstreamError::Unreachable(_)
        | UpstreamError::Cut(_)
        | UpstreamError::Request(_) => Fault::Unreachable,
    }
}
