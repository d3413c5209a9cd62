//! The yardstick for transfers: bytes from memory to memory over the bare data channel, between
//! processes, without files, sealing or rendezvous. `bare_channel --help` lists the options.
//!
//! The sender starts one receiving process a peer, exchanges descriptions and candidates with it
//! over its standard input and output, sends to all at once, and prints one line of JSON. With
//! `--piped` the one receiver is whoever holds this process's own input and output, such as a script
//! that drives a browser.

use std::error::Error;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use clap::Parser;
use serde::{Deserialize, Serialize};
use sluice_engine::rtc::{
    Candidate, ChannelReceiver, ChannelSender, Connection, ConnectionEvent, ConnectionEvents, InFlightBudget,
    MESSAGE_SIZE, MessageSink, MessageSource, RtcConfig, SocketBuffers, default_bind,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measure the bare data channel.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Bytes to send to each peer.
    #[arg(long, default_value_t = 1 << 30)]
    bytes: u64,
    /// Receiving processes.
    #[arg(long, default_value_t = 1)]
    peers: usize,
    /// Bytes in a message.
    #[arg(long, default_value_t = MESSAGE_SIZE)]
    message: usize,
    /// Most bytes in flight on a connection; the default when left out.
    #[arg(long)]
    in_flight: Option<usize>,
    /// Bytes in flight over all connections; the default when left out.
    #[arg(long)]
    budget: Option<usize>,
    /// Threads kept for connections, in each process.
    #[arg(long, default_value_t = 0)]
    reactor_threads: usize,
    /// Leave the socket buffers as the system makes them.
    #[arg(long)]
    plain_sockets: bool,
    /// Be a receiver (used by the sender).
    #[arg(long, hide = true)]
    receive: bool,
    /// Send to the one at the other end of standard input and output.
    #[arg(long)]
    piped: bool,
}

impl Options {
    fn config(&self) -> RtcConfig {
        let mut config = RtcConfig {
            // Loopback alone: the numbers are for one machine, whatever else it is wired to.
            bind: default_bind(true).into_iter().filter(|address| address.starts_with("127.")).collect(),
            reactor_threads: self.reactor_threads,
            enlarge_buffers: !self.plain_sockets,
            ..RtcConfig::default()
        };
        if let Some(in_flight) = self.in_flight {
            config.in_flight = in_flight;
            config.budget = InFlightBudget::new(in_flight.saturating_mul(self.peers));
        }
        if let Some(budget) = self.budget {
            config.budget = InFlightBudget::new(budget);
        }
        config
    }
}

/// What goes over a receiver's standard input and output, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Description(String, Vec<Candidate>),
    /// The channel is open.
    Ready,
    /// All bytes have arrived.
    Done(Usage),
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Usage {
    cpu_seconds: f64,
    peak_rss_kib: u64,
}

impl Usage {
    /// Reads /proc, which only Linux has; zeros elsewhere.
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields 14 and 15, user and system ticks of 10 ms, counted after the bracketed name.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|value| value.split_whitespace().next()?.parse().ok());
        Self {
            cpu_seconds: (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0,
            peak_rss_kib: peak.unwrap_or(0),
        }
    }
}

/// The line that the sender prints.
#[derive(Debug, Serialize)]
struct Report {
    peers: usize,
    bytes_each: u64,
    seconds: f64,
    mb_per_s_total: f64,
    slowest_over_fastest: f64,
    cpu_seconds_sender: f64,
    cpu_seconds_receivers: f64,
    peak_rss_kib_sender: u64,
    peak_rss_kib_receiver_max: u64,
    socket_receive_buffer: usize,
}

/// A receiving process, seen from the sender.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    connection: Connection,
    sender: ChannelSender,
    /// Kept, or the connection would find nobody to tell.
    _rest: (ChannelReceiver, ConnectionEvents),
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = Options::parse();
    if options.receive {
        return receive(&options).await;
    }
    if options.piped {
        return send_piped(&options).await;
    }
    let config = options.config();
    let mut peers = Vec::new();
    for _ in 0..options.peers {
        peers.push(connect(&options, &config).await?);
    }
    let before = Usage::now();
    let start = Instant::now();
    let tasks: Vec<_> =
        peers.into_iter().map(|peer| tokio::spawn(send(peer, options.clone(), start))).collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(task.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = Usage::now();
    let times = || ends.iter().map(|(time, _)| *time);
    let fastest = times().fold(f64::INFINITY, f64::min);
    let slowest = times().fold(0.0, f64::max);
    let total = options.bytes as f64 * options.peers as f64;
    let report = Report {
        peers: options.peers,
        bytes_each: options.bytes,
        seconds,
        mb_per_s_total: total / seconds / 1e6,
        slowest_over_fastest: slowest / fastest,
        cpu_seconds_sender: after.cpu_seconds - before.cpu_seconds,
        cpu_seconds_receivers: ends.iter().map(|(_, usage)| usage.cpu_seconds).sum(),
        peak_rss_kib_sender: after.peak_rss_kib,
        peak_rss_kib_receiver_max: ends.iter().map(|(_, usage)| usage.peak_rss_kib).max().unwrap_or(0),
        socket_receive_buffer: SocketBuffers::granted().receive,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Starts a receiving process and opens a channel to it.
async fn connect(options: &Options, config: &RtcConfig) -> Outcome<Peer> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("--receive")
        .args(["--bytes", &options.bytes.to_string()])
        .args(["--reactor-threads", &options.reactor_threads.to_string()])
        .args(options.plain_sockets.then_some("--plain-sockets"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();

    let (connection, mut events, offer) = Connection::offer(config).await?;
    let candidates = gathered(&mut events).await?;
    let line = serde_json::to_string(&Line::Description(offer, candidates))? + "\n";
    stdin.write_all(line.as_bytes()).await?;
    let Line::Description(answer, candidates) = read(&mut lines).await? else {
        return Err("the receiver said something else than its answer".into());
    };
    connection.accept(&answer).await?;
    for candidate in candidates {
        connection.add_candidate(candidate).await?;
    }
    let (sender, receiver) = opened(&mut events).await?;
    let Line::Ready = read(&mut lines).await? else {
        return Err("the receiver said something else than ready".into());
    };
    Ok(Peer { child, stdin, lines, connection, sender, _rest: (receiver, events) })
}

/// Sends all bytes to one peer; returns the seconds until its word that it has them.
async fn send(mut peer: Peer, options: Options, start: Instant) -> Outcome<(f64, Usage)> {
    let mut left = options.bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(options.message);
        // A fresh buffer each time, as a reader of files would hand over.
        let message = BytesMut::zeroed(length).freeze();
        peer.sender.send(message).await?;
        left -= length as u64;
    }
    let Line::Done(usage) = read(&mut peer.lines).await? else {
        return Err("the receiver said something else than done".into());
    };
    let seconds = start.elapsed().as_secs_f64();
    peer.connection.close().await;
    drop(peer.stdin);
    peer.child.wait().await?;
    Ok((seconds, usage))
}

/// Sends to the one at the other end of the pipes, who answers as a receiving process does.
async fn send_piped(options: &Options) -> Outcome<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (connection, mut events, offer) = Connection::offer(&options.config()).await?;
    say(&Line::Description(offer, gathered(&mut events).await?)).await?;
    let Line::Description(answer, candidates) = read(&mut lines).await? else {
        return Err("the receiver said something else than its answer".into());
    };
    connection.accept(&answer).await?;
    for candidate in candidates {
        connection.add_candidate(candidate).await?;
    }
    let (mut sender, _receiver) = opened(&mut events).await?;
    let mut left = options.bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(options.message);
        sender.send(BytesMut::zeroed(length).freeze()).await?;
        left -= length as u64;
    }
    // It closes its end of the pipe once it has everything.
    while lines.next_line().await?.is_some() {}
    connection.close().await;
    Ok(())
}

/// The receiving process.
async fn receive(options: &Options) -> Outcome<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Line::Description(offer, candidates) = read(&mut lines).await? else {
        return Err("the sender said something else than its offer".into());
    };
    let (connection, mut events, answer) = Connection::answer(&options.config(), &offer).await?;
    for candidate in candidates {
        connection.add_candidate(candidate).await?;
    }
    let candidates = gathered(&mut events).await?;
    say(&Line::Description(answer, candidates)).await?;
    let (_sender, mut receiver) = opened(&mut events).await?;
    say(&Line::Ready).await?;
    let before = Usage::now();
    let mut received = 0;
    while received < options.bytes {
        let message: Bytes = receiver.recv().await.ok_or("the channel closed early")?;
        received += message.len() as u64;
    }
    let after = Usage::now();
    say(&Line::Done(Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after })).await?;
    // The sender closes; until then what it still wants acknowledged is.
    while receiver.recv().await.is_some() {}
    Ok(())
}

async fn gathered(events: &mut ConnectionEvents) -> Outcome<Vec<Candidate>> {
    let mut candidates = Vec::new();
    loop {
        match events.next().await {
            Some(ConnectionEvent::LocalCandidate(candidate)) => candidates.push(candidate),
            Some(ConnectionEvent::Gathered) => return Ok(candidates),
            other => return Err(format!("{other:?} while gathering").into()),
        }
    }
}

async fn opened(events: &mut ConnectionEvents) -> Outcome<(ChannelSender, ChannelReceiver)> {
    loop {
        match events.next().await {
            Some(ConnectionEvent::Open(sender, receiver)) => return Ok((sender, receiver)),
            Some(ConnectionEvent::Lost(error)) => return Err(error.into()),
            Some(_) => {}
            None => return Err("the connection ended".into()),
        }
    }
}

async fn read<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Outcome<Line> {
    let line = lines.next_line().await?.ok_or("the other end is gone")?;
    Ok(serde_json::from_str(&line)?)
}

async fn say(line: &Line) -> Outcome<()> {
    let line = serde_json::to_string(line)? + "\n";
    let mut stdout = tokio::io::stdout();
    stdout.write_all(line.as_bytes()).await?;
    stdout.flush().await?;
    Ok(())
}
