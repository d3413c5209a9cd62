//! What an operator asks: whether the server lives and is ready, its metrics, its statistics.

use super::openapi::{OfBearer, OfReadiness};
use super::{Context, Failure};
use crate::metrics::{self, Stats};
use crate::store::Store;
use axum::Json;
use axum::extract::State;
use axum::http::header::{self, HeaderMap};
use axum::response::IntoResponse;
use sluice_protocol::error::Code;
use std::sync::Arc;

/// Whether the process answers. Asks nothing of the store.
#[utoipa::path(get, path = "/livez", tag = "operation", responses(
    (status = 200, description = "It lives.", body = String, content_type = "text/plain", example = "ok"),
))]
pub async fn livez() -> &'static str {
    "ok"
}

/// Whether it may be sent requests: its store answers, and it is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "It is ready.", body = String, content_type = "text/plain", example = "ok"),
    OfReadiness,
))]
pub async fn readyz<S: Store>(State(context): State<Arc<Context<S>>>) -> Result<&'static str, Failure> {
    context.ready().await?;
    Ok("ok")
}

/// What the server counts of itself, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "OpenMetrics 1.0.", body = String, content_type = "application/openmetrics-text"),
))]
pub async fn metrics<S: Store>(State(context): State<Arc<Context<S>>>) -> impl IntoResponse {
    context.look().await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], context.metrics.text())
}

/// The operator's statistics.
#[utoipa::path(get, path = "/api/stats", tag = "operation", security(("operator" = [])), responses(
    (status = 200, description = "How much there is.", body = Stats),
    OfBearer,
))]
pub async fn stats<S: Store>(
    State(context): State<Arc<Context<S>>>,
    headers: HeaderMap,
) -> Result<Json<Stats>, Failure> {
    context.operator(&headers)?;
    // Each takes its time where the store does not answer.
    let ((), ready) = tokio::join!(context.look(), context.ready());
    Ok(Json(context.metrics.stats(ready.is_ok(), context.hub.now())))
}

impl<S: Store> Context<S> {
    async fn ready(&self) -> Result<(), Code> {
        if *self.draining.borrow() {
            return Err(Code::ServerStopping);
        }
        self.hub.store().ready().await
    }

    // The metrics learn how much there is.
    async fn look(&self) {
        self.metrics.set_shares(self.hub.shares());
        // A failure is counted on the way.
        let _ = self.hub.store().totals().await;
    }
}
