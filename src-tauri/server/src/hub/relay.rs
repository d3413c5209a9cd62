//! Bringing signals from one end of a share to the other.

use super::Connection;
use super::local::Target;
use crate::role::Role;
use crate::store::{Notice, Store};
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::{ServerMessage, Signal};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

// How long a receiver's signal waits for room at its sender before it is dropped.
const RELAY_WAIT: Duration = Duration::from_secs(5);

impl<S: Store> Connection<S> {
    /// Brings a signal to the sender, or to the receiver `to`, if a slot connects the two.
    ///
    /// A sender whose mailbox is full holds up the receiver that writes to it; never the other way round.
    pub async fn relay(&self, to: Option<PeerId>, signal: Signal) {
        match (self.role, to) {
            (Role::Sender, Some(peer)) => self.relay_to_receiver(peer, signal).await,
            (Role::Receiver(peer), None) => self.relay_to_sender(peer, signal).await,
            _ => {}
        }
    }

    async fn relay_to_receiver(&self, peer: PeerId, signal: Signal) {
        let message = ServerMessage::Relay { peer: None, signal };
        let target = self.hub.change(self.share, |local| local.receiver_of(self.number, peer)).flatten();
        match target {
            Some(Target::Here(outbox)) => outbox.relay_or_close(message),
            Some(_) => self.publish(Notice::ToReceiver(peer, message)).await,
            None => {}
        }
    }

    async fn relay_to_sender(&self, peer: PeerId, signal: Signal) {
        let message = ServerMessage::Relay { peer: Some(peer), signal };
        let deadline = Instant::now() + RELAY_WAIT;
        let Some(joined) = self.hub.change(self.share, |local| local.joined()) else {
            return;
        };
        loop {
            // Made before the look, so that nothing is missed in between.
            let told = joined.notified();
            match self.hub.change(self.share, |local| local.sender_of(self.number, peer)).flatten() {
                Some(Target::Here(outbox)) => return outbox.relay_until(message, deadline).await,
                Some(Target::Elsewhere) => return self.publish(Notice::ToSender(message)).await,
                Some(Target::Soon) if timeout_at(deadline, told).await.is_ok() => {}
                _ => return,
            }
        }
    }

    async fn publish(&self, notice: Notice) {
        // A signal that is lost is sent again by its peer's next attempt.
        let _ = self.hub.store.publish(self.share, notice).await;
    }
}
