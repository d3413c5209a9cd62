//! The server inside this app, shared by all shares that name no other.

use crate::api::{Failure, Reach};
use crate::state::Shell;
use sluice_protocol::link::ServerUrl;
use sluice_server::embedded::{Embedded, candidates};
use sluice_server::host;
use std::net::Ipv4Addr;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The server, once it is needed.
#[derive(Default)]
pub struct Host {
    running: Mutex<Option<Running>>,
}

struct Running {
    hosted: Hosted,
    // This computer's address when it was started.
    address: Option<Ipv4Addr>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Where the server is.
#[derive(Debug, Clone)]
pub struct Hosted {
    /// Its address in links.
    pub url: ServerUrl,
    /// From where that is reached.
    pub reach: Reach,
    /// Where it listens.
    pub port: u16,
    /// Cancelled when it is no more.
    pub gone: CancellationToken,
}

impl Host {
    /// The server, which is started if it does not run: at the port of the last time, at the usual one, or at any.
    ///
    /// # Errors
    /// It can't listen.
    pub async fn open(&self, usual: u16, last: Option<u16>) -> Result<Hosted, Failure> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.hosted.gone.is_cancelled()) {
            return Ok(running.hosted.clone());
        }
        let address = host::lan_address();
        let embedded = Embedded::start(&candidates(usual, last))
            .await
            .map_err(|error| Failure::detailed(error.code(), error))?;
        let reach = match embedded.narrowed {
            Some(_) => Reach::Computer,
            None if embedded.url.is_loopback() => Reach::Computer,
            None => Reach::Network,
        };
        let hosted = Hosted {
            url: embedded.url.clone(),
            reach,
            port: embedded.address.port(),
            gone: CancellationToken::new(),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(watch(embedded, stopped, hosted.gone.clone()));
        *running = Some(Running { hosted: hosted.clone(), address, stop, task });
        Ok(hosted)
    }

    /// Whether this computer has another address than when the server was started, so that its links lead nowhere.
    pub async fn has_moved(&self) -> bool {
        let running = self.running.lock().await;
        running.as_ref().is_some_and(|running| running.address != host::lan_address())
    }

    /// Stops it, if it runs; it starts again when it is needed.
    pub async fn stop(&self) {
        if let Some(Running { stop, task, .. }) = self.running.lock().await.take() {
            let _ = stop.send(());
            // A panic in it was printed already.
            let _ = task.await;
        }
    }
}

impl Shell {
    /// The server in this app, as the settings and the last time have it.
    pub(crate) async fn open_host(&self) -> Result<Hosted, Failure> {
        let (usual, last) = {
            let desk = self.lock();
            (desk.settings.embedded_port, desk.port)
        };
        let hosted = self.host().open(usual, last).await?;
        self.change(|desk| {
            desk.unkept.shares |= desk.port != Some(hosted.port);
            desk.port = Some(hosted.port);
        });
        Ok(hosted)
    }
}

async fn watch(mut embedded: Embedded, stopped: oneshot::Receiver<()>, gone: CancellationToken) {
    tokio::select! {
        error = embedded.failed() => tracing::warn!(%error, "the server in this app"),
        _ = stopped => embedded.stop().await,
    }
    gone.cancel();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn there_is_one_for_all_and_it_comes_back_to_its_port() {
        let host = Host::default();
        let first = host.open(0, None).await.unwrap();
        let second = host.open(0, None).await.unwrap();
        assert_eq!(first.port, second.port);
        assert!(!first.gone.is_cancelled() && !host.has_moved().await);
        host.stop().await;
        assert!(first.gone.is_cancelled());
        let again = host.open(0, Some(first.port)).await.unwrap();
        assert_eq!((again.port, again.url), (first.port, first.url));
        host.stop().await;
    }
}
