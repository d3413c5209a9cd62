//! Owner tokens and tickets: capabilities signed with HMAC-SHA256, bound to share, role and peer.
//!
//! The bytes, written as base64url: version (1), role (1: 0 sender, 1 receiver), share id (16), peer id
//! (16, zeros for a sender), and the HMAC-SHA256 of "sluice/1 token" ‖ all before (32). Any instance
//! with the same secret can check one.

use crate::role::Role;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sluice_protocol::id::{PeerId, ShareId};

const VERSION: u8 = 1;
const BODY_LEN: usize = 1 + 1 + 16 + 16;
const TOKEN_LEN: usize = BODY_LEN + 32;
// base64url without padding
const TEXT_LEN: usize = (TOKEN_LEN * 4).div_ceil(3);

/// Signs and checks tokens.
pub struct Signer {
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// A signer with the server's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut keyed = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        keyed.update(b"sluice/1 token");
        Signer { keyed }
    }

    /// The token of `role` in `share`.
    pub fn sign(&self, share: ShareId, role: Role) -> String {
        let mut bytes = [0; TOKEN_LEN];
        bytes[0] = VERSION;
        bytes[2..18].copy_from_slice(&share.0);
        if let Role::Receiver(peer) = role {
            bytes[1] = 1;
            bytes[18..34].copy_from_slice(&peer.0);
        }
        let tag = self.keyed.clone().chain_update(&bytes[..BODY_LEN]).finalize();
        bytes[BODY_LEN..].copy_from_slice(&tag.into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whose token of `share` this is; `None` for anything that this server has not signed for it.
    pub fn check(&self, share: ShareId, token: &str) -> Option<Role> {
        if token.len() != TEXT_LEN {
            return None;
        }
        let mut bytes = [0; TOKEN_LEN];
        URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (body, tag) = bytes.split_at(BODY_LEN);
        self.keyed.clone().chain_update(body).verify_slice(tag).ok()?;
        if body[0] != VERSION || body[2..18] != share.0 {
            return None;
        }
        let mut peer = [0; 16];
        peer.copy_from_slice(&body[18..34]);
        match body[1] {
            0 => Some(Role::Sender),
            1 => Some(Role::Receiver(PeerId(peer))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SHARE: ShareId = ShareId([1; 16]);
    const PEER: PeerId = PeerId([2; 16]);

    #[test]
    fn a_token_is_good_for_its_share_role_and_secret_only() {
        let signer = Signer::new(&[7; 32]);
        let owner = signer.sign(SHARE, Role::Sender);
        let ticket = signer.sign(SHARE, Role::Receiver(PEER));
        assert!(signer.check(SHARE, &owner) == Some(Role::Sender));
        assert!(signer.check(SHARE, &ticket) == Some(Role::Receiver(PEER)));
        assert!(signer.check(ShareId([3; 16]), &owner).is_none());
        assert!(Signer::new(&[8; 32]).check(SHARE, &owner).is_none());
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused() {
        let signer = Signer::new(&[7; 32]);
        let ticket = signer.sign(SHARE, Role::Receiver(PEER));
        let bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let forged = URL_SAFE_NO_PAD.encode(&bytes);
            assert!(signer.check(SHARE, &forged).is_none(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_panic(text in ".{0,100}|[A-Za-z0-9_-]{88}") {
            prop_assert!(Signer::new(&[7; 32]).check(SHARE, &text).is_none());
        }
    }
}
