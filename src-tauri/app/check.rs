//! "Test connection": what works from here, and what does not.

use crate::api::{Check, CheckOf, CheckResult, Failure};
use crate::state::{Shell, ice_servers};
use sluice_engine::check;
use sluice_engine::rtc::IceServer;
use sluice_protocol::link::ServerUrl;
use sluice_server::host;

/// Looks at everything at once; takes some seconds where something does not answer.
pub async fn all(shell: &Shell) -> Vec<Check> {
    let servers = ice_servers(&shell.lock().settings);
    let of_kind = |kind: &str| {
        let found = servers.iter().find(|server| server.urls.iter().any(|url| url.starts_with(kind)));
        found.cloned()
    };
    let (server, stun, turn) = tokio::join!(server(shell), stun(of_kind("stun:")), turn(of_kind("turn:")));
    vec![server, stun, turn, local_network()]
}

async fn server(shell: &Shell) -> Check {
    let asked = async {
        let named = shell.lock().settings.server.clone();
        let url = match named {
            Some(named) => {
                ServerUrl::parse(&named).map_err(|error| Failure::detailed(error.code(), error))?
            }
            None => shell.open_host().await?.url,
        };
        Ok::<_, Failure>(check::server(&url).await?)
    };
    told(CheckOf::Server, asked.await.map(|took| took.as_millis().max(1).to_string()))
}

async fn stun(server: Option<IceServer>) -> Check {
    let Some(url) = server.and_then(|server| server.urls.into_iter().next()) else {
        return not_set(CheckOf::Stun);
    };
    let asked = check::stun(&url).await;
    told(CheckOf::Stun, asked.map(|address| address.ip().to_string()).map_err(Failure::from))
}

async fn turn(server: Option<IceServer>) -> Check {
    let Some(server) = server else { return not_set(CheckOf::Turn) };
    told(CheckOf::Turn, check::turn(server).await.map_err(Failure::from))
}

fn local_network() -> Check {
    let address = host::lan_address();
    let result = if address.is_some() { CheckResult::Works } else { CheckResult::Fails };
    Check { of: CheckOf::LocalNetwork, result, detail: address.map(|address| address.to_string()) }
}

fn told(of: CheckOf, asked: Result<String, Failure>) -> Check {
    match asked {
        Ok(detail) => Check { of, result: CheckResult::Works, detail: Some(detail) },
        Err(failure) => {
            let detail = failure.detail.unwrap_or_else(|| failure.code.sentence().to_owned());
            Check { of, result: CheckResult::Fails, detail: Some(detail) }
        }
    }
}

fn not_set(of: CheckOf) -> Check {
    Check { of, result: CheckResult::NotSet, detail: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::IceSetting;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_answers_works_and_what_does_not_fails_in_words() {
        let lab = crate::lab::Lab::new();
        let shell = lab.shell("one").await;
        let checks = all(&shell).await;
        assert_eq!(
            checks.iter().map(|check| check.of).collect::<Vec<_>>(),
            [CheckOf::Server, CheckOf::Stun, CheckOf::Turn, CheckOf::LocalNetwork]
        );
        assert_eq!(
            (checks[0].result, checks[1].result, checks[2].result),
            (CheckResult::Works, CheckResult::NotSet, CheckResult::NotSet)
        );
        // Nobody listens there, and the system says so at once.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ice = |url: String| IceSetting { url, username: "u".into(), credential: "c".into() };
        let ice = [ice(format!("stun:{silent}")), ice(format!("turn:{silent}"))];
        let change = serde_json::json!({ "server": "http://127.0.0.1:9", "ice": ice });
        shell.save_settings(serde_json::from_value(change).unwrap()).await.unwrap();
        let checks = all(&shell).await;
        for check in &checks[..3] {
            assert_eq!(check.result, CheckResult::Fails, "{check:?}");
            assert!(!check.detail.as_ref().unwrap().is_empty());
        }
        shell.close().await;
    }
}
