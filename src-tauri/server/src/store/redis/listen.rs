//! What goes on beside commands: news that arrive, subscriptions that are kept up, and shares that are looked after.

use super::Inner;
use super::news::Message;
use super::script::{bytes, channel, share_of};
use crate::store::Notice;
use ::redis::{PushInfo, PushKind, cmd};
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

// How often missing subscriptions are tried again, and a connection that nothing comes on is tried.
const PERIOD: Duration = Duration::from_secs(1);
// So many at the same time.
const AT_ONCE: usize = 64;

/// Hands out what arrives, and keeps the subscriptions up; ends with the link.
pub(super) async fn listen(inner: Arc<Inner>, mut pushes: UnboundedReceiver<(u64, PushInfo)>) {
    let hear = async {
        while let Some((number, push)) = pushes.recv().await {
            // What an older connection says may have been overtaken.
            if number == inner.news.number() {
                inner.hear(push);
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = keep_subscribed(&inner) => {}
    }
}

async fn keep_subscribed(inner: &Inner) {
    loop {
        let _ = tokio::time::timeout(PERIOD, inner.resubscribe.notified()).await;
        let missing = inner.shares().unsubscribed();
        if missing.is_empty() {
            // A node that is gone without a word is noticed, and connected with again.
            let _ = inner.news.ask(&cmd("PING")).await;
        }
        let subscribe = async |share| {
            // Tried again at the next turn.
            let _ = inner.subscribe(share).await;
        };
        stream::iter(missing).for_each_concurrent(AT_ONCE, subscribe).await;
    }
}

/// Does what is due for the shares that are watched; never ends.
pub(super) async fn look_after(inner: &Inner) {
    let mut looks = FuturesUnordered::new();
    loop {
        let due = inner.shares().poll_due(inner.clock.now(), AT_ONCE - looks.len());
        looks.extend(due.into_iter().map(|share| inner.look(share)));
        let next = inner.shares().poll_timeout().filter(|_| looks.len() < AT_ONCE);
        let wait = async {
            match next {
                Some(at) => tokio::time::sleep_until(inner.clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = inner.retime.notified() => {}
            Some(()) = looks.next() => {}
        }
    }
}

impl Inner {
    /// Asks for the news of a share. That they come is said in a push.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`].
    pub(super) async fn subscribe(&self, share: ShareId) -> Result<(), Code> {
        let mut subscribe = cmd("SSUBSCRIBE");
        subscribe.arg(channel(share));
        self.news.ask(&subscribe).await.map(|_| ())
    }

    fn hear(&self, push: PushInfo) {
        let share = push.data.first().and_then(bytes).and_then(share_of);
        match (push.kind, share) {
            (PushKind::SMessage, Some(share)) => {
                let message = push.data.get(1).and_then(bytes);
                let Some(message) =
                    message.and_then(|bytes| Message::parse(bytes, |moment| self.local(moment)))
                else {
                    tracing::warn!("Redis told something that is no news of ours");
                    return;
                };
                // Told under the lock, or two threads might swap what they tell.
                let mut shares = self.shares();
                for notice in shares.handle_message(share, message) {
                    self.tell(share, notice);
                }
            }
            (PushKind::SSubscribe, Some(share)) => {
                let mut shares = self.shares();
                if shares.handle_subscribed(share) {
                    self.tell(share, Notice::Missed);
                }
            }
            (PushKind::SUnsubscribe, Some(share)) => {
                // A node ends what is not its own any more.
                self.shares().handle_unsubscribed(Some(share));
                self.resubscribe.notify_one();
            }
            (PushKind::Disconnection, _) => {
                self.shares().handle_unsubscribed(None);
                self.resubscribe.notify_one();
            }
            _ => {}
        }
    }

    async fn look(&self, share: ShareId) {
        let answer = self.ask(share, "tick", self.clock.now(), |all| all).await.ok();
        let answer = answer.map(|answer| {
            (answer.state, answer.state.and_then(|state| state.due).map(|due| self.local(due)))
        });
        let notice = self.shares().handle_tick(share, answer, self.clock.now());
        if let Some(notice) = notice {
            self.tell(share, notice);
            self.resubscribe.notify_one();
        }
    }
}
