//! Receivers: taking a place in line, and giving it up.

use super::{Context, Failure, body, parse_share};
use crate::role::Role;
use crate::store::Store;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::http::{Request, StatusCode};
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::Command;
use sluice_protocol::signal::{JoinShare, Place, ShareJoined};
use std::sync::Arc;

/// Takes a place, or keeps the one that this receiver has. Takes no slot.
pub async fn join<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Path(share): Path<String>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareJoined>), Failure> {
    let share = parse_share(&share)?;
    let JoinShare { join_key, peer, ticket, .. } = body::read(request, &context.timings).await?;
    let (store, now) = (context.hub.store(), context.hub.now());
    // A bad one is as good as none.
    let arrival = ticket.and_then(|ticket| context.signer.arrival(share, peer, &ticket, now));
    let command = Command::Join { peer, proof: join_key.hash(), arrival };
    let standing = store.handle(share, &command, now).await?.ok_or(Code::ServerFailed)?;
    let summary = store.summary(share).await?;
    let ticket = context.signer.sign(share, Role::Receiver(peer), standing.arrival, now);
    let place = Place::new(&standing, now);
    Ok((StatusCode::CREATED, Json(ShareJoined { ticket, place, summary })))
}

/// Gives up a slot or place.
pub async fn leave<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Path((share, peer)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let share = parse_share(&share)?;
    let owner = context.receiver(share, &headers)?;
    if peer.parse::<PeerId>() != Ok(owner) {
        return Err(Code::NotAuthorised.into());
    }
    context.hub.store().handle(share, &Command::Leave { peer: owner }, context.hub.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
