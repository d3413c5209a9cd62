//! The server inside a sender's program, and the link's address for it.

use crate::config::Config;
use crate::host;
use crate::server::{Server, ServerError};
use crate::token::{Keys, KeysError};
use sluice_protocol::error::Code;
use sluice_protocol::link::{LinkError, ServerUrl};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// A server that runs in this process.
pub struct Embedded {
    /// Where receivers reach it.
    pub url: ServerUrl,
    /// Where it listens.
    pub address: SocketAddr,
    /// What narrows its reach to this computer, if anything.
    pub narrowed: Option<Narrowed>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Why a link works on this computer only, although the server listens on all interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrowed {
    /// This computer is in no network.
    NoNetwork,
    /// This computer's address is public, where plain HTTP is refused.
    PublicAddress(IpAddr),
}

/// Why there is no embedded server.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// It can't listen.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The system gave no keys for its tokens.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Its address is none that a link may name.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It stopped by itself.
    #[error("the embedded server stopped")]
    Stopped,
    /// It broke.
    #[error(transparent)]
    Broke(#[from] JoinError),
}

impl EmbeddedError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Server(error) => error.code(),
            Self::Link(error) => error.code(),
            Self::Keys(_) | Self::Stopped | Self::Broke(_) => Code::ServerFailed,
        }
    }
}

impl Embedded {
    /// Listens at the first of `candidates` that is free.
    ///
    /// # Errors
    /// [`EmbeddedError::Server`] if none is, [`EmbeddedError::Link`] if its address is none for a link.
    pub async fn start(candidates: &[SocketAddr]) -> Result<Self, EmbeddedError> {
        let server = bind(candidates).await?;
        let address = server.local_addr();
        let (url, narrowed) = public_url(address, host::lan_address())?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            // Dropped unheard, it means the same.
            let _ = stopped.await;
        }));
        Ok(Embedded { url, address, narrowed, stop, task })
    }

    /// Waits until it stops by itself, which is a failure.
    pub async fn failed(&mut self) -> EmbeddedError {
        match (&mut self.task).await {
            Ok(()) => EmbeddedError::Stopped,
            Err(error) => EmbeddedError::Broke(error),
        }
    }

    /// Stops it, and waits for its connections as long as it does itself.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        // It has nothing to say; a panic was printed already.
        let _ = self.task.await;
    }
}

/// Where to listen, in the order of trying: on all interfaces at the port of the last time, so that the link stays,
/// at the `usual` port, or at any.
pub fn candidates(usual: u16, last_port: Option<u16>) -> Vec<SocketAddr> {
    let all = |port: u16| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match last_port {
        Some(port) if port != usual => vec![all(port), all(usual), all(0)],
        _ => vec![all(usual), all(0)],
    }
}

async fn bind(candidates: &[SocketAddr]) -> Result<Server, EmbeddedError> {
    let mut last = EmbeddedError::Stopped;
    for &address in candidates {
        // Nobody else needs to know what an embedded server signs its tokens with.
        match Server::bind(Config::new(address, Keys::random()?)).await {
            Ok(server) => return Ok(server),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// The address that stands in the link, and what narrows it.
fn public_url(
    listening: SocketAddr,
    lan: Option<Ipv4Addr>,
) -> Result<(ServerUrl, Option<Narrowed>), LinkError> {
    let parse = |address: SocketAddr| ServerUrl::parse(&format!("http://{address}"));
    let reached = host::reachable(listening, lan);
    match parse(reached) {
        Ok(url) if listening.ip().is_unspecified() && lan.is_none() => Ok((url, Some(Narrowed::NoNetwork))),
        Ok(url) => Ok((url, None)),
        Err(_) if listening.ip().is_unspecified() => {
            let url = parse((Ipv4Addr::LOCALHOST, listening.port()).into())?;
            Ok((url, Some(Narrowed::PublicAddress(reached.ip()))))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(addresses: &[SocketAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_port_comes_first_so_that_the_link_stays() {
        assert_eq!(texts(&candidates(7575, None)), ["0.0.0.0:7575", "0.0.0.0:0"]);
        assert_eq!(texts(&candidates(7575, Some(7575))), ["0.0.0.0:7575", "0.0.0.0:0"]);
        assert_eq!(texts(&candidates(7575, Some(9))), ["0.0.0.0:9", "0.0.0.0:7575", "0.0.0.0:0"]);
    }

    #[test]
    fn the_link_names_an_address_that_receivers_accept() {
        let url = |listening: &str, lan: Option<&str>| {
            public_url(listening.parse().unwrap(), lan.map(|lan| lan.parse().unwrap()))
                .map(|(url, narrowed)| (url.to_string(), narrowed.is_some()))
                .map_err(LinkError::code)
        };
        assert_eq!(url("0.0.0.0:7575", Some("10.1.2.3")), Ok(("http://10.1.2.3:7575".into(), false)));
        assert_eq!(url("0.0.0.0:7575", None), Ok(("http://127.0.0.1:7575".into(), true)));
        assert_eq!(url("0.0.0.0:7575", Some("8.8.8.8")), Ok(("http://127.0.0.1:7575".into(), true)));
        assert_eq!(url("127.0.0.1:9", Some("10.1.2.3")), Ok(("http://127.0.0.1:9".into(), false)));
        assert_eq!(url("8.8.8.8:9", None), Err(Code::LinkInsecure));
    }

    #[tokio::test]
    async fn a_taken_port_is_passed_over_unless_it_was_asked_for() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = bind(&[taken, free]).await.unwrap();
        assert_ne!(server.local_addr(), taken);
        assert_eq!(bind(&[taken]).await.err().map(|error| error.code()), Some(Code::ServerFailed));
    }
}
