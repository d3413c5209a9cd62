//! URLs of STUN (RFC 7064) and TURN (RFC 7065) servers.

use std::net::Ipv6Addr;

/// What kind of server a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tells a peer its public address.
    Stun,
    /// Relays, for those with credentials.
    Turn,
}

/// The kind of server that `text` leads to, if it is such a URL.
pub fn parse(text: &str) -> Option<Kind> {
    let (scheme, rest) = text.split_once(':')?;
    let kind = match scheme {
        "stun" | "stuns" => Kind::Stun,
        "turn" | "turns" => Kind::Turn,
        _ => return None,
    };
    let (host, query) = rest.split_once('?').map_or((rest, None), |(host, query)| (host, Some(query)));
    let query_fits =
        matches!((kind, query), (_, None) | (Kind::Turn, Some("transport=udp" | "transport=tcp")));
    (query_fits && is_host_and_port(host)).then_some(kind)
}

fn is_host_and_port(text: &str) -> bool {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, rest)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.chars().all(is_name) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_stun_and_turn_are_taken() {
        for (text, kind) in [
            ("stun:stun.example.org", Kind::Stun),
            ("stuns:stun.example.org:5349", Kind::Stun),
            ("turn:192.0.2.1:3478?transport=udp", Kind::Turn),
            ("turns:[2001:db8::1]:443?transport=tcp", Kind::Turn),
            ("turn:[::1]", Kind::Turn),
        ] {
            assert_eq!(parse(text), Some(kind), "{text}");
        }
        for text in [
            "",
            "stun",
            "stun:",
            "stun://host",
            "stun:host?transport=udp",
            "turn:host?transport=sctp",
            "turn:host:",
            "turn:host:0",
            "turn:host:99999",
            "turn:user@host",
            "turn:[::1",
            "turn:[host]:1",
            "turn:[::1]1",
            "http:host",
            "TURN:host",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
