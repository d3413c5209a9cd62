//! `sluice serve`: a server until interrupted.

mod plan;
mod settings;

pub use plan::{Environment, Plan};
pub use settings::Settings;

use crate::failures::server_failed;
use crate::{print, signals};
use plan::Summary;
use serde::Serialize;
use sluice_engine::error::EngineError;
use sluice_server::{Server, host};
use std::net::SocketAddr;

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    key: &'static str,
    reason: String,
}

impl ConfigError {
    fn new(key: &'static str, reason: String) -> Self {
        ConfigError { key, reason }
    }
}

/// What a server tells. In JSON each has `event` and the fields below.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum ServeEvent<'a> {
    /// With `--check`: what it would run with. The only one then.
    Checked(&'a Summary),
    /// It listens; always the first.
    Listening { address: SocketAddr, url: String },
    /// It has stopped, in order.
    Stopped,
}

/// Tells what would run.
///
/// # Errors
/// None in practice.
pub fn check(plan: &Plan, json: bool) -> Result<(), ConfigError> {
    let Summary { settings, keys, operator, ice_servers } = &plan.summary;
    if json {
        print::json_line(&ServeEvent::Checked(&plan.summary));
        return Ok(());
    }
    let text = toml::to_string(settings).map_err(|error| ConfigError::new("config", error.to_string()))?;
    print::out_line(text.trim_end());
    print::note(&match keys {
        0 => "A fresh key signs tickets: other instances don't take them.".to_owned(),
        keys => format!("Keys: {keys}."),
    });
    print::note(if *operator {
        "The statistics are open to the operator."
    } else {
        "The statistics are closed."
    });
    print::note(&format!("STUN and TURN servers: {ice_servers}."));
    Ok(())
}

/// Listens, says where, and serves until the first signal.
///
/// # Errors
/// It can't listen.
pub async fn run(plan: Plan, json: bool) -> Result<(), EngineError> {
    let interrupted = signals::listen();
    let server = Server::bind(plan.config).await.map_err(server_failed)?;
    let address = server.local_addr();
    let url = format!("http://{}", host::reachable(address, host::lan_address()));
    if json {
        print::json_line(&ServeEvent::Listening { address, url });
    } else {
        print::out_line(&url);
        print::note(&format!("Listening on {address}. Ctrl-C stops it."));
    }
    server.run(interrupted.cancelled_owned()).await;
    if json {
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
        let json = |event: &ServeEvent<'_>| serde_json::to_string(event).unwrap();
        let listening = ServeEvent::Listening {
            address: "127.0.0.1:7575".parse().unwrap(),
            url: "http://127.0.0.1:7575".into(),
        };
        assert_eq!(
            json(&listening),
            r#"{"event":"listening","address":"127.0.0.1:7575","url":"http://127.0.0.1:7575"}"#
        );
        assert_eq!(json(&ServeEvent::Stopped), r#"{"event":"stopped"}"#);
        let settings = toml::Table::from_iter([("drain".to_owned(), toml::Value::Integer(0))]);
        let summary = Summary { settings, keys: 2, operator: true, ice_servers: 1 };
        assert_eq!(
            json(&ServeEvent::Checked(&summary)),
            r#"{"event":"checked","settings":{"drain":0},"keys":2,"operator":true,"ice_servers":1}"#
        );
    }
}
