//! The servers that help to find a path between peers, as the share's server tells them.

use super::http::Api;
use crate::rtc::IceServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

// A connection is better made without help than late.
const PATIENCE: Duration = Duration::from_secs(3);
// How long an answer is good that says nothing about it.
const PLAIN_TTL: Duration = Duration::from_secs(60);

// How long a server that did not answer is left alone.
const AGAIN: Duration = Duration::from_secs(3);

/// Asks for them, at most once in half of the time that an answer is good for. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct IceSource {
    api: Api,
    token: watch::Receiver<Option<String>>,
    // Held while it asks: those who come meanwhile take the same answer.
    known: Arc<Mutex<Option<Known>>>,
}

#[derive(Debug)]
struct Known {
    servers: Vec<IceServer>,
    // Asked for anew from then on.
    stale: Instant,
    // Of no use from then on.
    dead: Instant,
}

impl IceSource {
    pub(super) fn new(api: Api, token: watch::Receiver<Option<String>>) -> Self {
        IceSource { api, token, known: Arc::default() }
    }

    /// The servers for a connection that is made now; none when the server does not tell, which is no error.
    pub(crate) async fn servers(&self) -> Vec<IceServer> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| Instant::now() < known.stale) {
            return known.servers.clone();
        }
        let token = self.token.borrow().clone();
        let Some(token) = token else { return Vec::new() };
        let answer = self.api.ice(&token, PATIENCE).await;
        let now = Instant::now();
        let fresh = match answer {
            Ok(answer) => {
                // No server can make this client believe for longer than a day.
                let ttl = answer.ttl.map_or(PLAIN_TTL, |seconds| Duration::from_secs(seconds.min(86_400)));
                let servers = answer.ice_servers.into_iter().map(|server| IceServer {
                    urls: server.urls,
                    username: server.username.unwrap_or_default(),
                    credential: server.credential.unwrap_or_default(),
                });
                Known { servers: servers.collect(), stale: now + ttl / 2, dead: now + ttl }
            }
            Err(refusal) => {
                tracing::debug!(error = %refusal.error, "no servers for a path were told");
                let old = known.take().filter(|known| now < known.dead);
                let nothing = || Known { servers: Vec::new(), stale: now, dead: now };
                Known { stale: now + AGAIN, ..old.unwrap_or_else(nothing) }
            }
        };
        known.insert(fresh).servers.clone()
    }

    /// Forgets what was told: a server did not take its credentials.
    pub(crate) async fn forget(&self) {
        *self.known.lock().await = None;
    }
}
