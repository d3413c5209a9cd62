//! The yardstick for the server: the same connections to a bare `axum`, which knows no shares, no tickets and no queue.
//!
//! `bare_axum` prints its address and serves until its input ends: `POST /api/shares/{id}/receivers` parses JSON and
//! answers some, `/events` is a stream of comments, `/socket` an echo, and `/poll` answers at the next message on a
//! socket.

use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{StreamExt, iter, pending};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let router = Router::new()
        .route("/api/shares/{id}/receivers", post(join))
        .route("/events", get(events))
        .route("/socket", get(socket))
        .route("/poll", get(poll))
        .with_state(Arc::new(Notify::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "event": "listening", "address": listener.local_addr()? }));
    let mut input = [0];
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served?,
        _ = async { while tokio::io::stdin().read(&mut input).await.is_ok_and(|read| read > 0) {} } => {}
    }
    Ok(())
}

async fn join(Json(body): Json<Value>) -> impl IntoResponse {
    (StatusCode::CREATED, Json(json!({ "ticket": body["peer"] })))
}

async fn events() -> impl IntoResponse {
    let first = Ok::<_, Infallible>(Event::default().event("place").data("{}"));
    Sse::new(iter([first]).chain(pending())).keep_alive(KeepAlive::default())
}

async fn socket(State(heard): State<Arc<Notify>>, upgrade: WebSocketUpgrade) -> Response {
    // With the buffers that our own server has: the defaults cost 137 KiB a socket.
    upgrade.read_buffer_size(4096).write_buffer_size(0).on_upgrade(async move |mut socket| {
        while let Some(Ok(Message::Text(text))) = socket.recv().await {
            heard.notify_one();
            if socket.send(Message::Text(text)).await.is_err() {
                return;
            }
        }
    })
}

async fn poll(State(heard): State<Arc<Notify>>) -> impl IntoResponse {
    heard.notified().await;
    Json(json!({}))
}
