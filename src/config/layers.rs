//! Where a setting's value comes from: flag, environment, `.env`, file, default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
    File {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// Nothing was said.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::DotEnv(name) => write!(f, "{name} in .env"),
            Self::File { key, path } => write!(f, "{key} in {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Everything that was said, before it is understood.
#[derive(Clone, Default)]
pub struct Layers {
    /// From flags, by the setting's name.
    pub flags: Variables,
    /// From the environment.
    pub environment: Variables,
    /// From `.env`.
    pub dot_env: Variables,
    /// From the configuration file, by the setting's name.
    pub file: Variables,
    /// The configuration file.
    pub file_path: PathBuf,
}

/// Names only: nobody has told the secrets from the rest yet.
impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reprise = |name: &&String| name.starts_with(PREFIX);
        f.debug_struct("Layers")
            .field("flags", &self.flags.keys())
            .field(
                "environment",
                &self.environment.keys().filter(reprise).collect::<Vec<_>>(),
            )
            .field(
                "dot_env",
                &self.dot_env.keys().filter(reprise).collect::<Vec<_>>(),
            )
            .field("file", &self.file.keys())
            .field("file_path", &self.file_path)
            .finish()
    }
}

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "REPRISE_";

impl Layers {
    /// The value of a setting and where it came from. An empty value counts as not
    /// said, so that a compose file can pass on what may be missing.
    ///
    /// What others named a variable counts last of all: it may be there for
    /// somebody else, and must not override what was said to this program.
    pub fn find(&self, setting: &Setting) -> (String, Source) {
        let own = setting.variable();
        let source_of_file = |key: String| Source::File {
            key,
            path: self.file_path.clone(),
        };
        let said = |layer: &Variables, name: &str, source: &dyn Fn(String) -> Source| {
            let value = layer.get(name).filter(|value| !value.is_empty())?;
            Some((value.clone(), source(name.to_owned())))
        };
        let also = |layer: &Variables, source: &dyn Fn(String) -> Source| {
            said(layer, setting.also?, source)
        };
        said(&self.flags, setting.name, &|_name| {
            Source::Flag(setting.flag())
        })
        .or_else(|| said(&self.environment, &own, &Source::Environment))
        .or_else(|| said(&self.dot_env, &own, &Source::DotEnv))
        .or_else(|| said(&self.file, setting.name, &source_of_file))
        .or_else(|| also(&self.environment, &Source::Environment))
        .or_else(|| also(&self.dot_env, &Source::DotEnv))
        .unwrap_or_else(|| (setting.default.to_owned(), Source::Default))
    }

    /// The names that look like settings and are none.
    pub fn unknown(&self) -> Vec<ConfigError> {
        let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let unknown_variables = |layer: &Variables, source: fn(String) -> Source| {
            layer
                .keys()
                .filter(|name| name.starts_with(PREFIX) && !variables.contains(name))
                .map(|name| ConfigError::Unknown {
                    source: source(name.clone()),
                    near: near(name).map(Setting::variable),
                })
                .collect::<Vec<_>>()
        };
        let known = |key: &str| Setting::named(key).is_some_and(Setting::is_of_file);
        let unknown_keys =
            self.file
                .keys()
                .filter(|key| !known(key))
                .map(|key| ConfigError::Unknown {
                    source: Source::File {
                        key: key.clone(),
                        path: self.file_path.clone(),
                    },
                    near: near(key)
                        .filter(|setting| setting.is_of_file())
                        .map(|setting| setting.name.to_owned()),
                });
        unknown_variables(&self.environment, Source::Environment)
            .into_iter()
            .chain(unknown_variables(&self.dot_env, Source::DotEnv))
            .chain(unknown_keys)
            .collect()
    }
}

/// The setting that somebody may have had in mind who wrote `name`, be it in the
/// manner of a variable, a flag or a key.
fn near(name: &str) -> Option<&'static Setting> {
    let plain = name.replace('-', "_").to_ascii_lowercase();
    let plain = plain.strip_prefix("reprise_").unwrap_or(&plain);
    SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(plain, setting.name), setting))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1 + plain.len() / 6)
        .map(|(_, setting)| setting)
}
