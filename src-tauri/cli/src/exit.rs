//! The exit statuses: one small number for each kind of ending, from the codes.

use sluice_protocol::error::Code;

/// What `--help` says of them; `docs/cli.md` says the same at length.
pub const HELP: &str = "\
Exit status:
    0  done, and all of it verified and on disk
    2  the command line or a setting makes no sense
    3  the link is broken, refused as insecure, or of another version
    4  not authorised: wrong link or password, or a password is needed
    5  the sender or the share is gone
    6  no connection to the server or to the other side
    7  the disk is full, failed, gone or busy
    8  some entries changed, or can't be read, at the source; all others are done
    9  the connection was tampered with, or the other side broke the protocol
  130  interrupted; the same command goes on from there";

/// A command line, or a setting of the environment or of a file, makes no sense.
pub const USAGE: u8 = 2;

/// The exit status for the code that a command ended with.
pub const fn status(code: Code) -> u8 {
    match code {
        Code::LinkInvalid | Code::LinkInsecure | Code::VersionUnsupported => 3,
        Code::LinkRejected | Code::PasswordNeeded | Code::NotAuthorised | Code::LetGo | Code::ShareTaken => 4,
        Code::ShareNotFound | Code::ShareEnded | Code::SenderGone | Code::PeerLeft => 5,
        Code::ServerUnreachable
        | Code::ServerFailed
        | Code::ServerFull
        | Code::ShareFull
        | Code::RateLimited
        | Code::StoreUnavailable
        | Code::RequestInvalid
        | Code::NotYourTurn
        | Code::RelayRefused
        | Code::NoConnection
        | Code::Stalled => 6,
        Code::DiskFull | Code::DiskFailed | Code::DestinationGone | Code::DestinationBusy => 7,
        Code::SourceChanged | Code::SourceUnreadable | Code::SourceMissing => 8,
        Code::SenderNotAuthentic
        | Code::FingerprintMismatch
        | Code::ChunkForged
        | Code::FrameForged
        | Code::ChunkUnexpected
        | Code::FrameInvalid
        | Code::ManifestInvalid => 9,
        Code::Interrupted => 130,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_documented_status() {
        for &code in Code::ALL {
            let status = status(code);
            assert!(!matches!(status, 0..=2), "{code} has {status}");
            let line = format!("\n{status:>5}  ");
            assert!(HELP.contains(&line), "{status} of {code} is not in the help");
        }
    }

    #[test]
    fn the_guide_says_what_each_code_ends_with() {
        let guide = include_str!("../../../docs/cli.md");
        for &code in Code::ALL {
            let row = guide
                .lines()
                .find(|line| line.starts_with(&format!("| {} |", status(code))))
                .unwrap_or_default();
            assert!(
                row.contains(&format!("`{code}`")),
                "docs/cli.md doesn't list {code} under {}",
                status(code)
            );
        }
    }
}
