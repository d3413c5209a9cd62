//! Binds, accepts and stops.

use crate::clock::Clock;
use crate::config::{Config, StoreUrl, Timings};
use crate::connection::serve;
use crate::http::{self, Context, Peer};
use crate::hub::Hub;
use crate::limits::{Client, Crowd};
use crate::metrics::Metrics;
use crate::store::{Measured, MemoryStore, Notices, RedisStore, Store};
use crate::token::Signer;
use sluice_protocol::error::Code;
use sluice_protocol::queue::Rules;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

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
    /// Queues can't be kept there: it is no Redis's address. One that can't be reached is waited for.
    #[error("can't keep queues in {0}")]
    Store(StoreUrl),
}

impl ServerError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        Code::ServerFailed
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    clock: Clock,
    store: AnyStore,
}

enum AnyStore {
    Memory(Box<MemoryStore>, Notices),
    Redis(RedisStore, Notices),
}

impl Server {
    /// Binds the address; connections wait until [`Self::run`].
    ///
    /// # Errors
    /// [`ServerError::Listen`] and [`ServerError::Store`].
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        let (clock, max_shares) = (Clock::new(), config.limits.shares as usize);
        let store = match &config.store {
            StoreUrl::Memory => {
                let (store, notices) = MemoryStore::new(rules(&config), max_shares, clock);
                AnyStore::Memory(Box::new(store), notices)
            }
            url => {
                let redis = RedisStore::new(url, rules(&config), max_shares, clock);
                let (store, notices) = redis.map_err(|_| ServerError::Store(url.clone()))?;
                AnyStore::Redis(store, notices)
            }
        };
        let failed = |source| ServerError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, config, clock, store })
    }

    /// The address that it listens on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves in this runtime until `shutdown`, says for [`crate::Timings::drain`] that it is not ready, then tells
    /// every socket to reconnect (close code 1012) and waits for them for as long as [`crate::Timings::shutdown`]
    /// allows.
    ///
    /// Dropping the future stops everything too, without waiting.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Server { listener, config, clock, store, .. } = self;
        let running = Running { listener, config, clock };
        match store {
            AnyStore::Memory(store, notices) => running.run(*store, notices, shutdown).await,
            AnyStore::Redis(store, notices) => running.run(store, notices, shutdown).await,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

// A server with its store taken out.
struct Running {
    listener: TcpListener,
    config: Config,
    clock: Clock,
}

impl Running {
    async fn run<S: Store>(self, store: S, notices: Notices, shutdown: impl Future<Output = ()> + Send) {
        let Running { listener, config, clock } = self;
        let (stop, stopping) = watch::channel(false);
        let metrics = Arc::new(Metrics::new(clock.now()));
        let store = Measured::new(store, Arc::clone(&metrics));
        let (hub, chores) = Hub::new(store, clock, config.timings, Arc::clone(&metrics));
        let (drain, draining) = watch::channel(false);
        let router = http::router(Arc::new(Context {
            hub: Arc::clone(&hub),
            signer: Signer::new(config.keys, config.timings.token),
            ice: config.ice,
            operator: config.operator,
            metrics: Arc::clone(&metrics),
            proxies: config.proxies,
            log_addresses: config.log_addresses,
            timings: config.timings,
            limits: config.limits,
            draining,
            stopping: stopping.clone(),
        }));
        // Past the end of this, until all connections are closed.
        let mut telling = Task(tokio::spawn(Arc::clone(&hub).run(notices, chores)));
        let connections = Arc::new(Semaphore::new(config.limits.connections as usize));
        // All who come through a proxy have its address.
        let per_address = if config.proxies.hops == 0 { config.limits.connections_per_address } else { 0 };
        let crowd = Crowd::new(per_address);
        let shutdown = async {
            shutdown.await;
            tracing::info!(seconds = config.timings.drain.as_secs(), "the server drains");
            drain.send_replace(true);
            tokio::time::sleep(config.timings.drain).await;
        };
        tracing::info!("the server listens");
        tokio::select! {
            () = shutdown => {}
            () = hub.store().run() => {}
            _ = &mut telling.0 => {}
            () = accept(&listener, &connections, |stream, address, permit| {
                let Some(present) = crowd.enter(Client::new(address)) else {
                    return metrics.count_refusal("connection", Code::ServerFull);
                };
                let peer = Peer { address, _permit: permit, _present: present, _connected: metrics.connected() };
                tokio::spawn(serve(
                    stream,
                    router.clone(),
                    Arc::new(peer),
                    config.timings,
                    stopping.clone(),
                ));
            }) => {}
        }
        drop(listener);
        hub.stop();
        stop.send_replace(true);
        let closed =
            timeout(config.timings.shutdown, connections.acquire_many(config.limits.connections)).await;
        tracing::info!(all_closed = closed.is_ok(), "the server stopped");
    }
}

fn rules(config: &Config) -> Rules {
    let Timings { away_grace, receiver_grace, lease, presence, .. } = config.timings;
    let max_receivers = config.limits.receivers;
    Rules { lease, grace: receiver_grace, presence, sender_grace: away_grace, max_receivers }
}

// Ends with what holds it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    serve: impl Fn(TcpStream, IpAddr, OwnedSemaphorePermit),
) {
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => serve(stream, address.ip(), permit),
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
