//! Owner tokens and tickets: capabilities signed with HMAC-SHA256, bound to share, role and peer, good for a time.
//!
//! The bytes, written as base64url: version (1: 2), key id (4: the first bytes of SHA-256 of the key), role (1: 0
//! sender, 1 receiver), share id (16), peer id (16, zeros for a sender), arrival (8, see
//! [`Standing::arrival`](sluice_protocol::queue::Standing::arrival), zero for a sender), expires (8, seconds since
//! the Unix epoch), and the HMAC-SHA256 of "sluice/2 token" ‖ all before (32). Numbers are big-endian. Any instance
//! with the same key can check one; nothing is kept.

mod keys;

pub use keys::{Keys, KeysError};

use crate::role::Role;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use keys::Key;
use sluice_protocol::id::{PeerId, ShareId};
use std::time::Duration;

const VERSION: u8 = 2;
const LABEL: &str = "sluice/2 token";
const BODY_LEN: usize = 1 + 4 + 1 + 16 + 16 + 8 + 8;
const TOKEN_LEN: usize = BODY_LEN + 32;
// base64url without padding
const TEXT_LEN: usize = (TOKEN_LEN * 4).div_ceil(3);

/// What a good token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub role: Role,
    /// When a receiver came, in microseconds since the Unix epoch; 0 for a sender.
    pub arrival: u64,
    /// Until when it is good, since the Unix epoch; whole seconds.
    pub expires: Duration,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, changed, or signed with a key that is not ours (any more).
    #[error("not signed by this server")]
    Forged,
    /// Of another share.
    #[error("of another share")]
    OtherShare,
    /// Its time is over.
    #[error("expired")]
    Expired,
}

/// Signs and checks tokens.
pub struct Signer {
    keys: Keys,
    lifetime: Duration,
}

impl Signer {
    /// A signer with the server's keys, whose tokens are good for so long.
    pub fn new(keys: Keys, lifetime: Duration) -> Self {
        Signer { keys, lifetime }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The token of `role` in `share`, from `now` on.
    pub fn sign(&self, share: ShareId, role: Role, arrival: u64, now: Duration) -> String {
        let key = self.keys.signing();
        let mut bytes = [0; TOKEN_LEN];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.id);
        bytes[6..22].copy_from_slice(&share.0);
        if let Role::Receiver(peer) = role {
            bytes[5] = 1;
            bytes[22..38].copy_from_slice(&peer.0);
            bytes[38..46].copy_from_slice(&arrival.to_be_bytes());
        }
        bytes[46..BODY_LEN].copy_from_slice(&(now + self.lifetime).as_secs().to_be_bytes());
        let tag = key.mac(LABEL, &bytes[..BODY_LEN]).finalize();
        bytes[BODY_LEN..].copy_from_slice(&tag.into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token of `share` says at `now`.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn check(&self, share: ShareId, token: &str, now: Duration) -> Result<Claims, TokenError> {
        // A longer text would make the decoder allocate for nothing.
        if token.len() != TEXT_LEN {
            return Err(TokenError::Forged);
        }
        let mut bytes = [0; TOKEN_LEN];
        URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).map_err(|_| TokenError::Forged)?;
        let (body, tag) = bytes.split_at(BODY_LEN);
        let is_signed = |key: &Key| {
            // In constant time.
            body[1..5] == key.id && key.mac(LABEL, body).verify_slice(tag).is_ok()
        };
        if body[0] != VERSION || !self.keys.all().any(is_signed) {
            return Err(TokenError::Forged);
        }
        if body[6..22] != share.0 {
            return Err(TokenError::OtherShare);
        }
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&body[at..at + 8]);
            u64::from_be_bytes(number)
        };
        let expires = Duration::from_secs(number(46));
        if expires <= now {
            return Err(TokenError::Expired);
        }
        let mut peer = [0; 16];
        peer.copy_from_slice(&body[22..38]);
        let role = match body[5] {
            0 => Role::Sender,
            1 => Role::Receiver(PeerId(peer)),
            _ => return Err(TokenError::Forged),
        };
        Ok(Claims { role, arrival: number(38), expires })
    }

    /// When `peer` came, by a ticket of an earlier time; `None` if it says nothing that holds.
    pub fn arrival(&self, share: ShareId, peer: PeerId, ticket: &str, now: Duration) -> Option<u64> {
        let claims = self.check(share, ticket, now).ok()?;
        (claims.role == Role::Receiver(peer)).then_some(claims.arrival)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SHARE: ShareId = ShareId([1; 16]);
    const PEER: PeerId = PeerId([2; 16]);
    const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn keys(text: &str) -> Keys {
        Keys::parse(text.split(',')).unwrap()
    }

    fn signer(text: &str) -> Signer {
        Signer::new(keys(text), LIFETIME)
    }

    const ONE: &str = "the first secret";
    const TWO: &str = "the second secret";

    #[test]
    fn a_token_is_good_for_its_share_role_peer_and_time_only() {
        let signer = signer(ONE);
        let owner = signer.sign(SHARE, Role::Sender, 9, NOW);
        let ticket = signer.sign(SHARE, Role::Receiver(PEER), 9, NOW);
        let expires = NOW + LIFETIME;
        assert_eq!(signer.check(SHARE, &owner, NOW), Ok(Claims { role: Role::Sender, arrival: 0, expires }));
        assert_eq!(
            signer.check(SHARE, &ticket, NOW),
            Ok(Claims { role: Role::Receiver(PEER), arrival: 9, expires })
        );
        assert_eq!(signer.check(ShareId([3; 16]), &owner, NOW), Err(TokenError::OtherShare));
        assert!(signer.check(SHARE, &owner, expires - Duration::from_nanos(1)).is_ok());
        assert_eq!(signer.check(SHARE, &owner, expires), Err(TokenError::Expired));

        assert_eq!(signer.arrival(SHARE, PEER, &ticket, NOW), Some(9));
        assert_eq!(signer.arrival(SHARE, PeerId([4; 16]), &ticket, NOW), None);
        assert_eq!(signer.arrival(SHARE, PeerId([0; 16]), &owner, NOW), None);
        assert_eq!(signer.arrival(ShareId([3; 16]), PEER, &ticket, NOW), None);
        assert_eq!(signer.arrival(SHARE, PEER, &ticket, expires), None);
    }

    #[test]
    fn keys_rotate_the_first_signs_and_all_check() {
        let old = signer(ONE).sign(SHARE, Role::Sender, 0, NOW);
        let both = signer(&format!("{TWO},{ONE}"));
        let new = both.sign(SHARE, Role::Sender, 0, NOW);
        assert!(both.check(SHARE, &old, NOW).is_ok() && both.check(SHARE, &new, NOW).is_ok());
        assert_eq!(signer(TWO).check(SHARE, &old, NOW), Err(TokenError::Forged));
        assert!(signer(TWO).check(SHARE, &new, NOW).is_ok());
        assert_eq!(signer(ONE).check(SHARE, &new, NOW), Err(TokenError::Forged));
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let ticket = signer(ONE).sign(SHARE, Role::Receiver(PEER), 0x0102, NOW);
        let bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        assert_eq!((ticket.len(), bytes.len()), (115, 86));
        let mut body = vec![2];
        body.extend(keys(ONE).signing().id);
        body.push(1);
        body.extend([1; 16]);
        body.extend([2; 16]);
        body.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        body.extend((1_700_000_000 + 24 * 60 * 60_u64).to_be_bytes());
        assert_eq!(bytes[..BODY_LEN], body);
    }

    proptest! {
        #[test]
        fn a_changed_bit_anywhere_is_refused(at in 0..TOKEN_LEN * 8, is_sender: bool, arrival: u64) {
            let signer = signer(ONE);
            let role = if is_sender { Role::Sender } else { Role::Receiver(PEER) };
            let mut bytes = URL_SAFE_NO_PAD.decode(signer.sign(SHARE, role, arrival, NOW)).unwrap();
            bytes[at / 8] ^= 1 << (at % 8);
            let forged = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(signer.check(SHARE, &forged, NOW), Err(TokenError::Forged));
        }

        #[test]
        fn a_tag_is_not_good_for_other_claims(other: [u8; 16], expires: u64) {
            prop_assume!(other != PEER.0);
            let signer = signer(ONE);
            let mut bytes = URL_SAFE_NO_PAD.decode(signer.sign(SHARE, Role::Receiver(PEER), 1, NOW)).unwrap();
            bytes[22..38].copy_from_slice(&other);
            bytes[46..54].copy_from_slice(&expires.to_be_bytes());
            let swapped = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(signer.check(SHARE, &swapped, NOW), Err(TokenError::Forged));
        }

        #[test]
        fn any_text_is_refused_without_panic(text in ".{0,130}|[A-Za-z0-9_-]{115}") {
            prop_assert!(signer(ONE).check(SHARE, &text, NOW).is_err());
        }
    }
}
