//! Keeps the computer awake while bytes move, and only then.

use crate::state::Standing;
use crate::texts::Texts;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long nothing may move before the computer may sleep: a retry or a slow disk is no end.
const LINGERS: Duration = Duration::from_secs(30);

/// Watches for as long as the shell is there. That a system can't be kept awake is no trouble.
pub async fn keep(standing: watch::Receiver<Standing>, texts: impl Fn() -> Texts) {
    hold_while_moving(standing, || wake(texts().get("awake", &[]))).await;
}

async fn hold_while_moving<Lock, Waking: Future<Output = Lock>>(
    mut standing: watch::Receiver<Standing>,
    wake: impl Fn() -> Waking,
) {
    let mut awake = None;
    let mut until = Instant::now();
    loop {
        let moving = standing.borrow_and_update().moving;
        if moving {
            until = Instant::now() + LINGERS;
            if awake.is_none() {
                awake = Some(wake().await);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn the_computer_may_sleep_once_nothing_has_moved_for_a_while() {
        let (tell, standing) = watch::channel(Standing::default());
        let lock = Arc::new(());
        let handed = Arc::clone(&lock);
        let locks = || Arc::strong_count(&lock) - 2;
        let keeping = tokio::spawn(hold_while_moving(standing, move || {
            let lock = Arc::clone(&handed);
            async move { lock }
        }));
        let moves = async |moving: bool, seconds: u64| {
            tell.send_replace(Standing { moving, ..Standing::default() });
            sleep(Duration::from_secs(seconds)).await;
        };
        moves(false, 100).await;
        assert_eq!(locks(), 0, "nothing has moved");
        moves(true, 100).await;
        assert_eq!(locks(), 1, "for as long as it moves");
        moves(false, 20).await;
        moves(true, 1).await;
        moves(false, 29).await;
        assert_eq!(locks(), 1, "and through a pause");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(locks(), 0);
        drop(tell);
        assert!(keeping.await.is_ok());
    }
}
