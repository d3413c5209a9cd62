//! The network between two peers: ordered pipes with latency and a limited rate, which somebody may tamper with.

use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that a pipe takes before it asks to wait, as a data channel's buffer does.
const BUFFER: usize = 1024 * 1024;

/// Takes each frame with its number, and gives what arrives in its place.
pub type Tamper = Box<dyn FnMut(usize, Bytes) -> Vec<Bytes>>;

/// How two peers are connected.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    pub latency: Duration,
    /// Bytes a second, in each direction.
    pub rate: u64,
    /// The largest message.
    pub max_message: usize,
}

impl Network {
    pub const FAST: Network =
        Network { latency: Duration::from_millis(10), rate: 50_000_000, max_message: 64 * 1024 };
}

/// One direction of a data channel: reliable and ordered, unless it is tampered with.
pub struct Pipe {
    network: Network,
    tamper: Option<Tamper>,
    sent: usize,
    /// When what was sent so far has left.
    busy_until: Duration,
    leaving: VecDeque<(Duration, usize)>,
    arriving: VecDeque<(Duration, Bytes)>,
    blocked: bool,
}

impl Pipe {
    pub fn new(network: Network) -> Self {
        Pipe {
            network,
            tamper: None,
            sent: 0,
            busy_until: Duration::ZERO,
            leaving: VecDeque::new(),
            arriving: VecDeque::new(),
            blocked: false,
        }
    }

    /// Puts somebody in the middle.
    pub fn tamper(&mut self, tamper: Tamper) {
        self.tamper = Some(tamper);
    }

    /// From now on nothing arrives, and after the buffer is full nothing is taken.
    pub fn block(&mut self) {
        self.blocked = true;
        self.arriving.clear();
    }

    pub fn has_room(&mut self, now: Duration) -> bool {
        while !self.blocked && self.leaving.front().is_some_and(|(at, _)| *at <= now) {
            self.leaving.pop_front();
        }
        self.leaving.iter().map(|(_, len)| len).sum::<usize>() < BUFFER
    }

    pub fn send(&mut self, frame: Bytes, now: Duration) {
        let millionths = frame.len() as u64 * 1_000_000 / self.network.rate;
        self.busy_until = self.busy_until.max(now) + Duration::from_micros(millionths);
        self.leaving.push_back((self.busy_until, frame.len()));
        let arrives = self.busy_until + self.network.latency;
        let number = self.sent;
        self.sent += 1;
        let frames = match &mut self.tamper {
            Some(tamper) => tamper(number, frame),
            None => vec![frame],
        };
        if !self.blocked {
            self.arriving.extend(frames.into_iter().map(|frame| (arrives, frame)));
        }
    }

    pub fn receive(&mut self, now: Duration) -> Option<Bytes> {
        self.arriving.pop_front_if(|(at, _)| *at <= now).map(|(_, frame)| frame)
    }

    /// When there is something to receive, or room again.
    pub fn next_event(&self, now: Duration) -> Option<Duration> {
        let arrival = self.arriving.front().map(|(at, _)| *at);
        let room = self.leaving.front().map(|(at, _)| *at).filter(|at| *at > now && !self.blocked);
        arrival.into_iter().chain(room).min()
    }

    pub fn is_empty(&self) -> bool {
        self.arriving.is_empty()
    }
}
