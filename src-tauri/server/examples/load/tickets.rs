//! Many receivers that have their place, and no connection at this moment.

use crate::Outcome;
use crate::peers::{Peers, path};
use crate::report::ready;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Shares that are filled at the same time, each over one connection.
const AT_ONCE: usize = 32;

/// Each receiver joins and asks for its place once, and so counts as present for a minute.
pub async fn run(peers: &Arc<Peers>, shares: u32, receivers: u32) -> Outcome<()> {
    let started = Instant::now();
    let filled: Vec<_> = iter(0..shares)
        .map(|_| async {
            let (share, mut sender) = peers.sender(1).await?;
            tokio::spawn(async move { while let Ok(Some(_)) = sender.hear().await {} });
            let (mut wire, mut first) = (peers.connect().await?, String::new());
            let place = path(share.id, "place");
            for number in 0..receivers {
                let ticket = peers.join(&mut wire, share.id).await?.ticket;
                wire.ask("GET", &place, &ticket, "").await?.expect(200)?;
                // The second: the first was promoted, and may be passed over and gone.
                if number == 1 {
                    first = ticket;
                }
            }
            Outcome::Ok((place, first))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    // Of each share one of the oldest tickets must still be good.
    let mut wire = peers.connect().await?;
    for (place, ticket) in &filled {
        wire.ask("GET", place, ticket, "").await?.expect(200)?;
    }
    ready(&json!({ "tickets": shares * receivers, "seconds": seconds }));
    Ok(())
}
