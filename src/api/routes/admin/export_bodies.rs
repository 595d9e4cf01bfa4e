//! The bodies of requests and answers about exports.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::ledger::Granularity;
use crate::usage::books::Dimension;
use crate::usage::export::{Format, Job, Spec};

/// The last second of the year 9999: what RFC 3339 can say.
const LAST_SECOND: u64 = 253_402_300_799;

/// What an export is to hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "format": "csv",
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-21T00:00:00Z",
    "granularity": "day",
    "group_by": ["model", "tag"],
}))]
pub(super) struct ExportRequest {
    /// `csv`, `ndjson` or `parquet`.
    #[schema(example = "csv")]
    format: String,
    /// From when: RFC 3339, or seconds since the Unix epoch. The bucket it lies in is
    /// the first.
    start: Moment,
    /// Until when, the same ways; the bucket before it is the last. Now, where it is
    /// not said.
    end: Option<Moment>,
    /// How wide the buckets are: `minute` (kept for 48 hours), `hour` (35 days) or
    /// `day` (400 days), which is what is taken where it is not said.
    #[schema(example = "day")]
    granularity: Option<String>,
    /// By what the rows of one bucket are told apart: `operation`, `model`, `key`,
    /// `tenant`, `tag`, `outcome`, `upstream`. One row a bucket, where it is not said.
    #[schema(example = json!(["model", "tag"]))]
    group_by: Option<Vec<String>>,
}

/// A moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes and is not read")]
pub(super) enum Moment {
    /// RFC 3339.
    Text(String),
    /// Seconds since the Unix epoch.
    Seconds(u64),
}

/// An export.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Export {
    /// Its name.
    #[schema(example = "exp_0f6a3c1d2b4e5f60718293a4b5c6d7e8")]
    id: String,
    /// Always `export`.
    #[schema(example = "export")]
    object: &'static str,
    /// `queued`, `running`, `complete` or `failed`.
    #[schema(example = "complete")]
    status: &'static str,
    /// Which share of it is made, from 0 to 1.
    #[schema(example = 1.0)]
    progress: f64,
    /// `csv`, `ndjson` or `parquet`.
    #[schema(example = "csv")]
    format: &'static str,
    /// Where its first bucket begins, in seconds since the Unix epoch.
    #[schema(example = 1_793_491_200)]
    start: u64,
    /// Where its last bucket ends, in seconds since the Unix epoch.
    #[schema(example = 1_795_219_200)]
    end: u64,
    /// How wide its buckets are.
    #[schema(example = "day")]
    granularity: &'static str,
    /// By what its rows are told apart.
    #[schema(example = json!(["model", "tag"]))]
    group_by: Vec<&'static str>,
    /// When it was asked for, in seconds since the Unix epoch.
    #[schema(example = 1_795_219_205)]
    created_at: u64,
    /// When it was complete or failed, in seconds since the Unix epoch.
    #[schema(example = 1_795_219_206)]
    finished_at: Option<u64>,
    /// When it is forgotten, in seconds since the Unix epoch.
    #[schema(example = 1_795_305_606)]
    expires_at: Option<u64>,
    /// The rows written.
    #[schema(example = 140)]
    rows: u64,
    /// The bytes of its file.
    #[schema(example = 51_204)]
    bytes: u64,
    /// What its file is called.
    #[schema(example = "reprise-usage-2026-11-01-2026-11-21.csv")]
    file_name: String,
    /// Why it failed.
    #[schema(example = json!(null))]
    error: Option<String>,
}

/// All exports, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The exports.
    data: Vec<Export>,
}

impl From<Job> for Export {
    fn from(job: Job) -> Self {
        let group_by = job.spec.group_by.iter().copied();
        Self {
            object: "export",
            status: job.status.as_str(),
            progress: job.progress(),
            format: job.spec.format.as_str(),
            start: job.spec.span.start,
            end: job.spec.span.end,
            granularity: job.spec.granularity.as_str(),
            group_by: group_by.map(Dimension::as_str).collect(),
            created_at: job.created_at / 1000,
            finished_at: job.finished_at.map(|millis| millis / 1000),
            expires_at: job.expires_at().map(|millis| millis / 1000),
            rows: job.rows,
            bytes: job.bytes,
            file_name: job.spec.file_name(),
            error: job.error,
            id: job.id,
        }
    }
}

impl From<Vec<Job>> for ExportList {
    fn from(jobs: Vec<Job>) -> Self {
        Self {
            object: "list",
            data: jobs.into_iter().map(Export::from).collect(),
        }
    }
}

/// What a body asks for. `now` is in seconds since the Unix epoch.
///
/// # Errors
/// If it is no such request; with the member at fault.
pub(super) fn read(body: &[u8], now: u64) -> Result<Spec, ApiError> {
    let members: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(None, format!("the body is no JSON object: {error}")))?;
    let known = ["format", "start", "end", "granularity", "group_by"];
    if let Some(odd) = members.keys().find(|name| !known.contains(&name.as_str())) {
        let message = format!("there is no such member; there are {}", known.join(", "));
        return Err(ApiError::invalid(Some(odd), message));
    }
    // `null` says no more than nothing.
    let member = |name| members.get(name).filter(|value| !value.is_null());
    let required = |name| {
        member(name).ok_or_else(|| ApiError::invalid(Some(name), format!("{name} is missing")))
    };
    let format = word(
        "format",
        required("format")?,
        Format::of_word,
        &Format::ALL.map(Format::as_str),
    )?;
    let start = moment("start", required("start")?)?;
    // The second that runs now is part of what there is until now.
    let end = member("end").map_or(Ok(now + 1), |end| moment("end", end))?;
    let words = Granularity::ALL.map(Granularity::as_str);
    let granularity = member("granularity").map_or(Ok(Granularity::Day), |given| {
        let all = Granularity::ALL.into_iter();
        let of_word = |word: &str| all.clone().find(|one| one.as_str() == word);
        word("granularity", given, of_word, &words)
    })?;
    let group_by = match member("group_by") {
        Some(Value::Array(given)) => given
            .iter()
            .map(|given| {
                let words = Dimension::ALL.map(Dimension::as_str);
                word("group_by", given, Dimension::of_word, &words)
            })
            .collect::<Result<Vec<_>, _>>()?,
        Some(_) => {
            let message = "group_by is a list of words".to_owned();
            return Err(ApiError::invalid(Some("group_by"), message));
        }
        None => Vec::new(),
    };
    Ok(Spec::new(format, granularity, start..end, group_by))
}

/// What a word stands for.
fn word<T>(
    name: &str,
    given: &Value,
    of_word: impl Fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<T, ApiError> {
    given.as_str().and_then(of_word).ok_or_else(|| {
        let message = format!("{name} is one of {}, not {given}", words.join(", "));
        ApiError::invalid(Some(name), message)
    })
}

/// A moment, in seconds since the Unix epoch.
fn moment(name: &str, given: &Value) -> Result<u64, ApiError> {
    let second = match given {
        Value::Number(second) => second.as_u64(),
        Value::String(text) => text
            .parse::<Timestamp>()
            .ok()
            .and_then(|moment| u64::try_from(moment.as_second()).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    second
        .filter(|second| *second <= LAST_SECOND)
        .ok_or_else(|| {
            let message = format!(
                "{name} is RFC 3339, as 2026-11-01T00:00:00Z, or seconds since 1970, not {given}"
            );
            ApiError::invalid(Some(name), message)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_219_200;

    fn read_json(body: &Value) -> Result<Spec, ApiError> {
        read(body.to_string().as_bytes(), NOW)
    }

    #[test]
    fn moments_are_text_or_seconds_and_the_rest_has_defaults() {
        let text = json!({"format": "csv", "start": "2026-11-01T01:00:00+01:00", "end": null});
        let seconds = json!({"format": "csv", "start": 1_793_491_200, "end": NOW + 1});
        let spec = read_json(&text).unwrap();
        assert_eq!(spec, read_json(&seconds).unwrap());
        assert_eq!(spec.span, 1_793_491_200..NOW + 86_400);
        assert_eq!(spec.granularity, Granularity::Day);
        assert!(spec.group_by.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (param, body) in [
            ("format", json!({"start": 0})),
            ("format", json!({"format": "xlsx", "start": 0})),
            ("format", json!({"format": 1, "start": 0})),
            ("start", json!({"format": "csv"})),
            ("start", json!({"format": "csv", "start": "yesterday"})),
            ("start", json!({"format": "csv", "start": -1})),
            ("end", json!({"format": "csv", "start": 0, "end": 1.5})),
            ("end", json!({"format": "csv", "start": 0, "end": u64::MAX})),
            (
                "granularity",
                json!({"format": "csv", "start": 0, "granularity": "week"}),
            ),
            (
                "group_by",
                json!({"format": "csv", "start": 0, "group_by": "model"}),
            ),
            (
                "group_by",
                json!({"format": "csv", "start": 0, "group_by": ["color"]}),
            ),
            ("until", json!({"format": "csv", "start": 0, "until": 1})),
        ] {
            let error = read_json(&body).unwrap_err();
            assert_eq!(error.param(), Some(param), "{body}");
        }
        assert_eq!(read(b"[]", NOW).unwrap_err().param(), None);
    }
}
