//! The server inside `sluice send`, and the link's address for it.

use crate::args::DEFAULT_PORT;
use crate::host;
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;
use sluice_protocol::link::ServerUrl;
use sluice_server::{Config, Keys, Server, ServerError};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server that runs in this process.
pub struct Embedded {
    /// Where receivers reach it.
    pub url: ServerUrl,
    /// Where it listens.
    pub address: SocketAddr,
    /// What a person should know about `url`, if anything.
    pub note: Option<String>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Listens where it is told, or else on all interfaces: on the port of the last time, on the usual one, or on any.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] if it can't listen.
    pub async fn start(listen: Option<SocketAddr>, last_port: Option<u16>) -> Result<Self, EngineError> {
        let server = bind(&candidates(listen, last_port)).await?;
        let address = server.local_addr();
        let (url, note) = public_url(address, host::lan_address())?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(stop.clone().cancelled_owned()));
        Ok(Embedded { url, address, note, stop, task })
    }

    /// Waits until it stops by itself, which is a failure.
    pub async fn failed(&mut self) -> EngineError {
        let detail = match (&mut self.task).await {
            Ok(()) => "the embedded server stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        EngineError::Detailed { code: Code::ServerFailed, detail }
    }

    /// Stops it, and waits for its connections as long as it does itself.
    pub async fn stop(self) {
        self.stop.cancel();
        // It has nothing to say; a panic was printed already.
        let _ = self.task.await;
    }
}

fn candidates(listen: Option<SocketAddr>, last_port: Option<u16>) -> Vec<SocketAddr> {
    let all = |port: u16| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match (listen, last_port) {
        (Some(listen), _) => vec![listen],
        (None, Some(port)) if port != DEFAULT_PORT => vec![all(port), all(DEFAULT_PORT), all(0)],
        (None, _) => vec![all(DEFAULT_PORT), all(0)],
    }
}

async fn bind(candidates: &[SocketAddr]) -> Result<Server, EngineError> {
    let mut last = None;
    for &address in candidates {
        match Server::bind(Config::new(address, fresh_keys()?)).await {
            Ok(server) => return Ok(server),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Code::ServerFailed.into(), server_failed))
}

/// A server's failure to start, in the words of the engine.
// Taken whole, so that it can be handed to `map_err`.
#[allow(clippy::needless_pass_by_value)]
pub fn server_failed(error: ServerError) -> EngineError {
    EngineError::Detailed { code: error.code(), detail: error.to_string() }
}

// Nobody else needs to know what an embedded server signs its tokens with.
fn fresh_keys() -> Result<Keys, EngineError> {
    Keys::random()
        .map_err(|error| EngineError::Detailed { code: Code::ServerFailed, detail: error.to_string() })
}

/// The address that stands in the link, and what a person should know about it.
fn public_url(
    listening: SocketAddr,
    lan: Option<Ipv4Addr>,
) -> Result<(ServerUrl, Option<String>), EngineError> {
    let parse = |address: SocketAddr| ServerUrl::parse(&format!("http://{address}"));
    let reached = host::reachable(listening, lan);
    match parse(reached) {
        Ok(url) if listening.ip().is_unspecified() && lan.is_none() => Ok((
            url,
            Some("This computer is in no network: the link works on this computer only.".to_owned()),
        )),
        Ok(url) => Ok((url, None)),
        Err(_) if listening.ip().is_unspecified() => {
            let note = format!(
                "This computer's address, {}, is public, where plain HTTP is refused: the link works on this \
                 computer only. For others, name a server with --server.",
                reached.ip()
            );
            let url = parse((Ipv4Addr::LOCALHOST, listening.port()).into()).map_err(link_failed)?;
            Ok((url, Some(note)))
        }
        Err(error) => Err(link_failed(error)),
    }
}

/// A link's or an address' failure, in the words of the engine.
pub fn link_failed(error: sluice_protocol::link::LinkError) -> EngineError {
    EngineError::Detailed { code: error.code(), detail: error.to_string() }
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
        assert_eq!(texts(&candidates(None, None)), ["0.0.0.0:7575", "0.0.0.0:0"]);
        assert_eq!(texts(&candidates(None, Some(7575))), ["0.0.0.0:7575", "0.0.0.0:0"]);
        assert_eq!(texts(&candidates(None, Some(9))), ["0.0.0.0:9", "0.0.0.0:7575", "0.0.0.0:0"]);
        let told = Some("127.0.0.1:1".parse().unwrap());
        assert_eq!(texts(&candidates(told, Some(9))), ["127.0.0.1:1"]);
    }

    #[test]
    fn the_link_names_an_address_that_receivers_accept() {
        let url = |listening: &str, lan: Option<&str>| {
            public_url(listening.parse().unwrap(), lan.map(|lan| lan.parse().unwrap()))
                .map(|(url, note)| (url.to_string(), note.is_some()))
                .map_err(|error| error.code())
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
        assert_eq!(bind(&[taken]).await.unwrap_err().code(), Code::ServerFailed);
    }
}
