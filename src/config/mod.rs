//! What the operator wants, from flags, environment and files.
//!
//! The only reader of the environment. A configuration is understood as a whole:
//! whatever is wrong with it is told at once, with the name that is at fault,
//! where its value came from and what would be right.

pub mod command_line;
mod errors;
mod layers;
mod read;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use secrecy::SecretString;

use crate::access::AccessOptions;
use crate::api::ServerOptions;
use crate::backend::{BackendChoice, BackendOptions};
use crate::flight::FlightOptions;
use crate::policy::PolicyOptions;
use crate::telemetry::{LogFormat, LogOptions};
use crate::upstream::{UpstreamBase, UpstreamOptions, Url};
use crate::wire::UpstreamKind;

pub use errors::{ConfigError, ConfigErrors};
pub use layers::{Layers, Source, Variables};
pub use settings::{SETTINGS, Setting};

use read::Reader;

/// The configuration file that is read if nothing is said.
const FILE: &str = "reprise.toml";

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
    /// Logs.
    pub log: LogOptions,
}

/// Gathers what was said: flags, this process's environment, `.env` and the
/// configuration file of the working directory.
///
/// # Errors
/// If a file cannot be read or understood.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door the rule points to"
)]
pub fn gather(flags: Variables) -> Result<Layers, ConfigErrors> {
    let environment: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    gather_from(flags, environment, Path::new("."))
}

fn gather_from(
    flags: Variables,
    environment: Variables,
    folder: &Path,
) -> Result<Layers, ConfigErrors> {
    let mut errors = Vec::new();
    let mut keep = |read: Result<Variables, ConfigError>| {
        read.unwrap_or_else(|error| {
            errors.push(error);
            Variables::new()
        })
    };
    let mut layers = Layers {
        dot_env: keep(layers::read_dot_env(&folder.join(".env"))),
        flags,
        environment,
        file: Variables::new(),
    };
    let named = Reader::new(&layers).path("config");
    let path = named.clone().unwrap_or_else(|| folder.join(FILE));
    if named.is_some() || path.exists() {
        layers.file = keep(layers::read_file(&path));
    }
    if errors.is_empty() {
        Ok(layers)
    } else {
        Err(ConfigErrors(errors))
    }
}

/// What is in force: name, value where it may be shown, source.
pub fn describe(layers: &Layers) -> Vec<(&'static str, String, Source)> {
    read::describe(layers)
}

impl Config {
    /// Understands what was said.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn understand(layers: &Layers) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(layers);
        let config = Self {
            server: server(&mut reader),
            upstream: upstream(&mut reader),
            backend: backend(&mut reader),
            policy: policy(&mut reader),
            flight: flight(&mut reader),
            access: AccessOptions {
                credential_ttl: reader.duration("credential_ttl"),
                credential_grace: reader.duration("credential_grace"),
            },
            log: log(&mut reader),
        };
        if config.upstream.api_key.is_some()
            && !config.server.listen.ip().is_loopback()
            && !reader.truth("allow_open")
        {
            reader.errors.push(ConfigError::Conflict(
                "listen, upstream_api_key: anyone who reaches this address could spend that key; \
                 listen on 127.0.0.1, or set REPRISE_ALLOW_OPEN=true if something in front lets \
                 in only those who may",
            ));
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
        request_bytes_max: reader.size("request_max_bytes"),
        header_timeout: reader.duration("header_timeout"),
        body_timeout: reader.duration("body_timeout"),
        idle_timeout: reader.duration("idle_timeout"),
        write_timeout: reader.duration("write_timeout"),
        drain_timeout: reader.duration("drain_timeout"),
        connections_max: reader.number("connections_max"),
    }
}

fn upstream(reader: &mut Reader<'_>) -> UpstreamOptions {
    let wanted =
        "a base URL such as https://api.openai.com/v1, without a user or a password, or `mock`";
    let base = reader.value("upstream", wanted, UpstreamBase::Mock, |text| {
        if text == "mock" {
            return Some(UpstreamBase::Mock);
        }
        let url: Url = text.parse().ok()?;
        let sound = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none();
        sound.then_some(UpstreamBase::Url(url))
    });
    let inferred = match &base {
        UpstreamBase::Url(url) => UpstreamKind::infer(url.host_str().unwrap_or_default()),
        UpstreamBase::Mock => UpstreamKind::OpenAi,
    };
    let wanted = "openai, azure, anthropic or compatible";
    UpstreamOptions {
        base,
        kind: reader.value("upstream_kind", wanted, inferred, |text| text.parse().ok()),
        api_key: reader.secret("upstream_api_key"),
        connect_timeout: reader.duration("upstream_connect_timeout"),
        first_byte_timeout: reader.duration("upstream_first_byte_timeout"),
        idle_timeout: reader.duration("upstream_idle_timeout"),
    }
}

fn backend(reader: &mut Reader<'_>) -> BackendOptions {
    let wanted = "a number";
    let database = reader.value("redis_database", wanted, None, |text| {
        text.parse().ok().map(Some)
    });
    let wanted = "embedded, memory, or a URL that begins with redis:// or rediss://";
    let choice = reader.value(
        "backend",
        wanted,
        BackendChoice::Embedded,
        |text| match text {
            "embedded" => Some(BackendChoice::Embedded),
            "memory" => Some(BackendChoice::Memory),
            url if url.starts_with("redis") && url.contains("://") => Some(BackendChoice::Redis {
                url: SecretString::from(url),
                database,
            }),
            _ => None,
        },
    );
    let data_dir = reader.path("data_dir").or_else(data_folder);
    if data_dir.is_none() {
        let wanted = "a folder: this platform names none for data".to_owned();
        reader.reject("data_dir", wanted);
    }
    BackendOptions {
        choice,
        data_dir: data_dir.unwrap_or_default(),
        cache_bytes_max: reader.bytes("cache_max_bytes"),
        memory_bytes_max: reader.bytes("memory_max_bytes"),
        read_timeout: reader.duration("backend_read_timeout"),
        write_timeout: reader.duration("backend_write_timeout"),
        redis_prefix: reader.text("redis_prefix").unwrap_or_default(),
        cache_secret: reader.secret("cache_secret"),
    }
}

fn policy(reader: &mut Reader<'_>) -> PolicyOptions {
    PolicyOptions {
        completion_ttl: reader.duration("completion_ttl"),
        ttl_max: reader.duration("ttl_max"),
        stale_while_revalidate: reader.duration("stale_while_revalidate"),
        stale_if_error: reader.duration("stale_if_error"),
        clients_may_bypass: reader.truth("clients_may_bypass"),
        clients_may_extend: reader.truth("clients_may_extend"),
        allow_remote_refs: reader.truth("allow_remote_refs"),
        entry_bytes_max: reader.size("entry_max_bytes"),
    }
}

fn flight(reader: &mut Reader<'_>) -> FlightOptions {
    FlightOptions {
        follow_timeout: reader.duration("follow_timeout"),
        orphan_timeout: reader.duration("orphan_timeout"),
        orphans_max: reader.number("orphans_max"),
        elections_max: reader.number("elections_max"),
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

fn data_folder() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.data_dir().join("reprise"))
}

#[cfg(test)]
mod tests;
