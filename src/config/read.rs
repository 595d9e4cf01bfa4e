//! From texts to values, keeping a list of everything that is wrong.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::errors::ConfigError;
use super::layers::{Layers, Source};
use super::settings::{SETTINGS, Setting};

/// Reads settings and remembers what was wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            errors: layers.unknown(),
        }
    }

    /// The text of a setting; `None` if nothing is said and there is no default.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        Some(self.layers.find(setting).0).filter(|text| !text.is_empty())
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A value that `parse` understands; the fallback, and an error remembered,
    /// where it does not.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        fallback: T,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else {
            return fallback;
        };
        parse(&text).unwrap_or_else(|| {
            self.reject(name, wanted.to_owned());
            fallback
        })
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Duration {
        let wanted = "a duration such as 250ms, 90s, 5m, 24h or 7d";
        self.value(name, wanted, Duration::ZERO, |text| {
            humantime::parse_duration(text).ok()
        })
    }

    pub(super) fn bytes(&mut self, name: &'static str) -> u64 {
        let wanted = "a number of bytes such as 65536, 512MiB or 1GiB";
        self.value(name, wanted, 0, |text| {
            text.parse::<bytesize::ByteSize>().ok().map(|size| size.0)
        })
    }

    pub(super) fn size(&mut self, name: &'static str) -> usize {
        let bytes = self.bytes(name);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    pub(super) fn number<T: std::str::FromStr + Default>(&mut self, name: &'static str) -> T {
        self.value(name, "a whole number", T::default(), |text| {
            text.parse().ok()
        })
    }

    pub(super) fn truth(&mut self, name: &'static str) -> bool {
        self.value(name, "true or false", false, |text| match text {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }

    /// Remembers that the value of a setting is wrong.
    pub(super) fn reject(&mut self, name: &'static str, wanted: String) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return;
        };
        let (value, source) = self.layers.find(setting);
        self.errors.push(ConfigError::Value {
            name: setting.name,
            source,
            value: may_be_shown(setting, &value).then_some(value),
            wanted,
        });
    }
}

/// Whether a value has no secret in it: URLs may carry a password.
pub(super) fn may_be_shown(setting: &Setting, value: &str) -> bool {
    let may_carry_a_password = value.contains("://") && value.contains('@');
    !(setting.secret || may_carry_a_password)
}

/// One line for every setting: its value, where it may be shown, and its source.
pub(super) fn describe(layers: &Layers) -> Vec<(&'static str, String, Source)> {
    SETTINGS
        .iter()
        .map(|setting| {
            let (value, source) = layers.find(setting);
            let shown = if value.is_empty() {
                "(not set)".to_owned()
            } else if may_be_shown(setting, &value) {
                value
            } else {
                "(set, not shown)".to_owned()
            };
            (setting.name, shown, source)
        })
        .collect()
}
