//! What happened inside, for those who ask: `--verbose` or SLUICE_LOG, to standard error.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "SLUICE_LOG";
// Our own crates only: what the libraries tell at this level would hold tickets and session keys.
const VERBOSE: &str =
    "sluice=debug,sluice_engine=debug,sluice_protocol=debug,sluice_server=debug,webrtc=warn,rtc=warn";

// What a server tells its operator unless more is asked for.
const SERVING: &str = "sluice_server=info";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts to log if it is asked for; a format asks for it too.
pub fn start(verbose: bool, format: Option<LogFormat>) {
    let filter = match std::env::var(VARIABLE) {
        Ok(filter) if !filter.is_empty() => filter,
        _ if verbose => VERBOSE.to_owned(),
        _ if format.is_some() => SERVING.to_owned(),
        _ => return,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Only fails if there is one already, and nobody else makes one.
    let _ = match format {
        Some(LogFormat::Json) => subscriber.json().flatten_event(true).try_init(),
        _ => subscriber.try_init(),
    };
}

/// Whether the log shares standard error with what people read, so that nothing may be drawn over it.
pub fn is_on(verbose: bool) -> bool {
    verbose || std::env::var_os(VARIABLE).is_some_and(|filter| !filter.is_empty())
}
