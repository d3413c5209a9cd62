//! What waits to be said to one long poll or event stream: of its place only the newest.

use sluice_protocol::error::Code;
use sluice_protocol::queue::Standing;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The share is over, or the receiver has no place any more.
    Over(Code),
    /// The same receiver listens elsewhere.
    Replaced,
    /// The server stops: it should ask again.
    Stopping,
}

/// The next thing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// This is its place.
    Place(Standing),
    /// Anything, so that the connection is seen to live.
    Beat,
    /// Nothing more comes.
    Close(Closing),
}

/// A mailbox for places.
#[derive(Debug, Default)]
pub struct Listener(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    place: Option<Standing>,
    beat: bool,
    closing: Option<Closing>,
    waker: Option<Waker>,
}

impl Listener {
    /// Tells a place, instead of one that waits.
    pub fn tell(&self, standing: Standing) {
        self.change(|pending| pending.place = Some(standing));
    }

    /// Asks for a sign of life.
    pub fn beat(&self) {
        self.change(|pending| pending.beat = true);
    }

    /// Whether all that was to be said is taken: else nobody reads.
    pub fn is_idle(&self) -> bool {
        let pending = self.lock();
        !pending.beat && pending.place.is_none()
    }

    /// Nothing more comes. The first reason stands.
    pub fn close(&self, closing: Closing) {
        self.change(|pending| {
            pending.closing.get_or_insert(closing);
        });
    }

    /// The next thing to say, to one task at a time.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Word> {
        let mut pending = self.lock();
        if let Some(closing @ Closing::Over(_)) = pending.closing {
            return Poll::Ready(Word::Close(closing));
        }
        let beat = std::mem::take(&mut pending.beat);
        if let Some(standing) = pending.place.take() {
            // As good as a sign of life.
            return Poll::Ready(Word::Place(standing));
        }
        if let Some(closing) = pending.closing {
            return Poll::Ready(Word::Close(closing));
        }
        if beat {
            return Poll::Ready(Word::Beat);
        }
        match &mut pending.waker {
            Some(waker) => waker.clone_from(context.waker()),
            waker @ None => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits for the next thing to say. Can be cancelled at no loss.
    pub async fn next(&self) -> Word {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // No code that holds the lock can leave half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Pending)) {
        let waker = {
            let mut pending = self.lock();
            change(&mut pending);
            pending.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Whether a receiver has to be told of `new` if it was told `old`.
pub fn differs(old: &Standing, new: &Standing) -> bool {
    let told = |standing: &Standing| {
        let Standing { tier, ahead, slots, lease, sender_here, .. } = *standing;
        (tier, ahead, slots, lease.is_some(), sender_here)
    };
    told(old) != told(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::queue::Tier;

    fn standing(ahead: u32) -> Standing {
        Standing { tier: Tier::Far, ahead, slots: 1, lease: None, arrival: 0, moves: 0, sender_here: true }
    }

    #[tokio::test]
    async fn the_newest_place_comes_first_and_the_end_behind_it() {
        let listener = Listener::default();
        listener.beat();
        assert!(!listener.is_idle());
        listener.tell(standing(7));
        listener.tell(standing(6));
        listener.close(Closing::Stopping);
        listener.close(Closing::Replaced);
        assert_eq!(listener.next().await, Word::Place(standing(6)));
        assert_eq!(listener.next().await, Word::Close(Closing::Stopping));
    }

    #[tokio::test]
    async fn a_place_in_what_is_over_is_no_news() {
        let listener = Listener::default();
        listener.tell(standing(7));
        listener.close(Closing::Over(Code::ShareEnded));
        assert_eq!(listener.next().await, Word::Close(Closing::Over(Code::ShareEnded)));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let listener = std::sync::Arc::new(Listener::default());
        let waiting = tokio::spawn({
            let listener = std::sync::Arc::clone(&listener);
            async move { listener.next().await }
        });
        tokio::task::yield_now().await;
        assert!(listener.is_idle());
        listener.beat();
        assert_eq!(waiting.await.ok(), Some(Word::Beat));
    }
}
