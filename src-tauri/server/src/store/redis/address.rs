//! Which store a server keeps its shares in, as it is written on a command line.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use std::fmt;
use std::str::FromStr;

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Address {
    /// One node.
    Node(Box<ConnectionInfo>),
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

/// Where a server keeps its shares.
#[derive(Clone, Default)]
pub struct StoreConfig(pub(super) Option<Address>);

/// The text names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store is `memory`, `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` or \
    `redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…`, with `rediss` for TLS"
)]
pub struct StoreConfigError;

impl StoreConfig {
    /// In this process's memory, and nowhere else.
    pub const MEMORY: Self = StoreConfig(None);

    /// Whether it is this process's memory, so that no other instance can share it.
    pub fn is_memory(&self) -> bool {
        self.0.is_none()
    }

    /// Reads `memory`, `redis://…` or `redis-cluster://…`; with `rediss` for TLS.
    ///
    /// # Errors
    /// [`StoreConfigError`], which does not repeat the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, StoreConfigError> {
        if text == "memory" {
            return Ok(Self::MEMORY);
        }
        let (scheme, rest) = text.split_once("://").ok_or(StoreConfigError)?;
        let address = match scheme {
            "redis" | "rediss" => Address::Node(Box::new(node(text)?)),
            "redis-cluster" | "rediss-cluster" => {
                let (user, hosts) = match rest.rsplit_once('@') {
                    Some((user, hosts)) => (format!("{user}@"), hosts),
                    None => (String::new(), rest),
                };
                let scheme = scheme.trim_end_matches("-cluster");
                let nodes = hosts.trim_end_matches('/').split(',');
                let nodes = nodes.map(|host| node(&format!("{scheme}://{user}{host}")));
                Address::Cluster(nodes.collect::<Result<_, _>>()?)
            }
            _ => return Err(StoreConfigError),
        };
        Ok(StoreConfig(Some(address)))
    }
}

// The client also takes sockets, unverified TLS and options, of which nothing is promised here.
fn node(text: &str) -> Result<ConnectionInfo, StoreConfigError> {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    if text.contains(['?', '#']) || authority.is_none_or(|authority| authority.rsplit('@').next() == Some(""))
    {
        return Err(StoreConfigError);
    }
    let info = text.into_connection_info().map_err(|_| StoreConfigError)?;
    match info.addr() {
        ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { .. } => Ok(info),
        _ => Err(StoreConfigError),
    }
}

impl FromStr for StoreConfig {
    type Err = StoreConfigError;

    fn from_str(text: &str) -> Result<Self, StoreConfigError> {
        Self::parse(text)
    }
}

// Neither passwords nor addresses print.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            None => "memory",
            Some(Address::Node(_)) => "redis",
            Some(Address::Cluster(_)) => "redis-cluster",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stores_are_read_as_documented() {
        let kind = |text| format!("{:?}", StoreConfig::parse(text).unwrap());
        assert_eq!(kind("memory"), "memory");
        assert_eq!(kind("redis://localhost"), "redis");
        assert_eq!(kind("rediss://user:word@[::1]:6380/3"), "redis");
        assert_eq!(kind("redis-cluster://a:7000,b,c:7002"), "redis-cluster");
        let many = StoreConfig::parse("rediss-cluster://:w@rd@a:7000,b:7001/").unwrap();
        let Some(Address::Cluster(nodes)) = many.0 else { panic!("not a cluster") };
        let check = |node: &ConnectionInfo, name: &str, at: u16| {
            let ConnectionAddr::TcpTls { host, port, insecure: false, .. } = node.addr() else {
                panic!("no TLS")
            };
            assert_eq!((host.as_str(), *port), (name, at));
            assert_eq!(node.redis_settings().password(), Some("w@rd"));
        };
        check(&nodes[0], "a", 7000);
        check(&nodes[1], "b", 7001);
    }

    #[test]
    fn what_is_no_store_is_refused_and_not_repeated() {
        for text in [
            "",
            "Memory",
            "redis",
            "redis://",
            "redis-cluster://",
            "redis-cluster://a,,b",
            "redis://0.0.0.0",
            "redis://a:port",
            "rediss://a#insecure",
            "redis://a?protocol=2",
            "unix:///run/redis",
            "http://secret@a",
        ] {
            let error = StoreConfig::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{text}");
        }
    }
}
