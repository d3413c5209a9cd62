//! The STUN and TURN servers that a peer may use.

use super::asking::InShare;
use super::openapi::{OfBearer, OfShareId};
use super::{Context, Failure};
use crate::store::Store;
use axum::Json;
use axum::extract::State;
use axum::http::header::HeaderMap;
use sluice_protocol::id::ShareId;
use sluice_protocol::signal::IceServers;
use std::sync::Arc;

/// STUN and TURN servers, with credentials that are good for a time.
#[utoipa::path(get, path = "/api/shares/{share}/ice", tag = "peers", security(("token" = [])),
    params(("share" = ShareId, Path)),
    responses((status = 200, description = "None where the operator has named none.", body = IceServers), OfBearer, OfShareId))]
pub async fn ice<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    headers: HeaderMap,
) -> Result<Json<IceServers>, Failure> {
    let role = context.role(share, &headers)?;
    Ok(Json(context.ice.servers(share, role, context.hub.now())))
}
