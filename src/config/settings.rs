//! Every setting there is: the one list that flags, environment, file, help and
//! the example files are drawn from.

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

/// All settings, in the order they are shown.
pub const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        Kind::Address,
        "127.0.0.1:8080",
        "Address and port to listen on",
    ),
    setting(
        "upstream",
        Kind::Url,
        "https://api.openai.com/v1",
        "Base URL of the provider, its /v1 included, or `mock` for the built-in scripted one",
    ),
    setting(
        "upstream_kind",
        Kind::Text,
        "",
        "What the provider is: openai, azure, anthropic or compatible; inferred from the host where it is not said",
    ),
    setting(
        "upstream_api_key",
        Kind::Secret,
        "",
        "Key that is lent to callers who bring none",
    )
    .also("OPENAI_API_KEY"),
    setting(
        "allow_open",
        Kind::Truth,
        "false",
        "Lend the key also on an address that others can reach",
    ),
    setting(
        "backend",
        Kind::Url,
        "embedded",
        "Where answers are kept: embedded, memory, or a redis:// or rediss:// URL",
    )
    .also("REDIS_URL"),
    setting(
        "redis_database",
        Kind::Count,
        "",
        "Logical database of a standalone Redis",
    )
    .also("REDIS_DB"),
    setting(
        "redis_prefix",
        Kind::Text,
        "reprise",
        "Prefix of every Redis key",
    ),
    setting(
        "data_dir",
        Kind::Path,
        "",
        "Folder of the embedded backend and of a made admin key; the platform's data folder where it is not said",
    ),
    setting(
        "cache_secret",
        Kind::Secret,
        "",
        "Passphrase of the secret that names entries; a random one is made and kept in the backend where it is not said",
    ),
    setting(
        "admin_key",
        Kind::Secret,
        "",
        "Key that opens /admin/v1 and the usage API; a random one is made, kept in the data folder and shown once where it is not said",
    ),
    setting(
        "admin_hosts",
        Kind::Text,
        "",
        "Names the administration and the documentation are answered under, with commas between them, besides localhost and bare addresses",
    ),
    setting(
        "access",
        Kind::Text,
        "pass-through",
        "Whose keys callers bring: pass-through for the provider's, keys for those this server gives out",
    ),
    setting(
        "jwt_secret",
        Kind::Secret,
        "",
        "Secret of tokens signed with HS256 that are accepted beside keys",
    ),
    setting(
        "jwt_jwks",
        Kind::Url,
        "",
        "File or URL of the public keys (JWKS) of tokens that are accepted beside keys",
    ),
    setting(
        "jwt_issuer",
        Kind::Text,
        "",
        "Who must have issued a token (iss)",
    ),
    setting(
        "jwt_audience",
        Kind::Text,
        "",
        "Whom a token must be meant for (aud); where it is not said, none may be meant for anybody",
    ),
    setting(
        "jwt_tenant_claim",
        Kind::Text,
        "tenant",
        "The claim of a token that names the tenant; `sub` makes each subject its own",
    ),
    setting(
        "master_keys",
        Kind::Secret,
        "",
        "What secrets at rest are sealed with, as number:secret, the one in force first, older ones behind commas; one is made and kept in the data folder where it is not said, which several servers over one Redis must not leave at that",
    ),
    setting(
        "encrypt_entries",
        Kind::Truth,
        "false",
        "Whether answers are encrypted before they are stored, each tenant's with a key of its own; what is stored is read either way",
    ),
    setting(
        "default_requests_per_minute",
        Kind::Count,
        "",
        "How many requests a caller may make in a minute that has no allowance of its own",
    ),
    setting(
        "default_tokens_per_minute",
        Kind::Count,
        "",
        "How many tokens such a caller may use in a minute",
    ),
    setting(
        "default_concurrent",
        Kind::Count,
        "",
        "How many requests such a caller may have under way at once",
    ),
    setting(
        "ip_requests_per_minute",
        Kind::Count,
        "",
        "How many requests may come from one address in a minute, whoever makes them; of IPv6 from one /64",
    ),
    setting(
        "trusted_proxies",
        Kind::Text,
        "",
        "Networks of proxies that are believed when they say where a request comes from, as 10.0.0.0/8, with commas between them",
    ),
    setting(
        "limits_on_outage",
        Kind::Text,
        "local",
        "What becomes of limits while their store is away: local (each process counts by itself), open (no limits) or closed (callers with limits are not served)",
    ),
    setting(
        "completion_ttl",
        Kind::Duration,
        "7d",
        "How long a completion is fresh",
    ),
    setting(
        "embedding_ttl",
        Kind::Duration,
        "30d",
        "How long the vector of an input is fresh",
    ),
    setting(
        "moderation_ttl",
        Kind::Duration,
        "7d",
        "How long the judgement of an input is fresh",
    ),
    setting(
        "models_ttl",
        Kind::Duration,
        "60s",
        "How long a list of models is fresh",
    ),
    setting(
        "ttl_max",
        Kind::Duration,
        "30d",
        "The longest freshness a client may ask for",
    ),
    setting(
        "stale_while_revalidate",
        Kind::Duration,
        "0s",
        "How long past its freshness an answer is given while it is renewed",
    ),
    setting(
        "stale_if_error",
        Kind::Duration,
        "24h",
        "How long past its freshness an answer stands in for a failing provider",
    ),
    setting(
        "clients_may_bypass",
        Kind::Truth,
        "true",
        "Whether clients may demand a new answer",
    ),
    setting(
        "clients_may_extend",
        Kind::Truth,
        "true",
        "Whether clients may make answers serve longer",
    ),
    setting(
        "allow_remote_refs",
        Kind::Truth,
        "false",
        "Whether requests that point at content elsewhere are cached",
    ),
    setting(
        "entry_max_bytes",
        Kind::Bytes,
        "8MiB",
        "The largest answer that is stored",
    ),
    setting(
        "cache_max_bytes",
        Kind::Bytes,
        "1GiB",
        "How large the embedded backend may grow",
    ),
    setting(
        "memory_max_bytes",
        Kind::Bytes,
        "128MiB",
        "How much the memory tier may hold",
    ),
    setting(
        "backend_read_timeout",
        Kind::Duration,
        "50ms",
        "How long a look-up in the backend may take before it counts as a miss, and a look at what was used of limits before this process counts by itself",
    ),
    setting(
        "backend_write_timeout",
        Kind::Duration,
        "250ms",
        "How long a write to the backend may take",
    ),
    setting(
        "credential_ttl",
        Kind::Duration,
        "5m",
        "How long a credential the provider accepted is answered from the cache without asking again",
    ),
    setting(
        "credential_grace",
        Kind::Duration,
        "24h",
        "The same while the provider cannot be reached",
    ),
    setting(
        "follow_timeout",
        Kind::Duration,
        "2m",
        "How long a request waits for the answer to another's call to begin",
    ),
    setting(
        "orphan_timeout",
        Kind::Duration,
        "2m",
        "How long a call goes on that nobody waits for any more",
    ),
    setting(
        "orphans_max",
        Kind::Count,
        "64",
        "How many such calls there may be",
    ),
    setting(
        "elections_max",
        Kind::Count,
        "2",
        "How often those who wait for a call that failed try again",
    ),
    setting(
        "upstream_connect_timeout",
        Kind::Duration,
        "5s",
        "How long connecting to the provider may take",
    ),
    setting(
        "upstream_first_byte_timeout",
        Kind::Duration,
        "10m",
        "How long the provider may take to begin an answer",
    ),
    setting(
        "upstream_idle_timeout",
        Kind::Duration,
        "2m",
        "How long the provider may be silent within an answer",
    ),
    setting(
        "request_max_bytes",
        Kind::Bytes,
        "64MiB",
        "The largest request body",
    ),
    setting(
        "header_timeout",
        Kind::Duration,
        "10s",
        "How long a request's head may take to arrive",
    ),
    setting(
        "body_timeout",
        Kind::Duration,
        "30s",
        "How long a client may be silent within a request body",
    ),
    setting(
        "idle_timeout",
        Kind::Duration,
        "75s",
        "How long a connection may wait for its next request",
    ),
    setting(
        "write_timeout",
        Kind::Duration,
        "60s",
        "How long a client may take nothing of what is sent to it",
    ),
    setting(
        "drain_timeout",
        Kind::Duration,
        "30s",
        "How long running requests may take to end when the server stops",
    ),
    setting(
        "connections_max",
        Kind::Count,
        "20000",
        "How many connections there may be",
    ),
    setting(
        "prices",
        Kind::Path,
        "",
        "TOML file of prices that count before those that are built in",
    ),
    setting(
        "price_provider",
        Kind::Text,
        "",
        "Whose built-in prices count, such as openai or openrouter; inferred from the upstream's host where it is not said",
    ),
    setting(
        "log",
        Kind::Text,
        "info",
        "What to log: error, warn, info, debug, trace, or a filter as `reprise=debug`",
    ),
    setting(
        "log_format",
        Kind::Text,
        "text",
        "The form of a log line: text or json",
    ),
    setting(
        "alert_memory_share",
        Kind::Text,
        "0.8",
        "The share of the backend's room from which on the administration shows an alert, from 0 to 1",
    ),
    setting(
        "alert_hit_ratio",
        Kind::Text,
        "0.5",
        "The share of requests answered by the cache in the last hour below which the administration shows an alert, from 0 to 1",
    ),
    setting(
        "otlp_endpoint",
        Kind::Url,
        "",
        "Base URL of the collector that traces and metrics are sent to, as OTLP over HTTP; none are where it is not said",
    )
    .also("OTEL_EXPORTER_OTLP_ENDPOINT"),
    setting(
        "otlp_headers",
        Kind::Secret,
        "",
        "Headers for the collector, as name=value,name=value",
    )
    .also("OTEL_EXPORTER_OTLP_HEADERS"),
    setting(
        "otlp_sample_ratio",
        Kind::Text,
        "1",
        "How many of the traces that begin here are sent, from 0 to 1; those of callers are sent as the caller says",
    ),
    setting(
        "service_name",
        Kind::Text,
        "reprise",
        "The name under which traces and metrics are sent",
    )
    .also("OTEL_SERVICE_NAME"),
    setting(
        "config",
        Kind::Path,
        "",
        "File to read settings from; reprise.toml where it exists",
    ),
];
