//! The way from HTTP to a WebSocket.

use super::asking::{Asking, Connection, InShare};
use super::openapi::OfShareId;
use super::{Context, Failure};
use crate::socket;
use crate::store::Store;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::signal::{ErrorBody, MAX_MESSAGE_LEN};
use std::sync::Arc;

/// Upgrades; whether the share exists is told on the socket, to those who are authorised.
#[utoipa::path(get, path = "/api/shares/{share}/socket", tag = "peers",
    params(("share" = ShareId, Path)),
    responses((status = 101, description = "A WebSocket, on which docs/signaling.md is spoken."),
        (status = 426, description = "Not a WebSocket handshake (request_invalid).", body = ErrorBody), OfShareId))]
pub async fn connect<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    Asking(client): Asking,
    Extension(connection): Extension<Connection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|_| Failure::new(StatusCode::UPGRADE_REQUIRED, Code::RequestInvalid))?;
    Ok(upgrade
        // axum's defaults cost 137 KiB a socket.
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE_LEN)
        .max_message_size(MAX_MESSAGE_LEN)
        .max_frame_size(MAX_MESSAGE_LEN)
        .on_upgrade(async move |socket| {
            socket::serve(socket, share, client, &context).await;
            drop(connection);
        }))
}
