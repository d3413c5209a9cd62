//! The closed list of what can go wrong: stable codes that events, pages and exit statuses are made of.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $sentence:literal;)*) => {
        /// A stable name for one kind of failure; its text never changes once released.
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl Code {
            /// Every code there is, in the order of their declaration.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable text of this code, as it stands in events and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// One plain English sentence: what happened, and what was kept.
            pub const fn sentence(self) -> &'static str {
                match self { $(Code::$name => $sentence,)* }
            }

            /// The code with this text, if there is one.
            pub fn parse(text: &str) -> Option<Code> {
                match text { $($text => Some(Code::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The text is not a link of ours, or it was cut short or mistyped.
    LinkInvalid = "link_invalid", "This is not a Sluice link, or part of it is missing.";
    /// Plain HTTP to a public host.
    LinkInsecure = "link_insecure", "This link uses plain HTTP to a public server, which Sluice refuses.";
    /// The handshake showed that the two sides hold different link secrets or passwords.
    LinkRejected = "link_rejected", "The sender does not accept this link or password.";
    /// The link asks for a password and none was given.
    PasswordNeeded = "password_needed", "This share needs a password.";
    /// The peer that answered is not the one that made the link.
    SenderNotAuthentic = "sender_not_authentic", "The peer that answered is not the one that made this link.";
    /// The DTLS fingerprints that both ends saw differ: somebody stands between them.
    FingerprintMismatch = "fingerprint_mismatch", "The connection was tampered with: somebody stands between you and the other side.";
    /// The peers speak different versions of the protocol.
    VersionUnsupported = "version_unsupported", "The other side runs a version of Sluice that this one does not understand.";
    /// A chunk did not authenticate.
    ChunkForged = "chunk_forged", "A chunk was changed on its way; nothing of it was kept.";
    /// A control message did not authenticate.
    FrameForged = "frame_forged", "A message was changed on its way; nothing of it was kept.";
    /// A chunk came that was not the next one asked for.
    ChunkUnexpected = "chunk_unexpected", "A chunk came again or out of order; nothing of it was kept.";
    /// A frame or control message could not be read.
    FrameInvalid = "frame_invalid", "The other side sent something that is not part of the protocol.";
    /// The manifest could not be read or breaks its own limits.
    ManifestInvalid = "manifest_invalid", "The list of files that the sender offers is broken or beyond all limits.";
    /// The server does not know this share.
    ShareNotFound = "share_not_found", "The server does not know this share: the sender is gone, or the share has ended.";
    /// The sender ended the share.
    ShareEnded = "share_ended", "The sender has ended this share; what was verified is kept.";
    /// The sender's application is not connected.
    SenderGone = "sender_gone", "The sender is gone; what was verified is kept, and the same command goes on from there.";
    /// The other side left in the middle.
    PeerLeft = "peer_left", "The other side left; what was verified is kept.";
    /// The server refused the proof, ticket or token.
    NotAuthorised = "not_authorised", "The server does not accept this link.";
    /// The sender let this receiver go.
    LetGo = "let_go", "The sender has let you go; what was verified is kept.";
    /// The server could not be reached.
    ServerUnreachable = "server_unreachable", "The server can't be reached; what was verified is kept.";
    /// The server answered with something unknown or failed.
    ServerFailed = "server_failed", "The server answered with an error; what was verified is kept.";
    /// A receiver came for a slot that is not its own yet.
    NotYourTurn = "not_your_turn", "There is no free slot yet; the place in line is kept.";
    /// The share has as many receivers as it may have.
    ShareFull = "share_full", "Too many people wait for this share; try again later.";
    /// The server has as many shares, or as many from this address, as it may have.
    ServerFull = "server_full", "The server is full; try again later.";
    /// Too many requests or messages in a short time.
    RateLimited = "rate_limited", "Too many requests came from here; try again in a while.";
    /// The server can't reach what it keeps its queues in.
    StoreUnavailable = "store_unavailable", "The server can't reach its store right now; running transfers go on.";
    /// The server is asked to stop, and goes on for a while.
    ServerStopping = "server_stopping", "The server is about to stop; running transfers go on.";
    /// The relay refused the credentials, or they have expired.
    RelayRefused = "relay_refused", "The relay server does not accept the credentials, which may have expired.";
    /// A request or message that the server can't take.
    RequestInvalid = "request_invalid", "The server does not understand this request.";
    /// A share with this id is held by another owner.
    ShareTaken = "share_taken", "This share is already open somewhere else.";
    /// No path between the peers could be found.
    NoConnection = "no_connection", "No connection to the other side could be made; what was verified is kept.";
    /// Nothing moved for fifteen seconds.
    Stalled = "stalled", "Nothing arrived for fifteen seconds; what was verified is kept.";
    /// The destination has no room.
    DiskFull = "disk_full", "The disk is full; what was verified is kept, and the same command goes on from there.";
    /// Reading or writing failed.
    DiskFailed = "disk_failed", "The disk reported an error; what was verified is kept.";
    /// The destination folder disappeared or may not be written.
    DestinationGone = "destination_gone", "The destination folder is gone or can't be written.";
    /// Another process is receiving the same share into the same folder.
    DestinationBusy = "destination_busy", "Another Sluice is already receiving this share into this folder.";
    /// A source file changed while it was being sent.
    SourceChanged = "source_changed", "Some files changed at the source while they were sent; all others are complete.";
    /// A source file can't be read.
    SourceUnreadable = "source_unreadable", "Some files can't be read at the source; all others are complete.";
    /// A path given to share does not exist or can't be read.
    SourceMissing = "source_missing", "There is nothing to share at this path.";
    /// The person stopped it.
    Interrupted = "interrupted", "Interrupted; what was verified is kept, and the same command goes on from there.";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for &code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            assert_eq!(Code::parse(code.as_str()), Some(code));
            assert!(code.sentence().ends_with('.'));
        }
        assert_eq!(Code::parse("no such code"), None);
    }
}
