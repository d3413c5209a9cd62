//! The world of one run: one share, its receivers, virtual time, and what befalls them.

use crate::disk::{Disk, UNSYNCED};
use crate::network::{Network, Pipe};
use crate::receiver::{Chosen, Receiver};
use crate::rng::Rng;
use crate::sender::Sender;
use crate::share::Share;
use sluice_protocol::error::Code;
use sluice_protocol::receive::CREDIT_WINDOW;
use std::collections::VecDeque;
use std::time::Duration;

/// How long an honest run may go without moving anything before it counts as forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Steps without time passing: more is a driver that would spin.
const MAX_STEPS: u32 = 10_000;

/// Where one end of a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Open,
    Done,
    Failed(Code),
}

impl End {
    /// The first failure counts.
    pub fn fail(&mut self, code: Code) {
        if *self == End::Open {
            *self = End::Failed(code);
        }
    }

    pub fn is_failed(self) -> bool {
        matches!(self, End::Failed(_))
    }
}

/// A session that was woken must not ask to be woken for the same moment again.
pub fn check_timer(next: Option<Duration>, now: Duration) {
    assert!(next.is_none_or(|next| next > now), "the timer of {next:?} was not moved on at {now:?}");
}

/// What befalls a receiver while it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// The connection is lost; both go on.
    Cut,
    /// The receiver's machine stops.
    Crash,
    /// The sender starts again, and one file was edited meanwhile.
    Edit,
}

/// Both ends of one data channel.
pub struct Connection {
    pub sender: Sender,
    pub receiver: Receiver,
    /// From receiver to sender.
    pub up: Pipe,
    /// From sender to receiver.
    pub down: Pipe,
}

/// One receiver through all of its sessions.
pub struct Peer {
    pub disk: Disk,
    pub network: Network,
    pub chosen: Chosen,
    /// How long it only lists in each session, if it does so first.
    pub lists_for: Option<Duration>,
    pub incidents: VecDeque<(Duration, Incident)>,
    pub connection: Option<Connection>,
    connect_at: Option<Duration>,
    kept_before: u64,
    moves: u64,
    moved_at: Duration,
    pub done: bool,
    /// Bytes of content that were sent in all sessions.
    pub sent: u64,
    /// Bytes of those that were lost, by incident.
    pub lost: Vec<u64>,
}

pub struct World {
    pub now: Duration,
    pub rng: Rng,
    pub share: Share,
    pub peers: Vec<Peer>,
    stuck: u32,
}

impl World {
    pub fn new(share: Share, rng: Rng) -> Self {
        World { now: Duration::ZERO, rng, share, peers: Vec::new(), stuck: 0 }
    }

    pub fn add(&mut self, network: Network, chosen: Chosen) -> &mut Peer {
        let connect_at = Some(self.rng.millis(0..50));
        self.peers.push(Peer {
            disk: Disk::new(self.rng.next()),
            network,
            chosen,
            lists_for: None,
            incidents: VecDeque::new(),
            connection: None,
            connect_at,
            kept_before: 0,
            moves: 0,
            moved_at: Duration::ZERO,
            done: false,
            sent: 0,
            lost: Vec::new(),
        });
        self.peers.last_mut().unwrap()
    }

    /// Runs until every receiver is done; fails if one can't get there.
    pub fn run(&mut self) {
        while self.peers.iter().any(|peer| !peer.done) {
            self.step();
            for peer in &mut self.peers {
                peer.check_honest(self.now);
            }
        }
    }

    /// Runs until `until`, or until all sessions are over.
    pub fn run_until(&mut self, until: Duration) {
        while self.now < until && self.peers.iter().any(|peer| !peer.is_over()) {
            self.step();
        }
    }

    /// Lets everything happen that can happen now, and moves to the next moment at which something can.
    pub fn step(&mut self) {
        let World { now, rng, share, peers, .. } = self;
        for peer in peers.iter_mut() {
            peer.step(share, rng, *now);
        }
        let next = peers.iter_mut().filter_map(|peer| peer.next_event(*now));
        let Some(next) = next.chain(share.next_growth(*now)).min() else {
            assert!(peers.iter().all(Peer::is_over), "nothing is to come any more");
            return;
        };
        self.stuck = if next > *now { 0 } else { self.stuck + 1 };
        assert!(self.stuck < MAX_STEPS, "time stands still at {now:?}");
        *now = next.max(*now);
    }
}

impl Peer {
    /// The connection that is there.
    pub fn open(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    /// Makes the connection now, so that it can be tampered with.
    pub fn connect(&mut self, share: &Share, rng: &mut Rng, now: Duration) -> &mut Connection {
        let binding = rng.array();
        self.connect_at = None;
        self.kept_before = self.disk.bytes();
        self.moved_at = now;
        self.connection.insert(Connection {
            sender: Sender::new(share, &self.network, binding, rng, now),
            receiver: Receiver::new(share, binding, self.chosen, self.lists_for, rng, now),
            up: Pipe::new(self.network),
            down: Pipe::new(self.network),
        })
    }

    fn step(&mut self, share: &mut Share, rng: &mut Rng, now: Duration) {
        if let Some((_, incident)) = self.incidents.pop_front_if(|(at, _)| *at <= now)
            && !self.done
        {
            self.suffer(incident, share, rng, now);
        }
        if self.connect_at.is_some_and(|at| at <= now) {
            self.connect(share, rng, now);
        }
        let Some(Connection { sender, receiver, up, down }) = &mut self.connection else {
            self.disk.work(now);
            return;
        };
        while let Some(frame) = up.receive(now) {
            sender.handle_message(&frame, now);
        }
        while let Some(frame) = down.receive(now) {
            receiver.handle_message(&frame, now);
        }
        sender.handle_timeout(now);
        receiver.handle_timeout(now);
        sender.pump(share, down, now);
        receiver.pump(&mut self.disk, up, now);
        if receiver.end == End::Done && sender.end == End::Done && !self.done {
            self.done = true;
            self.sent += sender.sent;
        }
    }

    fn suffer(&mut self, incident: Incident, share: &mut Share, rng: &mut Rng, now: Duration) {
        if let Some(mut connection) = self.connection.take() {
            if incident != Incident::Crash {
                connection.receiver.flush(&mut self.disk);
            }
            let sent = connection.sender.sent;
            let unsure = self.disk.unsure;
            assert!(unsure <= UNSYNCED);
            if incident == Incident::Crash {
                self.disk.crash();
            }
            // What a crash takes may have come in an earlier session.
            let lost = self.kept_before + sent - self.disk.bytes();
            assert!(lost <= CREDIT_WINDOW + unsure, "{lost} bytes are to be sent again");
            self.sent += sent;
            self.lost.push(lost);
        }
        if incident == Incident::Edit {
            share.change_one(rng);
        }
        self.connect_at = Some(now + rng.millis(1..3000));
    }

    fn check_honest(&mut self, now: Duration) {
        let Some(Connection { sender, receiver, .. }) = &self.connection else {
            return;
        };
        assert!(!sender.end.is_failed() && !receiver.end.is_failed(), "{:?} {:?}", sender.end, receiver.end);
        let outstanding = sender.sent - receiver.written.min(sender.sent);
        assert!(outstanding <= CREDIT_WINDOW, "{outstanding} bytes are out");
        if receiver.moves != self.moves || self.done {
            (self.moves, self.moved_at) = (receiver.moves, now);
        }
        assert!(now < self.moved_at + FORGOTTEN, "nothing moves since {:?}", self.moved_at);
    }

    fn is_over(&self) -> bool {
        let over = |connection: &Connection| {
            let flushed = connection.up.is_empty() && connection.down.is_empty();
            connection.sender.end != End::Open && connection.receiver.end != End::Open && flushed
        };
        self.connection.as_ref().is_some_and(over)
    }

    fn next_event(&mut self, now: Duration) -> Option<Duration> {
        let incident = self.incidents.front().map(|(at, _)| *at).filter(|_| !self.done);
        let mut next = incident.into_iter().chain(self.connect_at).chain(self.disk.next_event(now)).min();
        if let Some(connection) = &self.connection {
            let Connection { sender, receiver, up, down } = connection;
            let events =
                [sender.next_event(), receiver.next_event(), up.next_event(now), down.next_event(now)];
            next = events.into_iter().flatten().chain(next).min();
        }
        next
    }
}
