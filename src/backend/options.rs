//! Where entries are kept, and how much of them.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// The configuration of this module.
#[derive(Clone, Debug)]
pub struct BackendOptions {
    /// Which backend. Default: embedded.
    pub choice: BackendChoice,
    /// The folder of the embedded backend.
    pub data_dir: PathBuf,
    /// How large the embedded backend may grow, in bytes. Default: 1 GiB.
    pub cache_bytes_max: u64,
    /// How much the memory tier may hold, in bytes. Default: 128 MiB.
    pub memory_bytes_max: u64,
    /// How long a read may take before it counts as a miss. Default: 50 ms.
    pub read_timeout: Duration,
    /// How long a write may take. Default: 250 ms.
    pub write_timeout: Duration,
    /// The prefix of every Redis key. Default: `reprise`.
    pub redis_prefix: String,
    /// The passphrase of the cache's secret. Default: a random secret, made once
    /// and kept in the backend.
    pub cache_secret: Option<SecretString>,
}

/// Which backend.
#[derive(Clone, Debug)]
pub enum BackendChoice {
    /// `SQLite`, in a file of the data folder.
    Embedded,
    /// None: entries live as long as the process.
    Memory,
    /// Redis.
    Redis {
        /// Where it is, with its credentials.
        url: SecretString,
        /// The logical database; only a standalone server has several.
        database: Option<i64>,
    },
}
