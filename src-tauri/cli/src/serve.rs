//! `sluice serve`: a server until interrupted.

use crate::args::ServeArgs;
use crate::embedded::{random_secret, server_failed};
use crate::{host, print, signals};
use serde::Serialize;
use sluice_engine::error::EngineError;
use sluice_server::{Config, Server};
use std::net::SocketAddr;

/// What a server tells. In JSON each has `event` and the fields below.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum ServeEvent {
    /// It listens; always the first.
    Listening { address: SocketAddr, url: String },
    /// It has stopped, in order.
    Stopped,
}

/// Listens, says where, and serves until the first signal.
///
/// # Errors
/// It can't listen.
pub async fn run(args: ServeArgs) -> Result<(), EngineError> {
    let interrupted = signals::listen();
    let server = Server::bind(Config::new(args.listen, random_secret()?)).await.map_err(server_failed)?;
    let address = server.local_addr();
    let url = format!("http://{}", host::reachable(address, host::lan_address()));
    if args.json {
        print::json_line(&ServeEvent::Listening { address, url });
    } else {
        print::out_line(&url);
        print::note(&format!("Listening on {address}. Ctrl-C stops it."));
    }
    server.run(interrupted.cancelled_owned()).await;
    if args.json {
        print::json_line(&ServeEvent::Stopped);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_events_are_as_documented() {
        let json = |event: &ServeEvent| serde_json::to_string(event).unwrap();
        let listening = ServeEvent::Listening {
            address: "127.0.0.1:7575".parse().unwrap(),
            url: "http://127.0.0.1:7575".into(),
        };
        assert_eq!(
            json(&listening),
            r#"{"event":"listening","address":"127.0.0.1:7575","url":"http://127.0.0.1:7575"}"#
        );
        assert_eq!(json(&ServeEvent::Stopped), r#"{"event":"stopped"}"#);
    }
}
