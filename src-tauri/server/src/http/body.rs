//! Reading a request's body: JSON of a known version, of bounded size, in bounded time.

use super::Failure;
use crate::config::Timings;
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap};
use axum::http::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sluice_protocol::VERSION;
use sluice_protocol::error::Code;
use sluice_protocol::signal::{MAX_MESSAGE_LEN, whole};

// The version stands in a body of any version.
#[derive(Deserialize)]
struct Versioned {
    #[serde(deserialize_with = "whole")]
    version: u16,
}

/// The body, parsed.
///
/// # Errors
/// 400, 408, 413 or 415 where it is not what it should be.
pub async fn read<T: DeserializeOwned>(request: Request<Body>, timings: &Timings) -> Result<T, Failure> {
    let invalid = |status| Failure::new(status, Code::RequestInvalid);
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
        return Err(Failure::new(StatusCode::BAD_REQUEST, Code::VersionUnsupported));
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
