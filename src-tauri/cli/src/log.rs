//! What happened inside, for those who ask: `--verbose` or SLUICE_LOG, to standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "SLUICE_LOG";
// Our own crates only: what the libraries tell at this level would hold tickets and session keys.
const VERBOSE: &str =
    "sluice=debug,sluice_engine=debug,sluice_protocol=debug,sluice_server=debug,webrtc=warn,rtc=warn";

/// Starts to log if it is asked for.
pub fn start(verbose: bool) {
    let filter = match std::env::var(VARIABLE) {
        Ok(filter) if !filter.is_empty() => filter,
        _ if verbose => VERBOSE.to_owned(),
        _ => return,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Only fails if there is one already, and nobody else makes one.
    let _ = subscriber.try_init();
}

/// Whether the log shares standard error with what people read, so that nothing may be drawn over it.
pub fn is_on(verbose: bool) -> bool {
    verbose || std::env::var_os(VARIABLE).is_some_and(|filter| !filter.is_empty())
}
