//! The load for `cargo xtask bench server`: as many peers as are asked for, in one process and one thread.
//!
//! `load JSON` does what its argument says ([`Load`]), prints a line of JSON when all is set up, goes on at the next
//! line of its input, prints what it measured, and holds its connections until its input ends.

mod idle;
mod joins;
mod line;
mod peers;
mod report;
mod tickets;
mod wire;

use serde::Deserialize;
use std::error::Error;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What to do, and with which server.
#[derive(Debug, Deserialize)]
struct Options {
    server: SocketAddr,
    /// Peers come from addresses 127.NETWORK.x.y, and no two loaders from the same.
    network: u8,
    /// The server is the bare one: no shares, no queue.
    #[serde(default)]
    bare: bool,
    load: Load,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Load {
    /// Receivers that listen to event streams, a thousand a share.
    Streams { count: u32 },
    /// WebSockets of senders and of as many receivers as they have slots.
    Sockets { count: u32, slots: u32 },
    /// Joins at a steady rate, each on a new connection or all over kept ones.
    Joins { rate: u32, seconds: u32, keep: bool },
    /// Shares with receivers that have their tickets, and no connection.
    Tickets { shares: u32, receivers: u32 },
    /// One share with a long line, whose head is promoted at a steady rate and leaves again.
    Promotions { receivers: u32, slots: u32, rate: u32, count: u32 },
    /// A short line: how long it takes the next in it to hear that a slot was freed.
    Handover { slots: u32, count: u32 },
}

fn main() -> Outcome<()> {
    let argument = std::env::args().nth(1).ok_or("what to do is the one argument, in JSON")?;
    let options: Options = serde_json::from_str(&argument)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(options))
}

async fn run(options: Options) -> Outcome<()> {
    let mut orders = Orders(BufReader::new(tokio::io::stdin()).lines());
    let peers = std::sync::Arc::new(peers::Peers::new(&options));
    match options.load {
        Load::Streams { count } => idle::streams(&peers, count, &mut orders).await?,
        Load::Sockets { count, slots } => idle::sockets(&peers, count, slots, &mut orders).await?,
        Load::Joins { rate, seconds, keep } => joins::run(&peers, rate, seconds, keep, &mut orders).await?,
        Load::Tickets { shares, receivers } => tickets::run(&peers, shares, receivers).await?,
        Load::Promotions { receivers, slots, rate, count } => {
            line::promotions(&peers, receivers, slots, rate, count, &mut orders).await?;
        }
        Load::Handover { slots, count } => line::handover(&peers, slots, count, &mut orders).await?,
    }
    // Whatever is still connected stays so until the input ends.
    orders.next().await;
    Ok(())
}

/// What the benchmark tells its loader.
struct Orders(Lines<BufReader<Stdin>>);

impl Orders {
    /// Waits for the next word.
    async fn next(&mut self) {
        let _ = self.0.next_line().await;
    }
}
