//! Reads what was said: the environment, `.env` and the configuration file.
//!
//! What cannot be read is left out and remembered, so that the rest is judged too.
//! No message repeats a line: there may be a secret in it.

use std::ffi::OsString;
use std::path::Path;

use super::errors::ConfigError;
use super::layers::{PREFIX, Source, Variables};

/// Takes the variables that are text. Those of others may be anything.
pub(super) fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
    errors: &mut Vec<ConfigError>,
) -> Variables {
    variables
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            match value.into_string() {
                Ok(value) => Some((name, value)),
                Err(_) if name.starts_with(PREFIX) => {
                    errors.push(ConfigError::Shape {
                        source: Source::Environment(name),
                        wanted: "UTF-8",
                    });
                    None
                }
                Err(_) => None,
            }
        })
        .collect()
}

/// Reads `.env`-like text from `path`; nothing if there is no such file.
pub(super) fn dot_env(path: &Path, errors: &mut Vec<ConfigError>) -> Variables {
    if !path.exists() {
        return Variables::new();
    }
    let mut wrong = |cause: String| {
        errors.push(ConfigError::File {
            path: path.to_owned(),
            cause,
        });
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            wrong(error.to_string());
            return Variables::new();
        }
    };
    dotenvy::from_read_iter(text.trim_start_matches('\u{feff}').as_bytes())
        .filter_map(|line| line.map_err(|error| wrong(cause_of(&error, &text))).ok())
        .collect()
}

fn cause_of(error: &dotenvy::Error, text: &str) -> String {
    let dotenvy::Error::LineParse(part, _) = error else {
        return error.to_string();
    };
    let number = text.lines().position(|line| line.ends_with(part));
    let place = number.map_or("a line".to_owned(), |number| format!("line {}", number + 1));
    format!(
        "{place} cannot be understood; write NAME=VALUE, with the value in single quotes if there \
         are spaces, quotes, $, # or \\ in it"
    )
}

/// Reads the configuration file at `path`.
pub(super) fn toml(path: &Path, errors: &mut Vec<ConfigError>) -> Variables {
    let table = std::fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            text.parse::<toml::Table>()
                .map_err(|error| located(&text, &error))
        });
    let table = match table {
        Ok(table) => table,
        Err(cause) => {
            errors.push(ConfigError::File {
                path: path.to_owned(),
                cause,
            });
            return Variables::new();
        }
    };
    table
        .into_iter()
        .filter_map(|(key, value)| match value {
            toml::Value::String(text) => Some((key, text)),
            toml::Value::Integer(number) => Some((key, number.to_string())),
            toml::Value::Boolean(truth) => Some((key, truth.to_string())),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                errors.push(ConfigError::Shape {
                    source: Source::File {
                        key,
                        path: path.to_owned(),
                    },
                    wanted: "a text in quotes, a whole number, true or false; \
                             all settings stand at the top, in no [table]",
                });
                None
            }
        })
        .collect()
}

/// What the parser says, with the line but without its text.
fn located(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        ),
        None => error.message().to_owned(),
    }
}
