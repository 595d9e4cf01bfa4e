//! What the errors of `SQLite` mean.

use rusqlite::ErrorCode;

use crate::backend::BackendError;

impl From<rusqlite::Error> for BackendError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            return Self::Other(text);
        };
        if matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) {
            Self::Corrupt(text)
        } else if matches!(code, ErrorCode::DiskFull) {
            Self::OutOfSpace(text)
        } else if matches!(code, ErrorCode::ReadOnly) {
            Self::ReadOnly(text)
        } else if matches!(
            code,
            ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
        ) {
            Self::Unavailable(text)
        } else {
            Self::Other(text)
        }
    }
}
