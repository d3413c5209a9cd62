//! Shares: opening one, and what it holds.

use super::{Context, Failure, body, parse_share};
use crate::role::Role;
use crate::store::{Store, Terms};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;
use sluice_protocol::signal::{self, CreateShare, MAX_SLOTS, ShareCreated, Summary};
use std::sync::Arc;

/// Opens a share, or opens it again.
pub async fn create<S: Store>(
    State(context): State<Arc<Context<S>>>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareCreated>), Failure> {
    let CreateShare { owner_key, join_hash, slots, summary, active, .. } =
        body::read(request, &context.timings).await?;
    let is_valid = (1..=MAX_SLOTS).contains(&slots)
        && active.len() <= usize::from(slots)
        && summary.as_deref().is_none_or(signal::is_summary);
    if !is_valid {
        return Err(Code::RequestInvalid.into());
    }
    let share = owner_key.share_id();
    let terms = Terms { join_hash, slots, active, summary };
    context.hub.store().open(share, terms, context.hub.now()).await?;
    let token = context.signer.sign(share, Role::Sender, 0, context.hub.now());
    Ok((StatusCode::CREATED, Json(ShareCreated { share, token })))
}

/// What the share holds, sealed; 204 where its sender has not said.
pub async fn summary<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Path(share): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let share = parse_share(&share)?;
    context.role(share, &headers)?;
    Ok(match context.hub.store().summary(share).await? {
        Some(summary) => Json(Summary { summary }).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
