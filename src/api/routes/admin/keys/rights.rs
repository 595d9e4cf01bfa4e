//! The rights of a key: what may be said of them, and whether it makes sense.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::draft::{member_of, only, refused};
use crate::access::{
    Allowance, DirectiveRights, Isolation, NAME_BYTES_MAX, Pattern, Rights, foreign, is_name,
};
use crate::api::error::ApiError;
use crate::ledger::{TAGS_MAX, Tags};
use crate::wire::{Operation, json};

/// What every parameter is below.
const BELOW: &str = "rights.";

const MEMBERS: [&str; 8] = [
    "models",
    "operations",
    "tags",
    "isolation",
    "namespaces",
    "directives",
    "preferences",
    "allowance",
];

/// What cannot be preferred: it is the question itself, or the form of its answer.
const NOT_PREFERRED: [&str; 5] = ["messages", "input", "prompt", "stream", "stream_options"];

/// The most bytes of all preferences of a key.
const PREFERENCES_BYTES_MAX: usize = 16 * 1024;

/// The most patterns of models.
const MODELS_MAX: usize = 1000;

/// What a key may do, and what is done for it. What is not said is not restricted.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyRights {
    /// The models it may ask for; `*` stands for any text.
    #[schema(example = json!(["gpt-4o*"]))]
    models: Option<Vec<String>>,
    /// The operations it may use: `chat`, `embedding`, `moderation`, `models`,
    /// `passthrough`. A key with `models` may not use the last, whose requests are not
    /// read, unless it is said here.
    #[schema(example = json!(["chat", "embedding"]))]
    operations: Option<Vec<String>>,
    /// Under which tags its requests are counted.
    tags: Option<Vec<String>>,
    /// With whom it shares answers: `"tenant"`, `"key"` for nobody, or
    /// `{"shared": "name"}` for all keys that have been given the same name.
    #[schema(value_type = Option<Object>, example = json!("tenant"))]
    isolation: Option<Value>,
    /// Whether it may keep groups of its requests apart with `x-cache-namespace`.
    namespaces: Option<bool>,
    /// What it may ask of the cache.
    directives: Option<KeyDirectives>,
    /// Members that are filled in where a request does not have them.
    #[schema(value_type = Option<Object>, example = json!({"temperature": 0}))]
    preferences: Option<BTreeMap<String, Value>>,
    /// How much it may use.
    allowance: Option<KeyAllowance>,
}

/// What a key may ask of the cache.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyDirectives {
    /// A new answer although one is stored. True where it is not said.
    refresh: Option<bool>,
    /// Freshness of its own choice, and stale answers. True where it is not said.
    extend: Option<bool>,
    /// How long its answers are fresh, in seconds.
    ttl_seconds: Option<u64>,
    /// The longest freshness it may ask for, in seconds.
    ttl_max_seconds: Option<u64>,
}

/// How much a key may use. What is not said is not limited.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyAllowance {
    /// Requests in each `minute`, `hour` and `day`.
    requests: Option<KeyPeriods>,
    /// Tokens of the provider's answers in each `minute`, `hour` and `day`.
    tokens: Option<KeyPeriods>,
    /// Requests that may be under way at once.
    concurrent: Option<u32>,
    /// Whether answers from the cache do not count.
    exempt_hits: Option<bool>,
    /// Money for the provider.
    budget: Option<KeyBudget>,
}

/// So many in each period.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyPeriods {
    /// In a minute.
    minute: Option<u64>,
    /// In an hour.
    hour: Option<u64>,
    /// In a day.
    day: Option<u64>,
}

/// Money that may be spent, in US dollars, in the days and months of UTC.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(in crate::api) struct KeyBudget {
    /// In a day.
    day_usd: Option<f64>,
    /// In a month.
    month_usd: Option<f64>,
    /// The share of a budget from which it is warned, from 0 to 1.
    warn_at: Option<f64>,
}

/// Reads rights.
///
/// # Errors
/// If they make no sense; the parameter tells where.
pub(super) fn read(said: Option<&Value>) -> Result<Rights, ApiError> {
    let said = match said {
        None => Map::new(),
        Some(Value::Object(said)) => said.clone(),
        Some(_) => return Err(refused("rights", "an object")),
    };
    only(&said, &MEMBERS, BELOW)?;
    let wanted = "`true` or `false`";
    Ok(Rights {
        models: models(&said)?,
        operations: operations(&said)?,
        tags: tags(&said)?,
        isolation: isolation(&said)?,
        namespaces: member_of(&said, "namespaces", BELOW, wanted)?.unwrap_or_default(),
        directives: directives(&said)?,
        preferences: preferences(&said)?,
        allowance: allowance(&said)?,
    })
}

fn models(said: &Map<String, Value>) -> Result<Option<Vec<Pattern>>, ApiError> {
    let wanted = "a list of at most 1000 names, in which `*` stands for any text";
    let models: Option<Vec<String>> = member_of(said, "models", BELOW, wanted)?;
    let is_odd = |models: &Vec<String>| {
        MODELS_MAX < models.len() || models.iter().any(|model| !is_name(model))
    };
    if models.as_ref().is_some_and(is_odd) {
        return Err(refused("rights.models", wanted));
    }
    Ok(models.map(|models| models.into_iter().map(Pattern::new).collect()))
}

fn operations(said: &Map<String, Value>) -> Result<Option<BTreeSet<String>>, ApiError> {
    let all = Operation::ALL
        .map(|one| format!("`{}`", one.as_str()))
        .join(", ");
    let wanted = format!("a list of {all}");
    let operations: Option<BTreeSet<String>> = member_of(said, "operations", BELOW, &wanted)?;
    let is_known = |name: &String| Operation::ALL.iter().any(|one| one.as_str() == name);
    if operations
        .as_ref()
        .is_some_and(|all| !all.iter().all(is_known))
    {
        return Err(refused("rights.operations", &wanted));
    }
    Ok(operations)
}

fn tags(said: &Map<String, Value>) -> Result<Tags, ApiError> {
    let wanted = format!("a list of at most {TAGS_MAX} names without commas");
    let tags: Vec<String> = member_of(said, "tags", BELOW, &wanted)?.unwrap_or_default();
    let is_tag = |tag: &String| is_name(tag) && !tag.contains(',');
    if TAGS_MAX < tags.len() || !tags.iter().all(is_tag) {
        return Err(refused("rights.tags", &wanted));
    }
    Ok(Tags::of(tags.iter().map(String::as_str)))
}

fn isolation(said: &Map<String, Value>) -> Result<Isolation, ApiError> {
    let wanted = format!(
        "`\"tenant\"`, `\"key\"` or `{{\"shared\": \"name\"}}` with a name of at most {NAME_BYTES_MAX} bytes"
    );
    let isolation = member_of(said, "isolation", BELOW, &wanted)?.unwrap_or_default();
    match isolation {
        Isolation::Shared(name) if !is_name(&name) => Err(refused("rights.isolation", &wanted)),
        Isolation::Shared(_) | Isolation::Tenant | Isolation::Key => Ok(isolation),
    }
}

fn directives(said: &Map<String, Value>) -> Result<DirectiveRights, ApiError> {
    let wanted = "an object of `refresh`, `extend`, `ttl_seconds` and `ttl_max_seconds`";
    let directives: DirectiveRights =
        member_of(said, "directives", BELOW, wanted)?.unwrap_or_default();
    let (own, most) = (directives.ttl_seconds, directives.ttl_max_seconds);
    if own.zip(most).is_some_and(|(own, most)| most < own) {
        let wanted = "at most `ttl_max_seconds`";
        return Err(refused("rights.directives.ttl_seconds", wanted));
    }
    Ok(directives)
}

fn preferences(said: &Map<String, Value>) -> Result<BTreeMap<String, Value>, ApiError> {
    let preferences: BTreeMap<String, Value> =
        member_of(said, "preferences", BELOW, "an object")?.unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    for (name, value) in &preferences {
        let param = format!("{BELOW}preferences.{name}");
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(refused(&param, "called by letters, digits and `_`"));
        }
        if NOT_PREFERRED.contains(&name.as_str()) {
            return Err(refused(&param, "said by each request itself"));
        }
        if foreign::member(name).is_some() {
            return Err(refused(&param, "left to the configuration of the provider"));
        }
        if json::parse(value.to_string().as_bytes()).is_err() {
            return Err(refused(&param, "JSON that every server reads alike"));
        }
    }
    let bytes = serde_json::to_vec(&preferences).map_or(usize::MAX, |text| text.len());
    if PREFERENCES_BYTES_MAX < bytes {
        return Err(refused("rights.preferences", "of at most 16 KiB"));
    }
    Ok(preferences)
}

fn allowance(said: &Map<String, Value>) -> Result<Allowance, ApiError> {
    let wanted = "an object of `requests`, `tokens`, `concurrent`, `exempt_hits` and `budget`";
    let allowance: Allowance = member_of(said, "allowance", BELOW, wanted)?.unwrap_or_default();
    let budget = &allowance.budget;
    for (name, dollars) in [("day_usd", budget.day_usd), ("month_usd", budget.month_usd)] {
        if dollars.is_some_and(|dollars| !dollars.is_finite() || dollars < 0.0) {
            let param = format!("rights.allowance.budget.{name}");
            return Err(refused(&param, "a number of dollars from 0"));
        }
    }
    if budget
        .warn_at
        .is_some_and(|share| !(0.0..=1.0).contains(&share))
    {
        return Err(refused(
            "rights.allowance.budget.warn_at",
            "a number from 0 to 1",
        ));
    }
    Ok(allowance)
}
