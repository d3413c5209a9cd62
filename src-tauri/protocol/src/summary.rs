//! The summary of a share, sealed for those who hold its link: what waiting receivers see, and the server does not.

use crate::crypto::{self, Key, TAG_LEN};
use crate::handshake::MAX_NAME_LEN;
use crate::id::{LinkSecret, ShareId};
use crate::wire::{Reader, WireError, Writer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of the nonce of AES-256-GCM that stands before what it seals.
pub const NONCE_LEN: usize = 12;
/// Bytes of a summary before it is sealed: the longest one, padded so that the sealed length tells nothing.
pub const PLAIN_LEN: usize = 284;
/// Bytes of a sealed summary, before they are written as base64url.
pub const SEALED_LEN: usize = NONCE_LEN + PLAIN_LEN + TAG_LEN;
/// Characters of a sealed summary.
pub const TEXT_LEN: usize = SEALED_LEN.div_ceil(3) * 4;

/// What a share holds, in short. It is shown and nothing else: what is received is checked against the manifest.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The share's display name; cut to 255 bytes when it is sealed.
    pub name: String,
    /// Files, directories and symlinks.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Whether this is all, or the sender is still walking its disk.
    pub complete: bool,
}

/// A summary that can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// Not base64url of [`SEALED_LEN`] bytes.
    #[error("not a sealed summary")]
    Form,
    /// Changed on its way, or sealed under another link.
    #[error("the summary does not authenticate")]
    Forged,
    /// Sealed by one who holds the link, but not as it should be.
    #[error("the summary is malformed: {0}")]
    Wire(#[from] WireError),
}

/// Seals and opens the summaries of one share. Its key is HKDF(link secret, "sluice/1 summary" ‖ share id).
#[derive(Debug, Clone)]
pub struct SummaryKey(Key);

impl SummaryKey {
    /// The key of everyone who holds the link.
    pub fn new(secret: &LinkSecret, share: ShareId) -> Self {
        SummaryKey(crypto::summary_key(secret, share))
    }

    /// The text that the server keeps. `nonce` is fresh random bytes each time.
    pub fn seal(&self, summary: &Summary, nonce: [u8; NONCE_LEN]) -> String {
        let mut plain = Vec::with_capacity(PLAIN_LEN);
        let name = &summary.name[..summary.name.floor_char_boundary(MAX_NAME_LEN)];
        plain.bytes(name.as_bytes());
        plain.varint(summary.entries);
        plain.varint(summary.bytes);
        plain.flag(summary.complete);
        // The longest has 2 + 255 + 10 + 10 + 1 bytes.
        plain.resize(PLAIN_LEN, 0);
        let tag = crypto::seal_whole(&self.0, nonce, &mut plain);
        URL_SAFE_NO_PAD.encode([&nonce[..], &plain, &tag].concat())
    }

    /// What was sealed.
    ///
    /// # Errors
    /// Anything that [`Self::seal`] with this key can't have made.
    pub fn open(&self, text: &str) -> Result<Summary, SummaryError> {
        let mut sealed = [0; SEALED_LEN];
        // A longer text would make the decoder allocate for nothing.
        if text.len() != TEXT_LEN || URL_SAFE_NO_PAD.decode_slice(text, &mut sealed) != Ok(SEALED_LEN) {
            return Err(SummaryError::Form);
        }
        let mut parts = Reader::new(&sealed);
        let nonce = parts.array()?;
        let mut plain = parts.array::<PLAIN_LEN>()?;
        crypto::open_whole(&self.0, nonce, &mut plain, &parts.array()?).map_err(|_| SummaryError::Forged)?;
        let mut reader = Reader::new(&plain);
        let summary = Summary {
            name: reader.text(MAX_NAME_LEN)?.to_owned(),
            entries: reader.varint()?,
            bytes: reader.varint()?,
            complete: reader.flag()?,
        };
        let padding = reader.take(reader.left())?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(WireError::Trailing.into());
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signal::MAX_SUMMARY_LEN;
    use proptest::prelude::*;

    const SHARE: ShareId = ShareId([7; 16]);

    fn key() -> SummaryKey {
        SummaryKey::new(&LinkSecret([3; 16]), SHARE)
    }

    fn summary(name: &str) -> Summary {
        Summary { name: name.to_owned(), entries: 1204, bytes: 38_240_000_000, complete: true }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_has_one_length(
            name in ".{0,80}", entries: u64, bytes: u64, complete: bool, nonce: [u8; NONCE_LEN],
        ) {
            let summary = Summary { name, entries, bytes, complete };
            let text = key().seal(&summary, nonce);
            prop_assert_eq!(text.len(), TEXT_LEN);
            let cut = summary.name.floor_char_boundary(MAX_NAME_LEN);
            let name = summary.name[..cut].to_owned();
            prop_assert_eq!(key().open(&text), Ok(Summary { name, ..summary }));
        }

        #[test]
        fn a_changed_one_does_not_open(at in 0..SEALED_LEN, bit in 0..8_u8) {
            let text = key().seal(&summary("photos"), [1; NONCE_LEN]);
            let mut sealed = URL_SAFE_NO_PAD.decode(text).unwrap();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(key().open(&URL_SAFE_NO_PAD.encode(sealed)), Err(SummaryError::Forged));
        }

        #[test]
        fn any_text_is_opened_without_panic(text in "[A-Za-z0-9_-]{416}|.{0,64}") {
            prop_assert!(key().open(&text).is_err());
        }

        // By one who holds the link, and so can seal whatever it likes.
        #[test]
        fn any_plaintext_is_read_without_panic(start in proptest::collection::vec(any::<u8>(), 0..PLAIN_LEN)) {
            let mut plain = start;
            plain.resize(PLAIN_LEN, 0);
            let tag = crypto::seal_whole(&key().0, [0; NONCE_LEN], &mut plain);
            let text = URL_SAFE_NO_PAD.encode([&[0; NONCE_LEN][..], &plain, &tag].concat());
            if let Ok(summary) = key().open(&text) {
                prop_assert_eq!(key().seal(&summary, [0; NONCE_LEN]), text);
            }
        }
    }

    #[test]
    fn the_longest_fits_what_a_server_takes() {
        const { assert!(TEXT_LEN <= MAX_SUMMARY_LEN) };
        let longest = Summary { name: "ä".repeat(200), entries: u64::MAX, bytes: u64::MAX, complete: false };
        let opened = key().open(&key().seal(&longest, [0; NONCE_LEN])).unwrap();
        assert_eq!(opened, Summary { name: "ä".repeat(127), ..longest });
    }

    #[test]
    fn only_the_link_opens_it() {
        let text = key().seal(&summary("photos"), [1; NONCE_LEN]);
        let others = [
            SummaryKey::new(&LinkSecret([4; 16]), SHARE),
            SummaryKey::new(&LinkSecret([3; 16]), ShareId([8; 16])),
        ];
        for other in others {
            assert_eq!(other.open(&text), Err(SummaryError::Forged));
        }
        assert!(!format!("{:?}", key()).contains('['));
    }

    #[test]
    fn what_follows_it_is_refused() {
        let mut plain = vec![0; PLAIN_LEN];
        plain[PLAIN_LEN - 1] = 1;
        let tag = crypto::seal_whole(&key().0, [0; NONCE_LEN], &mut plain);
        let text = URL_SAFE_NO_PAD.encode([&[0; NONCE_LEN][..], &plain, &tag].concat());
        assert_eq!(key().open(&text), Err(SummaryError::Wire(WireError::Trailing)));
    }
}
