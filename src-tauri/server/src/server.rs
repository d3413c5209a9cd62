//! Binds, accepts and stops.

use crate::config::Config;
use crate::http::{self, Connection, Context};
use crate::old::store::{MemoryStore, Store as _};
use crate::socket::stopped;
use crate::token::Signer;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sluice_protocol::error::Code;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

// Of one connection; hyper answers longer request heads with 431.
const MAX_HEAD_LEN: usize = 16 * 1024;
// After an error that accepting again at once would only repeat, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, not this machine's, or not allowed.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ServerError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        Code::ServerFailed
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
}

impl Server {
    /// Binds the address; connections wait until [`Self::run`].
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, config })
    }

    /// The address that it listens on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves in this runtime until `shutdown`, then tells every socket to reconnect (close code 1012)
    /// and waits for them for as long as [`crate::Timings::shutdown`] allows.
    ///
    /// Dropping the future stops everything too, without waiting.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Server { listener, config, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let context = Arc::new(Context {
            store: MemoryStore::new(&config.timings, &config.limits),
            signer: Signer::new(&config.secret),
            timings: config.timings,
            stopping: stopping.clone(),
        });
        let router = http::router(Arc::clone(&context));
        let connections = Arc::new(Semaphore::new(config.limits.connections));
        tracing::info!("the server listens");
        tokio::select! {
            () = shutdown => {}
            () = context.store.run() => {}
            () = accept(&listener, &connections, |stream, permit| {
                tokio::spawn(serve(
                    stream,
                    router.clone(),
                    Arc::new(permit),
                    config.timings.request,
                    stopping.clone(),
                ));
            }) => {}
        }
        drop(listener);
        stop.send_replace(true);
        let all = u32::try_from(config.limits.connections).unwrap_or(u32::MAX);
        let closed = timeout(config.timings.shutdown, connections.acquire_many(all)).await;
        tracing::info!(all_closed = closed.is_ok(), "the server stopped");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    serve: impl Fn(TcpStream, OwnedSemaphorePermit),
) {
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, permit),
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    connection: Connection,
    head_time: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Signals are small and awaited; a failure costs only speed.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(connection)));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(MAX_HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stopped(&mut stopping) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(timeout = error.is_timeout(), "a connection failed");
    }
}
