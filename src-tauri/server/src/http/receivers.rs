//! Receivers: taking a place in line, and giving it up.

use super::asking::{Asking, InShare};
use super::openapi::{OfBearer, OfBody, OfLimits, OfPeer, OfShare, OfStore};
use super::{Context, Failure, body};
use crate::role::Role;
use crate::store::Store;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::http::{Request, StatusCode};
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Command;
use sluice_protocol::signal::{JoinShare, Place, ShareJoined};
use std::sync::Arc;

/// Takes a place, or keeps the one that this receiver has. Takes no slot.
#[utoipa::path(post, path = "/api/shares/{share}/receivers", tag = "peers",
    params(("share" = ShareId, Path)), request_body = JoinShare,
    responses((status = 201, description = "It has a place.", body = ShareJoined), OfBody, OfPeer, OfShare, OfLimits, OfStore))]
pub async fn join<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    Asking(client): Asking,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareJoined>), Failure> {
    let JoinShare { join_key, peer, ticket, .. } = body::read(request, &context.timings).await?;
    let (store, now) = (context.hub.store(), context.hub.now());
    // A bad one is as good as none.
    let arrival = ticket.and_then(|ticket| context.signer.arrival(share, peer, &ticket, now));
    let command = Command::Join { peer, proof: join_key.hash(), arrival };
    context.admit_receiver(client, share, peer).await?;
    let joined = store.handle(share, &command, now).await;
    if let Err(code) = joined {
        context.release_refused(client, share, peer, code).await;
    }
    let standing = joined?.ok_or(Code::ServerFailed)?;
    let summary = store.summary(share).await?;
    let ticket = context.signer.sign(share, Role::Receiver(peer), standing.arrival, now);
    let place = Place::new(&standing, now);
    Ok((StatusCode::CREATED, Json(ShareJoined { ticket, place, summary })))
}

/// Gives up a slot or place.
#[utoipa::path(delete, path = "/api/shares/{share}/receivers/{peer}", tag = "peers", security(("token" = [])),
    params(("share" = ShareId, Path), ("peer" = PeerId, Path)),
    responses((status = 204, description = "It has no place any more."), OfBearer, OfPeer, OfShare, OfStore))]
pub async fn leave<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    Asking(client): Asking,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let owner = context.receiver(share, &headers)?;
    if !path.is_ok_and(|Path((_, peer))| peer.parse() == Ok(owner)) {
        return Err(Code::NotAuthorised.into());
    }
    context.hub.store().handle(share, &Command::Leave { peer: owner }, context.hub.now()).await?;
    context.release_receiver(client, share, owner).await;
    Ok(StatusCode::NO_CONTENT)
}
