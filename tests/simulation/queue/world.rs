//! The world of one queue: messages on their way, two instances of the server with one queue between them, the
//! sender, the receivers, virtual time, and what befalls them.

use super::Plan;
use super::book::{Answer, Book};
use super::listeners::{INSTANCES, Listeners};
use super::receiver::{Action, End, Moment, News, Phase, Receiver};
use crate::rng::Rng;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, PeerId};
use sluice_protocol::queue::{Command, Event, Progress, Queue, Standing};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const HASH: JoinHash = JoinHash([7; 32]);
const START: Duration = Duration::from_secs(1_000_000);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After this time nothing goes wrong any more.
const CALM: Duration = Duration::from_secs(300);
/// Longer than any run needs whose receivers are all served.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// What happens at a moment that was fixed before.
enum Happening {
    /// A receiver wakes, if it did not think better of it.
    Wake(usize),
    Crash(usize),
    /// A request comes to the server that was there when it was sent.
    Request {
        from: usize,
        question: u64,
        link: Option<u64>,
        command: Command,
        life: u32,
    },
    Answer {
        to: usize,
        question: u64,
        answer: Result<Standing, Code>,
    },
    News {
        to: usize,
        link: u64,
        news: News,
    },
    /// A receiver's connection is closed, as the server sees it.
    Closed {
        of: usize,
        link: u64,
        life: u32,
    },
    /// The second instance hears what the first already knows.
    Moved {
        moves: u64,
        life: u32,
    },
    SenderBeats,
    SenderGoes,
    SenderComes,
    /// The sender opens the share, with a server that knows it or not.
    Open,
    Sender {
        command: Command,
        life: u32,
    },
    SenderHears {
        event: Event,
        life: u32,
    },
    /// The sender notices that a receiver's connection ended.
    Parted(PeerId),
    SlotsChange,
    /// The sender lets somebody go.
    Dismiss,
    /// The server loses everything.
    Loss,
}

pub struct World {
    plan: Plan,
    rng: Rng,
    now: Duration,
    agenda: BTreeMap<(Duration, u64), Happening>,
    entries: u64,
    receivers: Vec<Receiver>,
    numbers: HashMap<PeerId, usize>,
    // The sender: whether it has a socket, how many slots it wants, with whom it is connected.
    sender_here: bool,
    slots: u16,
    connected: BTreeSet<PeerId>,
    // The servers: the queue that they share, how often it was lost, and on which connection each receiver is.
    queue: Option<Queue>,
    life: u32,
    links: HashMap<PeerId, u64>,
    // Something happened to the queue or to those who listen.
    touched: bool,
    listeners: [Listeners; INSTANCES as usize],
    pub book: Book,
}

impl World {
    pub fn new(plan: Plan, mut rng: Rng) -> Self {
        let peers: Vec<PeerId> = (0..plan.receivers).map(|_| PeerId(rng.array())).collect();
        let mut world = World {
            book: Book::new(&plan),
            now: START,
            agenda: BTreeMap::new(),
            entries: 0,
            receivers: Vec::new(),
            numbers: peers.iter().copied().zip(0..).collect(),
            sender_here: false,
            slots: plan.slots,
            connected: BTreeSet::new(),
            queue: None,
            life: 0,
            links: HashMap::new(),
            touched: false,
            listeners: Default::default(),
            rng: Rng::new(0),
            plan,
        };
        for (number, peer) in peers.into_iter().enumerate() {
            let arrives = START + rng.millis(0..world.plan.arrivals.as_millis() as u64);
            let download = rng.millis(world.plan.download.start * 1000..world.plan.download.end * 1000);
            world.receivers.push(Receiver::new(peer, arrives, download));
            world.put(arrives, Happening::Wake(number));
            while rng.chance(world.plan.crash / 2) {
                world.put(arrives + rng.millis(0..CALM.as_millis() as u64 / 2), Happening::Crash(number));
            }
        }
        let Plan { absences, losses, changes, dismissed, .. } = world.plan;
        let kinds: [(fn() -> Happening, u64); 4] = [
            (|| Happening::SenderGoes, absences),
            (|| Happening::Loss, losses),
            (|| Happening::SlotsChange, changes),
            (|| Happening::Dismiss, dismissed),
        ];
        for (happening, times) in kinds {
            for _ in 0..times {
                world.put(START + rng.millis(0..CALM.as_millis() as u64), happening());
            }
        }
        world.put(START, Happening::SenderComes);
        world.put(START + HEARTBEAT, Happening::SenderBeats);
        world.rng = rng;
        world
    }

    /// Runs until every receiver has what it came for or is gone for good, and every place is free again.
    pub fn run(&mut self) {
        while !self.receivers.iter().all(Receiver::is_over) {
            self.step();
        }
        while self.queue.as_ref().is_none_or(|queue| !queue.snapshot().receivers.is_empty()) {
            self.step();
        }
        self.check_end();
    }

    fn step(&mut self) {
        let timers = [self.queue.as_ref().and_then(Queue::poll_timeout)];
        let listeners = self.listeners.iter().filter(|_| self.queue.is_some()).map(Listeners::next_event);
        let timer = timers.into_iter().chain(listeners).flatten().min();
        let next = self.agenda.keys().next().map(|(at, _)| *at).expect("the sender always beats");
        self.now = timer.map_or(next, |timer| timer.min(next)).max(self.now);
        assert!(self.now < START + LIMIT, "somebody is never served: {:?}", self.waiting());
        if self.queue.as_ref().and_then(Queue::poll_timeout).is_some_and(|due| due <= self.now) {
            self.command(&Command::Tick);
        } else if next <= self.now
            && let Some((_, happening)) = self.agenda.pop_first()
        {
            self.happen(happening);
        }
        self.tell_places();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(number) => {
                if self.receivers[number].wake == Some(self.now) {
                    self.receivers[number].wake = None;
                    self.act(number, Receiver::handle_wake);
                }
            }
            Happening::Crash(number) => self.act(number, Receiver::handle_crash),
            Happening::Request { from, question, link, command, life } => {
                self.request(from, question, link, &command, life);
            }
            Happening::Answer { to, question, answer } => {
                if self.receivers[to].question == question {
                    self.act(to, |receiver, at| receiver.handle_answer(answer, at));
                }
            }
            Happening::News { to, link, news } => {
                if self.receivers[to].link == Some(link) {
                    self.act(to, |receiver, at| receiver.handle_news(news, at));
                }
            }
            Happening::Closed { of, link, life } => self.closed(of, link, life),
            Happening::Moved { moves, life } if life == self.life => {
                self.touched = true;
                self.listeners[1].handle_moves(moves);
            }
            Happening::SenderBeats => {
                if self.sender_here {
                    self.send_for_sender(Command::SenderSeen);
                }
                self.put(self.now + HEARTBEAT, Happening::SenderBeats);
            }
            Happening::SenderGoes => self.sender_goes(),
            Happening::SenderComes => {
                self.sender_here = true;
                let delay = self.delay();
                self.put(self.now + delay, Happening::Open);
            }
            Happening::Open => self.open(),
            Happening::Sender { command, life } if life == self.life && self.queue.is_some() => {
                self.command(&command);
            }
            Happening::SenderHears { event, life } if life == self.life => match event {
                Event::Joined { peer } => _ = self.connected.insert(peer),
                Event::Left { peer } => _ = self.connected.remove(&peer),
                _ => {}
            },
            Happening::Parted(peer) => _ = self.connected.remove(&peer),
            Happening::SlotsChange => {
                self.slots = self.rng.within(1..u64::from(self.plan.slots) + 3) as u16;
                self.send_for_sender(Command::Open { join_hash: HASH, slots: self.slots });
            }
            Happening::Dismiss => {
                let known: Vec<PeerId> = self.connected.iter().copied().collect();
                if !known.is_empty() {
                    let peer = self.rng.pick(&known);
                    self.send_for_sender(Command::Dismiss { peer });
                }
            }
            Happening::Loss => self.lose(),
            Happening::Moved { .. } | Happening::Sender { .. } | Happening::SenderHears { .. } => {}
        }
    }

    // The receivers' side.

    fn act(&mut self, number: usize, act: impl FnOnce(&mut Receiver, &mut Moment)) {
        let mut at = Moment { now: self.now, rng: &mut self.rng, plan: &self.plan, actions: Vec::new() };
        let receiver = &mut self.receivers[number];
        act(receiver, &mut at);
        let actions = at.actions;
        let (peer, wake) = (receiver.peer, receiver.wake);
        for action in actions {
            match action {
                Action::Join { ticket } => {
                    self.send(number, None, &Command::Join { peer, proof: HASH, arrival: ticket });
                }
                Action::Seen { link } => self.send(number, Some(link), &Command::Seen { peer }),
                Action::Claim { link } => self.send(number, Some(link), &Command::Claim { peer }),
                Action::Progress => {
                    let progress = self.rng.pick(&[Progress::Connected, Progress::Downloading]);
                    self.send(number, None, &Command::Progress { peer, progress });
                }
                Action::Leave => self.send(number, None, &Command::Leave { peer }),
                // Some vanish without a word.
                Action::Close { link } if self.rng.chance(80) => {
                    let delay = self.delay();
                    self.put(self.now + delay, Happening::Closed { of: number, link, life: self.life });
                }
                Action::Close { .. } => {}
                Action::Part => {
                    let delay = self.rng.millis(10..3000);
                    self.put(self.now + delay, Happening::Parted(peer));
                }
            }
        }
        if let Some(wake) = wake {
            self.put(wake, Happening::Wake(number));
        }
    }

    fn send(&mut self, from: usize, link: Option<u64>, command: &Command) {
        let (question, life) = (self.receivers[from].question, self.life);
        let troubled = self.now < START + CALM;
        let mut copies = if troubled && self.rng.chance(self.plan.lost) { 0 } else { 1 };
        if troubled && self.rng.chance(self.plan.twice) {
            copies += 1;
        }
        for copy in 0..copies {
            let delay = self.delay() * (1 + 10 * copy);
            let command = command.clone();
            self.put(self.now + delay, Happening::Request { from, question, link, command, life });
        }
    }

    // The servers' side.

    fn request(&mut self, from: usize, question: u64, link: Option<u64>, command: &Command, life: u32) {
        if life != self.life {
            return;
        }
        let peer = self.receivers[from].peer;
        let answer = match self.command(command) {
            None => Err(Code::ShareNotFound),
            Some(Ok(Some(standing))) => Ok(standing),
            // Of those without an answer nothing depends on it.
            Some(Ok(None)) => return,
            Some(Err(code)) => Err(code),
        };
        if let (Some(link), Ok(standing)) = (link, answer) {
            let newest = self.links.entry(peer).or_insert(link);
            *newest = link.max(*newest);
            if *newest == link && self.waits(peer) {
                self.listen(peer, link, standing);
            }
        }
        let delay = self.delay();
        self.put(self.now + delay, Happening::Answer { to: from, question, answer });
    }

    // Carries out a command; `None` if there is no queue.
    fn command(&mut self, command: &Command) -> Option<Answer> {
        let queue = self.queue.as_mut()?;
        self.touched = true;
        let answer = queue.handle(command, self.now);
        let events: Vec<Event> = std::iter::from_fn(|| queue.poll_event()).collect();
        self.book.check(queue, command, &answer, &events, self.now);
        for event in events {
            self.pass_on(event);
        }
        Some(answer)
    }

    fn pass_on(&mut self, event: Event) {
        let life = self.life;
        match event {
            Event::Promoted { peer, .. } => {
                self.forget(peer);
                self.tell_place(peer);
            }
            Event::PassedOver { peer } => {
                self.tell_place(peer);
                if let (Some(&link), Some(standing)) = (self.links.get(&peer), self.standing(peer)) {
                    self.listen(peer, link, standing);
                }
            }
            Event::Gone { peer, .. } => {
                self.forget(peer);
                if let Some(link) = self.links.remove(&peer) {
                    self.tell(peer, link, News::Gone);
                }
            }
            Event::Moved { moves } => {
                self.listeners[0].handle_moves(moves);
                let delay = self.rng.millis(0..200);
                self.put(self.now + delay, Happening::Moved { moves, life });
            }
            Event::Joined { .. } | Event::Left { .. } => {
                let delay = self.delay();
                self.put(self.now + delay, Happening::SenderHears { event, life });
            }
            Event::Ended { .. } => self.lose(),
            Event::Dropped { .. } | Event::Waiting { .. } | Event::SenderHere | Event::SenderAway => {}
        }
    }

    fn closed(&mut self, of: usize, link: u64, life: u32) {
        let peer = self.receivers[of].peer;
        let newest = self.links.get(&peer).copied();
        // One instance tells its own connections apart; of another's it hears too late, and then drops a newer one.
        let stale = newest.is_some_and(|newest| newest % INSTANCES == link % INSTANCES && newest > link);
        if life != self.life || stale {
            return;
        }
        if newest == Some(link) {
            self.links.remove(&peer);
        }
        self.listeners[(link % INSTANCES) as usize].forget(peer);
        self.command(&Command::Drop { peer });
    }

    fn listen(&mut self, peer: PeerId, link: u64, standing: Standing) {
        self.forget(peer);
        self.listeners[(link % INSTANCES) as usize].handle_told(peer, standing);
    }

    fn forget(&mut self, peer: PeerId) {
        self.listeners.iter_mut().for_each(|listeners| listeners.forget(peer));
    }

    fn waits(&self, peer: PeerId) -> bool {
        let waits = |queue: &Queue| queue.standing(peer).is_some_and(|standing| standing.lease.is_none());
        self.queue.as_ref().is_some_and(|queue| waits(queue) && !queue.is_active(peer))
    }

    fn standing(&self, peer: PeerId) -> Option<Standing> {
        self.queue.as_ref()?.standing(peer)
    }

    fn tell_place(&mut self, peer: PeerId) {
        if let (Some(&link), Some(standing)) = (self.links.get(&peer), self.standing(peer)) {
            self.tell(peer, link, News::Place(standing));
        }
    }

    fn tell(&mut self, peer: PeerId, link: u64, news: News) {
        let delay = self.delay();
        self.put(self.now + delay, Happening::News { to: self.numbers[&peer], link, news });
    }

    fn tell_places(&mut self) {
        let Some(queue) = &self.queue else {
            return;
        };
        let due = |listeners: &Listeners| listeners.next_event().is_some_and(|due| due <= self.now);
        if !std::mem::take(&mut self.touched) && !self.listeners.iter().any(due) {
            return;
        }
        let mut all = Vec::new();
        for listeners in &mut self.listeners {
            all.extend(listeners.tell(queue, self.now));
            listeners.check(queue, self.now);
        }
        for (peer, standing) in all {
            let link = self.links[&peer];
            self.tell(peer, link, News::Place(standing));
        }
    }

    // The sender's side.

    fn open(&mut self) {
        if !self.sender_here {
            return;
        }
        if self.queue.is_some() {
            self.command(&Command::Open { join_hash: HASH, slots: self.slots });
        } else {
            // In no order.
            let mut active: Vec<PeerId> = self.connected.iter().copied().collect();
            let first = self.rng.within(0..active.len() as u64 + 1) as usize;
            active.rotate_left(first);
            let queue = Queue::new(self.plan.rules, HASH, self.slots, &active, self.now);
            self.book.begin(&queue, &active, self.now);
            self.queue = Some(queue);
        }
        self.send_for_sender(Command::SenderSeen);
    }

    fn sender_goes(&mut self) {
        if !std::mem::take(&mut self.sender_here) {
            return;
        }
        if self.rng.chance(70) {
            self.send_for_sender(Command::SenderDrop);
        }
        let away = self.rng.millis(100..self.plan.absence * 1000 + 101);
        self.put(self.now + away, Happening::SenderComes);
    }

    fn send_for_sender(&mut self, command: Command) {
        let delay = self.delay();
        self.put(self.now + delay, Happening::Sender { command, life: self.life });
    }

    // Everything that the servers know is gone, and so are all connections to them.
    fn lose(&mut self) {
        self.queue = None;
        self.life += 1;
        self.listeners = Default::default();
        for (peer, link) in std::mem::take(&mut self.links).into_iter().collect::<BTreeMap<_, _>>() {
            let delay = self.rng.millis(0..2000);
            let to = self.numbers[&peer];
            self.put(self.now + delay, Happening::News { to, link, news: News::Broken });
        }
        if self.sender_here {
            let delay = self.rng.millis(100..8000);
            self.put(self.now + delay, Happening::SenderComes);
        }
    }

    // At the end.

    fn check_end(&mut self) {
        for receiver in &self.receivers {
            let end = match receiver.phase {
                Phase::Over(end) => end,
                ref other => panic!("{:?} is {other:?}", receiver.peer),
            };
            assert!(end != End::Crashed || self.plan.for_good > 0);
            assert!(end != End::Dismissed || self.plan.dismissed > 0);
        }
        // No slot was lost: as many as there are go to whoever comes.
        let mut snapshot = self.book.last().clone();
        while !snapshot.sender_here {
            self.step();
            snapshot = self.book.last().clone();
        }
        let room = self.plan.rules.max_receivers as usize - snapshot.dismissed.len();
        let newcomers = room.min(usize::from(snapshot.slots));
        for _ in 0..newcomers {
            let peer = PeerId(self.rng.array());
            self.command(&Command::Join { peer, proof: HASH, arrival: None });
            let seen = self.command(&Command::Seen { peer });
            let standing = seen.and_then(Result::ok).flatten().expect("there is room");
            assert!(standing.lease.is_some(), "a slot was lost");
        }
    }

    fn waiting(&self) -> Vec<(PeerId, Phase)> {
        let waiting = self.receivers.iter().filter(|receiver| !receiver.is_over());
        waiting.map(|receiver| (receiver.peer, receiver.phase)).collect()
    }

    fn delay(&mut self) -> Duration {
        self.rng.millis(self.plan.delay.clone())
    }

    fn put(&mut self, at: Duration, happening: Happening) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), happening);
    }
}
