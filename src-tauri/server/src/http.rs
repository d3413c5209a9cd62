//! The HTTP side: routes, bodies, error answers, and the page behind a link.

use crate::config::Timings;
use crate::old::store::{Store, Terms};
use crate::role::Role;
use crate::socket;
use crate::token::Signer;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use sluice_protocol::VERSION;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::signal::{
    CreateShare, ErrorBody, JoinShare, MAX_MESSAGE_LEN, MAX_SLOTS, ShareCreated, ShareJoined,
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};

const PAGE: &str = include_str!("page.html");

/// What every request and socket works with.
pub struct Context<S> {
    /// Where the shares are.
    pub store: S,
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
        .route("/api/shares", post(create::<S>))
        .route("/api/shares/{id}/receivers", post(join::<S>))
        .route("/api/shares/{id}/socket", get(connect::<S>))
        .route("/s/{id}", get(page))
        .route("/livez", get(async || "ok"))
        .fallback(async || Failure(StatusCode::NOT_FOUND, Code::RequestInvalid))
        .method_not_allowed_fallback(async || Failure(StatusCode::METHOD_NOT_ALLOWED, Code::RequestInvalid))
        .layer(axum::middleware::map_response(with_security_headers))
        .with_state(context)
}

async fn create<S: Store>(
    State(context): State<Arc<Context<S>>>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareCreated>), Failure> {
    let body: CreateShare = read(request, &context.timings).await?;
    if !(1..=MAX_SLOTS).contains(&body.slots) {
        return Err(Failure(StatusCode::BAD_REQUEST, Code::RequestInvalid));
    }
    let share = body.owner_key.share_id();
    let terms = Terms { join_hash: body.join_hash, slots: body.slots };
    context.store.open(share, terms).await?;
    let token = context.signer.sign(share, Role::Sender);
    Ok((StatusCode::CREATED, Json(ShareCreated { share, token })))
}

async fn join<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Path(share): Path<String>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<ShareJoined>), Failure> {
    let share = parse_share(&share)?;
    let body: JoinShare = read(request, &context.timings).await?;
    context.store.join(share, body.peer, &body.join_key).await?;
    let ticket = context.signer.sign(share, Role::Receiver(body.peer));
    Ok((StatusCode::CREATED, Json(ShareJoined { ticket })))
}

// Whether the share exists is told on the socket, to those who are authorised.
async fn connect<S: Store>(
    State(context): State<Arc<Context<S>>>,
    Path(share): Path<String>,
    Extension(connection): Extension<Connection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let share = parse_share(&share)?;
    let upgrade = upgrade.map_err(|_| Failure(StatusCode::UPGRADE_REQUIRED, Code::RequestInvalid))?;
    Ok(upgrade
        // axum's defaults cost 137 KiB a socket.
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE_LEN)
        .max_message_size(MAX_MESSAGE_LEN)
        .max_frame_size(MAX_MESSAGE_LEN)
        .on_upgrade(async move |socket| {
            socket::serve(socket, share, &context).await;
            drop(connection);
        }))
}

// The same for every share, known or not; changes nothing.
async fn page() -> impl IntoResponse {
    let style = PAGE
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"))
        .map_or("", |(style, _)| style);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(style))
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE))
}

async fn with_security_headers(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn parse_share(text: &str) -> Result<ShareId, Failure> {
    text.parse().map_err(|_| Failure(StatusCode::NOT_FOUND, Code::ShareNotFound))
}

// The version stands in a body of any version.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

async fn read<T: DeserializeOwned>(request: Request<Body>, timings: &Timings) -> Result<T, Failure> {
    let invalid = |status| Failure(status, Code::RequestInvalid);
    // A page of another origin can't send this type without asking first, and is never allowed to.
    if !is_json(request.headers()) {
        return Err(invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_MESSAGE_LEN);
    let body: Bytes = tokio::time::timeout(timings.request, body)
        .await
        .map_err(|_| invalid(StatusCode::REQUEST_TIMEOUT))?
        .map_err(|_| invalid(StatusCode::PAYLOAD_TOO_LARGE))?;
    let versioned: Versioned = serde_json::from_slice(&body).map_err(|_| invalid(StatusCode::BAD_REQUEST))?;
    if versioned.version != VERSION {
        return Err(Failure(StatusCode::BAD_REQUEST, Code::VersionUnsupported));
    }
    serde_json::from_slice(&body).map_err(|_| invalid(StatusCode::BAD_REQUEST))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

/// An error answer.
struct Failure(StatusCode, Code);

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        let status = match code {
            Code::ShareNotFound | Code::ShareEnded => StatusCode::NOT_FOUND,
            Code::NotAuthorised => StatusCode::FORBIDDEN,
            // What a store answers when it is full.
            Code::ServerFailed => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        Failure(status, code)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(ErrorBody::new(self.1))).into_response()
    }
}
