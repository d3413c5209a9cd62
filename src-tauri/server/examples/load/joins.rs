//! Joins at a steady rate: each has its moment, and its time runs from that, however long others take.

use crate::peers::Peers;
use crate::report::{done, ready, times};
use crate::{Orders, Outcome};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Joins that are under way at the same time, at most.
const AT_ONCE: usize = 256;
/// Fewer receivers than a share takes.
const A_SHARE: u32 = 2500;

/// Joins for so many seconds at this rate.
pub async fn run(
    peers: &Arc<Peers>,
    rate: u32,
    seconds: u32,
    keep: bool,
    orders: &mut Orders,
) -> Outcome<()> {
    let count = rate * seconds;
    let mut shares = Vec::new();
    // Their sockets stay open, as senders' do.
    let mut senders = JoinSet::new();
    for _ in 0..if peers.bare { 1 } else { count.div_ceil(A_SHARE) } {
        if peers.bare {
            shares.push(sluice_protocol::id::ShareId([0; 16]));
            continue;
        }
        let (share, mut sender) = peers.sender(20).await?;
        shares.push(share.id);
        senders.spawn(async move { while let Ok(Some(_)) = sender.hear().await {} });
    }
    ready(&json!({ "shares": shares.len() }));
    orders.next().await;

    let (start, next, shares) = (Instant::now(), Arc::new(AtomicU32::new(0)), Arc::new(shares));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (peers, next, shares) = (Arc::clone(peers), Arc::clone(&next), Arc::clone(&shares));
        workers.spawn(async move {
            let (mut taken, mut wire) = (Vec::new(), None);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(taken);
                }
                let due = start + Duration::from_secs(1) * number / rate;
                tokio::time::sleep_until(due.into()).await;
                let mut connection = match wire.take() {
                    Some(wire) => wire,
                    None => peers.connect().await?,
                };
                let share = shares[number as usize % shares.len()];
                let (path, body) = peers.join_request(share);
                connection.ask("POST", &path, "", &body).await?.expect(201)?;
                taken.push(due.elapsed());
                wire = keep.then_some(connection);
            }
        });
    }
    let mut taken = Vec::new();
    while let Some(worker) = workers.join_next().await {
        taken.extend(worker??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = f64::from(count) / seconds;
    done(&json!({ "times": times(taken), "seconds": seconds, "rate": rate }));
    Ok(())
}
