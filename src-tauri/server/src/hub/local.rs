//! Who of one share is connected to this instance, and what each is told; no store, no waiting.

use super::listener::{self, Listener, differs};
use super::sender::Sender;
use crate::mailbox::{Closing, Outbox};
use crate::role::Role;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::{Event, FAR_INTERVAL, News, Standing};
use sluice_protocol::signal::ServerMessage;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The connections of one share.
#[derive(Default)]
pub struct Local {
    sender: Option<Sender>,
    receivers: HashMap<PeerId, Receiver>,
    news: News,
    // The newest count of moves that was told.
    moves: u64,
    // Those whose place has to be asked for, whatever the news say.
    unsure: HashSet<PeerId>,
    // The sender came or went, and those in line have not been asked for since; they are, from this moment on.
    sender_moved: bool,
    sender_from: Duration,
    // Somebody asks for places, since when so many moves were known.
    asking: Option<u64>,
    // When the first of the news came that were not told yet, and of those that places are being asked for.
    news_since: Option<Duration>,
    asking_since: Option<Duration>,
    suspects: Vec<Suspect>,
    // The sender has been told of one more receiver.
    joined: Arc<Notify>,
    // The newest socket of the sender, and when the queue last said that the sender is back.
    sender_number: u64,
    sender_back: Duration,
}

#[derive(Default)]
struct Receiver {
    socket: Option<Socket>,
    listener: Option<Listening>,
}

struct Socket {
    number: u64,
    outbox: Outbox,
    admitted: bool,
    // As it was told last.
    sender_here: Option<bool>,
}

struct Listening {
    number: u64,
    listener: Arc<Listener>,
    // As it was told last.
    told: Option<Standing>,
}

/// A connection that the queue may not count on any more: it has to show itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspect {
    /// The sender's socket.
    Sender,
    /// A receiver's, with its number.
    Socket(PeerId, u64),
    /// One that waits.
    Listener(PeerId),
}

/// Where a signal goes.
pub enum Target {
    /// To this socket.
    Here(Outbox),
    /// The sender's socket is here and has not been told of the receiver yet; look again at the next [`Local::joined`].
    Soon,
    /// To another instance, if to any.
    Elsewhere,
}

impl Local {
    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.sender.is_none() && self.receivers.is_empty()
    }

    /// A socket is there, and is told nothing before [`Self::admit`] or [`Self::open`]; the one it replaces.
    pub fn connect(&mut self, role: Role, number: u64, outbox: Outbox) -> Option<Outbox> {
        match role {
            Role::Sender => self.sender.replace(Sender::new(number, outbox)).map(|old| old.outbox),
            Role::Receiver(peer) => {
                let socket = Socket { number, outbox, admitted: false, sender_here: None };
                self.receivers.entry(peer).or_default().socket.replace(socket).map(|old| old.outbox)
            }
        }
    }

    /// The queue accepted a receiver's socket.
    pub fn admit(&mut self, peer: PeerId, number: u64, standing: &Standing) {
        let socket = self.receivers.get_mut(&peer).and_then(|receiver| receiver.socket.as_mut());
        if let Some(socket) = socket.filter(|socket| socket.number == number) {
            // What was told meanwhile is behind it.
            if !standing.sender_here && socket.sender_here.is_none() {
                socket.outbox.tell_first(ServerMessage::SenderAway);
            }
            socket.sender_here.get_or_insert(standing.sender_here);
            socket.admitted = true;
            socket.outbox.tell_first(ServerMessage::Admitted);
        }
    }

    /// The queue accepted the sender's socket; who is in a slot, and how many wait.
    pub fn open(&mut self, number: u64, active: Vec<PeerId>, waiting: u32, now: Duration) {
        if let Some(sender) = self.sender.as_mut().filter(|sender| sender.number == number) {
            sender.open(active, waiting, now);
            self.joined.notify_waiters();
            self.sender_came(number);
        }
    }

    /// The queue as it is, after notices were lost.
    pub fn reopen(&mut self, active: Vec<PeerId>, waiting: u32, now: Duration) {
        if let Some(sender) = &mut self.sender {
            sender.reopen(active, waiting, now);
            self.joined.notify_waiters();
        }
    }

    /// A socket is gone; whether it was the current one.
    pub fn disconnect(&mut self, role: Role, number: u64) -> bool {
        match role {
            Role::Sender => {
                let current = self.sender.as_ref().is_some_and(|sender| sender.number == number);
                if current {
                    self.sender = None;
                    self.joined.notify_waiters();
                }
                current
            }
            Role::Receiver(peer) => {
                let Some(receiver) = self.receivers.get_mut(&peer) else {
                    return false;
                };
                let current = receiver.socket.as_ref().is_some_and(|socket| socket.number == number);
                if current {
                    receiver.socket = None;
                    self.prune(peer);
                }
                current
            }
        }
    }

    /// A receiver listens, in place of an older listener of its own.
    pub fn listen(&mut self, peer: PeerId, number: u64, listener: Arc<Listener>) {
        let listening = Listening { number, listener, told: None };
        let old = self.receivers.entry(peer).or_default().listener.replace(listening);
        if let Some(old) = old {
            old.listener.close(listener::Closing::Replaced);
        }
    }

    /// A receiver listens no more; whether that is as if its connection dropped, when the listener broke off.
    pub fn unlisten(&mut self, peer: PeerId, number: u64) -> bool {
        let Some(receiver) = self.receivers.get_mut(&peer) else {
            return false;
        };
        let Some(old) = receiver.listener.take_if(|listening| listening.number == number) else {
            return false;
        };
        // One that was promoted is to claim its slot, and need not listen any longer.
        let promoted = old.told.is_some_and(|told| told.lease.is_some());
        let dropped = receiver.socket.is_none() && !promoted;
        self.news.forget(peer);
        self.prune(peer);
        dropped
    }

    /// The listener with this number, if it is current.
    pub fn listener(&self, peer: PeerId, number: u64) -> Option<&Listener> {
        let listening = self.receivers.get(&peer)?.listener.as_ref()?;
        (listening.number == number).then_some(&*listening.listener)
    }

    /// Whether a socket of `role` is there, or a listener.
    pub fn connected(&self, role: Role) -> (bool, bool) {
        match role {
            Role::Sender => (self.sender.is_some(), false),
            Role::Receiver(peer) => self
                .receivers
                .get(&peer)
                .map_or((false, false), |receiver| (receiver.socket.is_some(), receiver.listener.is_some())),
        }
    }

    /// The peer is connected elsewhere.
    pub fn replace(&mut self, role: Role, number: u64) {
        match role {
            Role::Sender => {
                if let Some(old) = self.sender.take_if(|sender| sender.number < number) {
                    old.outbox.close(Closing::Replaced);
                    self.joined.notify_waiters();
                }
                self.sender_came(number);
            }
            Role::Receiver(peer) => {
                if let Some(receiver) = self.receivers.get_mut(&peer) {
                    if let Some(old) = receiver.socket.take_if(|socket| socket.number < number) {
                        old.outbox.close(Closing::Replaced);
                    }
                    if let Some(old) = receiver.listener.take_if(|listening| listening.number < number) {
                        old.listener.close(listener::Closing::Replaced);
                        self.news.forget(peer);
                    }
                    self.prune(peer);
                }
            }
        }
    }

    /// What is news in an event to somebody here, for those who count.
    pub fn news_in(&self, event: &Event) -> Option<&'static str> {
        let (news, is_here) = match event {
            Event::Promoted { peer, .. } => ("promoted", self.receivers.contains_key(peer)),
            Event::PassedOver { peer } => ("passed_over", self.receivers.contains_key(peer)),
            Event::Gone { peer, .. } => ("gone", self.receivers.contains_key(peer)),
            Event::Joined { .. } => ("joined", self.sender.is_some()),
            Event::Left { .. } => ("left", self.sender.is_some()),
            Event::Ended { .. } => ("ended", true),
            Event::Dropped { .. }
            | Event::Waiting { .. }
            | Event::Moved { .. }
            | Event::SenderHere
            | Event::SenderAway => return None,
        };
        is_here.then_some(news)
    }

    /// Tells what follows from an event.
    pub fn handle_event(&mut self, event: &Event, now: Duration) {
        if matches!(event, Event::Promoted { .. } | Event::PassedOver { .. }) {
            self.news_since.get_or_insert(now);
        }
        match *event {
            Event::Promoted { peer, .. } | Event::PassedOver { peer } => self.doubt(peer),
            // It may have joined again since.
            Event::Gone { peer, code: None } => {
                self.doubt(peer);
                self.suspect(peer);
            }
            Event::Dropped { peer } => {
                if !self.suspect(peer)
                    && let Some(Receiver { listener: Some(listening), .. }) = self.receivers.get(&peer)
                    // One that takes nothing is not there.
                    && listening.listener.is_idle()
                {
                    self.suspects.push(Suspect::Listener(peer));
                }
            }
            Event::Gone { peer, code: Some(code) } => self.dismiss(peer, code),
            Event::Joined { .. } | Event::Left { .. } | Event::Waiting { .. } => {
                if let Some(sender) = &mut self.sender {
                    sender.handle_event(event, now);
                    self.joined.notify_waiters();
                }
            }
            Event::Moved { moves } => {
                if moves < self.moves {
                    self.restart();
                }
                self.moves = moves;
                self.news.handle_moves(moves);
            }
            Event::SenderHere => {
                self.sender_back = now;
                self.tell_sender_here(true);
            }
            Event::SenderAway => {
                self.tell_sender_here(false);
                self.suspects.extend(self.sender.as_ref().map(|_| Suspect::Sender));
            }
            Event::Ended { code } => self.end(code),
        }
    }

    /// All listeners' places are to be asked for.
    pub fn doubt_all(&mut self) {
        let listening = self.receivers.iter().filter(|(_, receiver)| receiver.listener.is_some());
        self.unsure.extend(listening.map(|(&peer, _)| peer));
    }

    /// Notices were lost: every place has to be asked for, and every slot.
    pub fn handle_missed(&mut self) {
        self.doubt_all();
        let sockets =
            self.receivers.iter().filter_map(|(&peer, receiver)| Some((peer, receiver.socket.as_ref()?)));
        let admitted = sockets.filter(|(_, socket)| socket.admitted);
        self.suspects.extend(admitted.map(|(peer, socket)| Suspect::Socket(peer, socket.number)));
    }

    /// The share is not known any more, or not for this receiver.
    pub fn end_listener(&mut self, peer: PeerId, code: Code) {
        if let Some(Receiver { listener: Some(listening), .. }) = self.receivers.get(&peer) {
            listening.listener.close(listener::Closing::Over(code));
        }
    }

    /// Tells a listener its place, as the queue says it is; one that has none is sent away.
    pub fn tell_place(&mut self, peer: PeerId, standing: Option<&Standing>) {
        let Some(Receiver { listener: Some(listening), .. }) = self.receivers.get_mut(&peer) else {
            return;
        };
        let Some(standing) = standing else {
            return listening.listener.close(listener::Closing::Over(Code::NotAuthorised));
        };
        if listening.told.is_none_or(|told| differs(&told, standing)) {
            listening.listener.tell(*standing);
        }
        listening.told = Some(*standing);
        self.news_told(peer, standing);
    }

    /// A listener was told its place as it came.
    pub fn begin(&mut self, peer: PeerId, number: u64, standing: &Standing) {
        let listening = self.receivers.get_mut(&peer).and_then(|receiver| receiver.listener.as_mut());
        if let Some(listening) = listening.filter(|listening| listening.number == number) {
            // What was told meanwhile is newer, or comes again.
            listening.told.get_or_insert(*standing);
            self.news_told(peer, standing);
        }
    }

    /// Asks a listener for a sign of life.
    pub fn keep_alive(&self, peer: PeerId) {
        if let Some(Receiver { listener: Some(listening), .. }) = self.receivers.get(&peer) {
            listening.listener.beat();
        }
    }

    /// As [`Self::tell_place`] with a place; tells anything at all.
    pub fn beat(&mut self, peer: PeerId, standing: &Standing) {
        if let Some(Receiver { listener: Some(listening), .. }) = self.receivers.get(&peer)
            && listening.told.is_some_and(|told| !differs(&told, standing))
        {
            listening.listener.beat();
        }
        self.tell_place(peer, Some(standing));
    }

    /// Whose places have to be asked for now; [`Self::asked`] when that is done.
    pub fn poll_unsure(&mut self, now: Duration) -> Vec<PeerId> {
        if self.asking.is_some() {
            return Vec::new();
        }
        if self.sender_moved && now >= self.sender_from {
            self.sender_moved = false;
            self.doubt_all();
            if !self.unsure.is_empty() {
                self.sender_from = now + FAR_INTERVAL;
            }
        }
        let mut peers = self.news.poll_due(now);
        peers.extend(self.unsure.drain());
        if !peers.is_empty() {
            self.asking = Some(self.moves);
            self.asking_since = self.news_since.take();
        }
        peers
    }

    /// Some of those that [`Self::poll_unsure`] named are here.
    pub fn handle_places(&mut self, peers: &[PeerId], standings: &[Option<Standing>]) {
        let known = self.asking.unwrap_or_default();
        if standings.iter().flatten().any(|standing| standing.moves < known) {
            self.restart();
        }
        for (&peer, standing) in peers.iter().zip(standings) {
            self.tell_place(peer, standing.as_ref());
        }
    }

    /// All that [`Self::poll_unsure`] named was asked; since when there was news of it.
    pub fn asked(&mut self) -> Option<Duration> {
        self.asking = None;
        self.asking_since.take()
    }

    /// Those who have to show themselves now.
    pub fn poll_suspects(&mut self) -> Vec<Suspect> {
        std::mem::take(&mut self.suspects)
    }

    /// A receiver's socket has no slot any more.
    pub fn refuse(&self, peer: PeerId, number: u64, code: Code) {
        if let Some(Receiver { socket: Some(socket), .. }) = self.receivers.get(&peer)
            && socket.number == number
        {
            socket.outbox.close(Closing::Refused(code));
        }
    }

    /// A receiver's socket has its slot; whether the sender is there, if that is known.
    pub fn confirm(&mut self, peer: PeerId, number: u64, sender_here: Option<bool>) {
        let socket = self.receivers.get_mut(&peer).and_then(|receiver| receiver.socket.as_mut());
        if let Some(socket) = socket.filter(|socket| socket.number == number)
            && let Some(here) = sender_here
        {
            socket.tell_sender_here(here);
        }
    }

    /// The sender's share is not known any more.
    pub fn refuse_sender(&self, code: Code) {
        if let Some(sender) = &self.sender {
            sender.outbox.close(Closing::Refused(code));
        }
    }

    /// Tells the sender how many wait, if it is time.
    pub fn tell_waiting(&mut self, now: Duration) {
        if let Some(sender) = &mut self.sender {
            sender.tell_waiting(now);
        }
    }

    /// When [`Self::poll_unsure`] or [`Self::tell_waiting`] has something to do; a moment that is past means now.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.suspects.is_empty() {
            return Some(Duration::ZERO);
        }
        let places = match self.asking {
            Some(_) => None,
            None if self.unsure.is_empty() => {
                let moved = self.sender_moved.then_some(self.sender_from);
                self.news.poll_timeout().into_iter().chain(moved).min()
            }
            None => Some(Duration::ZERO),
        };
        let counts = self.sender.as_ref().and_then(Sender::poll_timeout);
        places.into_iter().chain(counts).min()
    }

    /// Tells when what [`Self::sender_of`] answers may have changed.
    pub fn joined(&self) -> Arc<Notify> {
        Arc::clone(&self.joined)
    }

    /// Where a receiver's signal goes; `None` if its socket was replaced.
    pub fn sender_of(&self, number: u64, peer: PeerId) -> Option<Target> {
        let socket = self.receivers.get(&peer)?.socket.as_ref()?;
        (socket.number == number).then(|| match &self.sender {
            None => Target::Elsewhere,
            Some(sender) if sender.knows(peer) => Target::Here(sender.outbox.clone()),
            // It must know the receiver before that one's first signal.
            Some(_) => Target::Soon,
        })
    }

    /// The sender's socket.
    pub fn sender(&self) -> Option<&Outbox> {
        self.sender.as_ref().map(|sender| &sender.outbox)
    }

    /// Where a signal to this receiver goes; `None` if no slot connects it to the sender.
    pub fn receiver_of(&self, number: u64, peer: PeerId) -> Option<Target> {
        let sender = self.sender.as_ref().filter(|sender| sender.number == number)?;
        sender.knows(peer).then(|| match self.receiver(peer) {
            Some(outbox) => Target::Here(outbox.clone()),
            None => Target::Elsewhere,
        })
    }

    /// The socket of a receiver that was accepted.
    pub fn receiver(&self, peer: PeerId) -> Option<&Outbox> {
        let socket = self.receivers.get(&peer)?.socket.as_ref()?;
        socket.admitted.then_some(&socket.outbox)
    }

    /// The server stops.
    pub fn stop(&self) {
        if let Some(sender) = &self.sender {
            sender.outbox.close(Closing::Stopping);
        }
        for receiver in self.receivers.values() {
            if let Some(socket) = &receiver.socket {
                socket.outbox.close(Closing::Stopping);
            }
            if let Some(listening) = &receiver.listener {
                listening.listener.close(listener::Closing::Stopping);
            }
        }
    }

    // One that was promoted has left the line.
    fn news_told(&mut self, peer: PeerId, standing: &Standing) {
        match standing.lease {
            Some(_) => self.news.forget(peer),
            None => self.news.handle_told(peer, standing.ahead, standing.moves),
        }
    }

    // The queue was lost and built again, and counts its moves anew.
    fn restart(&mut self) {
        self.news = News::default();
        self.moves = 0;
        self.doubt_all();
    }

    fn doubt(&mut self, peer: PeerId) {
        if self.receivers.contains_key(&peer) {
            self.unsure.insert(peer);
        }
    }

    // Whether a receiver has a socket here, which may have lost its slot.
    fn suspect(&mut self, peer: PeerId) -> bool {
        let socket = self.receivers.get(&peer).and_then(|receiver| receiver.socket.as_ref());
        let suspect = socket.map(|socket| Suspect::Socket(peer, socket.number));
        self.suspects.extend(suspect);
        suspect.is_some()
    }

    fn dismiss(&mut self, peer: PeerId, code: Code) {
        self.news.forget(peer);
        if let Some(receiver) = self.receivers.get(&peer) {
            receiver.end(code);
        }
    }

    // The sender has a new socket, here or elsewhere. Receivers that came before it hear of it even if nobody saw the
    // older one drop, as when its instance died: what they said to that one may be lost.
    fn sender_came(&mut self, number: u64) {
        let is_news = number > self.sender_number && self.sender_back < super::began(number);
        self.sender_number = self.sender_number.max(number);
        let sockets = self.receivers.values_mut().filter_map(|receiver| receiver.socket.as_mut());
        for socket in sockets.filter(|socket| is_news && socket.admitted && socket.number < number) {
            socket.sender_here = None;
            socket.tell_sender_here(true);
        }
    }

    fn tell_sender_here(&mut self, here: bool) {
        for receiver in self.receivers.values_mut() {
            if let Some(socket) = &mut receiver.socket {
                socket.tell_sender_here(here);
            }
        }
        // One that comes and goes all the time is not news to a long line each time.
        self.sender_moved = true;
    }

    fn end(&mut self, code: Code) {
        for receiver in self.receivers.values() {
            receiver.end(code);
        }
        if let Some(sender) = &self.sender {
            sender.outbox.tell(ServerMessage::Ended { code });
            sender.outbox.close(Closing::Over);
        }
    }

    fn prune(&mut self, peer: PeerId) {
        if let Some(Receiver { socket: None, listener: None }) = self.receivers.get(&peer) {
            self.receivers.remove(&peer);
            self.unsure.remove(&peer);
        }
    }
}

impl Socket {
    fn tell_sender_here(&mut self, here: bool) {
        if self.sender_here.replace(here) != Some(here) {
            self.outbox.tell(if here { ServerMessage::SenderBack } else { ServerMessage::SenderAway });
        }
    }
}

impl Receiver {
    fn end(&self, code: Code) {
        if let Some(socket) = &self.socket {
            socket.outbox.tell(ServerMessage::Ended { code });
            socket.outbox.close(Closing::Over);
        }
        if let Some(listening) = &self.listener {
            listening.listener.close(listener::Closing::Over(code));
        }
    }
}
