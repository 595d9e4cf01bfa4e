//! From texts to values, keeping a list of everything that is wrong.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::errors::ConfigError;
use super::layers::{Layers, Source};
use super::settings::{Kind, Setting};

/// The longest time there may be: a moment further off than this is not always
/// one that the clocks can express.
const DURATION_MAX: Duration = Duration::from_hours(10 * 365 * 24);

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
        let (text, _) = self.layers.find(Setting::named(name)?);
        Some(text).filter(|text| !text.is_empty())
    }

    /// Where the text of a setting came from.
    pub(super) fn source(&self, name: &str) -> Source {
        Setting::named(name).map_or(Source::Default, |setting| self.layers.find(setting).1)
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    /// A secret that is sent in a header.
    pub(super) fn credential(&mut self, name: &'static str) -> Option<SecretString> {
        let wanted = "printable ASCII without spaces and line ends";
        self.value(name, wanted, None, |text| {
            let is_sound = text.bytes().all(|byte| byte.is_ascii_graphic());
            is_sound.then(|| Some(SecretString::from(text)))
        })
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

    /// A time that may be none at all.
    pub(super) fn duration(&mut self, name: &'static str) -> Duration {
        let wanted = "a duration of at most 10 years, such as 0s, 250ms, 90s, 5m, 24h or 7d";
        self.value(name, wanted, Duration::ZERO, duration)
    }

    /// A time to wait for something: none at all would be to never get it.
    pub(super) fn patience(&mut self, name: &'static str) -> Duration {
        let wanted = "a duration above zero and of at most 10 years, such as 250ms, 90s or 5m";
        self.value(name, wanted, Duration::ZERO, |text| {
            duration(text).filter(|time| !time.is_zero())
        })
    }

    /// An amount of memory, and the least it may be.
    pub(super) fn bytes(&mut self, name: &'static str, least: u64) -> u64 {
        let wanted = match least {
            0 => String::new(),
            least => format!(" and at least {}", bytesize::ByteSize(least)),
        };
        let wanted = format!("a number of bytes such as 65536, 512MiB or 1GiB{wanted}");
        self.value(name, &wanted, 0, |text| {
            let size: bytesize::ByteSize = text.parse().ok()?;
            (least <= size.0).then_some(size.0)
        })
    }

    /// The same for what is held in memory.
    pub(super) fn size(&mut self, name: &'static str, least: u64) -> usize {
        let bytes = self.bytes(name, least);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    pub(super) fn count<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + std::fmt::Display + Default,
    {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(name, &wanted, T::default(), |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    /// A part of something, from none to all of it.
    pub(super) fn share(&mut self, name: &'static str) -> f64 {
        self.value(name, "a number from 0 to 1", 0.0, |text| {
            let share: f64 = text.parse().ok()?;
            (0.0..=1.0).contains(&share).then_some(share)
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
        let Some(setting) = Setting::named(name) else {
            return;
        };
        let (value, source) = self.layers.find(setting);
        self.errors.push(ConfigError::Value {
            name: setting.name,
            source,
            value: showable(setting, &value),
            wanted,
        });
    }
}

fn duration(text: &str) -> Option<Duration> {
    let duration = humantime::parse_duration(text).ok()?;
    (duration <= DURATION_MAX).then_some(duration)
}

/// The value as far as it may be shown. URLs lose their credentials, and what
/// follows their path: some carry a password there.
pub(super) fn showable(setting: &Setting, value: &str) -> Option<String> {
    match setting.kind {
        Kind::Secret => None,
        Kind::Url => {
            let Some((scheme, rest)) = value.split_once("://") else {
                // No URL. It may be a word, or what was meant to become one.
                let is_word = !value.contains(['@', '?']);
                return is_word.then(|| value.to_owned());
            };
            // The last @, because a password that was not escaped may have one too.
            let (credentials, rest) = match rest.rsplit_once('@') {
                Some((_, rest)) => ("***@", rest),
                None => ("", rest),
            };
            let (rest, query) = match rest.split_once('?') {
                Some((rest, _)) => (rest, "?***"),
                None => (rest, ""),
            };
            Some(format!("{scheme}://{credentials}{rest}{query}"))
        }
        Kind::Address
        | Kind::Text
        | Kind::Path
        | Kind::Duration
        | Kind::Bytes
        | Kind::Count
        | Kind::Truth => Some(value.to_owned()),
    }
}
