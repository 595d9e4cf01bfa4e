//! The forms of address, and the client each stands for.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsMode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::backend::BackendError;

/// Where Redis is, with its credentials. Shows neither.
pub(super) enum Address {
    /// One server.
    Server(ConnectionInfo),
    /// A Cluster, by some of its nodes.
    Cluster(Vec<ConnectionInfo>),
    /// The master of a group, by its sentinels.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// The name of the group.
        master: String,
        /// How to connect to the master.
        node: SentinelNodeConnectionInfo,
    },
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
            Self::Sentinel { .. } => "Sentinel",
        })
    }
}

/// A URL taken apart. The client's own parser does not know several hosts.
struct Parts<'a> {
    scheme: &'a str,
    /// With the `@`, or empty.
    credentials: &'a str,
    hosts: &'a str,
    path: &'a str,
    query: &'a str,
}

impl Address {
    pub(super) fn parse(url: &SecretString, database: Option<i64>) -> Result<Self, BackendError> {
        let url = url.expose_secret();
        let parts = Parts::of(url).ok_or_else(|| invalid("it is no URL"))?;
        let address = match parts.scheme {
            "redis" | "rediss" | "valkey" | "valkeys" if parts.asks_for_cluster() => {
                Self::Cluster(parts.nodes(is_tls(parts.scheme), database)?)
            }
            "redis" | "rediss" | "valkey" | "valkeys" | "redis+unix" | "valkey+unix" | "unix" => {
                Self::Server(connection(url, database)?)
            }
            "redis-cluster" => Self::Cluster(parts.nodes(false, database)?),
            "rediss-cluster" => Self::Cluster(parts.nodes(true, database)?),
            "redis+sentinel" => parts.sentinel(false, database)?,
            "rediss+sentinel" => parts.sentinel(true, database)?,
            _ => return Err(invalid("its scheme is none of Redis")),
        };
        if address.uses_tls() {
            // The client takes the process's provider. One that is there already
            // serves as well.
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        Ok(address)
    }

    fn uses_tls(&self) -> bool {
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        match self {
            Self::Server(server) => is_tls(server),
            Self::Cluster(nodes) => nodes.iter().any(is_tls),
            Self::Sentinel { sentinels, .. } => sentinels.iter().any(is_tls),
        }
    }

    /// The client that finds the master of a group.
    pub(super) fn sentinel_client(
        sentinels: &[ConnectionInfo],
        master: &str,
        node: &SentinelNodeConnectionInfo,
    ) -> redis::RedisResult<SentinelClient> {
        SentinelClient::build(
            sentinels.to_vec(),
            master,
            Some(node.clone()),
            SentinelServerType::Master,
        )
    }
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split('#').next()?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (credentials, hosts) = authority.split_at_checked(at)?;
        Some(Self {
            scheme,
            credentials,
            hosts,
            path,
            query,
        })
    }

    fn asks_for_cluster(&self) -> bool {
        self.query
            .split('&')
            .any(|pair| matches!(pair, "cluster=true" | "cluster=1" | "cluster"))
    }

    /// Each host, as the address of a server.
    fn servers(&self, tls: bool) -> Result<Vec<ConnectionInfo>, BackendError> {
        let scheme = if tls { "rediss" } else { "redis" };
        self.hosts
            .split(',')
            .map(|host| connection(&format!("{scheme}://{}{host}", self.credentials), None))
            .collect()
    }

    fn nodes(&self, tls: bool, database: Option<i64>) -> Result<Vec<ConnectionInfo>, BackendError> {
        let asked = self.path.parse::<i64>().unwrap_or(0);
        if database.unwrap_or(asked) != 0 {
            return Err(invalid("a Cluster has no database but 0"));
        }
        self.servers(tls)
    }

    fn sentinel(&self, tls: bool, database: Option<i64>) -> Result<Address, BackendError> {
        let (master, path_database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if master.is_empty() {
            return Err(invalid("it lacks the master's name"));
        }
        let asked = match path_database {
            "" => 0,
            number => number
                .parse()
                .map_err(|_letters| invalid("its database is no number"))?,
        };
        let servers = self.servers(tls)?;
        let settings = servers
            .first()
            .ok_or_else(|| invalid("it has no host"))?
            .redis_settings()
            .clone()
            .set_db(database.unwrap_or(asked));
        let mut node = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(settings)
            .set_tcp_settings(tcp());
        if tls {
            node = node.set_tls_mode(TlsMode::Secure);
        }
        // The credentials are the servers'; sentinels have none by default.
        let sentinels = servers
            .into_iter()
            .map(|server| server.set_redis_settings(redis::RedisConnectionInfo::default()))
            .collect();
        Ok(Address::Sentinel {
            sentinels,
            master: master.to_owned(),
            node,
        })
    }
}

fn connection(url: &str, database: Option<i64>) -> Result<ConnectionInfo, BackendError> {
    let info = url
        .into_connection_info()
        .map_err(|error| invalid(error.category()))?;
    let mut settings = info.redis_settings().clone();
    if let Some(database) = database {
        settings = settings.set_db(database);
    }
    Ok(info.set_tcp_settings(tcp()).set_redis_settings(settings))
}

/// Commands are small and waited for: they are not to be gathered.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn is_tls(scheme: &str) -> bool {
    matches!(scheme, "rediss" | "valkeys")
}

/// The reason, without the URL: it has a password in it.
fn invalid(reason: &str) -> BackendError {
    BackendError::Invalid(format!("the Redis URL: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, database: Option<i64>) -> Result<Address, BackendError> {
        Address::parse(&SecretString::from(url), database)
    }

    fn kind(url: &str) -> String {
        match parse(url, None) {
            Ok(address) => format!("{address:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_form_is_told_apart() {
        let table = [
            ("redis://127.0.0.1:6379", "Server"),
            ("rediss://u:p@h:1/2", "Server"),
            ("redis+unix:///run/redis.sock", "Server"),
            ("redis-cluster://u:p@a:1,b:2", "Cluster"),
            ("rediss-cluster://a:1", "Cluster"),
            ("redis://a:1?cluster=true", "Cluster"),
            ("redis+sentinel://a:1,b:2/main/3", "Sentinel"),
            ("rediss+sentinel://:p@a:1/main", "Sentinel"),
        ];
        for (url, expected) in table {
            assert_eq!(kind(url), expected, "{url}");
        }
    }

    #[test]
    fn nonsense_is_refused_without_showing_the_password() {
        let table = [
            "",
            "canary",
            "http://u:canary@h",
            "redis://u:canary@h:port",
            "redis+sentinel://u:canary@h",
            "redis+sentinel://u:canary@h/main/x",
            "redis-cluster://u:canary@h/3",
            "redis-cluster://",
        ];
        for url in table {
            let error = parse(url, None).unwrap_err();
            assert!(matches!(error, BackendError::Invalid(_)), "{url}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert!(parse("redis-cluster://h", Some(2)).is_err());
    }

    #[test]
    fn a_configured_database_overrides_the_urls() {
        let database = |url: &str, database| match parse(url, database).unwrap() {
            Address::Server(server) => server.redis_settings().db(),
            Address::Cluster(_) | Address::Sentinel { .. } => -1,
        };
        assert_eq!(database("redis://h/2", None), 2);
        assert_eq!(database("redis://h/2", Some(5)), 5);
    }

    #[test]
    fn a_password_may_hold_what_separates_parts() {
        let Ok(Address::Cluster(nodes)) = parse("redis-cluster://u:p%40,x@a:1,b:2", None) else {
            panic!("no cluster");
        };
        let passwords: Vec<_> = nodes
            .iter()
            .map(|n| n.redis_settings().password())
            .collect();
        assert_eq!(passwords, [Some("p@,x"), Some("p@,x")]);
    }
}
