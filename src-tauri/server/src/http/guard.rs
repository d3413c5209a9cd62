//! What an address may ask for, before anything is done: rates and caps, kept in the store, where all instances see
//! them. Addresses stand there under pseudonyms.

use super::{Context, Failure};
use crate::limits::Client;
use crate::role::Role;
use crate::store::{Rate, Store};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

impl<S: Store> Context<S> {
    /// An address opens a share. For [`crate::Timings::counted`] it is one of that address.
    ///
    /// # Errors
    /// [`Code::RateLimited`], [`Code::ServerFull`], [`Code::StoreUnavailable`].
    pub async fn admit_share(&self, client: Client, share: ShareId) -> Result<(), Failure> {
        self.pace("create", client, self.limits.creates_per_minute).await?;
        self.hold_share(client, share).await
    }

    /// An address joins a share. For [`crate::Timings::counted`] its receiver is one of that address.
    ///
    /// # Errors
    /// As for [`Self::admit_share`].
    pub async fn admit_receiver(&self, client: Client, share: ShareId, peer: PeerId) -> Result<(), Failure> {
        self.pace("join", client, self.limits.joins_per_minute).await?;
        self.hold_receiver(client, share, peer).await
    }

    /// A peer is there, at this address: from now on for [`crate::Timings::counted`] it, or its share, is one of it.
    ///
    /// # Errors
    /// [`Code::ServerFull`], [`Code::StoreUnavailable`].
    pub async fn hold(&self, client: Client, share: ShareId, role: Role) -> Result<(), Failure> {
        match role {
            Role::Sender => self.hold_share(client, share).await,
            Role::Receiver(peer) => self.hold_receiver(client, share, peer).await,
        }
    }

    async fn hold_share(&self, client: Client, share: ShareId) -> Result<(), Failure> {
        self.hold_one("shares", client, share.0, self.limits.shares_per_address).await
    }

    /// As [`Self::hold`], of a receiver.
    ///
    /// # Errors
    /// The same.
    pub async fn hold_receiver(&self, client: Client, share: ShareId, peer: PeerId) -> Result<(), Failure> {
        let member = self.member(share, peer);
        self.hold_one("receivers", client, member, self.limits.receivers_per_address).await
    }

    /// A share is over.
    pub async fn release_share(&self, client: Client, share: ShareId) {
        if self.limits.shares_per_address > 0 {
            // Where that fails, it lapses.
            let _ = self.hub.store().release(&self.key("shares", client), share.0).await;
        }
    }

    /// A receiver is gone.
    pub async fn release_receiver(&self, client: Client, share: ShareId, peer: PeerId) {
        if self.limits.receivers_per_address > 0 {
            let member = self.member(share, peer);
            let _ = self.hub.store().release(&self.key("receivers", client), member).await;
        }
    }

    /// A receiver was refused, which is so gone unless the store could not say.
    pub async fn release_refused(&self, client: Client, share: ShareId, peer: PeerId, code: Code) {
        if code != Code::StoreUnavailable {
            self.release_receiver(client, share, peer).await;
        }
    }

    async fn pace(&self, what: &str, client: Client, per_minute: u32) -> Result<(), Failure> {
        if per_minute == 0 {
            return Ok(());
        }
        let rate = Rate { per: MINUTE, burst: per_minute };
        match self.hub.store().allow(&self.key(what, client), rate, self.hub.now()).await? {
            None => Ok(()),
            Some(wait) => Err(Failure::from(Code::RateLimited).after(wait)),
        }
    }

    async fn hold_one(&self, what: &str, client: Client, member: [u8; 16], cap: u32) -> Result<(), Failure> {
        if cap == 0 {
            return Ok(());
        }
        let now = self.hub.now();
        let until = now + self.timings.counted;
        match self.hub.store().hold(&self.key(what, client), member, cap, until, now).await? {
            true => Ok(()),
            false => Err(Code::ServerFull.into()),
        }
    }

    fn key(&self, what: &str, client: Client) -> String {
        format!("{what}:{}", URL_SAFE_NO_PAD.encode(self.signer.keys().pseudonym(&client.bytes())))
    }

    // The same peer in two shares counts twice.
    fn member(&self, share: ShareId, peer: PeerId) -> [u8; 16] {
        self.signer.keys().pseudonym(&[share.0, peer.0].concat())
    }
}
