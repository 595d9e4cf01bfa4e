//! Whether a text can be the URL of a Redis, as far as that shows without asking
//! anybody: a wrong one is told with everything else that is wrong.

use crate::upstream::Url;

/// One server, or one of several that are named in one URL.
const NETWORK: [&str; 8] = [
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "redis-cluster",
    "rediss-cluster",
    "redis+sentinel",
    "rediss+sentinel",
];

const SOCKET: [&str; 3] = ["redis+unix", "valkey+unix", "unix"];

/// Whether its scheme is one of Redis, and every host in it one that can be.
pub(super) fn is_sound(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if SOCKET.contains(&scheme) {
        return rest.starts_with('/');
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    NETWORK.contains(&scheme)
        && hosts.split(',').all(|host| {
            // Of the schemes that every parser knows one that has no path by default.
            let url = format!("redis://{host}");
            !host.is_empty() && Url::parse(&url).is_ok_and(|url| url.has_host())
        })
}

#[cfg(test)]
mod tests {
    use super::is_sound;

    #[test]
    fn every_form_of_redis_is_taken_and_nothing_else() {
        for sound in [
            "redis://127.0.0.1",
            "redis://127.0.0.1:6379/2",
            "rediss://user:pass%40word@redis.example.com:6380",
            "redis://:p@ss@localhost",
            "valkey://[::1]:6379?protocol=resp3",
            "redis-cluster://a:1,b:2,c:3",
            "rediss+sentinel://:secret@a:26379,b:26379/main/0",
            "redis+unix:///run/redis.sock",
            "unix:///run/redis.sock?db=1",
        ] {
            assert!(is_sound(sound), "{sound}");
        }
        for wrong in [
            "",
            "redis",
            "redis:127.0.0.1",
            "redis://",
            "redis://:pw@[bad",
            "redis://host:port",
            "redis-cluster://a:1,,b:2",
            "redisfoo://127.0.0.1",
            "http://127.0.0.1",
            "redis+unix://socket",
        ] {
            assert!(!is_sound(wrong), "{wrong}");
        }
    }
}
