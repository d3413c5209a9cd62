//! Who asks: the owner token or ticket in a request's head.

use super::{Context, Failure};
use crate::role::Role;
use crate::store::Store;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};

const UNAUTHORISED: Failure = Failure::new(StatusCode::UNAUTHORIZED, Code::NotAuthorised);

impl<S: Store> Context<S> {
    /// Who asks for something of `share`.
    ///
    /// # Errors
    /// 401 where the token is missing, or not good for this share.
    pub(super) fn role(&self, share: ShareId, headers: &HeaderMap) -> Result<Role, Failure> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' '));
        match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                let claims = self.signer.check(share, token.trim(), self.hub.now());
                claims.map(|claims| claims.role).map_err(|_| UNAUTHORISED)
            }
            _ => Err(UNAUTHORISED),
        }
    }

    /// Which receiver asks for something of `share`.
    ///
    /// # Errors
    /// 401 where the ticket is missing, or not good for this share, or not a receiver's.
    pub(super) fn receiver(&self, share: ShareId, headers: &HeaderMap) -> Result<PeerId, Failure> {
        match self.role(share, headers)? {
            Role::Receiver(peer) => Ok(peer),
            Role::Sender => Err(UNAUTHORISED),
        }
    }
}
