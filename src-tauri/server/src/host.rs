//! What this machine is called, and where others in its network find it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// A short name of this machine for the other side.
pub fn name() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let from_files = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let from_environment = ["COMPUTERNAME", "HOSTNAME"].iter().filter_map(|name| std::env::var(name).ok());
    from_environment
        .chain(from_files)
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "sluice".to_owned())
}

/// The address that this machine would use for others, if it has any but loopback.
pub fn lan_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-1 (RFC 5737) belongs to nobody; connecting a UDP socket sends nothing, it only picks the route.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
        _ => None,
    }
}

/// Where others reach a server that listens on `listening`; `lan` is this machine's address among them.
pub fn reachable(listening: SocketAddr, lan: Option<Ipv4Addr>) -> SocketAddr {
    if listening.ip().is_unspecified() {
        (lan.unwrap_or(Ipv4Addr::LOCALHOST), listening.port()).into()
    } else {
        listening
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_machine_has_a_name() {
        assert!(!name().is_empty());
        assert_eq!(name().trim(), name());
    }

    #[test]
    fn a_wildcard_is_reached_at_the_machines_address() {
        let lan = Some(Ipv4Addr::new(192, 168, 1, 2));
        let reached = |listening: &str, lan| reachable(listening.parse().unwrap(), lan).to_string();
        assert_eq!(reached("0.0.0.0:7575", lan), "192.168.1.2:7575");
        assert_eq!(reached("[::]:7575", lan), "192.168.1.2:7575");
        assert_eq!(reached("0.0.0.0:7575", None), "127.0.0.1:7575");
        assert_eq!(reached("10.0.0.1:80", lan), "10.0.0.1:80");
        assert_eq!(reached("[::1]:80", lan), "[::1]:80");
    }
}
