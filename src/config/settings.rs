//! Every setting there is: the one list that flags, environment, file, help and
//! `.env.example` are drawn from.

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file; with dashes for underscores, its flag.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
    /// What counts where nothing is said; empty for none.
    pub default: &'static str,
    /// Another variable that is honoured after its own.
    pub also: Option<&'static str>,
    /// Whether its value must not be shown. Such a setting has no flag, because
    /// every user of a machine can read the flags of a process.
    pub secret: bool,
}

impl Setting {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("REPRISE_{}", self.name.to_ascii_uppercase())
    }

    /// Its flag, without the leading dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    const fn also(self, variable: &'static str) -> Self {
        Self {
            also: Some(variable),
            ..self
        }
    }

    const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        help,
        default,
        also: None,
        secret: false,
    }
}

/// All settings, in the order they are shown.
pub const SETTINGS: [Setting; 41] = [
    setting("listen", "127.0.0.1:8080", "Address and port to listen on"),
    setting("upstream", "https://api.openai.com/v1", "Base URL of the provider, its /v1 included, or `mock` for the built-in scripted one"),
    setting("upstream_kind", "", "What the provider is: openai, azure, anthropic or compatible; inferred from the host where it is not said"),
    setting("upstream_api_key", "", "Key that is lent to callers who bring none").also("OPENAI_API_KEY").secret(),
    setting("allow_open", "false", "Lend the key also on an address that others can reach"),
    setting("backend", "embedded", "Where answers are kept: embedded, memory, or a redis:// or rediss:// URL").also("REDIS_URL"),
    setting("redis_database", "", "Logical database of a standalone Redis").also("REDIS_DB"),
    setting("redis_prefix", "reprise", "Prefix of every Redis key"),
    setting("data_dir", "", "Folder of the embedded backend; the platform's data folder where it is not said"),
    setting("cache_secret", "", "Passphrase of the secret that names entries; a random one is made and kept in the backend where it is not said").secret(),
    setting("completion_ttl", "7d", "How long a completion is fresh"),
    setting("ttl_max", "30d", "The longest freshness a client may ask for"),
    setting("stale_while_revalidate", "0s", "How long past its freshness an answer is given while it is renewed"),
    setting("stale_if_error", "24h", "How long past its freshness an answer stands in for a failing provider"),
    setting("clients_may_bypass", "true", "Whether clients may demand a new answer"),
    setting("clients_may_extend", "true", "Whether clients may make answers serve longer"),
    setting("allow_remote_refs", "false", "Whether requests that point at content elsewhere are cached"),
    setting("entry_max_bytes", "8MiB", "The largest answer that is stored"),
    setting("cache_max_bytes", "1GiB", "How large the embedded backend may grow"),
    setting("memory_max_bytes", "128MiB", "How much the memory tier may hold"),
    setting("backend_read_timeout", "50ms", "How long a look-up in the backend may take before it counts as a miss"),
    setting("backend_write_timeout", "250ms", "How long a write to the backend may take"),
    setting("credential_ttl", "5m", "How long a credential the provider accepted is answered from the cache without asking again"),
    setting("credential_grace", "24h", "The same while the provider cannot be reached"),
    setting("follow_timeout", "2m", "How long a request waits for the answer to another's call to begin"),
    setting("orphan_timeout", "2m", "How long a call goes on that nobody waits for any more"),
    setting("orphans_max", "64", "How many such calls there may be"),
    setting("elections_max", "2", "How often those who wait for a call that failed try again"),
    setting("upstream_connect_timeout", "5s", "How long connecting to the provider may take"),
    setting("upstream_first_byte_timeout", "10m", "How long the provider may take to begin an answer"),
    setting("upstream_idle_timeout", "2m", "How long the provider may be silent within an answer"),
    setting("request_max_bytes", "64MiB", "The largest request body"),
    setting("header_timeout", "10s", "How long a request's head may take to arrive"),
    setting("body_timeout", "30s", "How long a client may be silent within a request body"),
    setting("idle_timeout", "75s", "How long a connection may wait for its next request"),
    setting("write_timeout", "60s", "How long a client may take nothing of what is sent to it"),
    setting("drain_timeout", "30s", "How long running requests may take to end when the server stops"),
    setting("connections_max", "20000", "How many connections there may be"),
    setting("log", "info", "What to log: error, warn, info, debug, trace, or a filter as `reprise=debug`"),
    setting("log_format", "text", "The form of a log line: text or json"),
    setting("config", "", "File to read settings from; reprise.toml where it exists"),
];
