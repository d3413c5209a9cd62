//! The page behind a link.

use axum::http::header;
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");

/// The same for every share, known or not; changes nothing.
#[utoipa::path(get, path = "/s/{share}", tag = "people",
    params(("share" = String, Path, description = "Anything.")),
    responses((status = 200, description = "The page behind a link.", body = String, content_type = "text/html")))]
pub async fn page() -> impl IntoResponse {
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
