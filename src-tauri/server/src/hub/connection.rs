//! One connection of a peer: a socket, or a long poll or event stream. Dropping it takes it out of the hub.

use super::{Chore, Hub, Listener, Spoke};
use crate::mailbox::{self, Inbox, mailbox};
use crate::role::Role;
use crate::store::{Notice, Store};
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::{Command, Standing};
use std::sync::Arc;
use std::time::Duration;

/// A socket that the queue accepted. What an older socket of the same peer does has no effect any more.
pub struct Connection<S: Store> {
    pub(super) hub: Arc<Hub<S>>,
    pub(super) share: ShareId,
    pub(super) role: Role,
    pub(super) number: u64,
    quiet: bool,
}

/// A receiver that waits for news of its place.
pub struct Listening<S: Store> {
    hub: Arc<Hub<S>>,
    share: ShareId,
    peer: PeerId,
    number: u64,
    listener: Arc<Listener>,
    quiet: bool,
}

impl<S: Store> Hub<S> {
    /// A socket whose token was checked is there: the sender's, or that of a receiver that comes for its slot. It
    /// replaces an older one of the same peer.
    ///
    /// # Errors
    /// [`Code::NotAuthorised`] for a receiver without a place, [`Code::NotYourTurn`] for one without a slot, and those
    /// of every store.
    pub async fn connect(
        self: &Arc<Self>,
        share: ShareId,
        role: Role,
    ) -> Result<(Connection<S>, Inbox), Code> {
        let (outbox, inbox) = mailbox();
        let (number, old) =
            self.enter(share, |local, _, number| (number, local.connect(role, number, outbox)));
        let mut connection = Connection { hub: Arc::clone(self), share, role, number, quiet: true };
        let accepted = connection.accept().await;
        if let Some(old) = old {
            old.close(accepted.map_or_else(mailbox::Closing::Refused, |()| mailbox::Closing::Replaced));
        }
        accepted?;
        connection.quiet = false;
        Ok((connection, inbox))
    }

    /// A receiver whose ticket was checked waits for news of its place, in place of an older wait of its own. A stream
    /// gives a sign of life at every ping.
    pub fn listen(self: &Arc<Self>, share: ShareId, peer: PeerId, stream: bool) -> Listening<S> {
        let listener = Arc::new(Listener::default());
        let number = self.enter(share, |local, wheel, number| {
            local.listen(peer, number, Arc::clone(&listener));
            if stream {
                wheel.insert(Spoke { share, peer, number });
            }
            number
        });
        Listening { hub: Arc::clone(self), share, peer, number, listener, quiet: false }
    }
}

impl<S: Store> Connection<S> {
    /// Which share.
    pub fn share(&self) -> ShareId {
        self.share
    }

    /// Which end of the share it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Something was heard of the peer.
    ///
    /// # Errors
    /// It has no place or no slot any more, or the share is over.
    pub async fn heard(&self) -> Result<(), Code> {
        match self.show().await {
            Ok(_) | Err(Code::StoreUnavailable) => Ok(()),
            Err(code) => Err(code),
        }
    }

    /// What the peer asks of the queue.
    ///
    /// # Errors
    /// Those of every store.
    pub async fn command(&self, command: &Command) -> Result<(), Code> {
        self.hub.store.handle(self.share, command, self.hub.now()).await.map(|_| ())
    }

    /// The receiver is done or gives up.
    ///
    /// # Errors
    /// Those of every store.
    pub async fn leave(&mut self, peer: PeerId) -> Result<(), Code> {
        self.quiet = true;
        self.command(&Command::Leave { peer }).await
    }

    /// The sender has more to say of what it shares.
    ///
    /// # Errors
    /// Those of every store.
    pub async fn set_summary(&self, summary: String) -> Result<(), Code> {
        self.hub.store.set_summary(self.share, summary).await
    }

    // In a slot this is both coming back to it and a sign of life: so whatever another instance believed is put right.
    async fn show(&self) -> Result<Option<Standing>, Code> {
        let command = match self.role {
            Role::Sender => Command::SenderSeen,
            Role::Receiver(peer) => Command::Claim { peer },
        };
        self.hub.store.handle(self.share, &command, self.hub.now()).await
    }

    async fn accept(&self) -> Result<(), Code> {
        let Connection { hub, share, role, number, .. } = self;
        hub.store.watch(*share).await?;
        let standing = self.show().await?;
        match *role {
            Role::Receiver(peer) => {
                let standing = standing.ok_or(Code::NotAuthorised)?;
                hub.change(*share, |local| local.admit(peer, *number, &standing));
            }
            Role::Sender => {
                let (active, waiting) = hub.store.opened(*share).await?;
                let now = hub.now();
                hub.change(*share, |local| local.open(*number, active, waiting, now));
            }
        }
        // Where that fails, the older socket learns it from its queue.
        let _ = hub.store.publish(*share, Notice::Replaced { role: *role, socket: *number }).await;
        Ok(())
    }
}

impl<S: Store> Drop for Connection<S> {
    fn drop(&mut self) {
        let Connection { hub, share, role, number, quiet } = self;
        let current = hub.change(*share, |local| local.disconnect(*role, *number)).unwrap_or(false);
        if current && !*quiet && !hub.lock().stopping {
            hub.chore(Chore::Dropped { share: *share, role: *role, socket: true });
        }
    }
}

impl<S: Store> Listening<S> {
    /// The receiver shows itself. What changes from now on comes through [`Self::listener`].
    ///
    /// # Errors
    /// [`Code::NotAuthorised`] for one without a place, and those of every store.
    pub async fn begin(&self) -> Result<Standing, Code> {
        let Listening { hub, share, peer, .. } = self;
        hub.store.watch(*share).await?;
        let seen = hub.store.handle(*share, &Command::Seen { peer: *peer }, hub.now()).await?;
        let standing = seen.ok_or(Code::ServerFailed)?;
        hub.change(*share, |local| local.begin(*peer, self.number, &standing));
        Ok(standing)
    }

    /// Where its news come.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// The time since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.hub.now()
    }

    /// It has its answer: that it is gone then is no sign that its connection dropped.
    pub fn finish(&mut self) {
        self.quiet = true;
    }
}

impl<S: Store> Drop for Listening<S> {
    fn drop(&mut self) {
        let Listening { hub, share, peer, number, quiet, .. } = self;
        let dropped = hub.change(*share, |local| local.unlisten(*peer, *number)).unwrap_or(false);
        if dropped && !*quiet && !hub.lock().stopping {
            let role = Role::Receiver(*peer);
            hub.chore(Chore::Dropped { share: *share, role, socket: false });
        }
    }
}
