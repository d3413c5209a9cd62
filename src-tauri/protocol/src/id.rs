//! Identifiers and bearer keys: fixed-size bytes, written as base64url without padding (RFC 4648 §5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The text is not base64url of the expected number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of {expected} bytes")]
pub struct IdError {
    /// How many bytes the identifier has.
    pub expected: usize,
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let mut bytes = [0; N];
    // A longer text would make the decoder allocate for nothing.
    if text.len() != (N * 4).div_ceil(3) {
        return Err(IdError { expected: N });
    }
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(len) if len == N => Ok(bytes),
        _ => Err(IdError { expected: N }),
    }
}

macro_rules! text_form {
    ($name:ident, $len:literal) => {
        impl $name {
            /// The base64url text of this value.
            pub fn to_text(&self) -> String {
                URL_SAFE_NO_PAD.encode(self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                decode::<$len>(text).map($name)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_text())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);
        text_form!($name, $len);
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.to_text())
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.to_text())
            }
        }
    };
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name(pub [u8; $len]);
        text_form!($name, $len);
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(..)", stringify!($name))
            }
        }
    };
}

public_id! {
    /// Names a share to a server and in a link: a hash of its [`OwnerKey`], so that only the owner can open it again.
    ShareId, 16
}
public_id! {
    /// Names one receiver of a share to the server; random, chosen by the receiver, kept across its reconnects.
    PeerId, 16
}
public_id! {
    /// SHA-256 of a [`JoinKey`]: what the server holds to check proofs before it has seen one.
    JoinHash, 32
}
secret! {
    /// The capability to open, open again and end a share on a server. Never leaves the sender but to its server.
    OwnerKey, 32
}
secret! {
    /// The proof that a receiver holds the link, made from the link's secret; tells the server nothing else.
    JoinKey, 32
}
secret! {
    /// The random secret in a link's fragment. Never sent to anyone.
    LinkSecret, 16
}

fn labelled_hash(label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(label.as_bytes());
    hash.update(bytes);
    hash.finalize().into()
}

fn truncate(hash: [u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hash[..16]);
    out
}

impl OwnerKey {
    /// The id of the share that this key owns: the first 16 bytes of SHA-256("sluice/1 share" ‖ key).
    pub fn share_id(&self) -> ShareId {
        ShareId(truncate(labelled_hash("sluice/1 share", &self.0)))
    }
}

impl JoinKey {
    /// What the sender leaves with the server: SHA-256("sluice/1 join" ‖ key).
    pub fn hash(&self) -> JoinHash {
        JoinHash(labelled_hash("sluice/1 join", &self.0))
    }
}

/// The first 16 bytes of SHA-256("sluice/1 sender" ‖ public key), as a link carries them.
pub fn sender_hash(public_key: &[u8; 32]) -> [u8; 16] {
    truncate(labelled_hash("sluice/1 sender", public_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 16]) {
            let id = ShareId(bytes);
            prop_assert_eq!(id.to_text().parse::<ShareId>(), Ok(id));
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,64}") {
            let _ = text.parse::<ShareId>();
            let _ = text.parse::<OwnerKey>();
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", OwnerKey([7; 32])), "OwnerKey(..)");
    }
}
