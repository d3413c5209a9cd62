//! Whose address counts against the limits: the connection's, or behind reverse proxies what they say of it.

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One that asks, by its address. An IPv6 address counts by its /64, which is what one household or machine has;
/// an IPv4 address mapped into IPv6 is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// The client with this address.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Client(address.into()),
            IpAddr::V6(address) => Client(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        }
    }

    /// The bytes that tell it from others.
    pub fn bytes(&self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}

// An address prints only where it is asked for.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The header in which reverse proxies say whom they speak for. Only one is read: a proxy that writes the one passes
/// on the other as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// `X-Forwarded-For`: a list of addresses, each proxy appends the one it saw.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
}

/// The reverse proxies in front of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proxies {
    /// How many, one behind the other; 0 for none, and then no header counts.
    pub hops: u8,
    /// Where they say whom they speak for.
    pub header: Forwarded,
}

impl Proxies {
    /// Who asks: the address that the outermost trusted proxy saw. Where the header says less than it should, the
    /// last address that is known; so one who comes past the proxies counts as itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let name = match self.header {
            Forwarded::XForwardedFor => const { HeaderName::from_static("x-forwarded-for") },
            Forwarded::Rfc7239 => FORWARDED,
        };
        let values: Vec<&str> =
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        let entries = values.iter().rev().flat_map(|value| value.rsplit(','));
        let mut known = peer;
        for entry in entries.take(self.hops.into()) {
            let address = match self.header {
                Forwarded::XForwardedFor => parse(entry),
                Forwarded::Rfc7239 => parse_element(entry),
            };
            match address {
                Some(address) => known = address,
                None => break,
            }
        }
        Client::new(known)
    }
}

// `for=192.0.2.60;proto=http` (RFC 7239 §4); a name that is not an address, such as `_hidden`, is none.
fn parse_element(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| parse(value.trim().trim_matches('"')))?
    })
}

// An address, with or without a port: some proxies write one.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.rsplit_once(':')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn client(hops: u8, header: Forwarded, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(|line| line.split_once(": ").unwrap()) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Proxies { hops, header }.client("203.0.113.9".parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn without_trusted_proxies_only_the_connection_counts() {
        let lines = ["x-forwarded-for: 192.0.2.1", "forwarded: for=192.0.2.1"];
        assert_eq!(client(0, Forwarded::XForwardedFor, &lines), "203.0.113.9");
    }

    #[test]
    fn behind_proxies_what_the_outermost_trusted_one_saw_counts() {
        let x = |hops, lines: &[&str]| client(hops, Forwarded::XForwardedFor, lines);
        // The first address is the client's own claim.
        let lines = ["x-forwarded-for: 6.6.6.6, 192.0.2.1", "x-forwarded-for: 10.0.0.2"];
        assert_eq!(x(1, &lines), "10.0.0.2");
        assert_eq!(x(2, &lines), "192.0.2.1");
        assert_eq!(x(1, &["x-forwarded-for: [2001:db8::1]:443"]), "2001:db8::");
        assert_eq!(x(1, &["x-forwarded-for: 192.0.2.1:5000"]), "192.0.2.1");
        // Only the header that the proxy writes counts.
        assert_eq!(x(1, &["forwarded: for=6.6.6.6"]), "203.0.113.9");

        let f = |hops, line: &str| client(hops, Forwarded::Rfc7239, &[line, "x-forwarded-for: 6.6.6.6"]);
        assert_eq!(f(1, "forwarded: for=6.6.6.6, proto=https;For=\"192.0.2.1:80\""), "192.0.2.1");
        assert_eq!(f(1, "forwarded: for=\"[2001:db8:0:1:2::3]:80\";by=10.0.0.1"), "2001:db8:0:1::");
        assert_eq!(f(2, "forwarded: for=192.0.2.1, for=10.0.0.2"), "192.0.2.1");
    }

    #[test]
    fn a_header_that_says_too_little_gives_nobody_another_address() {
        let x = |hops, lines: &[&str]| client(hops, Forwarded::XForwardedFor, lines);
        assert_eq!(x(2, &[]), "203.0.113.9");
        assert_eq!(x(2, &["x-forwarded-for: 192.0.2.1"]), "192.0.2.1");
        assert_eq!(x(2, &["x-forwarded-for: unknown, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(x(1, &["x-forwarded-for: "]), "203.0.113.9");
        assert_eq!(client(1, Forwarded::Rfc7239, &["forwarded: for=_hidden"]), "203.0.113.9");
    }

    #[test]
    fn addresses_of_one_household_are_one_client() {
        let client = |text: &str| Client::new(text.parse().unwrap());
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(format!("{:?}", client("192.0.2.1")), "Client(..)");
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(text in "[ -~]{0,80}", hops in 0..4_u8, rfc: bool) {
            let header = if rfc { Forwarded::Rfc7239 } else { Forwarded::XForwardedFor };
            let name = if rfc { "forwarded" } else { "x-forwarded-for" };
            client(hops, header, &[&format!("{name}: {text}")]);
        }
    }
}
