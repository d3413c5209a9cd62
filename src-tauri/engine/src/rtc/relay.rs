//! Relay servers (TURN), seen from the sockets: the crate tells of a refusal in its log and nowhere else, and forgets
//! to wake for what it has put into their envelopes.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

/// An error response to Allocate (RFC 8656 §3.3 by RFC 8489 §5: method 3, class 3).
const ALLOCATE_ERROR: [u8; 2] = [0x01, 0x13];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const ERROR_CODE: [u8; 2] = [0x00, 0x09];
/// Bytes of a STUN header.
const HEADER_LEN: usize = 20;
/// Send and Data indications (RFC 8656 §11: methods 6 and 7, class 1).
const INDICATIONS: [[u8; 2]; 2] = [[0x00, 0x16], [0x00, 0x17]];
/// The first bytes of channel data (RFC 7983 §7).
const CHANNELS: std::ops::RangeInclusive<u8> = 0x40..=0x4f;

/// While data is relayed, and for how long after it counts as such.
const BUSY: (Duration, Duration) = (Duration::from_millis(2), Duration::from_secs(1));
/// While it rests, until it counts as over.
const RESTING: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(30));

/// Servers remembered; more than anyone configures, and nobody can make it grow.
const MAX_SERVERS: usize = 64;

/// What one connection has to do with relay servers.
#[derive(Debug)]
pub(super) struct RelayWatch {
    refused: AtomicBool,
    epoch: Instant,
    // When data last went through one, in milliseconds behind `epoch`; 0 for never.
    relayed: AtomicU64,
}

impl Default for RelayWatch {
    fn default() -> Self {
        RelayWatch { refused: AtomicBool::new(false), epoch: Instant::now(), relayed: AtomicU64::new(0) }
    }
}

impl RelayWatch {
    /// Whether one refused the credentials.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// How long the crate's driver may sleep at most. What it puts into a relay's envelope, or takes out of one, goes on
    /// its way only when it wakes the next time, which without this may be a second later, for every packet.
    pub(super) fn nap(&self, now: Instant) -> Option<Duration> {
        let relayed = match self.relayed.load(Ordering::Relaxed) {
            0 => return None,
            millis => self.epoch + Duration::from_millis(millis),
        };
        let rests = now.saturating_duration_since(relayed);
        [BUSY, RESTING].into_iter().find_map(|(nap, until)| (rests < until).then_some(nap))
    }

    fn handle_data(&self, datagram: &[u8]) {
        let is_relayed = match datagram {
            [first, ..] if CHANNELS.contains(first) => true,
            [first, second, ..] => INDICATIONS.contains(&[*first, *second]),
            _ => false,
        };
        if is_relayed {
            let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.relayed.store(millis.max(1), Ordering::Relaxed);
        }
    }

    /// `socket`, watched.
    pub(super) fn watch(self: &Arc<Self>, socket: Arc<dyn AsyncUdpSocket>) -> Arc<dyn AsyncUdpSocket> {
        Arc::new(Watched { socket, watch: Arc::clone(self), asked: Mutex::default() })
    }
}

#[derive(Debug)]
struct Watched {
    socket: Arc<dyn AsyncUdpSocket>,
    watch: Arc<RelayWatch>,
    // The transaction in which each server asked for credentials, as each does first.
    asked: Mutex<HashMap<SocketAddr, [u8; 12]>>,
}

impl Watched {
    fn handle_datagram(&self, from: SocketAddr, datagram: &[u8]) {
        let Some((transaction, code)) = allocate_error(datagram) else { return };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_question = match asked.get(&from) {
            // The same once more, because the request was sent once more.
            Some(first) => *first == transaction,
            None if asked.len() >= MAX_SERVERS => return,
            None => {
                asked.insert(from, transaction);
                code == 401
            }
        };
        // Unauthorised, forbidden, wrong credentials.
        if !is_question && matches!(code, 401 | 403 | 441) {
            self.watch.refused.store(true, Ordering::Relaxed);
        }
    }
}

impl AsyncUdpSocket for Watched {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.watch.handle_data(transmit.contents);
        self.socket.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in bufs.iter().zip(meta.iter()).take(count) {
                // Of several in one buffer the first will do: no server joins a refusal to what it relays.
                let datagram = buffer.get(..meta.len.min(meta.stride)).unwrap_or_default();
                self.watch.handle_data(datagram);
                if datagram.starts_with(&ALLOCATE_ERROR) {
                    self.handle_datagram(meta.addr, datagram);
                }
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

/// The transaction and the code of an error response to Allocate (RFC 8489 §5, §14.8).
fn allocate_error(datagram: &[u8]) -> Option<([u8; 12], u16)> {
    let (header, mut attributes) = datagram.split_at_checked(HEADER_LEN)?;
    if header[..2] != ALLOCATE_ERROR || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let transaction = header[8..].try_into().ok()?;
    loop {
        let (head, rest) = attributes.split_at_checked(4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..len)?;
        if head[..2] == ERROR_CODE {
            let [_, _, class, number, ..] = *value else { return None };
            return Some((transaction, u16::from(class & 7) * 100 + u16::from(number)));
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use webrtc::runtime::{Runtime, TokioRuntime};

    fn error(transaction: u8, code: u16) -> Vec<u8> {
        let mut message = [&ALLOCATE_ERROR[..], &[0, 16], &MAGIC_COOKIE, &[transaction; 12]].concat();
        // An attribute of five bytes, and three to fill up, before the one that is looked for.
        message.extend([0x80, 0x22, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0]);
        message.extend([0, 9, 0, 4, 0, 0, (code / 100) as u8, (code % 100) as u8]);
        message
    }

    async fn watched() -> (Arc<RelayWatch>, Watched) {
        let watch = Arc::new(RelayWatch::default());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = TokioRuntime.wrap_udp_socket(socket).unwrap();
        (Arc::clone(&watch), Watched { socket, watch, asked: Mutex::default() })
    }

    #[tokio::test]
    async fn the_question_for_credentials_is_no_refusal_and_the_second_answer_is() {
        let (server, other) = ("127.0.0.1:3478".parse().unwrap(), "127.0.0.1:3479".parse().unwrap());
        let (watch, socket) = watched().await;
        for (from, transaction, code) in
            [(server, 1, 401), (server, 1, 401), (other, 2, 401), (server, 3, 438)]
        {
            socket.handle_datagram(from, &error(transaction, code));
            assert!(!watch.is_refused(), "{transaction} {code}");
        }
        socket.handle_datagram(server, &error(3, 401));
        assert!(watch.is_refused());
        // Forbidden from the first.
        let (watch, socket) = watched().await;
        socket.handle_datagram(server, &error(1, 403));
        assert!(watch.is_refused());
    }

    #[test]
    fn a_driver_naps_while_data_is_relayed() {
        let watch = RelayWatch::default();
        for direct in [&[0x16, 0xfe, 0xfd][..], &[0x00, 0x01, 0, 0], &[0x01, 0x01], &[0x80, 0x60], &[]] {
            watch.handle_data(direct);
        }
        assert_eq!(watch.nap(Instant::now()), None);
        for relayed in [&[0x00, 0x16][..], &[0x00, 0x17], &[0x40, 0x00], &[0x4f]] {
            let watch = RelayWatch::default();
            watch.handle_data(relayed);
            // It is written down to the millisecond.
            let now = watch.epoch + Duration::from_millis(watch.relayed.load(Ordering::Relaxed));
            assert_eq!(watch.nap(now), Some(BUSY.0), "{relayed:?}");
            assert_eq!(watch.nap(now + BUSY.1), Some(RESTING.0));
            assert_eq!(watch.nap(now + RESTING.1), None);
        }
    }

    #[tokio::test]
    async fn what_comes_through_the_socket_is_seen_and_handed_on() {
        let watch = Arc::new(RelayWatch::default());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = watch.watch(TokioRuntime.wrap_udp_socket(socket).unwrap());
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for message in [error(1, 401), error(2, 401)] {
            server.send_to(&message, socket.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 100];
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], from), (&message[..], server.local_addr().unwrap()));
        }
        assert!(watch.is_refused());
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = allocate_error(&bytes);
            let _ = allocate_error(&[&ALLOCATE_ERROR[..], &[0, 0], &MAGIC_COOKIE, &bytes].concat());
        }
    }
}
