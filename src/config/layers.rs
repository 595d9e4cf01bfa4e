//! Where a setting's value comes from: flag, environment, `.env`, file, default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::errors::ConfigError;
use super::settings::{SETTINGS, Setting};

/// The variables of an environment, by name.
pub type Variables = BTreeMap<String, String>;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
    /// A variable of the file `.env`.
    DotEnv(String),
    /// A key of the configuration file.
    File(String),
    /// Nothing was said.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::DotEnv(name) => write!(f, "{name} in .env"),
            Self::File(name) => write!(f, "{name} in the configuration file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Everything that was said, before it is understood.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// From flags, by the setting's name.
    pub flags: Variables,
    /// From the environment.
    pub environment: Variables,
    /// From `.env`.
    pub dot_env: Variables,
    /// From the configuration file, by the setting's name.
    pub file: Variables,
}

impl Layers {
    /// The value of a setting and where it came from. An empty variable counts as
    /// not set, so that a compose file can pass on what may be missing.
    pub fn find(&self, setting: &Setting) -> (String, Source) {
        let flag = self
            .flags
            .get(setting.name)
            .map(|value| (value.clone(), Source::Flag(setting.flag())));
        flag.or_else(|| variable(&self.environment, setting, Source::Environment))
            .or_else(|| variable(&self.dot_env, setting, Source::DotEnv))
            .or_else(|| {
                let value = self.file.get(setting.name)?;
                Some((value.clone(), Source::File(setting.name.to_owned())))
            })
            .unwrap_or_else(|| (setting.default.to_owned(), Source::Default))
    }

    /// The names that look like settings and are none.
    pub fn unknown(&self) -> Vec<ConfigError> {
        let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let unknown_variable = |name: &&String| {
            name.starts_with("REPRISE_") && !variables.iter().any(|known| known == *name)
        };
        let environment = self.environment.keys().filter(unknown_variable);
        let dot_env = self.dot_env.keys().filter(unknown_variable);
        let file = self
            .file
            .keys()
            .filter(|name| SETTINGS.iter().all(|setting| setting.name != name.as_str()));
        let near = |name: &str, known: &mut dyn Iterator<Item = String>| {
            known
                .map(|known| (strsim::damerau_levenshtein(name, &known), known))
                .min()
                .filter(|(distance, _)| *distance <= 1 + name.len() / 6)
                .map(|(_, known)| known)
        };
        environment
            .chain(dot_env)
            .map(|name| ConfigError::Unknown {
                name: name.clone(),
                near: near(name, &mut variables.iter().cloned()),
            })
            .chain(file.map(|name| ConfigError::Unknown {
                name: name.clone(),
                near: near(
                    name,
                    &mut SETTINGS.iter().map(|setting| setting.name.to_owned()),
                ),
            }))
            .collect()
    }
}

fn variable(
    variables: &Variables,
    setting: &Setting,
    source: fn(String) -> Source,
) -> Option<(String, Source)> {
    let own = setting.variable();
    [Some(own.as_str()), setting.also]
        .into_iter()
        .flatten()
        .find_map(|name| {
            let value = variables.get(name).filter(|value| !value.is_empty())?;
            Some((value.clone(), source(name.to_owned())))
        })
}

/// Reads `.env`-like text from `path`; nothing if there is no such file.
///
/// # Errors
/// If the file cannot be read or understood.
pub(super) fn read_dot_env(path: &Path) -> Result<Variables, ConfigError> {
    if !path.exists() {
        return Ok(Variables::new());
    }
    let wrong = |error: dotenvy::Error| ConfigError::File {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    dotenvy::from_path_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)
}

/// Reads the configuration file at `path`.
///
/// # Errors
/// If the file cannot be read or understood.
pub(super) fn read_file(path: &Path) -> Result<Variables, ConfigError> {
    let wrong = |cause: String| ConfigError::File {
        path: path.to_owned(),
        cause,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    table
        .into_iter()
        .map(|(name, value)| match value {
            toml::Value::String(text) => Ok((name, text)),
            toml::Value::Integer(number) => Ok((name, number.to_string())),
            toml::Value::Boolean(truth) => Ok((name, truth.to_string())),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => Err(wrong(format!(
                "{name} must be a text, a whole number, true or false"
            ))),
        })
        .collect()
}
