//! The parameters of a query string, in the spellings that clients have for them.
//!
//! A list is written `name[]=a&name[]=b` by the official SDKs, `name=a&name=b` by
//! `OpenAPI` and `name=a,b` by hand. What means nothing is an error that names the
//! parameter; names that are not known are left alone, as the provider does.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use jiff::Timestamp;

use super::error::ApiError;

/// The parameters in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| bad("query", error.to_string()))
    }
}

impl Parameters {
    /// Those of a query string, for tests.
    #[cfg(test)]
    pub(super) fn of(query: &str) -> Self {
        let uri = format!("/?{query}").parse().unwrap();
        let Query(pairs) = Query::try_from_uri(&uri).unwrap();
        Self(pairs)
    }

    /// The one value of a parameter.
    ///
    /// # Errors
    /// If it is given several times.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let mut values = self
            .0
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, value)| value.trim());
        let first = values.next().filter(|value| !value.is_empty());
        match values.next() {
            None => Ok(first),
            Some(_) => Err(bad(name, format!("`{name}` is given more than once"))),
        }
    }

    /// The values of a list; `None` if it is not given at all. Values in the SDKs'
    /// spelling may have commas in them.
    pub(super) fn list(&self, name: &'static str) -> Option<Vec<&str>> {
        let mut values = Vec::new();
        let mut given = false;
        for (key, value) in &self.0 {
            if key == name {
                values.extend(value.split(',').map(str::trim));
            } else if key.strip_suffix("[]") == Some(name) {
                values.push(value);
            } else {
                continue;
            }
            given = true;
        }
        values.retain(|value| !value.is_empty());
        given.then_some(values)
    }

    /// A whole number from 0, of 63 bits at most: what `int64` of the document can say.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u64>, ApiError> {
        self.read(name, "a whole number from 0 to 2^63 - 1", number)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.read(name, "`true` or `false`", |text| text.parse().ok())
    }

    /// A moment, in seconds since the Unix epoch: written as that, or by RFC 3339.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn moment(&self, name: &'static str) -> Result<Option<u64>, ApiError> {
        let wanted = "a time: seconds since the Unix epoch, or as 2026-01-31T12:00:00Z";
        self.read(name, wanted, |text| {
            number(text).or_else(|| {
                let moment: Timestamp = text.parse().ok()?;
                u64::try_from(moment.as_second()).ok()
            })
        })
    }

    /// One of the words that `read` knows.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(bad(name, format!("`{name}` must be {wanted}"))),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let number: i64 = text.parse().ok()?;
    u64::try_from(number).ok()
}

/// What is wrong with a parameter.
pub(super) fn bad(name: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::invalid(Some(name), message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_every_spelling() {
        for query in [
            "group_by=a&group_by=b",
            "group_by=a,b",
            "group_by=a,%20b,",
            "group_by[]=a&group_by[]=b",
            "group_by%5B%5D=a&group_by%5B%5D=b",
        ] {
            assert_eq!(
                Parameters::of(query).list("group_by"),
                Some(vec!["a", "b"]),
                "{query}"
            );
        }
        assert_eq!(Parameters::of("m[]=a,b").list("m"), Some(vec!["a,b"]));
        assert_eq!(Parameters::of("m=").list("m"), Some(vec![]));
        assert_eq!(Parameters::of("").list("m"), None);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let parameters = Parameters::of("n=-1&f=yes&t=tomorrow&n2=1&n2=2&e=&h=9223372036854775808");
        for refused in [
            parameters.number("n").map(drop),
            parameters.flag("f").map(drop),
            parameters.moment("t").map(drop),
            parameters.number("n2").map(drop),
            parameters.number("h").map(drop),
            parameters.moment("h").map(drop),
        ] {
            assert!(matches!(refused, Err(ApiError::Invalid { .. })));
        }
        assert!(matches!(parameters.number("e"), Ok(None)));
    }

    #[test]
    fn moments_are_seconds_or_dates() {
        for (query, second) in [
            ("t=1767349830", 1_767_349_830),
            ("t=2026-01-02T10:30:30Z", 1_767_349_830),
            ("t=2026-01-02T11:30:30%2B01:00", 1_767_349_830),
        ] {
            let moment = Parameters::of(query).moment("t").ok().flatten();
            assert_eq!(moment, Some(second), "{query}");
        }
    }
}
