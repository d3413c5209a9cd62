//! Whether the servers that help peers to find each other can be reached from here.

use crate::error::EngineError;
use crate::rtc::{Connection, ConnectionEvent, IceServer, RtcConfig, RtcError, default_bind};
use crate::signaling::install_tls;
use sluice_protocol::error::Code;
use sluice_protocol::link::ServerUrl;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After which a request over UDP is sent again (RFC 8489 §6.2.1).
const RETRANSMIT: Duration = Duration::from_millis(500);
/// The port of STUN and TURN unless an address names another.
const STUN_PORT: u16 = 3478;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0, 0x20];
const HEADER_LEN: usize = 20;

/// Asks the server that introduces peers whether it lives; how long its answer took.
///
/// # Errors
/// [`Code::ServerUnreachable`], or [`Code::ServerFailed`] for another answer than that of ours.
pub async fn server(url: &ServerUrl) -> Result<Duration, EngineError> {
    install_tls();
    let failed = |code: Code| move |error: reqwest::Error| EngineError::detailed(code, error.without_url());
    let http = reqwest::Client::builder().no_proxy().build().map_err(failed(Code::ServerFailed))?;
    let begun = Instant::now();
    let request = http.get(url.http("/livez")).timeout(PATIENCE);
    let answer = request.send().await.map_err(failed(Code::ServerUnreachable))?;
    let took = begun.elapsed();
    answer.error_for_status().map_err(failed(Code::ServerFailed))?;
    Ok(took)
}

/// Asks a STUN server, such as `stun:host:3478` (RFC 7064), for this computer's public address.
///
/// # Errors
/// [`Code::NoConnection`] where no answer came in five seconds.
pub async fn stun(url: &str) -> Result<SocketAddr, EngineError> {
    let failed = |error: &dyn std::fmt::Display| EngineError::detailed(Code::NoConnection, error);
    let (host, port) = host_and_port(url).ok_or_else(|| EngineError::from(Code::RequestInvalid))?;
    let mut transaction = [0; 12];
    getrandom::fill(&mut transaction).map_err(|error| failed(&error))?;
    let asked = async {
        let found = lookup_host((host, port)).await.map_err(|error| failed(&error))?;
        let mut last = failed(&"no address");
        for address in found {
            match ask(address, transaction).await {
                Ok(public) => return Ok(public),
                Err(error) => last = failed(&error),
            }
        }
        Err(last)
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(failed(&"no answer")))
}

/// Asks a TURN server for a place to relay through; the address of that place.
///
/// # Errors
/// [`Code::RelayRefused`] for wrong credentials, [`Code::NoConnection`] where no answer came in five seconds.
pub async fn turn(server: IceServer) -> Result<String, EngineError> {
    let config = RtcConfig {
        ice_servers: vec![server],
        relay_only: true,
        bind: default_bind(true),
        ..RtcConfig::default()
    };
    let (connection, mut events, _) = Connection::offer(&config).await?;
    let gathering = async {
        loop {
            match events.next().await {
                Some(ConnectionEvent::LocalCandidate(candidate)) => {
                    if let Some((address, port)) = candidate.relay_address() {
                        return Ok(format!("{address}:{port}"));
                    }
                }
                Some(ConnectionEvent::Lost(error)) => return Err(error.into()),
                Some(_) => {}
                None => return Err(RtcError::Closed.into()),
            }
        }
    };
    let found = timeout(PATIENCE, gathering).await;
    let refused = connection.is_relay_refused();
    connection.close().await;
    match found {
        Ok(found) => found,
        Err(_) if refused => Err(RtcError::RelayRefused.into()),
        Err(_) => Err(EngineError::detailed(Code::NoConnection, "no answer")),
    }
}

/// The parts of `stun:HOST[:PORT]`.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let rest = url.strip_prefix("stun:")?;
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(STUN_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then_some((host, port))
}

async fn ask(server: SocketAddr, transaction: [u8; 12]) -> std::io::Result<SocketAddr> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let request = [&BINDING_REQUEST[..], &[0, 0], &MAGIC_COOKIE, &transaction].concat();
    let mut answer = [0; 576];
    loop {
        socket.send(&request).await?;
        let deadline = Instant::now() + RETRANSMIT;
        while let Ok(len) = tokio::time::timeout_at(deadline, socket.recv(&mut answer)).await {
            if let Some(address) = mapped_address(&answer[..len?], transaction) {
                return Ok(address);
            }
        }
    }
}

/// The address in the answer to a request (RFC 8489 §14.2).
fn mapped_address(message: &[u8], transaction: [u8; 12]) -> Option<SocketAddr> {
    let (header, mut attributes) = message.split_at_checked(HEADER_LEN)?;
    if header[..2] != BINDING_SUCCESS || header[4..8] != MAGIC_COOKIE || header[8..] != transaction {
        return None;
    }
    loop {
        let (head, rest) = attributes.split_at_checked(4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..len)?;
        if head[..2] == XOR_MAPPED_ADDRESS {
            let (&[_, family, high, low], address) = value.split_first_chunk()?;
            let port = u16::from_be_bytes([high ^ MAGIC_COOKIE[0], low ^ MAGIC_COOKIE[1]]);
            let mask = [&MAGIC_COOKIE[..], &transaction].concat();
            let unmasked: Vec<u8> = address.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
            let address: IpAddr = match family {
                1 => <[u8; 4]>::try_from(unmasked).ok()?.into(),
                2 => <[u8; 16]>::try_from(unmasked).ok()?.into(),
                _ => return None,
            };
            return Some((address, port).into());
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    // The sample response of RFC 5769 §2.2, whose mapped address is 192.0.2.1:32853.
    const SAMPLE: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\
        \xa6\x43\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
        \x80\x28\x00\x04\xc0\x7d\x4c\x96";

    #[test]
    fn the_rfcs_sample_is_understood() {
        let transaction = SAMPLE[8..20].try_into().unwrap();
        assert_eq!(mapped_address(SAMPLE, transaction).unwrap().to_string(), "192.0.2.1:32853");
        assert_eq!(mapped_address(SAMPLE, [0; 12]), None, "another's answer");
    }

    #[test]
    fn an_address_may_leave_out_its_port() {
        assert_eq!(host_and_port("stun:a.example"), Some(("a.example", 3478)));
        assert_eq!(host_and_port("stun:1.2.3.4:99"), Some(("1.2.3.4", 99)));
        assert_eq!(host_and_port("stun:[::1]:99"), Some(("::1", 99)));
        assert_eq!(host_and_port("stun:[::1]"), Some(("::1", 3478)));
        for wrong in ["", "stun:", "stuns:a", "turn:a", "stun:a:b", "stun:[a"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_tells_the_address() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("stun:{}", server.local_addr().unwrap());
        let answering = async {
            let mut request = [0; 100];
            // The first is lost.
            server.recv_from(&mut request).await.unwrap();
            let (len, from) = server.recv_from(&mut request).await.unwrap();
            assert_eq!((len, &request[..2]), (20, &BINDING_REQUEST[..]));
            let port = from.port() ^ 0x2112;
            let head = [&BINDING_SUCCESS[..], &[0, 12], &request[4..20], &XOR_MAPPED_ADDRESS, &[0, 8, 0, 1]]
                .concat();
            let masked = [127 ^ 0x21, 0x12, 0xa4, 1 ^ 0x42];
            server.send_to(&[&head[..], &port.to_be_bytes(), &masked].concat(), from).await.unwrap();
            from
        };
        let (found, from) = tokio::join!(stun(&url), answering);
        assert_eq!(found.unwrap(), from);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = mapped_address(&bytes, [0; 12]);
            let head = [&BINDING_SUCCESS[..], &[0, 0], &MAGIC_COOKIE, &[0; 12]].concat();
            let _ = mapped_address(&[&head[..], &bytes].concat(), [0; 12]);
        }
    }
}
