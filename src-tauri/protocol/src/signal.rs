//! What peers and server say to each other: HTTP bodies and WebSocket messages, all JSON.

use crate::error::Code;
use crate::id::{JoinHash, JoinKey, OwnerKey, PeerId, ShareId};
use crate::queue::{Progress, Standing, Tier};
use serde::{Deserialize, Serialize};

/// The longest WebSocket message or HTTP body, in bytes: an SDP with many candidates fits many times.
pub const MAX_MESSAGE_LEN: usize = 64 * 1024;
/// The longest SDP that is relayed, in bytes.
pub const MAX_SDP_LEN: usize = 16 * 1024;
/// The longest ICE candidate line that is relayed, in bytes.
pub const MAX_CANDIDATE_LEN: usize = 1024;
/// The most slots that a share may have.
pub const MAX_SLOTS: u16 = 100;
/// The longest sealed summary, in characters of base64url.
pub const MAX_SUMMARY_LEN: usize = 2048;
/// Slots of a share unless the sender says otherwise.
pub const DEFAULT_SLOTS: u16 = 20;

/// `POST /api/shares`: opens a share, or opens it again after either side lost it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateShare {
    /// [`crate::VERSION`].
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1))]
    #[serde(deserialize_with = "whole")]
    pub version: u16,
    /// Proves ownership: the share's id is its hash.
    pub owner_key: OwnerKey,
    /// What receivers' proofs are checked against.
    pub join_hash: JoinHash,
    /// How many receivers may be connected at once, 1 to [`MAX_SLOTS`].
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    #[serde(deserialize_with = "whole")]
    pub slots: u16,
    /// What the share holds, sealed for those who hold the link; at most [`MAX_SUMMARY_LEN`] characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]*$", max_length = 2048))]
    pub summary: Option<String>,
    /// Receivers that the sender is connected with, for a server that has lost the share; at most `slots`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub active: Vec<PeerId>,
}

/// The answer to [`CreateShare`].
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareCreated {
    /// The share's id.
    pub share: ShareId,
    /// Opens the sender's WebSocket.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]{115}$"))]
    pub token: String,
}

/// `POST /api/shares/{id}/receivers`: takes a place in line.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinShare {
    /// [`crate::VERSION`].
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1))]
    #[serde(deserialize_with = "whole")]
    pub version: u16,
    /// Proves that the link is held.
    pub join_key: JoinKey,
    /// Chosen by the receiver at random and kept across reconnects, so that it keeps its place.
    pub peer: PeerId,
    /// The ticket it had, so that a server that has lost the queue gives it its old place.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ticket: Option<String>,
}

/// The answer to [`JoinShare`].
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareJoined {
    /// Names the receiver to the server from now on, on its WebSocket too.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]{115}$"))]
    pub ticket: String,
    /// Its place.
    pub place: Place,
    /// What the share holds, sealed, if its sender has said.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]*$", max_length = 2048))]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<String>,
}

/// A receiver's place, as HTTP and the event stream tell it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Says which way to hear news: a WebSocket for `active`, a long poll for `near`, an event stream for `far`.
    pub tier: Tier,
    /// Receivers ahead of this one that wait for a slot.
    pub ahead: u32,
    /// The share's slots.
    pub slots: u16,
    /// A slot is kept for it: it has so many milliseconds to open its WebSocket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease_ms: Option<u64>,
    /// Whether the sender is there; nobody is let in while it is not.
    pub sender_here: bool,
    /// Changes when anything above does but `lease_ms`: what a long poll waits for, and the event stream's ids.
    pub version: String,
}

impl Place {
    /// How a standing is told at `now`, a moment since the Unix epoch.
    pub fn new(standing: &Standing, now: std::time::Duration) -> Self {
        let Standing { tier, ahead, slots, lease, sender_here, .. } = *standing;
        let letter = match tier {
            Tier::Active => 'a',
            Tier::Near => 'n',
            Tier::Far => 'f',
        };
        let version =
            format!("{letter}{ahead}.{slots}.{}{}", u8::from(sender_here), u8::from(lease.is_some()));
        let lease_ms =
            lease.map(|until| u64::try_from(until.saturating_sub(now).as_millis()).unwrap_or(u64::MAX));
        Place { tier, ahead, slots, lease_ms, sender_here, version }
    }
}

/// A STUN or TURN server, in the shape that browsers take (W3C WebRTC, `RTCIceServer`).
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Addresses, such as `stun:host:3478` or `turn:host:3478` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// The user at a TURN server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub username: Option<String>,
    /// The password at a TURN server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential: Option<String>,
}

// Credentials do not print.
impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// The answer to `GET /api/shares/{id}/ice`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServers {
    /// Servers that help to find a path.
    pub ice_servers: Vec<IceServer>,
    /// Seconds for which the credentials are good; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl: Option<u64>,
}

/// The answer to `GET /api/shares/{id}/summary`, and what a sender says when it changes.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What the share holds, sealed for those who hold the link; at most [`MAX_SUMMARY_LEN`] characters.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]*$", max_length = 2048))]
    pub summary: String,
}

/// The body of every HTTP error, and of [`ServerMessage::Error`].
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub code: Code,
    /// The same as a sentence.
    pub message: String,
}

impl ErrorBody {
    /// The body for `code`, with its own sentence.
    pub fn new(code: Code) -> Self {
        ErrorBody { code, message: code.sentence().to_owned() }
    }
}

/// One step in bringing two peers together; the server relays it unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Signal {
    /// A receiver asks for a connection. Later attempts replace earlier ones.
    Request {
        /// Counts up from 1 within one receiver; all that follows carries it.
        attempt: u32,
    },
    /// The sender's session description (RFC 8866).
    Offer {
        /// The attempt this belongs to.
        attempt: u32,
        /// At most [`MAX_SDP_LEN`] bytes.
        sdp: String,
    },
    /// The receiver's session description.
    Answer {
        /// The attempt this belongs to.
        attempt: u32,
        /// At most [`MAX_SDP_LEN`] bytes.
        sdp: String,
    },
    /// One more ICE candidate (RFC 8838), from either side.
    Candidate {
        /// The attempt this belongs to.
        attempt: u32,
        /// The candidate line, at most [`MAX_CANDIDATE_LEN`] bytes.
        candidate: String,
        /// The media stream identification tag.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sdp_mid: Option<String>,
        /// The index of the media description.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sdp_mline_index: Option<u16>,
    },
}

impl Signal {
    /// Whether all texts are within their limits.
    pub fn is_within_limits(&self) -> bool {
        match self {
            Signal::Request { .. } => true,
            Signal::Offer { sdp, .. } | Signal::Answer { sdp, .. } => sdp.len() <= MAX_SDP_LEN,
            Signal::Candidate { candidate, sdp_mid, .. } => {
                candidate.len() <= MAX_CANDIDATE_LEN && sdp_mid.as_ref().is_none_or(|mid| mid.len() <= 64)
            }
        }
    }
}

/// What a peer says on its WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// The first message on every socket, within ten seconds.
    Authorize {
        /// The owner token or the ticket.
        token: String,
    },
    /// To be relayed. A sender names the receiver; a receiver leaves `peer` out.
    Relay {
        /// The receiver meant, from a sender.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        peer: Option<PeerId>,
        /// What is relayed.
        signal: Signal,
    },
    /// A receiver has all it wants, or gives up: its slot or place is free.
    Leave,
    /// A receiver tells how far it is.
    Progress {
        /// How far.
        progress: Progress,
    },
    /// A sender has more to say of what it shares.
    Summary {
        /// Sealed, at most [`MAX_SUMMARY_LEN`] characters.
        summary: String,
    },
    /// A sender lets one receiver go: it loses its slot and is told.
    Dismiss {
        /// The receiver meant.
        peer: PeerId,
    },
    /// A sender ends its share.
    End,
}

/// What the server says on a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// To a sender, first: its share is open.
    Opened {
        /// The receivers that hold a slot.
        active: Vec<PeerId>,
        /// How many wait.
        waiting: u32,
    },
    /// To a receiver, first: it is in its slot, and may send a [`Signal::Request`].
    Admitted,
    /// To a sender: a receiver took a slot.
    Joined {
        /// Which one.
        peer: PeerId,
    },
    /// To a sender: a receiver's slot is free again.
    Left {
        /// Which one.
        peer: PeerId,
    },
    /// To a sender: how many wait now.
    Waiting {
        /// Receivers without a slot.
        count: u32,
    },
    /// Relayed from the other side. To a sender it names the receiver.
    Relay {
        /// The receiver that said it, to a sender.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        peer: Option<PeerId>,
        /// What was said.
        signal: Signal,
    },
    /// To a receiver: the sender's socket dropped. Transfers between peers go on.
    SenderAway,
    /// To a receiver: the sender's socket is back.
    SenderBack,
    /// To a receiver: the share is over or it was let go. To a sender: the share is over, as it asked.
    /// The socket closes behind this.
    Ended {
        /// [`Code::ShareEnded`]; [`Code::SenderGone`] when the sender was away for too long; to a receiver
        /// that the sender let go, [`Code::LetGo`].
        code: Code,
    },
    /// Something was refused; the socket closes behind this.
    Error(ErrorBody),
}

/// Whether this may be a share's summary: base64url of at most [`MAX_SUMMARY_LEN`] characters.
pub fn is_summary(text: &str) -> bool {
    text.len() <= MAX_SUMMARY_LEN
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Reads a whole number that may be written as `20` or `20.0`, which to JSON is the same (RFC 8259 §6).
///
/// # Errors
/// It is not a number, not whole, or out of range.
pub fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&number) {
        // Exact, as it was just seen.
        Ok(number as u16)
    } else {
        Err(serde::de::Error::custom("not a whole number in range"))
    }
}

/// Reads one WebSocket message from a client or a server.
///
/// # Errors
/// [`Code::RequestInvalid`] where it is too long, not JSON, not a known message, or over a limit.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Code> {
    if text.len() > MAX_MESSAGE_LEN {
        return Err(Code::RequestInvalid);
    }
    serde_json::from_str(text).map_err(|_| Code::RequestInvalid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_have_the_documented_form() {
        let check = |message: ClientMessage, text: &str| {
            assert_eq!(serde_json::to_string(&message).unwrap(), text);
            assert_eq!(parse::<ClientMessage>(text), Ok(message));
        };
        check(ClientMessage::Leave, r#"{"type":"leave"}"#);
        check(
            ClientMessage::Relay { peer: None, signal: Signal::Request { attempt: 1 } },
            r#"{"type":"relay","signal":{"type":"request","attempt":1}}"#,
        );
        check(
            ClientMessage::Dismiss { peer: PeerId([0; 16]) },
            r#"{"type":"dismiss","peer":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
        );
        assert_eq!(
            parse::<ClientMessage>(r#"{"type":"authorize","token":"t","x":1}"#),
            Err(Code::RequestInvalid)
        );
        assert_eq!(parse::<ClientMessage>(&" ".repeat(MAX_MESSAGE_LEN + 1)), Err(Code::RequestInvalid));
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        let read = |text: &str| whole(&mut serde_json::Deserializer::from_str(text)).ok();
        for (text, number) in [("1", 1), ("20.0", 20), ("2e1", 20), ("65535", u16::MAX), ("-0.0", 0)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["", "null", "\"1\"", "1.5", "-1", "65536", "1e99", "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,200}|\\{\"type\":\"[a-z]{0,9}\".{0,60}\\}") {
            let _ = parse::<ClientMessage>(&text);
            let _ = parse::<ServerMessage>(&text);
        }
    }
}
