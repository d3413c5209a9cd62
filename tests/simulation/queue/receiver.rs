//! One receiver: it joins, listens, claims, downloads and leaves; or crashes and comes back with its ticket.

use super::Plan;
use crate::rng::Rng;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::{Standing, Tier};
use std::time::Duration;

/// How long it waits for an answer before it asks again.
const RETRY: Duration = Duration::from_secs(5);
/// How often it shows that it is there.
const HEARTBEAT: Duration = Duration::from_secs(12);

/// What a receiver does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Asks for a place, with the ticket that it has.
    Join { ticket: Option<u64> },
    /// Shows itself on a connection on which it listens.
    Seen { link: u64 },
    /// Comes for its slot, or shows itself in it, on a connection of its own.
    Claim { link: u64 },
    /// Tells how far it is.
    Progress,
    /// Is done.
    Leave,
    /// A connection of its is closed.
    Close { link: u64 },
    /// It and the sender are not connected any more.
    Part,
}

/// What reaches a receiver by itself.
#[derive(Debug, Clone, Copy)]
pub enum News {
    Place(Standing),
    /// It has no place any more.
    Gone,
    /// The connection or the share is lost.
    Broken,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Served,
    Dismissed,
    Crashed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not there.
    Away,
    /// Has asked for a place.
    Joining,
    /// Listens for its place, and perhaps is about to claim a slot.
    Waiting {
        claim_at: Option<Duration>,
    },
    /// Has asked for its slot.
    Claiming,
    /// Holds a slot.
    Holding,
    Over(End),
}

/// What it works with at one moment.
pub struct Moment<'a> {
    pub now: Duration,
    pub rng: &'a mut Rng,
    pub plan: &'a Plan,
    pub actions: Vec<Action>,
}

#[derive(Debug)]
pub struct Receiver {
    pub peer: PeerId,
    pub phase: Phase,
    /// The arrival in its newest ticket.
    pub ticket: Option<u64>,
    /// The last question that it asked; answers to older ones are too late.
    pub question: u64,
    /// When it does something by itself.
    pub wake: Option<Duration>,
    pub link: Option<u64>,
    links: u64,
    // What is left of its download, and when that is done if it is under way.
    left: Duration,
    download: Option<Duration>,
}

impl Receiver {
    pub fn new(peer: PeerId, arrives: Duration, download: Duration) -> Self {
        Receiver {
            peer,
            phase: Phase::Away,
            ticket: None,
            question: 0,
            wake: Some(arrives),
            link: None,
            links: 0,
            left: download,
            download: None,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    pub fn handle_wake(&mut self, at: &mut Moment) {
        if self.download.is_some_and(|done| done <= at.now) {
            at.actions.push(Action::Leave);
            self.end(End::Served, at);
            return;
        }
        match self.phase {
            Phase::Away | Phase::Joining => self.join(at),
            Phase::Waiting { claim_at: Some(due) } if due <= at.now => self.claim(at),
            Phase::Waiting { claim_at } => {
                let link = self.link();
                self.ask(Action::Seen { link }, at);
                self.sleep(claim_at.map_or(HEARTBEAT, |due| HEARTBEAT.min(due - at.now)), at);
            }
            Phase::Claiming => self.claim(at),
            Phase::Holding => {
                let link = self.link();
                if at.rng.chance(30) {
                    at.actions.push(Action::Progress);
                }
                self.ask(Action::Claim { link }, at);
                self.sleep(HEARTBEAT, at);
            }
            Phase::Over(_) => {}
        }
    }

    /// What the server says to its last question.
    pub fn handle_answer(&mut self, answer: Result<Standing, Code>, at: &mut Moment) {
        match (self.phase, answer) {
            (Phase::Away | Phase::Over(_), _) => {}
            (Phase::Joining, Ok(standing)) => {
                self.ticket = Some(standing.arrival);
                self.listen(at);
                self.place(standing, at);
            }
            (Phase::Joining, Err(Code::LetGo)) => self.end(End::Dismissed, at),
            (Phase::Joining, Err(_)) => {
                let pause = at.rng.millis(1000..4000);
                self.sleep(pause, at);
            }
            (Phase::Waiting { .. }, Ok(standing)) => self.place(standing, at),
            (Phase::Claiming | Phase::Holding, Ok(_)) => {
                self.phase = Phase::Holding;
                self.download.get_or_insert(at.now + self.left);
                self.sleep(HEARTBEAT, at);
            }
            (Phase::Claiming | Phase::Holding, Err(Code::NotYourTurn)) => {
                self.part(at);
                self.listen(at);
            }
            (_, Err(_)) => self.join(at),
        }
    }

    pub fn handle_news(&mut self, news: News, at: &mut Moment) {
        match (self.phase, news) {
            (Phase::Away | Phase::Joining | Phase::Over(_), _) => {}
            // Even one that was let go tries it again.
            (_, News::Gone) => {
                self.part(at);
                self.join(at);
            }
            (Phase::Waiting { .. }, News::Place(standing)) => self.place(standing, at),
            (Phase::Waiting { .. }, News::Broken) => {
                self.link = None;
                self.listen(at);
            }
            (_, News::Broken) => {
                self.link = None;
                self.claim(at);
            }
            (_, News::Place(_)) => {}
        }
    }

    pub fn handle_crash(&mut self, at: &mut Moment) {
        if self.is_over() {
            return;
        }
        if at.rng.chance(at.plan.for_good) {
            self.end(End::Crashed, at);
            return;
        }
        self.close(at);
        self.part(at);
        self.phase = Phase::Away;
        // Within and beyond the 20 s for which its place is kept.
        let away = at.rng.millis(200..40_000);
        self.wake = Some(at.now + away);
        self.question += 1;
    }

    fn end(&mut self, end: End, at: &mut Moment) {
        self.close(at);
        self.part(at);
        self.phase = Phase::Over(end);
        self.wake = None;
    }

    fn join(&mut self, at: &mut Moment) {
        self.close(at);
        self.phase = Phase::Joining;
        self.ask(Action::Join { ticket: self.ticket }, at);
        self.sleep(RETRY, at);
    }

    fn listen(&mut self, at: &mut Moment) {
        self.close(at);
        self.phase = Phase::Waiting { claim_at: None };
        let link = self.link();
        self.ask(Action::Seen { link }, at);
        self.sleep(HEARTBEAT, at);
    }

    // It hears of its place while it waits.
    fn place(&mut self, standing: Standing, at: &mut Moment) {
        if standing.tier != Tier::Active {
            self.part(at);
            return;
        }
        let Phase::Waiting { claim_at: None } = self.phase else {
            return;
        };
        // Without a lease it may be that nobody else wants the slot, or that it is still its own.
        if standing.lease.is_some() || self.download.is_some() || at.rng.chance(50) {
            let sleepy = at.rng.chance(at.plan.sleepy);
            let pause = at.rng.millis(if sleepy { 31_000..90_000 } else { 1..1000 });
            self.phase = Phase::Waiting { claim_at: Some(at.now + pause) };
            self.sleep(pause.min(HEARTBEAT), at);
        }
    }

    fn claim(&mut self, at: &mut Moment) {
        self.close(at);
        self.phase = Phase::Claiming;
        let link = self.link();
        self.ask(Action::Claim { link }, at);
        self.sleep(RETRY, at);
    }

    fn ask(&mut self, action: Action, at: &mut Moment) {
        self.question += 1;
        at.actions.push(action);
    }

    fn link(&mut self) -> u64 {
        let links = &mut self.links;
        *self.link.get_or_insert_with(|| {
            *links += 1;
            *links
        })
    }

    fn close(&mut self, at: &mut Moment) {
        if let Some(link) = self.link.take() {
            at.actions.push(Action::Close { link });
        }
    }

    // The connection with the sender ends.
    fn part(&mut self, at: &mut Moment) {
        if let Some(done) = self.download.take() {
            self.left = done.saturating_sub(at.now);
            at.actions.push(Action::Part);
        }
    }

    fn sleep(&mut self, pause: Duration, at: &mut Moment) {
        let wake = at.now + pause;
        self.wake = Some(self.download.map_or(wake, |done| done.min(wake)));
    }
}
