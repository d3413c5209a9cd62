//! Many that are connected and wait.

use crate::peers::{Peers, Share, path};
use crate::report::{done, ready};
use crate::wire::Wire;
use crate::{Orders, Outcome};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// Connections that are made at the same time.
const AT_ONCE: usize = 64;
/// Receivers of one share that listen to event streams.
const A_SHARE: u32 = 1000;

/// What befell the connections.
#[derive(Default)]
struct Fate {
    open: AtomicU32,
    lost: AtomicU32,
    heard: AtomicU32,
}

/// Receivers that listen to event streams. The only slot of each share is held, as it would be.
pub async fn streams(peers: &Arc<Peers>, count: u32, orders: &mut Orders) -> Outcome<()> {
    let (fate, started) = (Arc::new(Fate::default()), Instant::now());
    let mut shares = Vec::new();
    for _ in 0..if peers.bare { 0 } else { count.div_ceil(A_SHARE) } {
        let (share, sender) = peers.sender(1).await?;
        keep_socket(&fate, sender);
        keep_socket(&fate, active(peers, &share).await?);
        shares.push(share);
    }
    let shares = Arc::new(shares);
    connect_all(count, |number| {
        let (peers, shares, fate) = (Arc::clone(peers), Arc::clone(&shares), Arc::clone(&fate));
        async move {
            let mut wire = peers.connect().await?;
            if let Some(share) = shares.get((number / A_SHARE) as usize) {
                let ticket = peers.join(&mut wire, share.id).await?;
                wire.stream(&path(share.id, "events"), &ticket.ticket).await?;
            } else {
                wire.stream("/events", "").await?;
            }
            wire.event().await?.ok_or("the stream ended at once")?;
            fate.open.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                while let Ok(Some(_)) = wire.event().await {
                    fate.heard.fetch_add(1, Relaxed);
                }
                fate.lost.fetch_add(1, Relaxed);
            });
            Ok(())
        }
    })
    .await?;
    hold(&fate, started, orders).await;
    Ok(())
}

/// WebSockets of senders, and of as many receivers of each as it has slots.
pub async fn sockets(peers: &Arc<Peers>, count: u32, slots: u32, orders: &mut Orders) -> Outcome<()> {
    let (fate, started) = (Arc::new(Fate::default()), Instant::now());
    let each = if peers.bare { 1 } else { slots + 1 };
    connect_all(count / each, |_| {
        let (peers, fate) = (Arc::clone(peers), Arc::clone(&fate));
        async move {
            if peers.bare {
                let mut wire = peers.connect().await?;
                wire.upgrade("/socket").await?;
                wire.say("{}").await?;
                wire.hear().await?;
                keep_socket(&fate, wire);
                return Ok(());
            }
            let (share, sender) = peers.sender(slots).await?;
            keep_socket(&fate, sender);
            for _ in 0..slots {
                keep_socket(&fate, active(&peers, &share).await?);
            }
            Ok(())
        }
    })
    .await?;
    hold(&fate, started, orders).await;
    Ok(())
}

/// A receiver that takes a free slot.
async fn active(peers: &Peers, share: &Share) -> Outcome<Wire> {
    let mut wire = peers.connect().await?;
    let ticket = peers.join(&mut wire, share.id).await?;
    drop(wire);
    let mut wire = peers.connect().await?;
    let first = peers.socket(&mut wire, share.id, &ticket.ticket).await?;
    if first["type"] == "admitted" { Ok(wire) } else { Err(format!("not admitted: {first}").into()) }
}

fn keep_socket(fate: &Arc<Fate>, mut wire: Wire) {
    let fate = Arc::clone(fate);
    fate.open.fetch_add(1, Relaxed);
    tokio::spawn(async move {
        while let Ok(Some(_)) = wire.hear().await {
            fate.heard.fetch_add(1, Relaxed);
        }
        fate.lost.fetch_add(1, Relaxed);
    });
}

async fn connect_all<F>(count: u32, connect: impl Fn(u32) -> F) -> Outcome<()>
where
    F: Future<Output = Outcome<()>>,
{
    iter(0..count).map(connect).buffer_unordered(AT_ONCE).try_collect().await
}

async fn hold(fate: &Fate, started: Instant, orders: &mut Orders) {
    let open = fate.open.load(Relaxed);
    ready(&json!({ "open": open, "seconds": started.elapsed().as_secs_f64() }));
    orders.next().await;
    done(&json!({ "lost": fate.lost.load(Relaxed), "heard": fate.heard.load(Relaxed) }));
}
