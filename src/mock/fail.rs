//! Which calls of the scripted upstream fail, and how.

use std::num::NonZeroU64;
use std::str::FromStr;

use http::StatusCode;

/// A scripted failure, written `503` (every call) or `503:10` (every tenth).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fail {
    status: StatusCode,
    every: NonZeroU64,
}

/// A text that says no failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no failure: write a status of 400 to 599, as 503, or with how often, as 503:10 for every tenth call"
)]
pub struct UnknownFail(String);

impl Fail {
    /// The status with which the call of this number fails, if it does.
    pub(super) fn status(self, number: u64) -> Option<StatusCode> {
        number
            .is_multiple_of(self.every.get())
            .then_some(self.status)
    }
}

impl FromStr for Fail {
    type Err = UnknownFail;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (status, every) = text.split_once(':').unwrap_or((text, "1"));
        let status = status
            .parse()
            .ok()
            .and_then(|status: u16| StatusCode::from_u16(status).ok())
            .filter(|status| status.is_client_error() || status.is_server_error());
        match (status, every.parse()) {
            (Some(status), Ok(every)) => Ok(Self { status, every }),
            (None, _) | (_, Err(_)) => Err(UnknownFail(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read_and_come_as_often_as_they_say() {
        let always: Fail = "503".parse().unwrap();
        assert_eq!(always.status(1), Some(StatusCode::SERVICE_UNAVAILABLE));
        let sometimes: Fail = "429:3".parse().unwrap();
        let failing: Vec<u64> = (1..=7)
            .filter(|number| sometimes.status(*number).is_some())
            .collect();
        assert_eq!(failing, [3, 6]);
        for wrong in ["", "200", "abc", "503:0", "503:x", "999999"] {
            assert!(wrong.parse::<Fail>().is_err(), "{wrong}");
        }
    }
}
