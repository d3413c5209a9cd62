//! The peers of a load: their keys, addresses and requests.

use crate::wire::Wire;
use crate::{Options, Outcome};
use serde_json::{Value, json};
use sluice_protocol::id::{JoinKey, OwnerKey, PeerId, ShareId};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

const JOIN_KEY: JoinKey = JoinKey([5; 32]);

/// All peers of this loader.
pub struct Peers {
    server: SocketAddr,
    network: u8,
    /// The server knows no shares.
    pub bare: bool,
    next: AtomicU32,
}

/// A share that is open.
pub struct Share {
    pub id: ShareId,
    pub token: String,
}

/// A receiver in line.
pub struct Ticket {
    pub ticket: String,
    pub place: Value,
}

impl Peers {
    pub fn new(options: &Options) -> Self {
        Peers {
            server: options.server,
            network: options.network,
            bare: options.bare,
            next: AtomicU32::new(0),
        }
    }

    /// A connection of somebody new, from an address of its own.
    pub async fn connect(&self) -> Outcome<Wire> {
        let [_, _, third, fourth] = self.number().to_be_bytes();
        Wire::open(self.server, Ipv4Addr::new(127, self.network, third, fourth)).await
    }

    /// Opens a share.
    pub async fn open(&self, wire: &mut Wire, slots: u32) -> Outcome<Share> {
        let owner_key = OwnerKey(self.bytes());
        let body = json!({
            "version": sluice_protocol::VERSION,
            "owner_key": owner_key,
            "join_hash": JOIN_KEY.hash(),
            "slots": slots,
        });
        let answer = wire.ask("POST", "/api/shares", "", &body.to_string()).await?.expect(201)?;
        let token = answer["token"].as_str().ok_or("no token")?.to_owned();
        Ok(Share { id: owner_key.share_id(), token })
    }

    /// The path and the body with which somebody new joins.
    pub fn join_request(&self, share: ShareId) -> (String, String) {
        let peer = PeerId(self.bytes());
        let body = json!({ "version": sluice_protocol::VERSION, "join_key": JOIN_KEY, "peer": peer });
        (path(share, "receivers"), body.to_string())
    }

    /// Takes a place in line.
    pub async fn join(&self, wire: &mut Wire, share: ShareId) -> Outcome<Ticket> {
        let (path, body) = self.join_request(share);
        let answer = wire.ask("POST", &path, "", &body).await?.expect(201)?;
        let ticket = answer["ticket"].as_str().ok_or("no ticket")?.to_owned();
        Ok(Ticket { ticket, place: answer["place"].clone() })
    }

    /// Opens a socket and shows `token` on it; its first message.
    pub async fn socket(&self, wire: &mut Wire, share: ShareId, token: &str) -> Outcome<Value> {
        wire.upgrade(&path(share, "socket")).await?;
        wire.say(&json!({ "type": "authorize", "token": token }).to_string()).await?;
        wire.hear().await?.ok_or_else(|| "the socket was closed".into())
    }

    /// Opens a share and its sender's socket.
    pub async fn sender(&self, slots: u32) -> Outcome<(Share, Wire)> {
        let mut wire = self.connect().await?;
        let share = self.open(&mut wire, slots).await?;
        let first = self.socket(&mut wire, share.id, &share.token).await?;
        if first["type"] == "opened" { Ok((share, wire)) } else { Err(format!("not opened: {first}").into()) }
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    // Never twice in one benchmark.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [self.network; N];
        bytes[..4].copy_from_slice(&self.number().to_be_bytes());
        bytes
    }
}

/// The path of something that belongs to a share.
pub fn path(share: ShareId, what: &str) -> String {
    format!("/api/shares/{share}/{what}")
}

/// Whether a place is a slot that is kept.
pub fn is_promoted(place: &Value) -> bool {
    place["lease_ms"].is_u64()
}
