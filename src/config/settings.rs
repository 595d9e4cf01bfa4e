//! What a setting is, and where they all are.

mod list;

pub use list::SETTINGS;

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file; with dashes for underscores, its flag.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is for, in a sentence.
    pub help: &'static str,
    /// What counts where nothing is said; empty for none.
    pub default: &'static str,
    /// A variable of others that is honoured where nothing is said under the
    /// setting's own name.
    pub also: Option<&'static str>,
}

/// What the value of a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address and a port.
    Address,
    /// A URL, or a word that stands for one. It may have credentials in it.
    Url,
    /// A word or a few.
    Text,
    /// What must not be shown. Such a setting has no flag, because every user of a
    /// machine can read the flags of a process.
    Secret,
    /// A file or a folder.
    Path,
    /// A time with its unit.
    Duration,
    /// An amount of memory.
    Bytes,
    /// A whole number.
    Count,
    /// True or false.
    Truth,
}

impl Kind {
    /// The name of the value in help.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS:PORT",
            Self::Url => "URL",
            Self::Text => "TEXT",
            Self::Secret => "SECRET",
            Self::Path => "PATH",
            Self::Duration => "DURATION",
            Self::Bytes => "BYTES",
            Self::Count => "NUMBER",
            Self::Truth => "true|false",
        }
    }
}

impl Setting {
    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("REPRISE_{}", self.name.to_ascii_uppercase())
    }

    /// Its flag, without the leading dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Whether its value must not be shown.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }

    /// Whether it may stand in the configuration file. The path of that file may not.
    pub fn is_of_file(&self) -> bool {
        self.name != "config"
    }

    const fn also(self, variable: &'static str) -> Self {
        Self {
            also: Some(variable),
            ..self
        }
    }
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        help,
        default,
        also: None,
    }
}
