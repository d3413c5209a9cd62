//! One candidate: a place where an end may be reached, as the ends tell it to each other.

use serde::{Deserialize, Serialize};

/// Bytes of a peer's candidate line accepted.
pub(super) const MAX_CANDIDATE: usize = 1024;

/// A candidate (RFC 8839), in the shape that browsers trickle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate attribute, `candidate:…`.
    pub candidate: String,
    /// The media id of the section it belongs to.
    pub sdp_mid: Option<String>,
    /// The index of the section it belongs to.
    #[serde(rename = "sdpMLineIndex")]
    pub sdp_mline_index: Option<u16>,
}

impl Candidate {
    /// Where the relay is, if it is one's (§5.1: foundation, component, transport, priority, address, port, `typ`).
    pub(crate) fn relay_address(&self) -> Option<(String, u16)> {
        let mut parts = self.candidate.split_ascii_whitespace().skip(4);
        let (address, port) = (parts.next()?, parts.next()?.parse().ok()?);
        (parts.next() == Some("typ") && parts.next() == Some("relay")).then(|| (address.to_owned(), port))
    }

    /// Takes out the address that the relay sees (§5.1: `raddr`, `rport`), for an end that hides it.
    pub(super) fn hide_related(&mut self) {
        let Some((before, related)) = self.candidate.split_once(" raddr ") else { return };
        let is_v6 = related.split(' ').next().is_some_and(|address| address.contains(':'));
        self.candidate = format!("{before} raddr {} rport 0", if is_v6 { "::" } else { "0.0.0.0" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(line: &str) -> Candidate {
        Candidate { candidate: line.to_owned(), sdp_mid: None, sdp_mline_index: None }
    }

    #[test]
    fn one_that_hides_does_not_name_the_address_behind_its_relay() {
        let relay = "candidate:1 1 udp 16777215 192.0.2.1 64573 typ relay";
        for (related, nowhere) in [("10.0.0.2", "0.0.0.0"), ("fd00::2", "::")] {
            let mut hidden = candidate(&format!("{relay} raddr {related} rport 35306 generation 0"));
            hidden.hide_related();
            assert_eq!(hidden.candidate, format!("{relay} raddr {nowhere} rport 0"));
        }
        let mut plain = candidate(relay);
        plain.hide_related();
        assert_eq!(plain.candidate, relay);
    }

    #[test]
    fn a_peers_relays_are_known_by_their_candidates() {
        let relay =
            "candidate:2763025403 1 udp 16777215 192.0.2.1 64573 typ relay raddr 10.0.0.2 rport 35306";
        assert_eq!(candidate(relay).relay_address(), Some(("192.0.2.1".to_owned(), 64573)));
        for other in [
            "candidate:1 1 udp 2130706431 10.0.0.2 35306 typ host",
            "candidate:1 1 udp 1694498815 192.0.2.1 35306 typ srflx raddr 10.0.0.2 rport 35306",
            "candidate:1 1 udp 1 192.0.2.1 99999 typ relay",
            "candidate:1 1 udp 1 192.0.2.1",
            "",
        ] {
            assert_eq!(candidate(other).relay_address(), None, "{other}");
        }
    }
}
