//! What is done around every request: it is counted and timed, and its answer has the headers that all have.

use super::asking::Connection;
use super::{Context, Failure};
use crate::store::Store;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::Instant;

/// The code of a refusal, for those that an answer passes on its way out.
#[derive(Clone, Copy)]
pub struct Refused(pub Code);

const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Wraps all routes.
pub async fn observe<S: Store>(
    State(context): State<Arc<Context<S>>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let start = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(Cow::Borrowed("none"), |route| Cow::Owned(route.as_str().to_owned()));
    // Whom it came from is looked up only if it will be told.
    let from = context.log_addresses.then(|| {
        let peer = request.extensions().get::<Connection>();
        peer.map(|peer| context.proxies.client(peer.address, request.headers()))
    });
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    let status = response.status().as_u16();
    if let Some(&Refused(code)) = response.extensions().get() {
        context.metrics.count_refusal("http", code);
        match from.flatten() {
            Some(address) => tracing::info!(%code, status, route = &*route, %address, "refused"),
            None => tracing::debug!(%code, status, route = &*route, "refused"),
        }
    }
    context.metrics.observe_request(method, route, status, start.elapsed());
    response
}

/// Answers where there is no such route.
pub async fn no_route() -> Response {
    Failure::new(axum::http::StatusCode::NOT_FOUND, Code::RequestInvalid).into_response()
}

/// Answers where the route has no such method.
pub async fn no_method() -> Response {
    Failure::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, Code::RequestInvalid).into_response()
}

// A method can be any word, of which there are many.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
