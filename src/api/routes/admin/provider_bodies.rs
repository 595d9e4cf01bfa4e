//! The bodies of requests and answers about providers.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::policy::Pattern;
use crate::upstream::{
    Checked, Provider, ProviderRecord, Recognized, Upstream, Url, credential, last4,
};
use crate::wire::UpstreamKind;

/// The member that is read apart from the others, whose errors tell what they found.
const CREDENTIAL: &str = "credential";

/// A provider as it is to be. What is left out is as if it had never been said.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "kind": "azure",
    "base_url": "https://example.openai.azure.com/openai/v1",
    "credential": "…",
    "models": ["gpt-*"],
    "aliases": {"fast": "gpt-4o-mini"},
    "completion_ttl_seconds": 86400,
}))]
pub(super) struct ProviderRequest {
    /// `openai`, `azure`, `anthropic` or `compatible`; told by the host where it is not
    /// said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "azure")]
    kind: Option<UpstreamKind>,
    /// Its base URL, its `/v1` included, without a user, a password, a query or a
    /// fragment. Plain HTTP is taken for this machine, or with `allow_http`.
    #[schema(example = "https://example.openai.azure.com/openai/v1")]
    base_url: String,
    /// Whether it may be reached without TLS although it is not on this machine.
    #[serde(default)]
    allow_http: bool,
    /// Its credential, which is sealed and never shown again. Left out, the one that is
    /// kept stays, if scheme, host and port do; `null` takes it away.
    #[serde(default, skip_deserializing)]
    #[schema(write_only, example = "sk-…")]
    credential: Option<String>,
    /// The models it answers for; `*` stands for any text.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["gpt-*"]))]
    models: Vec<Pattern>,
    /// Other names for its models: what is asked for, and what it is called there.
    #[serde(default)]
    #[schema(example = json!({"fast": "gpt-4o-mini"}))]
    aliases: BTreeMap<String, String>,
    /// Headers that every call to it has. No secrets: they are shown.
    #[serde(default)]
    #[schema(example = json!({"anthropic-version": "2023-06-01"}))]
    headers: BTreeMap<String, String>,
    /// How long its completions are fresh, in seconds, instead of what is configured.
    #[serde(default)]
    completion_ttl_seconds: Option<u64>,
    /// How long its embeddings are fresh, in seconds, instead of what is configured.
    #[serde(default)]
    embedding_ttl_seconds: Option<u64>,
    /// Of two patterns that say as much of a model's name, or two aliases that are the
    /// same, that of the greater priority counts.
    #[serde(default)]
    priority: i32,
    /// Whether it is switched off.
    #[serde(default)]
    disabled: bool,
    /// Whether callers' own credentials may be sent to it, where callers bring the
    /// provider's keys (`REPRISE_ACCESS=pass-through`).
    #[serde(default)]
    pass_through: bool,
    /// Whose prices of the table count, as `openai`; told by the host where it is not
    /// said.
    #[serde(default)]
    price_provider: Option<String>,
}

/// What is said of a credential.
#[derive(Debug)]
pub(super) enum CredentialSaid {
    /// Nothing: what is kept stays.
    Nothing,
    /// There is to be none.
    Cleared,
    /// This one.
    Set(SecretString),
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderState {
    /// Always `provider`.
    #[schema(example = "provider")]
    object: &'static str,
    /// Its name.
    #[schema(example = "azure-eu")]
    name: String,
    /// `api` if it was set up here, `settings` for the default one.
    #[schema(example = "api")]
    source: &'static str,
    /// `ready`; `disabled`; `unreadable`, if it was sealed with a master key that is not
    /// known here or changed since; `unsound`, if this version does not take it. Only
    /// what is ready is used.
    #[schema(example = "ready")]
    state: &'static str,
    /// What is wrong with it, where it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// Whether what is sealed of it can be read: `readable` or `unreadable`; null for
    /// the default one.
    #[schema(example = "readable")]
    sealed: Option<&'static str>,
    /// `openai`, `azure`, `anthropic` or `compatible`.
    #[schema(example = "azure")]
    kind: &'static str,
    /// Its base URL.
    #[schema(example = "https://example.openai.azure.com/openai/v1")]
    base_url: String,
    /// Whether it may be reached without TLS although it is not on this machine.
    allow_http: bool,
    /// Its credential, of which no more than the end is told.
    credential: CredentialState,
    /// The models it answers for.
    models: Vec<String>,
    /// Other names for its models.
    aliases: BTreeMap<String, String>,
    /// Headers that every call to it has.
    headers: BTreeMap<String, String>,
    /// How long its completions are fresh, in seconds; null for what is configured.
    completion_ttl_seconds: Option<u64>,
    /// How long its embeddings are fresh, in seconds; null for what is configured.
    embedding_ttl_seconds: Option<u64>,
    /// Which of two that are as specific is taken: the greater one.
    priority: i32,
    /// Whether callers' own credentials may be sent to it.
    pass_through: bool,
    /// Whose prices of the table count; null for those of the host.
    price_provider: Option<String>,
}

/// What is told of a credential.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialState {
    /// Whether there is one.
    set: bool,
    /// Its end, to recognize it by; null if there is none, or one too short.
    #[schema(example = "4f2a")]
    last4: Option<String>,
}

/// All providers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The default one first, the others by name.
    data: Vec<ProviderState>,
}

/// What a test of a provider found. Nothing of what it answered is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderTest {
    /// Always `provider_test`.
    #[schema(example = "provider_test")]
    object: &'static str,
    /// The provider.
    #[schema(example = "azure-eu")]
    name: String,
    /// Whether it listed its models.
    ok: bool,
    /// The status of its answer; null if there was none.
    #[schema(example = 200)]
    status: Option<u16>,
    /// How long it took, in milliseconds.
    #[schema(example = 132)]
    ms: u64,
    /// How many models it lists.
    #[schema(example = 12)]
    models: Option<usize>,
    /// What is wrong: `unreachable`, `timeout`, `credential_refused`, `status`,
    /// `not_a_list`, or `unusable` for one that cannot be used here.
    error: Option<&'static str>,
}

/// Reads what a provider is to be.
///
/// # Errors
/// If it cannot be read; the credential is not in the message.
pub(super) fn read(body: &[u8]) -> Result<(ProviderRequest, CredentialSaid), ApiError> {
    let invalid = |param, message: &str| ApiError::invalid(param, message.to_owned());
    let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else {
        return Err(invalid(None, "the body is not a JSON object"));
    };
    let said = match members.remove(CREDENTIAL) {
        None => CredentialSaid::Nothing,
        Some(Value::Null) => CredentialSaid::Cleared,
        Some(Value::String(text)) => {
            let read = credential(text);
            let read = read.map_err(|error| invalid(Some(CREDENTIAL), &error.to_string()))?;
            CredentialSaid::Set(read)
        }
        Some(_) => return Err(invalid(Some(CREDENTIAL), "a credential is a text or null")),
    };
    let request = serde_json::from_value(Value::Object(members));
    let request: ProviderRequest = request.map_err(|error| invalid(None, &error.to_string()))?;
    for (name, seconds) in [
        ("completion_ttl_seconds", request.completion_ttl_seconds),
        ("embedding_ttl_seconds", request.embedding_ttl_seconds),
    ] {
        // What `int64` of the document can say.
        if seconds.is_some_and(|seconds| i64::try_from(seconds).is_err()) {
            return Err(invalid(Some(name), "more seconds than 2^63 - 1"));
        }
    }
    Ok((request, said))
}

impl ProviderRequest {
    /// The record of the provider of this name, its credential still to be said.
    pub(super) fn into_record(self, name: String) -> ProviderRecord {
        let host = |url: &Url| UpstreamKind::infer(url.host_str().unwrap_or_default());
        let told = || self.base_url.parse().as_ref().map(host).ok();
        let kind = self.kind.or_else(told);
        ProviderRecord {
            name,
            kind: kind.unwrap_or(UpstreamKind::Compatible),
            base_url: self.base_url,
            allow_http: self.allow_http,
            models: self.models,
            aliases: self.aliases,
            headers: self.headers,
            completion_ttl_seconds: self.completion_ttl_seconds,
            embedding_ttl_seconds: self.embedding_ttl_seconds,
            priority: self.priority,
            disabled: self.disabled,
            pass_through: self.pass_through,
            price_provider: self.price_provider,
            credential: None,
        }
    }
}

/// Notes in a record which credential belongs to it.
pub(super) fn note(record: &mut ProviderRecord, credential: Option<&SecretString>) {
    record.credential = credential.map(|credential| Recognized {
        last4: last4(credential),
    });
}

impl ProviderList {
    /// The default provider and the others.
    pub(super) fn of(default: &Upstream, others: &[std::sync::Arc<Provider>]) -> Self {
        let others = others.iter().map(|one| ProviderState::of(one));
        let first = std::iter::once(ProviderState::of_default(default));
        Self {
            object: "list",
            data: first.chain(others).collect(),
        }
    }
}

impl ProviderState {
    /// What is told of a provider.
    pub(super) fn of(provider: &Provider) -> Self {
        let record = &provider.record;
        let fault = provider.fault();
        Self {
            object: "provider",
            name: record.name.clone(),
            source: "api",
            state: provider.state(),
            fault: fault.map(ToString::to_string),
            sealed: Some(if provider.is_readable() {
                "readable"
            } else {
                "unreadable"
            }),
            kind: record.kind.as_str(),
            base_url: record.base_url.clone(),
            allow_http: record.allow_http,
            credential: CredentialState {
                set: record.credential.is_some(),
                last4: record.credential.as_ref().and_then(|one| one.last4.clone()),
            },
            models: record
                .models
                .iter()
                .map(|one| one.as_str().to_owned())
                .collect(),
            aliases: record.aliases.clone(),
            headers: record.headers.clone(),
            completion_ttl_seconds: record.completion_ttl_seconds,
            embedding_ttl_seconds: record.embedding_ttl_seconds,
            priority: record.priority,
            pass_through: record.pass_through,
            price_provider: record.price_provider.clone(),
        }
    }

    /// What is told of the default one.
    pub(super) fn of_default(default: &Upstream) -> Self {
        Self {
            object: "provider",
            name: super::providers::DEFAULT.to_owned(),
            source: "settings",
            state: "ready",
            fault: None,
            sealed: None,
            kind: default.kind().as_str(),
            base_url: default.base().as_str().to_owned(),
            allow_http: true,
            credential: CredentialState {
                set: default.own_credential().is_some(),
                last4: default.last4(),
            },
            models: Vec::new(),
            aliases: BTreeMap::new(),
            headers: BTreeMap::new(),
            completion_ttl_seconds: None,
            embedding_ttl_seconds: None,
            priority: 0,
            pass_through: true,
            price_provider: None,
        }
    }
}

impl ProviderTest {
    /// What was found.
    pub(super) fn of(name: String, checked: Checked) -> Self {
        Self {
            object: "provider_test",
            name,
            ok: checked.fault.is_none(),
            status: checked.status,
            ms: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
            models: checked.models,
            error: checked.fault.map(crate::upstream::Fault::as_str),
        }
    }

    /// It cannot be used here, so it was not asked.
    pub(super) fn unusable(name: String) -> Self {
        Self {
            object: "provider_test",
            name,
            ok: false,
            status: None,
            ms: 0,
            models: None,
            error: Some("unusable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_left_taken_away_or_set() {
        let said = |credential: &str| {
            let body = format!(r#"{{"base_url":"https://a.example/v1"{credential}}}"#);
            read(body.as_bytes()).map(|(_, said)| said)
        };
        assert!(matches!(said(""), Ok(CredentialSaid::Nothing)));
        assert!(matches!(
            said(r#","credential":null"#),
            Ok(CredentialSaid::Cleared)
        ));
        assert!(matches!(
            said(r#","credential":"sk-1""#),
            Ok(CredentialSaid::Set(_))
        ));
        for bad in ["\"\"", "\"a b\"", "\"a\\n\"", "1", "{}", "[\"sk-1\"]"] {
            assert!(said(&format!(r#","credential":{bad}"#)).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_answer_stays_fresh_for_more_than_the_document_can_say() {
        for name in ["completion_ttl_seconds", "embedding_ttl_seconds"] {
            let of = |seconds: u64| {
                let body = format!(r#"{{"base_url":"https://a.example/v1","{name}":{seconds}}}"#);
                read(body.as_bytes()).map(drop)
            };
            assert!(of(0).is_ok() && of(u64::MAX >> 1).is_ok());
            assert!(matches!(
                of((u64::MAX >> 1) + 1),
                Err(ApiError::Invalid { param, .. }) if param.as_deref() == Some(name)
            ));
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_credential() {
        for body in [
            r#"{"credential":"sk-canary"}"#,
            r#"{"credential":"sk-canary","base_url":5}"#,
            r#"{"credential":["sk-canary"],"base_url":"https://a.example/v1"}"#,
            r#"{"credential":"sk-canary x","base_url":"https://a.example/v1"}"#,
            r#"{"credential":"sk-canary""#,
            r#"{"credential":"sk-canary","base_url":"https://a.example/v1","other":1}"#,
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{body}");
        }
    }
}
