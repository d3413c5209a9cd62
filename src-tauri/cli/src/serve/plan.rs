//! From what was said to what runs: reads the files and secrets, and refuses what would fail later.

use super::ConfigError;
use super::settings::Settings;
use crate::args::ServeArgs;
use crate::log::LogFormat;
use serde::Serialize;
use sluice_server::{Config, Ice, Keys, Limits, OperatorToken, Proxies, StoreUrl};
use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "SLUICE_SECRET";
const OPERATOR_TOKEN: &str = "SLUICE_OPERATOR_TOKEN";
const TURN_SECRET: &str = "SLUICE_TURN_SECRET";

/// What will run.
pub struct Plan {
    /// For the server.
    pub config: Config,
    /// How to log, if at all.
    pub log: Option<LogFormat>,
    /// The same for a person.
    pub summary: Summary,
}

/// What `--check` tells: all that holds, and of secrets only that they are there.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Every setting, as its file would say it.
    pub settings: toml::Table,
    /// How many keys were given; 0 when a fresh one is made.
    pub keys: usize,
    /// Whether the statistics can be opened.
    pub operator: bool,
    /// How many STUN and TURN servers peers are told of.
    pub ice_servers: usize,
}

/// Secrets of the environment, which have no flags: others could read those in the list of processes.
#[derive(Default)]
pub struct Environment {
    secret: Option<String>,
    operator_token: Option<String>,
    turn_secret: Option<String>,
}

impl Environment {
    /// Those of this process; an empty one is none.
    pub fn read() -> Self {
        let read = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        Environment {
            secret: read(SECRET),
            operator_token: read(OPERATOR_TOKEN),
            turn_secret: read(TURN_SECRET),
        }
    }
}

impl Plan {
    /// Reads everything that is named.
    ///
    /// # Errors
    /// Names the setting that is at fault.
    pub fn new(args: &ServeArgs, environment: Environment) -> Result<Self, ConfigError> {
        let said = match &args.config {
            Some(file) => Settings::parse(&read("config", file)?, file)?,
            None => Settings::default(),
        };
        let settings = args.settings.or(&said.or(&Settings::defaults())?)?;
        let (config, keys) = config(&settings, environment)?;
        let summary = Summary {
            settings: shown(&settings, &config)?,
            keys,
            operator: config.operator.is_some(),
            ice_servers: config.ice.count(),
        };
        Ok(Plan { config, log: settings.log_format, summary })
    }
}

fn config(settings: &Settings, environment: Environment) -> Result<(Config, usize), ConfigError> {
    let Environment { secret, operator_token, turn_secret } = environment;
    let listen = settings.listen.ok_or_else(|| ConfigError::new("listen", "there is none".to_owned()))?;
    let secret = given("secret-file", settings.secret_file.as_deref(), secret)?;
    let (keys, count) = match secret {
        Some(secret) => {
            let keys = Keys::parse(secret.split([',', '\n'])).map_err(|error| at("secret-file", error))?;
            let count = keys.count();
            (keys, count)
        }
        None => (Keys::random().map_err(|error| at("secret-file", error))?, 0),
    };
    let operator = given("operator-token-file", settings.operator_token_file.as_deref(), operator_token)?
        .map(|token| OperatorToken::parse(&token).map_err(|error| at("operator-token-file", error)))
        .transpose()?;
    let store: StoreUrl =
        settings.store.as_deref().unwrap_or("memory").parse().map_err(|error| at("store", error))?;
    let turn_secret = given("turn-secret-file", settings.turn_secret_file.as_deref(), turn_secret)?;
    let mut config = Config::new(listen, keys);
    config.store = store;
    config.ice = ice(settings, turn_secret)?;
    config.operator = operator;
    config.proxies = Proxies {
        hops: settings.trust_forwarded.unwrap_or_default(),
        header: settings.forwarded_header.map(Into::into).unwrap_or_default(),
    };
    config.log_addresses = settings.log_addresses.unwrap_or_default();
    config.timings.drain = Duration::from_secs(settings.drain.unwrap_or_default().into());
    config.limits = limits(settings)?;
    Ok((config, count))
}

fn ice(settings: &Settings, turn_secret: Option<String>) -> Result<Ice, ConfigError> {
    let mut ice = Ice::default();
    if let Some(json) = settings.ice_servers.as_deref().filter(|json| !json.trim().is_empty()) {
        ice = Ice::parse(json).map_err(|error| at("ice-servers", error))?;
    }
    let urls = settings.turn_urls.clone().unwrap_or_default();
    match turn_secret {
        Some(secret) => {
            let ttl = Duration::from_secs(settings.turn_ttl.unwrap_or_default().into());
            ice.with_turn(urls, &secret, ttl)
                .map_err(|error| at("turn-urls, turn-secret-file or turn-ttl", error))
        }
        None if urls.is_empty() => Ok(ice),
        None => {
            Err(ConfigError::new("turn-urls", "credentials need a secret, see turn-secret-file".to_owned()))
        }
    }
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let at_least_1 = |key, number: Option<u32>| match number {
        Some(number) if number > 0 => Ok(number),
        _ => Err(ConfigError::new(key, "must be at least 1".to_owned())),
    };
    Ok(Limits {
        shares: at_least_1("max-shares", settings.max_shares)?,
        receivers: at_least_1("max-receivers", settings.max_receivers)?,
        connections: at_least_1("max-connections", settings.max_connections)?,
        shares_per_address: settings.shares_per_address.unwrap_or_default(),
        receivers_per_address: settings.receivers_per_address.unwrap_or_default(),
        connections_per_address: settings.connections_per_address.unwrap_or_default(),
        creates_per_minute: settings.creates_per_minute.unwrap_or_default(),
        joins_per_minute: settings.joins_per_minute.unwrap_or_default(),
        messages_per_second: settings.messages_per_second.unwrap_or_default(),
    })
}

// A secret from its file or from the environment; not from both, as one of them would be forgotten.
fn given(
    key: &'static str,
    file: Option<&Path>,
    variable: Option<String>,
) -> Result<Option<String>, ConfigError> {
    match (file, variable) {
        (Some(_), Some(_)) => {
            Err(ConfigError::new(key, "the environment has the same secret: remove one of them".to_owned()))
        }
        (Some(file), None) => read(key, file).map(Some),
        (None, variable) => Ok(variable),
    }
}

fn read(key: &'static str, file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::new(key, format!("{}: {error}", file.display())))
}

fn at(key: &'static str, error: impl std::fmt::Display) -> ConfigError {
    ConfigError::new(key, error.to_string())
}

// Without the passwords that stand in a URL or a list.
fn shown(settings: &Settings, config: &Config) -> Result<toml::Table, ConfigError> {
    let mut shown = settings.clone();
    shown.store = Some(config.store.to_string());
    if shown.ice_servers.is_some() {
        shown.ice_servers = Some("(given)".to_owned());
    }
    toml::Table::try_from(&shown).map_err(|error| at("config", error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn args(line: &str) -> ServeArgs {
        let line = format!("sluice serve {line}");
        let Command::Serve(args) = Args::try_parse_from(line.split_whitespace()).unwrap().command else {
            panic!()
        };
        *args
    }

    fn secrets(secret: &str) -> Environment {
        Environment { secret: Some(secret.to_owned()), ..Environment::default() }
    }

    fn refused(line: &str, environment: Environment) -> String {
        Plan::new(&args(line), environment).err().unwrap().to_string()
    }

    #[test]
    fn without_a_word_it_is_the_servers_own_configuration() {
        let plan = Plan::new(&args(""), Environment::default()).unwrap();
        let listen = "127.0.0.1:7575".parse().unwrap();
        let expected = Config::new(listen, Keys::random().unwrap());
        assert_eq!(format!("{:?}", plan.config), format!("{expected:?}"));
        assert_eq!((plan.summary.keys, plan.log), (0, None));
    }

    #[test]
    fn everything_that_is_said_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let keys = file("keys", "the newer secret\nthe older secret\n");
        let turn = file("turn", "a secret of some length\n");
        let config = file(
            "sluice.toml",
            &format!(
                "secret-file = {keys:?}\nturn-secret-file = {turn:?}\nturn-urls = [\"turn:a\", \"turns:b\"]\n\
                 ice-servers = '[{{\"urls\":\"stun:s\"}}]'\nstore = \"redis://:hush@cache\"\nmax-shares = 5\n\
                 trust-forwarded = 1\nlog-format = \"json\"\njoins-per-minute = 0"
            ),
        );
        let token = Some("an operator's-token".replace(' ', "-"));
        let environment = Environment { operator_token: token, ..Environment::default() };
        let plan =
            Plan::new(&args(&format!("--config {config} --max-shares 6 --drain 4")), environment).unwrap();
        let limits = plan.config.limits;
        assert_eq!((limits.shares, limits.joins_per_minute, limits.receivers), (6, 0, 10_000));
        assert_eq!((plan.config.proxies.hops, plan.config.timings.drain.as_secs()), (1, 4));
        assert_eq!(plan.log, Some(LogFormat::Json));
        let Summary { keys, operator, ice_servers, .. } = plan.summary;
        assert_eq!((keys, operator, ice_servers), (2, true, 2));
        assert_eq!(plan.summary.settings["store"].as_str(), Some("redis://cache"));
        assert!(!format!("{:?}", plan.summary).contains("hush"));
    }

    #[test]
    fn what_would_fail_later_is_refused_by_its_key() {
        let none = Environment::default;
        for (line, key) in [
            ("--config /nowhere/sluice.toml", "config: "),
            ("--secret-file /nowhere/keys", "secret-file: "),
            ("--store disk", "store: "),
            ("--ice-servers [1]", "ice-servers: "),
            ("--turn-url turn:a", "turn-urls: "),
        ] {
            let told = refused(line, none());
            assert!(told.starts_with(key), "{line}: {told}");
        }
        let told = refused("", secrets("hush"));
        assert!(told.starts_with("secret-file: ") && !told.contains("hush"), "{told}");
        let told = refused("--secret-file x", secrets("the first secret"));
        assert!(told.contains("remove one of them"), "{told}");
        let token = Environment { operator_token: Some("hush".to_owned()), ..none() };
        assert!(refused("", token).starts_with("operator-token-file: "));
        let turn = |secret: &str| Environment { turn_secret: Some(secret.to_owned()), ..none() };
        assert!(refused("", turn("a secret of some length")).contains("needs both"));
        assert!(refused("--turn-url turn:a", turn("hush")).contains("shorter"));
        assert!(
            refused("--turn-url turn:a --turn-ttl 5", turn("a secret of some length")).contains("minute")
        );
    }
}
