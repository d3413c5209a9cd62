//! The way to Redis, one node or a cluster: every question is answered within a bounded time, and connections that
//! are lost are made again.

use crate::config::StoreUrl;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisError, Value,
};
use rustls::CertificateError;
use sluice_protocol::error::Code;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// Within this time a question is answered, or the store is unavailable. Redis answers in less than a millisecond, and
/// a sweep of the longest line takes some ten.
pub(super) const DEADLINE: Duration = Duration::from_millis(1500);
const CONNECT: Duration = Duration::from_secs(1);
// A cluster's node that does not answer may have been replaced without saying so: then all connections are made
// anew, but not more often than this.
const RENEWAL: Duration = Duration::from_secs(2);

/// What Redis says unasked, and on which of a link's connections, counted from 0.
pub(super) type Pushes = UnboundedSender<(u64, PushInfo)>;

/// A connection, or one to each node of a cluster. What is asked on it is asked at the same time.
pub(super) struct Link {
    // Unless it is one node, whose connection sees to itself.
    cluster: Option<Box<ClusterClient>>,
    current: Mutex<Current>,
    pushes: Option<Pushes>,
    // The last answer was a failure: that it goes on is nothing new for the log.
    down: AtomicBool,
}

#[derive(Clone)]
struct Current {
    connection: Connection,
    number: u64,
    since: Instant,
}

#[derive(Clone)]
enum Connection {
    Node(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        let value = match self {
            Connection::Node(node) => node.req_packed_command(command).await,
            Connection::Cluster(cluster) => cluster.req_packed_command(command).await,
        }?;
        value.extract_error()
    }
}

impl Link {
    /// A link that connects when it is first used. Needs a tokio runtime. What Redis says unasked goes to `pushes`.
    ///
    /// # Errors
    /// For a URL that is not of Redis.
    pub(super) fn new(url: &StoreUrl, pushes: Option<Pushes>) -> Result<Self, RedisError> {
        let (cluster, connection) = match url {
            StoreUrl::Memory => return Err((ErrorKind::InvalidClientConfig, "memory is not Redis").into()),
            StoreUrl::Redis(url) => (None, Connection::Node(node(url, pushes.as_ref())?)),
            StoreUrl::RedisCluster(urls) => {
                let nodes: Vec<_> = urls.iter().map(|url| resp3(url)).collect::<Result<_, _>>()?;
                let client = ClusterClient::builder(nodes)
                    // Our own deadline is near: the rest is for the caller to try again.
                    .retries(3)
                    .min_retry_wait(20)
                    .max_retry_wait(300)
                    .build()?;
                let connection = Connection::Cluster(connect(&client, pushes.as_ref(), 0));
                (Some(Box::new(client)), connection)
            }
        };
        let current = Mutex::new(Current { connection, number: 0, since: Instant::now() });
        Ok(Link { cluster, current, pushes, down: AtomicBool::new(false) })
    }

    /// What Redis answers to `command`.
    ///
    /// # Errors
    /// What Redis refuses, and [`ErrorKind::Io`] and its like where it can't be reached.
    pub(super) async fn try_ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let Current { mut connection, number, .. } = self.lock().clone();
        let answer = match tokio::time::timeout(DEADLINE, connection.ask(command)).await {
            Ok(answer) => answer,
            Err(_) => Err(RedisError::from((ErrorKind::Io, "no answer in time"))),
        };
        if let Err(error) = &answer
            && !matches!(error.kind(), ErrorKind::Server(_))
        {
            tracing::debug!(kind = ?error.kind(), "Redis did not answer");
            self.renew(number);
        }
        if answer.is_ok() && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis can be used again");
        }
        answer
    }

    /// As [`Self::try_ask`], for those who expect no refusal.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`].
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Code> {
        self.try_ask(command).await.map_err(|error| self.unavailable(&error))
    }

    /// What a caller is told of an error that is not its own.
    pub(super) fn unavailable(&self, error: &RedisError) -> Code {
        // Nothing of what Redis says in words: it may repeat an address.
        let (kind, code, certificate) = (error.kind(), error.code(), certificate(error));
        if self.down.swap(true, Ordering::Relaxed) {
            tracing::debug!(?kind, code, certificate, "Redis still can't be used");
        } else {
            tracing::warn!(?kind, code, certificate, "Redis can't be used");
        }
        Code::StoreUnavailable
    }

    /// Which of its connections is in use, counted from 0. What older ones still say is of no use.
    pub(super) fn number(&self) -> u64 {
        self.lock().number
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // Nothing is left half done under this lock.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Connects anew, unless that was done since connection `failed` was made.
    fn renew(&self, failed: u64) {
        let Some(client) = &self.cluster else {
            return;
        };
        let mut current = self.lock();
        if current.number == failed && current.since.elapsed() >= RENEWAL {
            let number = failed + 1;
            let connection = Connection::Cluster(connect(client, self.pushes.as_ref(), number));
            *current = Current { connection, number, since: Instant::now() };
            if let Some(pushes) = &self.pushes {
                // The old one goes without a word.
                let _ = pushes.send((number, PushInfo { kind: PushKind::Disconnection, data: Vec::new() }));
            }
        }
    }
}

// What is wrong with Redis's certificate, if that is the trouble.
fn certificate(error: &RedisError) -> Option<&'static str> {
    let source = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    let rustls::Error::InvalidCertificate(error) =
        source.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()?
    else {
        return None;
    };
    Some(match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "signed by nobody that is trusted here"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "made out to another host"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        _ => "not valid",
    })
}

fn resp3(url: &str) -> Result<ConnectionInfo, RedisError> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

fn node(url: &str, pushes: Option<&Pushes>) -> Result<ConnectionManager, RedisError> {
    let mut config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(DEADLINE))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(200));
    if let Some(pushes) = pushes.cloned() {
        config = config.set_push_sender(move |push| pushes.send((0, push)));
    }
    ConnectionManager::new_lazy_with_config(Client::open(resp3(url)?)?, config)
}

fn connect(client: &ClusterClient, pushes: Option<&Pushes>, number: u64) -> ClusterConnection {
    let mut config = ClusterConfig::new().set_connection_timeout(CONNECT).set_response_timeout(DEADLINE);
    if let Some(pushes) = pushes.cloned() {
        config = config.set_push_sender(move |push| pushes.send((number, push)));
    }
    client.get_pending_async_connection_with_config(config)
}
