//! What an operator may say: one declaration is a flag, a variable of the environment and a key of the file, under
//! one name. `--turn-ttl`, `SLUICE_TURN_TTL` and `turn-ttl` are the same; the first of them that is there counts.

use super::ConfigError;
use crate::args::DEFAULT_PORT;
use crate::log::LogFormat;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sluice_server::{DEFAULT_TURN_TTL, Forwarded, Limits};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::Table;

/// What may be said; what is `None` was not. Secrets are never among it, but the files that hold them are.
#[derive(Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Where to listen; port 0 takes any free one [default: 127.0.0.1:7575].
    #[arg(long, env = "SLUICE_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where the queues are kept: memory, redis://HOST:PORT, or redis-cluster://HOST:PORT,HOST:PORT; rediss for TLS [default: memory].
    #[arg(long, env = "SLUICE_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// Keys that sign tickets, one a line, or set SLUICE_SECRET; without either a fresh one is made.
    #[arg(long, env = "SLUICE_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The token that opens /api/stats, or set SLUICE_OPERATOR_TOKEN; without either it is closed.
    #[arg(long, env = "SLUICE_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub operator_token_file: Option<PathBuf>,
    /// STUN and TURN servers to tell peers of: a list of RTCIceServer.
    #[arg(long, env = "WEBRTC_ICE_SERVERS_JSON", value_name = "JSON", hide_env_values = true)]
    pub ice_servers: Option<String>,
    /// TURN servers for which credentials are made; may be repeated.
    #[arg(long = "turn-url", env = "SLUICE_TURN_URLS", value_name = "URL", value_delimiter = ',')]
    pub turn_urls: Option<Vec<String>>,
    /// The secret shared with these TURN servers, or set SLUICE_TURN_SECRET.
    #[arg(long, env = "SLUICE_TURN_SECRET_FILE", value_name = "FILE")]
    pub turn_secret_file: Option<PathBuf>,
    /// For how long TURN credentials are good [default: 43200].
    #[arg(long, env = "SLUICE_TURN_TTL", value_name = "SECONDS")]
    pub turn_ttl: Option<u32>,
    /// Reverse proxies in front of the server, of which the outermost says whose address counts [default: 0].
    #[arg(long, env = "SLUICE_TRUST_FORWARDED", value_name = "HOPS")]
    pub trust_forwarded: Option<u8>,
    /// The header in which they say it [default: x-forwarded-for].
    #[arg(long, env = "SLUICE_FORWARDED_HEADER", value_enum)]
    pub forwarded_header: Option<ForwardedHeader>,
    /// The most shares at once, in this store [default: 10000].
    #[arg(long, env = "SLUICE_MAX_SHARES", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_shares: Option<u32>,
    /// The most receivers of one share, waiting ones included [default: 10000].
    #[arg(long, env = "SLUICE_MAX_RECEIVERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_receivers: Option<u32>,
    /// The most TCP connections at once; more wait [default: 16384].
    #[arg(long, env = "SLUICE_MAX_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// The most shares of one address at once; 0 for no limit [default: 100].
    #[arg(long, env = "SLUICE_SHARES_PER_ADDRESS", value_name = "N")]
    pub shares_per_address: Option<u32>,
    /// The most receivers of one address at once; 0 for no limit [default: 1000].
    #[arg(long, env = "SLUICE_RECEIVERS_PER_ADDRESS", value_name = "N")]
    pub receivers_per_address: Option<u32>,
    /// The most TCP connections of one address at once; 0 for no limit [default: 2000].
    #[arg(long, env = "SLUICE_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub connections_per_address: Option<u32>,
    /// How often one address may open a share; 0 for no limit [default: 60].
    #[arg(long, env = "SLUICE_CREATES_PER_MINUTE", value_name = "N")]
    pub creates_per_minute: Option<u32>,
    /// How often one address may join a share; 0 for no limit [default: 600].
    #[arg(long, env = "SLUICE_JOINS_PER_MINUTE", value_name = "N")]
    pub joins_per_minute: Option<u32>,
    /// Messages that a WebSocket takes, and twenty times as many at once; 0 for no limit [default: 100].
    #[arg(long, env = "SLUICE_MESSAGES_PER_SECOND", value_name = "N")]
    pub messages_per_second: Option<u32>,
    /// For how long it is not ready, and goes on, before it stops [default: 0].
    #[arg(long, env = "SLUICE_DRAIN", value_name = "SECONDS")]
    pub drain: Option<u32>,
    /// Log to standard error, in this form.
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// Name addresses in the log [default: false].
    #[arg(long, env = "SLUICE_LOG_ADDRESSES", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub log_addresses: Option<bool>,
}

/// The header in which reverse proxies say whom they speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// X-Forwarded-For.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

impl From<ForwardedHeader> for Forwarded {
    fn from(header: ForwardedHeader) -> Self {
        match header {
            ForwardedHeader::XForwardedFor => Forwarded::XForwardedFor,
            ForwardedHeader::Forwarded => Forwarded::Rfc7239,
        }
    }
}

impl Settings {
    /// What holds where nothing is said.
    pub fn defaults() -> Self {
        let limits = Limits::default();
        Settings {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))),
            store: Some("memory".to_owned()),
            turn_ttl: u32::try_from(DEFAULT_TURN_TTL.as_secs()).ok(),
            trust_forwarded: Some(0),
            forwarded_header: Some(ForwardedHeader::XForwardedFor),
            max_shares: Some(limits.shares),
            max_receivers: Some(limits.receivers),
            max_connections: Some(limits.connections),
            shares_per_address: Some(limits.shares_per_address),
            receivers_per_address: Some(limits.receivers_per_address),
            connections_per_address: Some(limits.connections_per_address),
            creates_per_minute: Some(limits.creates_per_minute),
            joins_per_minute: Some(limits.joins_per_minute),
            messages_per_second: Some(limits.messages_per_second),
            drain: Some(0),
            log_addresses: Some(false),
            ..Settings::default()
        }
    }

    /// What a file says, in TOML.
    ///
    /// # Errors
    /// Names the line and its key.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let number = text.bytes().take(start).filter(|&byte| byte == b'\n').count() + 1;
            let line = text.lines().nth(number - 1).unwrap_or_default();
            // Without what stands behind the key: it may be a secret.
            let key = line.split('=').next().unwrap_or_default().trim();
            let what = error.message().split(':').next().unwrap_or_default();
            ConfigError::new("config", format!("{}, line {number}, {key}: {what}", file.display()))
        })
    }

    /// All that is said here, and what `other` says besides.
    ///
    /// # Errors
    /// None in practice: both came from such tables.
    pub fn or(&self, other: &Settings) -> Result<Self, ConfigError> {
        let table = |settings: &Settings| Table::try_from(settings).map_err(unreadable);
        let mut all = table(other)?;
        all.extend(table(self)?);
        all.try_into().map_err(unreadable)
    }
}

// The store's URL and the list of servers may hold passwords, which do not print.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

fn unreadable(error: impl fmt::Display) -> ConfigError {
    ConfigError::new("config", error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::args::Args;
    use clap::CommandFactory;

    fn file(text: &str) -> Result<Settings, ConfigError> {
        Settings::parse(text, Path::new("sluice.toml"))
    }

    #[test]
    fn a_flag_counts_before_the_file_and_the_file_before_the_default() {
        let flags = Settings { max_shares: Some(1), ..Settings::default() };
        let said = file("max-shares = 2\nmax-receivers = 3\nturn-urls = [\"turn:a\"]").unwrap();
        let all = flags.or(&said.or(&Settings::defaults()).unwrap()).unwrap();
        assert_eq!((all.max_shares, all.max_receivers), (Some(1), Some(3)));
        assert_eq!(all.max_connections, Some(16_384));
        assert_eq!(all.turn_urls.as_deref(), Some(&["turn:a".to_owned()][..]));
        assert_eq!(all.secret_file, None);
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line_and_key_and_without_its_values() {
        for (text, told) in [
            ("listen = \"127.0.0.1:1\"\nlisten-on = \"x\"", "line 2, listen-on: unknown field `listen-on`"),
            ("\nmax-shares = \"hush\"", "line 2, max-shares: invalid type"),
            ("max-shares = -1", "line 1, max-shares: invalid value"),
            ("turn-urls = \"hush\"", "line 1, turn-urls: invalid type"),
            ("listen = \"hush\"", "line 1, listen: "),
            ("log-format = \"xml\"", "line 1, log-format: "),
            ("secret = \"hush\"", "line 1, secret: unknown field `secret`"),
            ("listen", "line 1, listen: "),
        ] {
            let error = file(text).err().unwrap().to_string();
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let text = |settings: &Settings| toml::to_string(settings).unwrap();
        let defaults = text(&Settings::defaults());
        assert_eq!(text(&file(&defaults).unwrap()), defaults);
    }

    /// Flag, variable and key of every setting, by the command line's own declaration.
    fn declared() -> Vec<(String, String, String)> {
        let command = Args::command();
        let serve = command.find_subcommand("serve").unwrap();
        let settings = serve.get_arguments().filter(|argument| argument.get_env().is_some());
        let names = settings.map(|argument| {
            let env = argument.get_env().unwrap().to_str().unwrap().to_owned();
            let key = argument.get_id().as_str().replace('_', "-");
            (format!("--{}", argument.get_long().unwrap()), env, key)
        });
        names.filter(|(flag, ..)| flag != "--config").collect()
    }

    #[test]
    fn flags_variables_and_keys_have_one_name() {
        let declared = declared();
        assert!(declared.len() > 20);
        for (flag, env, key) in declared {
            let value = match key.as_str() {
                "turn-urls" => "[\"turn:a\"]",
                "listen" => "\"127.0.0.1:1\"",
                "forwarded-header" => "\"forwarded\"",
                "log-format" => "\"json\"",
                "log-addresses" => "true",
                _ if key.ends_with("-file") || matches!(key.as_str(), "store" | "ice-servers") => "\"x\"",
                _ => "7",
            };
            assert!(file(&format!("{key} = {value}")).is_ok(), "{key}");
            let of_key = format!("SLUICE_{}", key.replace('-', "_").to_uppercase());
            assert!(env == of_key || env == "WEBRTC_ICE_SERVERS_JSON", "{env}");
            assert!(flag == format!("--{key}") || flag == "--turn-url", "{flag}");
        }
    }

    #[test]
    fn the_container_is_given_variables_that_there_are() {
        let files = [
            include_str!("../../../server/deploy/Dockerfile"),
            include_str!("../../../server/deploy/compose.yaml"),
        ];
        let secrets = ["SLUICE_SECRET", "SLUICE_OPERATOR_TOKEN", "SLUICE_TURN_SECRET"];
        let declared = declared();
        for file in files {
            let words = file.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            for word in words.filter(|word| word.starts_with("SLUICE_")) {
                let is_there = secrets.contains(&word) || declared.iter().any(|(_, env, _)| env == word);
                assert!(is_there, "{word} is no setting");
            }
        }
    }

    #[test]
    fn the_guide_for_operators_lists_every_setting_with_its_default() {
        let guide = include_str!("../../../../docs/operations.md");
        let defaults = Table::try_from(Settings::defaults()).unwrap();
        for (flag, env, key) in declared() {
            let row =
                guide.lines().find(|line| line.starts_with(&format!("| `{flag}` | `{env}` | `{key}` | ")));
            let row = row.unwrap_or_else(|| panic!("docs/operations.md has no row for {flag}, {env}, {key}"));
            if let Some(default) = defaults.get(&key) {
                let default = default.to_string().replace('"', "");
                assert!(row.contains(&format!("| `{default}` |")), "{default} is not in {row}");
            }
        }
    }
}
