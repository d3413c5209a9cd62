//! The HTTP side: all routes, and what each request works with.

mod asking;
mod body;
mod events;
mod failure;
mod guard;
mod ice;
mod observe;
mod openapi;
mod operation;
mod page;
mod place;
mod receivers;
mod shares;
mod upgrade;

pub use asking::{Connection, Peer};

use crate::config::{Limits, Timings};
use crate::hub::Hub;
use crate::ice::Ice;
use crate::limits::Proxies;
use crate::metrics::Metrics;
use crate::operator::OperatorToken;
use crate::store::Store;
use crate::token::Signer;
use axum::Router;
use axum::extract::Extension;
use axum::middleware::from_fn_with_state;
use failure::Failure;
use openapi::{Document, Routes};
use std::sync::Arc;
use tokio::sync::watch;

/// What every request and socket works with.
pub struct Context<S> {
    /// Who is connected, and where the shares are.
    pub hub: Arc<Hub<S>>,
    /// Signs and checks tokens.
    pub signer: Signer,
    /// What peers are told of STUN and TURN.
    pub ice: Ice,
    /// Opens the statistics.
    pub operator: Option<OperatorToken>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whose address counts.
    pub proxies: Proxies,
    /// Whether the log names addresses.
    pub log_addresses: bool,
    /// How long to wait for what.
    pub timings: Timings,
    /// How much is taken in.
    pub limits: Limits,
    /// Turns true when the server is asked to stop.
    pub draining: watch::Receiver<bool>,
    /// Turns true, or is dropped, when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// All routes. Each request needs a [`Connection`] and a [`crate::connection::Takeover`] among its extensions.
pub fn router<S: Store>(context: Arc<Context<S>>) -> Router {
    let (router, document) = routes::<S>().finish();
    router
        .fallback(observe::no_route)
        .method_not_allowed_fallback(observe::no_method)
        .layer(Extension(Document::new(&document)))
        .layer(from_fn_with_state(Arc::clone(&context), observe::observe::<S>))
        .with_state(context)
}

fn routes<S: Store>() -> Routes<S> {
    Routes::new()
        .add(shares::__path_create, shares::create::<S>)
        .add(shares::__path_summary, shares::summary::<S>)
        .add(receivers::__path_join, receivers::join::<S>)
        .add(receivers::__path_leave, receivers::leave::<S>)
        .add(place::__path_place, place::place::<S>)
        .add(events::__path_events, events::events::<S>)
        .add(ice::__path_ice, ice::ice::<S>)
        .add(upgrade::__path_connect, upgrade::connect::<S>)
        .add(page::__path_home, page::home)
        .add(page::__path_send, page::send)
        .add(page::__path_receive, page::receive)
        .add(page::__path_asset, page::asset)
        .add(page::__path_service_worker, page::service_worker)
        .add(operation::__path_livez, operation::livez)
        .add(operation::__path_readyz, operation::readyz::<S>)
        .add(operation::__path_metrics, operation::metrics::<S>)
        .add(operation::__path_stats, operation::stats::<S>)
        .add(openapi::__path_openapi, openapi::openapi)
}
