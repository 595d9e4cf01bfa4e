//! What the errors of Redis and of its client mean.

use redis::{ErrorKind, RedisError};

use crate::backend::BackendError;

impl From<RedisError> for BackendError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Unauthorized(text);
        }
        match error.code() {
            Some("OOM") => Self::OutOfSpace(text),
            Some("READONLY") => Self::ReadOnly(text),
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Self::Unauthorized(text),
            Some("WRONGTYPE") => Self::Corrupt(text),
            // Each of these passes: the server starts, saves, fails over, or runs
            // somebody's script.
            Some(
                "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF"
                | "NOREPLICAS" | "MOVED" | "ASK" | "UNBLOCKED",
            ) => Self::Unavailable(text),
            Some(_) => Self::Other(text),
            None => Self::of_the_client(&error, text),
        }
    }
}

impl BackendError {
    /// The meaning of an error that did not come from a server.
    fn of_the_client(error: &RedisError, text: String) -> Self {
        if error.is_io_error()
            || error.is_connection_dropped()
            || error.is_cluster_error()
            || matches!(
                error.kind(),
                ErrorKind::ClusterConnectionNotFound
                    | ErrorKind::MasterNameNotFoundBySentinel
                    | ErrorKind::NoValidReplicasFoundBySentinel
                    // Half a reply: the connection is of no use any more.
                    | ErrorKind::Parse
            )
        {
            Self::Unavailable(text)
        } else if error.kind() == ErrorKind::InvalidClientConfig {
            Self::Invalid(text)
        } else {
            Self::Other(text)
        }
    }
}

/// Whether the connection an error came from is of no further use: it is broken,
/// or leads to a server that is the master no longer.
pub(super) fn is_lost(error: &RedisError) -> bool {
    error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Parse
        || matches!(error.code(), Some("READONLY" | "NOAUTH" | "MASTERDOWN"))
}
