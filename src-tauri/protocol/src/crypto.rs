//! Key derivation and the sealing of chunks: HKDF-SHA256 (RFC 5869), AES-256-GCM (NIST SP 800-38D), Argon2id (RFC 9106).

use crate::id::{JoinKey, LinkSecret, ShareId};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes that sealing adds to a chunk: the GCM tag.
pub const TAG_LEN: usize = 16;

/// 32 secret bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key(pub(crate) [u8; 32]);

impl Key {
    /// Takes the bytes as they are.
    pub fn new(bytes: [u8; 32]) -> Self {
        Key(bytes)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

fn derive(ikm: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::new(None, ikm)
        .expand_multi_info(info, &mut out)
        .expect("32 bytes are within what HKDF-SHA256 can give");
    out
}

/// The proof that the link is held, for the server: HKDF(secret, "sluice/1 join" ‖ share id).
pub fn join_key(secret: &LinkSecret, share: ShareId) -> JoinKey {
    JoinKey(derive(&secret.0, &[b"sluice/1 join", &share.0]))
}

/// The Noise pre-shared key: HKDF(secret ‖ stretched password, "sluice/1 psk" ‖ share id).
///
/// The password, if there is one, is stretched by Argon2id with 19 MiB, 2 passes and 1 lane (about 20 ms),
/// salted with the first 16 bytes of SHA-256("sluice/1 password" ‖ share id).
pub fn psk(secret: &LinkSecret, share: ShareId, password: Option<&str>) -> Key {
    let mut ikm = [0; 48];
    let used = match password {
        None => 16,
        Some(password) => {
            let mut salt = Sha256::new();
            salt.update("sluice/1 password");
            salt.update(share.0);
            let params =
                argon2::Params::new(19 * 1024, 2, 1, Some(32)).expect("constants within Argon2's limits");
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt.finalize()[..16], &mut ikm[16..])
                .expect("salt and output lengths are within Argon2's limits");
            48
        }
    };
    ikm[..16].copy_from_slice(&secret.0);
    let key = Key(derive(&ikm[..used], &[b"sluice/1 psk", &share.0]));
    ikm.zeroize();
    key
}

// HKDF(secret, "sluice/1 summary" ‖ share id).
pub(crate) fn summary_key(secret: &LinkSecret, share: ShareId) -> Key {
    Key(derive(&secret.0, &[b"sluice/1 summary", &share.0]))
}

// AES-256-GCM without associated data, under a key whose nonces are random.
pub(crate) fn seal_whole(key: &Key, nonce: [u8; 12], bytes: &mut [u8]) -> [u8; TAG_LEN] {
    Aes256Gcm::new((&key.0).into())
        .encrypt_inout_detached(&nonce.into(), b"", bytes.into())
        .expect("all that is sealed whole is far below GCM's 64 GiB")
        .into()
}

pub(crate) fn open_whole(
    key: &Key,
    nonce: [u8; 12],
    bytes: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), Forged> {
    Aes256Gcm::new((&key.0).into())
        .decrypt_inout_detached(&nonce.into(), b"", bytes.into(), tag.into())
        .map_err(|_| Forged)
}

/// A chunk did not authenticate: changed on its way, or sealed for another place, file, request or share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunk does not authenticate")]
pub struct Forged;

/// Seals and opens the chunks of one file within one request of one session.
///
/// The key is HKDF(session key, "sluice/1 file" ‖ request ‖ entry), so a chunk that is asked for again is sealed
/// under another key, and no key and nonce ever meet two plaintexts. The nonce is the chunk's number in 96 bits,
/// big endian; the associated data is the record header that stands before the chunk.
#[derive(Clone)]
pub struct FileCipher {
    cipher: Aes256Gcm,
}

impl std::fmt::Debug for FileCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileCipher(..)")
    }
}

impl FileCipher {
    /// The cipher for file `entry` within `request`.
    pub fn new(session: &Key, request: u32, entry: u32) -> Self {
        let mut key = derive(&session.0, &[b"sluice/1 file", &request.to_le_bytes(), &entry.to_le_bytes()]);
        let cipher = Aes256Gcm::new((&key).into());
        key.zeroize();
        FileCipher { cipher }
    }

    /// Encrypts `chunk` in place and returns its tag.
    pub fn seal(&self, index: u32, header: &[u8], chunk: &mut [u8]) -> [u8; TAG_LEN] {
        self.cipher
            .encrypt_inout_detached(&nonce(index), header, chunk.into())
            .expect("a chunk is far below GCM's 64 GiB")
            .into()
    }

    /// Verifies `tag` and decrypts `chunk` in place. On failure `chunk` is left as it came.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn open(
        &self,
        index: u32,
        header: &[u8],
        chunk: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Forged> {
        self.cipher
            .decrypt_inout_detached(&nonce(index), header, chunk.into(), tag.into())
            .map_err(|_| Forged)
    }
}

fn nonce(index: u32) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_chunk_opens_only_where_it_was_sealed() {
        let session = Key::new([1; 32]);
        let cipher = FileCipher::new(&session, 1, 7);
        let mut sealed = *b"water finds its level";
        let tag = cipher.seal(3, b"header", &mut sealed);
        let open = |cipher: &FileCipher, index, header: &[u8], flip: usize| {
            let mut chunk = sealed;
            if let Some(byte) = chunk.get_mut(flip) {
                *byte ^= 1;
            }
            cipher.open(index, header, &mut chunk, &tag).map(|()| chunk)
        };
        assert_eq!(open(&cipher, 3, b"header", 99), Ok(*b"water finds its level"));
        assert_eq!(open(&cipher, 3, b"header", 0), Err(Forged));
        assert_eq!(open(&cipher, 4, b"header", 99), Err(Forged));
        assert_eq!(open(&cipher, 3, b"Header", 99), Err(Forged));
        assert_eq!(open(&FileCipher::new(&session, 2, 7), 3, b"header", 99), Err(Forged));
        assert_eq!(open(&FileCipher::new(&session, 1, 8), 3, b"header", 99), Err(Forged));
        assert_eq!(open(&FileCipher::new(&Key::new([2; 32]), 1, 7), 3, b"header", 99), Err(Forged));
    }

    #[test]
    fn keys_depend_on_every_input() {
        let (a, b) = (LinkSecret([1; 16]), LinkSecret([2; 16]));
        let share = ShareId([3; 16]);
        assert_ne!(psk(&a, share, None), psk(&b, share, None));
        assert_ne!(psk(&a, share, None), psk(&a, ShareId([4; 16]), None));
        assert_ne!(psk(&a, share, None), psk(&a, share, Some("")));
        assert_ne!(psk(&a, share, Some("one")), psk(&a, share, Some("two")));
        assert_ne!(join_key(&a, share).0, psk(&a, share, None).0);
    }
}
