//! The HTTP side: all routes, and what each request works with.

mod bearer;
mod body;
mod events;
mod failure;
mod page;
mod place;
mod receivers;
mod shares;
mod upgrade;

use crate::config::Timings;
use crate::hub::Hub;
use crate::store::Store;
use crate::token::Signer;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{delete, get, post};
use failure::Failure;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// What every request and socket works with.
pub struct Context<S> {
    /// Who is connected, and where the shares are.
    pub hub: Arc<Hub<S>>,
    /// Signs and checks tokens.
    pub signer: Signer,
    /// How long to wait for what.
    pub timings: Timings,
    /// Turns true, or is dropped, when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// A request's TCP connection, as long as anything of it is alive; counts against the limit.
pub type Connection = Arc<OwnedSemaphorePermit>;

/// All routes. Each request needs a [`Connection`] among its extensions.
pub fn router<S: Store>(context: Arc<Context<S>>) -> Router {
    Router::new()
        .route("/api/shares", post(shares::create::<S>))
        .route("/api/shares/{share}/summary", get(shares::summary::<S>))
        .route("/api/shares/{share}/receivers", post(receivers::join::<S>))
        .route("/api/shares/{share}/receivers/{peer}", delete(receivers::leave::<S>))
        .route("/api/shares/{share}/place", get(place::place::<S>))
        .route("/api/shares/{share}/events", get(events::events::<S>))
        .route("/api/shares/{share}/socket", get(upgrade::connect::<S>))
        .route("/s/{share}", get(page::page))
        .route("/livez", get(async || "ok"))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, Code::RequestInvalid))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, Code::RequestInvalid)
        })
        .layer(axum::middleware::map_response(with_security_headers))
        .with_state(context)
}

async fn with_security_headers(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn parse_share(text: &str) -> Result<ShareId, Failure> {
    text.parse().map_err(|_| Failure::new(StatusCode::NOT_FOUND, Code::ShareNotFound))
}
