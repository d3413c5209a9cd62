//! The operator's token: what opens the statistics.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The shortest token that is taken, in bytes.
pub const MIN_TOKEN_LEN: usize = 16;

/// The token is easily guessed, or can't stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operator token must be {MIN_TOKEN_LEN} visible ASCII characters or more")]
pub struct OperatorTokenError;

/// The operator's token, as its hash.
#[derive(Clone)]
pub struct OperatorToken([u8; 32]);

impl OperatorToken {
    /// The token that stands in `text`, without the white space around it.
    ///
    /// # Errors
    /// [`OperatorTokenError`].
    pub fn parse(text: &str) -> Result<Self, OperatorTokenError> {
        let text = text.trim();
        if text.len() < MIN_TOKEN_LEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OperatorTokenError);
        }
        Ok(OperatorToken(Sha256::digest(text).into()))
    }

    /// Whether `text` is the token; takes the same time whatever it is.
    pub fn is(&self, text: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&hash).into()
    }
}

// The token does not print.
impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = OperatorToken::parse("  0123456789abcdef\n").unwrap();
        assert!(token.is("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef ", "0123456789abcdeF"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "OperatorToken(..)");
        for bad in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdéf"] {
            assert!(OperatorToken::parse(bad).is_err(), "{bad:?}");
        }
    }
}
