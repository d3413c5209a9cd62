//! What instances tell each other of a share: events, as the script writes them, and the notices of one instance.
//!
//! A message is its number (16 digits), and then any number of these, one letter and fields of fixed width each; a
//! moment or count is 16 digits, a peer its 16 bytes. Only the last may be of any length.
//!
//! ```text
//! P peer until   promoted          L peer   left             M moves   moved
//! O peer         passed over       J peer   joined           W count   so many wait
//! G peer why     gone; d: dismissed, -: by itself            H, A      the sender is here, away
//! E why          ended; e: by the sender, g: the sender is gone
//! S JSON         to the sender     T peer JSON   to a receiver
//! X role peer socket   replaced; role s or r, a peer of zeros for the sender, socket 20 digits
//! ```

use crate::role::Role;
use crate::store::Notice;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::Event;
use std::time::Duration;

const DIGITS: usize = 16;

/// A message as it was published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// One more than that of the message before.
    pub(super) seq: u64,
    /// What is told, in order.
    pub(super) notices: Vec<Notice>,
}

impl Message {
    /// Reads one, turning moments with `local`; `None` for what is none.
    pub(super) fn parse(bytes: &[u8], local: impl Fn(u64) -> Duration) -> Option<Self> {
        let mut rest = bytes;
        let seq = number(&mut rest, DIGITS)?;
        let mut notices = Vec::new();
        while !rest.is_empty() {
            notices.push(notice(&mut rest, &local)?);
        }
        Some(Message { seq, notices })
    }
}

fn notice(rest: &mut &[u8], local: &impl Fn(u64) -> Duration) -> Option<Notice> {
    let event = match take(rest, 1)?[0] {
        b'P' => Event::Promoted { peer: peer(rest)?, until: local(number(rest, DIGITS)?) },
        b'O' => Event::PassedOver { peer: peer(rest)? },
        b'G' => {
            let peer = peer(rest)?;
            let code = match take(rest, 1)?[0] {
                b'd' => Some(Code::LetGo),
                b'-' => None,
                _ => return None,
            };
            Event::Gone { peer, code }
        }
        b'J' => Event::Joined { peer: peer(rest)? },
        b'L' => Event::Left { peer: peer(rest)? },
        b'W' => Event::Waiting { count: u32::try_from(number(rest, DIGITS)?).ok()? },
        b'M' => Event::Moved { moves: number(rest, DIGITS)? },
        b'H' => Event::SenderHere,
        b'A' => Event::SenderAway,
        b'E' => {
            let code = match take(rest, 1)?[0] {
                b'e' => Code::ShareEnded,
                b'g' => Code::SenderGone,
                _ => return None,
            };
            Event::Ended { code }
        }
        b'S' => return Some(Notice::ToSender(serde_json::from_slice(std::mem::take(rest)).ok()?)),
        b'T' => {
            let peer = peer(rest)?;
            return Some(Notice::ToReceiver(peer, serde_json::from_slice(std::mem::take(rest)).ok()?));
        }
        b'X' => {
            let role = take(rest, 1)?[0];
            let peer = peer(rest)?;
            let role = if role == b's' { Role::Sender } else { Role::Receiver(peer) };
            return Some(Notice::Replaced { role, socket: number(rest, 20)? });
        }
        _ => return None,
    };
    Some(Notice::Queue(event))
}

/// What an instance publishes; `None` for what only the script does.
pub(super) fn write(notice: &Notice) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match notice {
        // The script tells the first, and each instance finds out the other.
        Notice::Queue(_) | Notice::Missed => return None,
        Notice::ToSender(message) => {
            bytes.push(b'S');
            serde_json::to_writer(&mut bytes, message).ok()?;
        }
        Notice::ToReceiver(peer, message) => {
            bytes.push(b'T');
            bytes.extend(peer.0);
            serde_json::to_writer(&mut bytes, message).ok()?;
        }
        Notice::Replaced { role, socket } => {
            let (letter, peer) = match role {
                Role::Sender => (b's', [0; 16]),
                Role::Receiver(peer) => (b'r', peer.0),
            };
            bytes.extend([b'X', letter]);
            bytes.extend(peer);
            bytes.extend(format!("{socket:020}").into_bytes());
        }
    }
    Some(bytes)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn peer(rest: &mut &[u8]) -> Option<PeerId> {
    take(rest, 16)?.try_into().ok().map(PeerId)
}

fn number(rest: &mut &[u8], digits: usize) -> Option<u64> {
    std::str::from_utf8(take(rest, digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use sluice_protocol::signal::{ServerMessage, Signal};

    fn published(bytes: &[u8]) -> Vec<u8> {
        [b"0000000000000007", bytes].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let peer = PeerId(*b"a peer of bytes!");
        let message = ServerMessage::Relay { peer: Some(peer), signal: Signal::Request { attempt: 1 } };
        for notice in [
            Notice::ToSender(message.clone()),
            Notice::ToReceiver(peer, message),
            Notice::Replaced { role: Role::Sender, socket: u64::MAX },
            Notice::Replaced { role: Role::Receiver(peer), socket: 0 },
        ] {
            let bytes = published(&write(&notice).unwrap());
            let read = Message::parse(&bytes, Duration::from_micros).unwrap();
            assert_eq!(read, Message { seq: 7, notices: vec![notice] });
        }
    }

    #[test]
    fn events_are_read_one_after_the_other() {
        let bytes = published(b"Pa peer of bytes!0000000000001000Ga peer of bytes!dW0000000000000003");
        let peer = PeerId(*b"a peer of bytes!");
        let read = Message::parse(&bytes, Duration::from_micros).unwrap();
        let expected = [
            Event::Promoted { peer, until: Duration::from_millis(1) },
            Event::Gone { peer, code: Some(Code::LetGo) },
            Event::Waiting { count: 3 },
        ];
        assert_eq!(read.notices, expected.map(Notice::Queue));
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::parse(&bytes, Duration::from_micros);
            let _ = Message::parse(&published(&bytes), Duration::from_micros);
        }
    }
}
