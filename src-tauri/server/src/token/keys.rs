//! The server's keys: from secrets that an operator hands out, or made afresh; several of them, so that they rotate.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

/// The shortest secret that is taken, in bytes.
pub const MIN_SECRET_LEN: usize = 16;

/// Why secrets are refused. Says nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is none.
    #[error("there is no key")]
    None,
    /// Easily guessed.
    #[error("key {number} is shorter than {MIN_SECRET_LEN} characters")]
    TooShort {
        /// Counted from 1.
        number: usize,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
}

/// One key, ready to sign.
#[derive(Clone)]
pub(super) struct Key {
    /// The first bytes of SHA-256 of the key.
    pub id: [u8; 4],
    keyed: Hmac<Sha256>,
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        let mut id = [0; 4];
        id.copy_from_slice(&Sha256::digest(key)[..4]);
        Key { id, keyed }
    }

    /// The HMAC of `label` and `bytes`. No label begins with another.
    pub fn mac(&self, label: &str, bytes: &[u8]) -> Hmac<Sha256> {
        self.keyed.clone().chain_update(label).chain_update(bytes)
    }
}

/// What tokens are signed with: never empty. The first key signs, all check.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// One key that nobody knows: for a server that is alone, and whose peers join again after a restart.
    ///
    /// # Errors
    /// [`KeysError::NoRandom`].
    pub fn random() -> Result<Self, KeysError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| KeysError::NoRandom)?;
        Ok(Keys(vec![Key::new(&key)]))
    }

    /// The keys that secrets stand for: SHA-256 of "sluice/2 key" ‖ the text, without the white space around it.
    ///
    /// Any text will do, however it was made; empty ones are left out.
    ///
    /// # Errors
    /// [`KeysError::None`] and [`KeysError::TooShort`].
    pub fn parse<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, KeysError> {
        let secrets = secrets.into_iter().map(str::trim).filter(|secret| !secret.is_empty());
        let mut keys = Vec::new();
        for (index, secret) in secrets.enumerate() {
            if secret.len() < MIN_SECRET_LEN {
                return Err(KeysError::TooShort { number: index + 1 });
            }
            let hash = Sha256::new().chain_update(b"sluice/2 key").chain_update(secret.as_bytes());
            keys.push(Key::new(&hash.finalize().into()));
        }
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Keys(keys)) }
    }

    /// A name for `bytes` that tells nobody without the key what they are; all instances with this first key agree.
    pub fn pseudonym(&self, bytes: &[u8]) -> [u8; 16] {
        let mac = self.signing().mac("sluice/2 pseudonym", bytes).finalize().into_bytes();
        let mut name = [0; 16];
        name.copy_from_slice(&mac[..16]);
        name
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn signing(&self) -> &Key {
        &self.0[0]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

// Keys do not print.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_are_trimmed_and_short_ones_refused() {
        let keys = |lines: &str| Keys::parse(lines.lines());
        let two = keys("\n  the first secret \r\n\nthe second secret\n").unwrap();
        assert_eq!(two.count(), 2);
        assert_eq!(two.signing().id, keys("the first secret").unwrap().signing().id);
        assert_eq!(keys("\n \n").unwrap_err(), KeysError::None);
        let short = keys("the first secret\nshort").unwrap_err();
        assert_eq!(short, KeysError::TooShort { number: 2 });
        assert!(!short.to_string().contains("short\n"));
    }

    #[test]
    fn a_pseudonym_depends_on_the_first_key_alone() {
        let name = |secrets: &str| Keys::parse(secrets.split(',')).unwrap().pseudonym(b"192.0.2.1");
        assert_eq!(name("the first secret"), name("the first secret,the second secret"));
        assert_ne!(name("the first secret"), name("the second secret"));
    }

    #[test]
    fn keys_do_not_print_and_fresh_ones_differ() {
        let keys = Keys::parse(["the first secret"]).unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(1)");
        assert_ne!(Keys::random().unwrap().signing().id, Keys::random().unwrap().signing().id);
    }
}
