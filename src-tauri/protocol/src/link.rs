//! The link: what a person copies, scans or clicks, in its web form and its deep form.

use crate::id::{JoinKey, LinkSecret, ShareId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest text that is looked at, in bytes.
pub const MAX_LINK_LEN: usize = 512;

const FRAGMENT_VERSION: u8 = 1;
const FLAG_PASSWORD: u8 = 1;
// version, flags, secret, sender hash, checksum
const FRAGMENT_LEN: usize = 1 + 1 + 16 + 16 + 4;

/// Why a text is not a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Longer than [`MAX_LINK_LEN`].
    #[error("the text is too long to be a link")]
    TooLong,
    /// Neither `http://`, `https://` nor `sluice://`.
    #[error("a link starts with https:// or sluice://")]
    Scheme,
    /// The server's name, address or port is malformed.
    #[error("the server's address in the link is malformed")]
    Server,
    /// Plain HTTP to a host that is neither on this machine nor in a private network.
    #[error("plain HTTP is only allowed to this machine and private networks")]
    Insecure,
    /// The path is not `/s/` and a share id.
    #[error("the link does not name a share")]
    Path,
    /// What is behind `#` is missing, cut short or mistyped.
    #[error("the part of the link behind # is missing or damaged")]
    Fragment,
    /// The fragment was made by a later version.
    #[error("the link was made by a later version of Sluice")]
    Version,
}

impl LinkError {
    /// The stable code of this error.
    pub fn code(self) -> crate::error::Code {
        match self {
            LinkError::Insecure => crate::error::Code::LinkInsecure,
            LinkError::Version => crate::error::Code::VersionUnsupported,
            _ => crate::error::Code::LinkInvalid,
        }
    }
}

/// Where a server listens: scheme and authority, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    secure: bool,
    authority: String,
    host: Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl ServerUrl {
    /// Parses `http://HOST[:PORT]` or `https://HOST[:PORT]`, with or without a slash at the end.
    ///
    /// # Errors
    /// [`LinkError::Scheme`], [`LinkError::Server`], or [`LinkError::Insecure`] for plain HTTP to a public host.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_LINK_LEN {
            return Err(LinkError::TooLong);
        }
        let (secure, rest) = if let Some(rest) = strip_prefix_ignore_case(text, "https://") {
            (true, rest)
        } else if let Some(rest) = strip_prefix_ignore_case(text, "http://") {
            (false, rest)
        } else {
            return Err(LinkError::Scheme);
        };
        Self::from_parts(secure, rest.strip_suffix('/').unwrap_or(rest))
    }

    fn from_parts(secure: bool, authority: &str) -> Result<Self, LinkError> {
        let authority = authority.to_ascii_lowercase();
        let host = parse_authority(&authority).ok_or(LinkError::Server)?;
        if !secure && !host.is_private() {
            return Err(LinkError::Insecure);
        }
        Ok(ServerUrl { secure, authority, host })
    }

    /// Whether the server is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(address) => address.is_loopback(),
        }
    }

    /// Host and port as they stand in the link.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The address for HTTP requests: `https://AUTHORITY` and `path`, which starts with a slash.
    pub fn http(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.secure { "https" } else { "http" }, self.authority)
    }

    /// The address for WebSockets.
    pub fn ws(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.secure { "wss" } else { "ws" }, self.authority)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.http(""))
    }
}

impl Host {
    fn is_private(&self) -> bool {
        match self {
            Host::Name(name) => {
                name == "localhost" || name.ends_with(".localhost") || name.ends_with(".local")
            }
            Host::Address(IpAddr::V4(v4)) => is_private_v4(*v4),
            Host::Address(IpAddr::V6(v6)) => is_private_v6(*v6),
        }
    }
}

// RFC 1918, RFC 3927, RFC 6598 and loopback.
fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b))
}

// RFC 4193, RFC 4291 and loopback; a mapped IPv4 address counts as what it maps.
fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.to_ipv4_mapped() {
        Some(v4) => is_private_v4(v4),
        None => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

// Expects lower case.
fn parse_authority(authority: &str) -> Option<Host> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, tail) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = match tail {
            "" => None,
            _ => Some(tail.strip_prefix(':')?),
        };
        (Host::Address(IpAddr::V6(address)), port)
    } else {
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        };
        let host = match name.parse::<Ipv4Addr>() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) if is_host_name(name) => Host::Name(name.to_owned()),
            Err(_) => return None,
        };
        (host, port)
    };
    if let Some(port) = port {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || port.parse::<u16>().ok()? == 0 {
            return None;
        }
    }
    Some(host)
}

// RFC 1123; a name of digits and dots only would be read as an address by somebody.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or("");
    name.len() <= 253 && name.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A parsed link. The web form and the deep form hold the same and turn into each other.
///
/// Web: `https://SERVER/s/SHARE#FRAGMENT`, or `http://` for this machine and private networks.
/// Deep: `sluice://SERVER/s/SHARE#FRAGMENT` for the first, `sluice://SERVER/p/SHARE#FRAGMENT` for the second.
///
/// The fragment is base64url of: version (1), flags (bit 0: a password is needed), link secret (16 bytes),
/// sender hash (16 bytes), and the first 4 bytes of SHA-256("sluice/1 link" ‖ share id ‖ all before) against
/// damage in transit.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the share was announced.
    pub server: ServerUrl,
    /// Which share.
    pub share: ShareId,
    /// What proves to the sender that a receiver holds the link.
    pub secret: LinkSecret,
    /// Which key the sender must show; see [`crate::id::sender_hash`].
    pub sender: [u8; 16],
    /// Whether a password is mixed into the handshake.
    pub password: bool,
}

impl Link {
    /// Parses either form. White space around it is ignored.
    ///
    /// # Errors
    /// One of [`LinkError`], for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.len() > MAX_LINK_LEN {
            return Err(LinkError::TooLong);
        }
        let (secure, deep, rest) = if let Some(rest) = strip_prefix_ignore_case(text, "https://") {
            (true, false, rest)
        } else if let Some(rest) = strip_prefix_ignore_case(text, "http://") {
            (false, false, rest)
        } else if let Some(rest) = strip_prefix_ignore_case(text, "sluice://") {
            (true, true, rest)
        } else {
            return Err(LinkError::Scheme);
        };
        let (address, fragment) = rest.split_once('#').ok_or(LinkError::Fragment)?;
        let (authority, path) = address.split_once('/').ok_or(LinkError::Path)?;
        let (secure, share) = match path.split_once('/') {
            Some(("s", share)) => (secure, share),
            Some(("p", share)) if deep => (false, share),
            _ => return Err(LinkError::Path),
        };
        let share: ShareId = share.parse().map_err(|_| LinkError::Path)?;
        let server = ServerUrl::from_parts(secure, authority)?;
        let (secret, sender, password) = parse_fragment(fragment, share)?;
        Ok(Link { server, share, secret, sender, password })
    }

    /// The web form.
    pub fn to_web(&self) -> String {
        format!("{}#{}", self.server.http(&format!("/s/{}", self.share)), self.fragment())
    }

    /// The deep form, which opens the desktop app.
    pub fn to_deep(&self) -> String {
        let kind = if self.server.secure { 's' } else { 'p' };
        format!("sluice://{}/{kind}/{}#{}", self.server.authority, self.share, self.fragment())
    }

    /// The proof for the server that this link is held; see [`crate::crypto::join_key`].
    pub fn join_key(&self) -> JoinKey {
        crate::crypto::join_key(&self.secret, self.share)
    }

    fn fragment(&self) -> String {
        let mut bytes = Vec::with_capacity(FRAGMENT_LEN);
        bytes.extend([FRAGMENT_VERSION, if self.password { FLAG_PASSWORD } else { 0 }]);
        bytes.extend(self.secret.0);
        bytes.extend(self.sender);
        let sum = checksum(self.share, &bytes);
        bytes.extend(sum);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

// The fragment is a secret: only what a server may know is shown.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}#..)", self.server.http(&format!("/s/{}", self.share)))
    }
}

fn checksum(share: ShareId, bytes: &[u8]) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update("sluice/1 link");
    hash.update(share.0);
    hash.update(bytes);
    let hash = hash.finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn parse_fragment(text: &str, share: ShareId) -> Result<(LinkSecret, [u8; 16], bool), LinkError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Fragment)?;
    match bytes.first() {
        Some(&FRAGMENT_VERSION) => {}
        Some(&version) if version > FRAGMENT_VERSION && bytes.len() >= FRAGMENT_LEN => {
            return Err(LinkError::Version);
        }
        _ => return Err(LinkError::Fragment),
    }
    let bytes: [u8; FRAGMENT_LEN] = bytes.try_into().map_err(|_| LinkError::Fragment)?;
    let (body, sum) = bytes.split_at(FRAGMENT_LEN - 4);
    if checksum(share, body) != sum || body[1] & !FLAG_PASSWORD != 0 {
        return Err(LinkError::Fragment);
    }
    let mut secret = [0; 16];
    secret.copy_from_slice(&body[2..18]);
    let mut sender = [0; 16];
    sender.copy_from_slice(&body[18..34]);
    Ok((LinkSecret(secret), sender, body[1] & FLAG_PASSWORD != 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn link(server: &str, password: bool) -> Link {
        Link {
            server: ServerUrl::parse(server).unwrap(),
            share: ShareId([1; 16]),
            secret: LinkSecret([2; 16]),
            sender: [3; 16],
            password,
        }
    }

    #[test]
    fn both_forms_mean_the_same() {
        for server in
            ["https://example.org", "http://192.168.1.7:7575", "http://[fd00::2]:7575", "http://localhost:1"]
        {
            for password in [false, true] {
                let link = link(server, password);
                assert_eq!(Link::parse(&link.to_web()), Ok(link.clone()));
                assert_eq!(Link::parse(&format!(" {}\n", link.to_deep())), Ok(link));
            }
        }
    }

    #[test]
    fn damaged_links_are_told_apart() {
        let good = link("https://example.org", false).to_web();
        let check = |text: &str, error| assert_eq!(Link::parse(text), Err(error), "{text}");
        check("", LinkError::Scheme);
        check("ftp://example.org/s/x#y", LinkError::Scheme);
        check(&good[..good.len() - 1], LinkError::Fragment);
        check(good.split('#').next().unwrap(), LinkError::Fragment);
        check(&good.replace("/s/", "/x/"), LinkError::Path);
        check(&good.replace("/s/", "/p/"), LinkError::Path);
        check(&good.replace("example.org", "exa mple.org"), LinkError::Server);
        check(&good.replace("example.org", "example.org:0"), LinkError::Server);
        check(&good.replace("example.org", "me@example.org"), LinkError::Server);
        check(&good.replace("https", "http"), LinkError::Insecure);
        check(&good.replace("https://example.org", "http://8.8.8.8"), LinkError::Insecure);
        check(&format!("{good}{}", "x".repeat(MAX_LINK_LEN)), LinkError::TooLong);
        let mistyped = if good.ends_with('A') { "B" } else { "A" };
        check(&format!("{}{mistyped}", &good[..good.len() - 1]), LinkError::Fragment);
    }

    #[test]
    fn the_fragment_does_not_print() {
        let link = link("https://example.org", false);
        assert!(!format!("{link:?}").contains(&link.fragment()));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "(https?://|sluice://)?.{0,80}(/s/)?.{0,30}#?.{0,60}") {
            let _ = Link::parse(&text);
        }

        #[test]
        fn what_parses_prints_back(secret: [u8; 16], sender: [u8; 16], share: [u8; 16], password: bool) {
            let link = Link { share: ShareId(share), secret: LinkSecret(secret), sender, ..link("https://a.example:8443", password) };
            prop_assert_eq!(Link::parse(&link.to_web()), Ok(link.clone()));
            prop_assert_eq!(Link::parse(&link.to_deep()), Ok(link));
        }
    }
}
