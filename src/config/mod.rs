//! What the operator wants, from flags, environment and files.
//!
//! The only reader of the environment. A configuration is understood as a whole:
//! whatever is wrong with it is told at once, with the name that is at fault,
//! where its value came from and what would be right.

mod access;
pub mod command_line;
mod errors;
mod files;
mod layers;
mod limits;
mod prices;
mod read;
mod redis_url;
mod settings;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use secrecy::SecretString;

use crate::access::{AccessMode, AccessOptions, LimitOptions};
use crate::api::{AlertOptions, ServerOptions};
use crate::backend::{BackendChoice, BackendOptions};
use crate::flight::FlightOptions;
use crate::policy::{OptIn, PolicyOptions};
use crate::price::PriceOptions;
use crate::telemetry::{LogFormat, LogOptions, OtlpOptions};
use crate::upstream::{UpstreamBase, UpstreamOptions, Url};
use crate::vault::MasterKey;
use crate::wire::UpstreamKind;

pub use errors::{ConfigError, ConfigErrors};
pub use layers::{Layers, Source, Variables};
pub use settings::{Kind, SETTINGS, Setting};

use read::Reader;

/// The configuration file that is read if nothing is said.
const FILE: &str = "reprise.toml";

/// What the embedded backend cannot do with less than.
const CACHE_BYTES_MIN: u64 = 1024 * 1024;

/// More than one process can have open.
const CONNECTIONS_MAX: usize = 1_000_000;

const ORPHANS_MAX: usize = 1_000_000;

/// Each election is one more call that somebody pays for.
const ELECTIONS_MAX: u32 = 100;

/// The options of every part.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: ServerOptions,
    /// The provider.
    pub upstream: UpstreamOptions,
    /// The store.
    pub backend: BackendOptions,
    /// Freshness and gates.
    pub policy: PolicyOptions,
    /// Fills.
    pub flight: FlightOptions,
    /// Credentials.
    pub access: AccessOptions,
    /// What callers are held to.
    pub limits: LimitOptions,
    /// What secrets at rest are sealed with, the one in force first; none where one is to
    /// be kept beside the data.
    pub master_keys: Vec<MasterKey>,
    /// Whether entries are encrypted before they are given to the backend.
    pub encrypt_entries: bool,
    /// Prices.
    pub prices: PriceOptions,
    /// Logs.
    pub log: LogOptions,
    /// Where traces and metrics are sent; `None` if nowhere.
    pub otlp: Option<OtlpOptions>,
}

/// Gathers what was said: flags, this process's environment, `.env` and the
/// configuration file of the working directory.
///
/// # Errors
/// If a file cannot be read or understood; then all else that is wrong is told too.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door the rule points to"
)]
pub fn gather(flags: Variables) -> Result<Layers, ConfigErrors> {
    gather_from(flags, std::env::vars_os(), Path::new(""))
}

fn gather_from(
    flags: Variables,
    environment: impl Iterator<Item = (OsString, OsString)>,
    folder: &Path,
) -> Result<Layers, ConfigErrors> {
    let mut errors = Vec::new();
    let mut layers = Layers {
        flags,
        environment: files::environment(environment, &mut errors),
        dot_env: files::dot_env(&folder.join(".env"), &mut errors),
        file: Variables::new(),
        file_path: folder.join(FILE),
    };
    let named = Reader::new(&layers).path("config");
    let is_named = named.is_some();
    layers.file_path = named.unwrap_or(layers.file_path);
    if is_named || layers.file_path.exists() {
        layers.file = files::toml(&layers.file_path, &mut errors);
    }
    if errors.is_empty() {
        return Ok(layers);
    }
    if let Err(ConfigErrors(more)) = Config::understand(&layers) {
        errors.extend(more);
    }
    Err(ConfigErrors(errors))
}

/// What is in force: name, value as far as it may be shown, source.
pub fn describe(layers: &Layers) -> Vec<(&'static str, String, Source)> {
    SETTINGS
        .iter()
        .map(|setting| {
            let (value, source) = layers.find(setting);
            let shown = if value.is_empty() {
                inferred(setting.name, layers).unwrap_or_else(|| "not set".to_owned())
            } else {
                read::showable(setting, &value).unwrap_or_else(|| "set".to_owned())
            };
            (setting.name, shown, source)
        })
        .collect()
}

/// What counts for a setting that has no default of its own.
fn inferred(name: &str, layers: &Layers) -> Option<String> {
    match name {
        "data_dir" => data_folder().map(|folder| folder.display().to_string()),
        "upstream_kind" => {
            let config = Config::understand(layers).ok()?;
            Some(config.upstream.kind.as_str().to_owned())
        }
        "price_provider" => Config::understand(layers).ok()?.prices.provider,
        _ => None,
    }
}

impl Config {
    /// Understands what was said.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn understand(layers: &Layers) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(layers);
        let upstream = upstream(&mut reader);
        let backend = backend(&mut reader);
        let config = Self {
            server: server(&mut reader),
            prices: prices::prices(&mut reader, &upstream.base, upstream.kind),
            upstream,
            limits: limits::limits(&mut reader, backend.read_timeout),
            backend,
            policy: policy(&mut reader),
            flight: flight(&mut reader),
            access: access::access(&mut reader),
            master_keys: access::master_keys(&mut reader),
            encrypt_entries: reader.truth("encrypt_entries"),
            log: log(&mut reader),
            otlp: otlp(&mut reader),
        };
        let lends_to_all = config.access.mode == AccessMode::PassThrough
            && config.upstream.api_key.is_some()
            && !config.server.listen.ip().is_loopback()
            && !reader.truth("allow_open");
        if lends_to_all {
            reader.errors.push(ConfigError::Conflict(format!(
                "listen (from {}) and upstream_api_key (from {}): anyone who reaches this address \
                 could spend that key; listen on 127.0.0.1, or set REPRISE_ALLOW_OPEN=true if \
                 something in front lets in only those who may",
                reader.source("listen"),
                reader.source("upstream_api_key"),
            )));
        }
        if reader.errors.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(reader.errors))
        }
    }
}

fn server(reader: &mut Reader<'_>) -> ServerOptions {
    let fallback = SocketAddr::from(([127, 0, 0, 1], 8080));
    let wanted = "an address and a port such as 127.0.0.1:8080";
    ServerOptions {
        listen: reader.value("listen", wanted, fallback, |text| {
            let host_and_port = text.replacen("localhost:", "127.0.0.1:", 1);
            host_and_port.parse().ok()
        }),
        request_bytes_max: reader.size("request_max_bytes", 1),
        header_timeout: reader.patience("header_timeout"),
        body_timeout: reader.patience("body_timeout"),
        idle_timeout: reader.patience("idle_timeout"),
        write_timeout: reader.patience("write_timeout"),
        drain_timeout: reader.duration("drain_timeout"),
        connections_max: reader.count("connections_max", 1..=CONNECTIONS_MAX),
        admin_hosts: access::admin_hosts(reader),
        alerts: AlertOptions {
            memory_share: reader.share("alert_memory_share"),
            hit_ratio: reader.share("alert_hit_ratio"),
        },
        trusted_proxies: limits::trusted_proxies(reader),
    }
}

fn upstream(reader: &mut Reader<'_>) -> UpstreamOptions {
    let base = reader.value(
        "upstream",
        "a base URL such as https://api.openai.com/v1, its /v1 included, without a user, a \
         password or a query, or `mock`",
        UpstreamBase::Mock,
        base_of,
    );
    let inferred = match &base {
        UpstreamBase::Url(url) => UpstreamKind::infer(url.host_str().unwrap_or_default()),
        UpstreamBase::Mock => UpstreamKind::OpenAi,
    };
    let wanted = "openai, azure, anthropic or compatible";
    UpstreamOptions {
        base,
        kind: reader.value("upstream_kind", wanted, inferred, |text| text.parse().ok()),
        api_key: reader.credential("upstream_api_key"),
        connect_timeout: reader.patience("upstream_connect_timeout"),
        first_byte_timeout: reader.patience("upstream_first_byte_timeout"),
        idle_timeout: reader.patience("upstream_idle_timeout"),
    }
}

fn base_of(text: &str) -> Option<UpstreamBase> {
    if text == "mock" {
        return Some(UpstreamBase::Mock);
    }
    let url: Url = text.parse().ok()?;
    let host = url.host_str()?;
    // Without its path every call to this host would end in a 404.
    let lacks_path = UpstreamKind::infer(host) == UpstreamKind::OpenAi && url.path() == "/";
    let is_sound = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && !lacks_path;
    is_sound.then_some(UpstreamBase::Url(url))
}

fn backend(reader: &mut Reader<'_>) -> BackendOptions {
    let wanted = "a whole number from 0 up";
    let database = reader.value("redis_database", wanted, None, |text| {
        let number: i64 = text.parse().ok()?;
        (0 <= number).then_some(Some(number))
    });
    let wanted = "embedded, memory, or a URL such as redis://127.0.0.1:6379 or \
                  rediss://user:password@redis.example.com";
    let choice = reader.value(
        "backend",
        wanted,
        BackendChoice::Embedded,
        |text| match text {
            "embedded" => Some(BackendChoice::Embedded),
            "memory" => Some(BackendChoice::Memory),
            url => redis_url::is_sound(url).then(|| BackendChoice::Redis {
                url: SecretString::from(url),
                database,
            }),
        },
    );
    let wanted = "letters, digits and -_.:";
    let redis_prefix = reader.value("redis_prefix", wanted, String::new(), |text| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        text.bytes().all(is_plain).then(|| text.to_owned())
    });
    let data_dir = reader.path("data_dir").or_else(data_folder);
    if data_dir.is_none() {
        let wanted = "a folder: this platform names none for data".to_owned();
        reader.reject("data_dir", wanted);
    }
    BackendOptions {
        choice,
        data_dir: data_dir.unwrap_or_default(),
        cache_bytes_max: reader.bytes("cache_max_bytes", CACHE_BYTES_MIN),
        memory_bytes_max: reader.bytes("memory_max_bytes", 0),
        read_timeout: reader.patience("backend_read_timeout"),
        write_timeout: reader.patience("backend_write_timeout"),
        redis_prefix,
        cache_secret: reader.secret("cache_secret"),
    }
}

fn policy(reader: &mut Reader<'_>) -> PolicyOptions {
    PolicyOptions {
        completion_ttl: reader.duration("completion_ttl"),
        embedding_ttl: reader.duration("embedding_ttl"),
        moderation_ttl: reader.duration("moderation_ttl"),
        models_ttl: reader.duration("models_ttl"),
        ttl_max: reader.duration("ttl_max"),
        stale_while_revalidate: reader.duration("stale_while_revalidate"),
        stale_if_error: reader.duration("stale_if_error"),
        clients_may_bypass: reader.truth("clients_may_bypass"),
        clients_may_extend: reader.truth("clients_may_extend"),
        allow_remote_refs: reader.truth("allow_remote_refs"),
        heed_upstream_no_store: reader.truth("heed_upstream_no_store"),
        opt_in: OptIn {
            rerank: reader.truth("cache_rerank"),
            audio: reader.truth("cache_audio"),
        },
        entry_bytes_max: reader.size("entry_max_bytes", 0),
    }
}

fn flight(reader: &mut Reader<'_>) -> FlightOptions {
    FlightOptions {
        follow_timeout: reader.patience("follow_timeout"),
        orphan_timeout: reader.duration("orphan_timeout"),
        orphans_max: reader.count("orphans_max", 0..=ORPHANS_MAX),
        elections_max: reader.count("elections_max", 0..=ELECTIONS_MAX),
    }
}

fn log(reader: &mut Reader<'_>) -> LogOptions {
    let wanted = "error, warn, info, debug, trace, or a filter such as reprise=debug";
    let filter = reader.value("log", wanted, "info".to_owned(), |text| {
        let sound = tracing_subscriber::EnvFilter::try_new(text).is_ok();
        sound.then(|| text.to_owned())
    });
    let format = reader.value(
        "log_format",
        "text or json",
        LogFormat::Text,
        |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        },
    );
    LogOptions { filter, format }
}

fn otlp(reader: &mut Reader<'_>) -> Option<OtlpOptions> {
    let wanted = "a base URL such as http://127.0.0.1:4318, without a user, a password or a query";
    let endpoint = reader.value("otlp_endpoint", wanted, None, |text| {
        let url: Url = text.parse().ok()?;
        let is_sound = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        is_sound.then(|| Some(text.trim_end_matches('/').to_owned()))
    });
    let wanted = "name=value pairs with commas between them, the values percent-encoded";
    let headers = reader.value("otlp_headers", wanted, Vec::new(), OtlpOptions::headers);
    let sample_ratio = reader.value("otlp_sample_ratio", "a number from 0 to 1", 1.0, |text| {
        let ratio: f64 = text.parse().ok()?;
        (0.0..=1.0).contains(&ratio).then_some(ratio)
    });
    let service_name = reader.text("service_name").unwrap_or_default();
    endpoint.map(|endpoint| OtlpOptions {
        endpoint,
        headers,
        sample_ratio,
        service_name,
    })
}

fn data_folder() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.data_dir().join("reprise"))
}

#[cfg(test)]
mod tests;
