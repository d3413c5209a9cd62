//! Ctrl-C and SIGTERM: once to stop in order, twice to stop at once.

use crate::exit;
use sluice_protocol::error::Code;
use std::io;
use tokio_util::sync::CancellationToken;

/// A token that the first signal cancels; the second ends the process.
pub fn listen() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    // Without signals one still stops by being killed, and the journal copes with that.
    if let Ok(mut signals) = Signals::new() {
        tokio::spawn(async move {
            signals.next().await;
            cancel.cancel();
            signals.next().await;
            std::process::exit(i32::from(exit::status(Code::Interrupted)));
        });
    }
    token
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
