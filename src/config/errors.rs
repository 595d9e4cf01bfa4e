//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::path::PathBuf;

use super::layers::Source;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A value cannot be understood. A secret's value is never shown.
    Value {
        /// The setting's name.
        name: &'static str,
        /// Where the value came from.
        source: Source,
        /// The value, as far as it may be shown.
        value: Option<String>,
        /// What would be right.
        wanted: String,
    },
    /// A value that is no text, and cannot become one.
    Shape {
        /// Where it stands.
        source: Source,
        /// What would be right.
        wanted: &'static str,
    },
    /// A name that looks like a setting and is none.
    Unknown {
        /// Where it stands.
        source: Source,
        /// A setting whose name is much like it.
        near: Option<String>,
    },
    /// A file cannot be read or understood.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Settings that must not stand together.
    Conflict(String),
}

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value {
                name,
                source,
                value,
                wanted,
            } => {
                write!(f, "{name}: ")?;
                match value {
                    Some(value) => write!(f, "{value:?}")?,
                    None => f.write_str("the value (not shown)")?,
                }
                write!(f, " from {source} is not valid; it must be {wanted}")
            }
            Self::Shape { source, wanted } => {
                write!(f, "{source}: the value is not valid; it must be {wanted}")
            }
            Self::Unknown { source, near } => {
                write!(f, "{source}: there is no such setting")?;
                match near {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Self::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Conflict(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid:")?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
