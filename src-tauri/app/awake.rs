//! Keeps the computer awake while bytes move, and only then.

use crate::state::Standing;
use crate::texts::Texts;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long nothing may move before the computer may sleep: a retry or a slow disk is no end.
const LINGERS: Duration = Duration::from_secs(30);

/// Watches for as long as the shell is there. That a system can't be kept awake is no trouble.
pub async fn keep(mut standing: watch::Receiver<Standing>, texts: impl Fn() -> Texts) {
    let mut awake = None;
    let mut until = Instant::now();
    loop {
        let moving = standing.borrow_and_update().moving;
        if moving {
            until = Instant::now() + LINGERS;
            if awake.is_none() {
                awake = Some(wake(texts().get("awake", &[])).await);
            }
        }
        tokio::select! {
            changed = standing.changed() => if changed.is_err() { return },
            () = sleep_until(until), if awake.is_some() && !moving => awake = None,
        }
    }
}

// Asked once, also where the answer is that it can't be done.
async fn wake(reason: String) -> Option<keepawake::KeepAwake> {
    let asked = tokio::task::spawn_blocking(move || {
        keepawake::Builder::default()
            .idle(true)
            .sleep(true)
            .reason(reason)
            .app_name("Sluice")
            .app_reverse_domain("app.sluice.desktop")
            .create()
    });
    match asked.await {
        Ok(Ok(awake)) => Some(awake),
        Ok(Err(error)) => {
            tracing::info!(%error, "this computer can't be kept awake");
            None
        }
        Err(_) => None,
    }
}
