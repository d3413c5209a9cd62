//! What waits to be written to one socket: bounded, in order, and closed rather than grown.
//!
//! The server's own news and relayed signals stand in two lanes, news first: so a peer that floods
//! another with signals can neither hold news back nor push them out.

use sluice_protocol::error::Code;
use sluice_protocol::signal::ServerMessage;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The most news that wait for one socket; with more it is closed.
pub const MAX_NEWS: usize = 256;
/// The most relayed signals that wait for one socket.
pub const MAX_RELAYS: usize = 64;

/// Why a socket is closed from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// All is said: close behind what waits.
    Over,
    /// A newer socket of the same peer took its place.
    Replaced,
    /// The reader is too slow.
    TooSlow,
    /// It has no place here any more, for this reason.
    Refused(Code),
    /// The server stops.
    Stopping,
}

/// What the socket has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Write this.
    Message(ServerMessage),
    /// Close.
    Close(Closing),
}

/// A mailbox, as both its ends.
pub fn mailbox() -> (Outbox, Inbox) {
    let shared =
        Arc::new(Shared { pending: Mutex::default(), wake: Notify::new(), room: Semaphore::new(MAX_RELAYS) });
    (Outbox(Arc::clone(&shared)), Inbox(shared))
}

/// The end that the hub holds.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

/// The end that the socket holds; dropping it turns all later messages away.
pub struct Inbox(Arc<Shared>);

struct Shared {
    pending: Mutex<Pending>,
    wake: Notify,
    room: Semaphore,
}

#[derive(Default)]
struct Pending {
    news: VecDeque<ServerMessage>,
    relays: VecDeque<ServerMessage>,
    closing: Option<Closing>,
}

impl Outbox {
    /// Adds news before all others.
    pub fn tell_first(&self, message: ServerMessage) {
        let mut pending = self.0.lock();
        if pending.closing.is_none() {
            pending.news.push_front(message);
        }
        drop(pending);
        self.0.wake.notify_one();
    }

    /// Adds news. Of counts only the newest waits.
    pub fn tell(&self, message: ServerMessage) {
        {
            let mut pending = self.0.lock();
            if pending.closing.is_some() {
                return;
            }
            if let ServerMessage::Waiting { .. } = message {
                pending.news.retain(|old| !matches!(old, ServerMessage::Waiting { .. }));
            }
            if pending.news.len() < MAX_NEWS {
                pending.news.push_back(message);
            } else {
                pending.closing = Some(Closing::TooSlow);
            }
        }
        self.0.wake.notify_one();
    }

    /// Adds a relayed signal, or closes a socket that has too many waiting.
    pub fn relay_or_close(&self, message: ServerMessage) {
        match self.0.room.try_acquire() {
            Ok(room) => {
                room.forget();
                self.0.push_relay(message);
            }
            Err(_) => self.close(Closing::TooSlow),
        }
    }

    /// Adds a relayed signal, or drops it when too many wait.
    pub fn relay_or_drop(&self, message: ServerMessage) {
        if let Ok(room) = self.0.room.try_acquire() {
            room.forget();
            self.0.push_relay(message);
        }
    }

    /// Adds a relayed signal as soon as there is room; drops it when there is none in time.
    pub async fn relay_until(&self, message: ServerMessage, deadline: Instant) {
        if let Ok(Ok(room)) = tokio::time::timeout_at(deadline, self.0.room.acquire()).await {
            room.forget();
            self.0.push_relay(message);
        }
    }

    /// Asks the socket to close. The first reason stands.
    pub fn close(&self, closing: Closing) {
        self.0.lock().closing.get_or_insert(closing);
        self.0.wake.notify_one();
    }
}

impl Inbox {
    /// The next thing to do; waits for it. Can be cancelled at no loss.
    pub async fn next(&mut self) -> Delivery {
        loop {
            if let Some(delivery) = self.0.pop() {
                return delivery;
            }
            self.0.wake.notified().await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.room.close();
        let mut pending = self.0.lock();
        pending.closing.get_or_insert(Closing::Over);
        pending.news.clear();
        pending.relays.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // No code that holds the lock can leave half a change behind.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push_relay(&self, message: ServerMessage) {
        let mut pending = self.lock();
        if pending.closing.is_none() {
            pending.relays.push_back(message);
        }
        drop(pending);
        self.wake.notify_one();
    }

    fn pop(&self) -> Option<Delivery> {
        let mut pending = self.lock();
        if let Some(closing) = pending.closing.filter(|closing| *closing != Closing::Over) {
            return Some(Delivery::Close(closing));
        }
        if let Some(message) = pending.news.pop_front() {
            return Some(Delivery::Message(message));
        }
        if let Some(closing) = pending.closing {
            return Some(Delivery::Close(closing));
        }
        let message = pending.relays.pop_front()?;
        self.room.add_permits(1);
        Some(Delivery::Message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::id::PeerId;
    use sluice_protocol::signal::Signal;
    use std::time::Duration;

    fn joined(number: u32) -> ServerMessage {
        let mut peer = [0; 16];
        peer[..4].copy_from_slice(&number.to_be_bytes());
        ServerMessage::Joined { peer: PeerId(peer) }
    }

    fn relay(attempt: u32) -> ServerMessage {
        ServerMessage::Relay { peer: None, signal: Signal::Request { attempt } }
    }

    #[tokio::test]
    async fn news_come_before_relays_and_a_close_behind_them() {
        let (outbox, mut inbox) = mailbox();
        outbox.relay_or_close(relay(1));
        outbox.tell(joined(1));
        assert_eq!(inbox.next().await, Delivery::Message(joined(1)));
        assert_eq!(inbox.next().await, Delivery::Message(relay(1)));
        let ended = ServerMessage::Ended { code: Code::ShareEnded };
        outbox.tell(ended.clone());
        outbox.close(Closing::Over);
        outbox.tell(joined(2));
        assert_eq!(inbox.next().await, Delivery::Message(ended));
        assert_eq!(inbox.next().await, Delivery::Close(Closing::Over));
    }

    #[tokio::test]
    async fn only_the_newest_count_waits_and_what_is_first_stays_first() {
        let (outbox, mut inbox) = mailbox();
        for count in 0..10_000 {
            outbox.tell(ServerMessage::Waiting { count });
        }
        outbox.tell_first(ServerMessage::Admitted);
        assert_eq!(inbox.next().await, Delivery::Message(ServerMessage::Admitted));
        let waiting = ServerMessage::Waiting { count: 9_999 };
        assert_eq!(inbox.next().await, Delivery::Message(waiting));
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_closed() {
        let (outbox, mut inbox) = mailbox();
        for number in 0..=MAX_NEWS as u32 {
            outbox.tell(joined(number));
        }
        assert_eq!(inbox.next().await, Delivery::Close(Closing::TooSlow));

        let (outbox, mut inbox) = mailbox();
        for number in 0..=MAX_RELAYS as u32 {
            outbox.relay_or_close(relay(number));
        }
        assert_eq!(inbox.next().await, Delivery::Close(Closing::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_patient_relay_waits_for_room_and_no_longer() {
        let (outbox, mut inbox) = mailbox();
        for number in 0..MAX_RELAYS as u32 {
            outbox.relay_or_close(relay(number));
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        outbox.relay_until(relay(1000), deadline).await;
        let late = tokio::spawn({
            let outbox = outbox.clone();
            let deadline = Instant::now() + Duration::from_secs(5);
            async move { outbox.relay_until(relay(2000), deadline).await }
        });
        for number in 0..MAX_RELAYS as u32 {
            assert_eq!(inbox.next().await, Delivery::Message(relay(number)));
        }
        assert_eq!(inbox.next().await, Delivery::Message(relay(2000)));
        assert!(late.await.is_ok());
    }
}
