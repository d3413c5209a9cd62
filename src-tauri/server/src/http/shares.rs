//! Shares: opening one, and what it holds.

use super::asking::{Asking, InShare};
use super::openapi::{OfBearer, OfBody, OfLimits, OfShare, OfStore};
use super::{Context, Failure, body};
use crate::role::Role;
use crate::store::{Store, Terms};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::HeaderMap;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::signal::{self, CreateShare, MAX_SLOTS, ShareCreated, Summary};
use std::sync::Arc;

/// Opens a share, or opens it again.
#[utoipa::path(post, path = "/api/shares", tag = "peers", request_body = CreateShare,
    responses((status = 201, description = "It is open.", body = ShareCreated), OfBody, OfLimits, OfStore))]
pub async fn create<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Asking(client): Asking,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareCreated>), Failure> {
    let CreateShare { owner_key, join_hash, slots, summary, active, .. } =
        body::read(request, &context.timings).await?;
    let is_valid = (1..=MAX_SLOTS).contains(&slots)
        && active.len() <= usize::from(MAX_SLOTS)
        && summary.as_deref().is_none_or(signal::is_summary);
    if !is_valid {
        return Err(Code::RequestInvalid.into());
    }
    let share = owner_key.share_id();
    context.admit_share(client, share).await?;
    let terms = Terms { join_hash, slots, active, summary };
    let opened = context.hub.store().open(share, terms, context.hub.now()).await;
    if opened == Err(Code::ServerFull) {
        // There was none before either.
        context.release_share(client, share).await;
    }
    opened?;
    let token = context.signer.sign(share, Role::Sender, 0, context.hub.now());
    Ok((StatusCode::CREATED, Json(ShareCreated { share, token })))
}

/// What the share holds, sealed; 204 where its sender has not said.
#[utoipa::path(get, path = "/api/shares/{share}/summary", tag = "peers", security(("token" = [])),
    params(("share" = ShareId, Path)),
    responses((status = 200, description = "What it holds, sealed.", body = Summary),
        (status = 204, description = "Its sender has not said."), OfBearer, OfShare, OfStore))]
pub async fn summary<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    context.role(share, &headers)?;
    Ok(match context.hub.store().summary(share).await? {
        Some(summary) => Json(Summary { summary }).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
