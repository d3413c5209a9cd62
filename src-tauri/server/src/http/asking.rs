//! Who asks, and for which share: what every request says of itself beside its body.

use super::{Context, Failure};
use crate::limits::{Client, Present};
use crate::metrics::Connected;
use crate::role::Role;
use crate::store::Store;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

const UNAUTHORISED: Failure = Failure::new(StatusCode::UNAUTHORIZED, Code::NotAuthorised);

/// A request's TCP connection, as long as anything of it is alive; counts against the limits.
pub type Connection = Arc<Peer>;

/// The other end of a TCP connection.
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// One of all connections that there may be.
    pub _permit: OwnedSemaphorePermit,
    /// One of those that its address may have.
    pub _present: Present,
    /// One of those that are counted.
    pub _connected: Connected,
}

/// The client whose limits count.
#[derive(Clone, Copy)]
pub struct Asking(pub Client);

impl<S: Store> FromRequestParts<Arc<Context<S>>> for Asking {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context<S>>) -> Result<Self, Failure> {
        // Every connection has one.
        let peer = parts.extensions.get::<Connection>().ok_or(Code::ServerFailed)?;
        Ok(Asking(context.proxies.client(peer.address, &parts.headers)))
    }
}

/// The share in the path.
pub struct InShare(pub ShareId);

impl<S: Send + Sync> FromRequestParts<S> for InShare {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let share = params.ok().and_then(|params| {
            params.iter().find(|(name, _)| *name == "share").and_then(|(_, text)| text.parse().ok())
        });
        share.map(InShare).ok_or(Failure::new(StatusCode::NOT_FOUND, Code::ShareNotFound))
    }
}

/// The text of a bearer token (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S: Store> Context<S> {
    /// Who asks for something of `share`.
    ///
    /// # Errors
    /// 401 where the token is missing, or not good for this share.
    pub fn role(&self, share: ShareId, headers: &HeaderMap) -> Result<Role, Failure> {
        let token = bearer(headers).ok_or(UNAUTHORISED)?;
        let claims = self.signer.check(share, token, self.hub.now()).map_err(|_| UNAUTHORISED)?;
        Ok(claims.role)
    }

    /// Which receiver asks for something of `share`.
    ///
    /// # Errors
    /// 401 where the ticket is missing, or not good for this share, or not a receiver's.
    pub fn receiver(&self, share: ShareId, headers: &HeaderMap) -> Result<PeerId, Failure> {
        match self.role(share, headers)? {
            Role::Receiver(peer) => Ok(peer),
            Role::Sender => Err(UNAUTHORISED),
        }
    }

    /// Whether the operator asks.
    ///
    /// # Errors
    /// 401 where not, or where there is no operator.
    pub fn operator(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let is_theirs = |token: &str| self.operator.as_ref().is_some_and(|operator| operator.is(token));
        bearer(headers).is_some_and(is_theirs).then_some(()).ok_or(UNAUTHORISED)
    }
}
