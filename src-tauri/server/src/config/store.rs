//! Where the queues are kept.

use std::fmt;
use std::str::FromStr;

/// Where the queues are kept.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum StoreUrl {
    /// In this process.
    #[default]
    Memory,
    /// In one Redis: `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS.
    Redis(String),
    /// In a Redis cluster, of which at least one node is named: `redis-cluster://[user:password@]host:port[,host:port…]`,
    /// or `rediss-cluster://` with TLS. Each as a `redis://` or `rediss://` URL.
    RedisCluster(Vec<String>),
}

/// It is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not memory, redis://host:port or redis-cluster://host:port,host:port")]
pub struct StoreUrlError;

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text == "memory" {
            return Ok(StoreUrl::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(StoreUrlError)?;
        let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
        match scheme {
            "redis" | "rediss" => {
                let (host, database) = hosts.split_once('/').unwrap_or((hosts, ""));
                let fits = is_host(host) && (database.is_empty() || database.parse::<u16>().is_ok());
                fits.then(|| StoreUrl::Redis(text.to_owned())).ok_or(StoreUrlError)
            }
            "redis-cluster" | "rediss-cluster" => {
                let scheme = scheme.trim_end_matches("-cluster");
                let at = if user.is_empty() { String::new() } else { format!("{user}@") };
                let nodes = hosts.trim_end_matches('/').split(',').map(str::trim);
                let nodes = nodes.map(|host| is_host(host).then(|| format!("{scheme}://{at}{host}")));
                nodes.collect::<Option<_>>().map(StoreUrl::RedisCluster).ok_or(StoreUrlError)
            }
            _ => Err(StoreUrlError),
        }
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // A colon within brackets is the address's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':');
    !host.is_empty()
        && host.chars().all(is_part)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

// A password does not print.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |url: &str| {
            let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            (scheme.to_owned(), host.to_owned())
        };
        match self {
            StoreUrl::Memory => f.write_str("memory"),
            StoreUrl::Redis(url) => {
                let (scheme, host) = host(url);
                write!(f, "{scheme}://{host}")
            }
            StoreUrl::RedisCluster(urls) => {
                let (schemes, hosts): (Vec<_>, Vec<_>) = urls.iter().map(|url| host(url)).unzip();
                let scheme = schemes.first().map_or("redis", String::as_str);
                write!(f, "{scheme}-cluster://{}", hosts.join(","))
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stores_are_read_and_told_without_their_password() {
        let check = |text: &str, parsed: StoreUrl, told: &str| {
            assert_eq!(text.parse::<StoreUrl>().unwrap(), parsed);
            assert_eq!(parsed.to_string(), told);
        };
        let url = |text: &str| text.to_owned();
        check("memory", StoreUrl::Memory, "memory");
        for text in ["redis://127.0.0.1:6379", "redis://cache/3", "rediss://[::1]:6380", "redis://[::1]"] {
            check(text, StoreUrl::Redis(url(text)), text);
        }
        let text = "redis://me:p@ss@cache:6379/1";
        check(text, StoreUrl::Redis(url(text)), "redis://cache:6379/1");
        check(
            "redis-cluster://me:hush@a:7000,b:7001",
            StoreUrl::RedisCluster(vec![url("redis://me:hush@a:7000"), url("redis://me:hush@b:7001")]),
            "redis-cluster://a:7000,b:7001",
        );
        check(
            "rediss-cluster://a:7000,b",
            StoreUrl::RedisCluster(vec![url("rediss://a:7000"), url("rediss://b")]),
            "rediss-cluster://a:7000,b",
        );
        let hushed = format!("{:?}", "redis://:hush@a".parse::<StoreUrl>().unwrap());
        assert_eq!(hushed, "StoreUrl(redis://a)");
    }

    #[test]
    fn other_texts_are_no_store() {
        for text in [
            "",
            "disk",
            "http://a",
            "redis://",
            "redis://a:0",
            "redis://a:x",
            "redis://a/b",
            "redis://a b",
            "redis-cluster://",
            "redis-cluster://a:1,,b:2",
            "redis-cluster://a:99999",
        ] {
            assert_eq!(text.parse::<StoreUrl>(), Err(StoreUrlError), "{text}");
        }
    }
}
