//! A download's place in line: what its driver and its surface hear of it, and where signals of the attempt go.

use super::pace::Pace;
use crate::error::EngineError;
use crate::event::ReceiveEvent;
use crate::signaling::{IceSource, Signaling, SignalingEvent};
use sluice_protocol::error::Code;
use sluice_protocol::queue::{Progress, Tier};
use sluice_protocol::signal::{ClientMessage, Place, ServerMessage, Signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The place in line, and what is known of the sender there.
pub(super) struct Line {
    signaling: Signaling,
    /// Whether the slot is its own, and a socket is there to say so.
    pub(super) admitted: bool,
    /// Whether the sender has gone from the server.
    pub(super) away: bool,
    inbox: Option<mpsc::Sender<Signal>>,
    pace: Pace,
    epoch: Instant,
}

/// What happens in line.
pub(super) enum News {
    /// Nothing, or something that the surface may want to know.
    Told(Vec<ReceiveEvent>),
    /// The slot is its own; and perhaps something that the surface may want to know.
    Admitted(Vec<ReceiveEvent>),
    /// The sender has a new socket at the server; and perhaps something that the surface may want to know.
    SenderBack(Vec<ReceiveEvent>),
    /// Something does not work, and is tried again.
    Trouble(Code),
    /// Nothing more comes.
    Over(EngineError),
}

impl Line {
    pub(super) fn new(signaling: Signaling) -> Self {
        let (pace, epoch) = (Pace::default(), Instant::now());
        Line { signaling, admitted: false, away: false, inbox: None, pace, epoch }
    }

    /// Where the signals of the next attempt arrive.
    pub(super) fn inbox(&mut self) -> mpsc::Receiver<Signal> {
        let (sender, receiver) = mpsc::channel(64);
        self.inbox = Some(sender);
        receiver
    }

    pub(super) fn sender(&self) -> mpsc::Sender<ClientMessage> {
        self.signaling.sender()
    }

    pub(super) fn ice(&self) -> IceSource {
        self.signaling.ice()
    }

    pub(super) fn tell_progress(&self, progress: Progress) {
        self.signaling.tell_progress(progress);
    }

    pub(super) async fn leave(self) {
        self.signaling.leave().await;
    }

    pub(super) async fn next(&mut self) -> News {
        match self.signaling.next().await {
            Some(SignalingEvent::Up) => News::Told(Vec::new()),
            Some(SignalingEvent::Place(place)) => News::Told(self.handle_place(&place)),
            Some(SignalingEvent::Summary(summary)) => News::Told(vec![ReceiveEvent::Summary {
                name: summary.name,
                entries: summary.entries,
                bytes: summary.bytes,
                complete: summary.complete,
            }]),
            Some(SignalingEvent::Restarts) => {
                self.admitted = false;
                News::Told(Vec::new())
            }
            Some(SignalingEvent::Down(error)) => {
                self.admitted = false;
                News::Trouble(error.code())
            }
            Some(SignalingEvent::Refused(error)) => News::Over(error),
            Some(SignalingEvent::Message(message)) => self.handle_message(message),
            None => News::Over(Code::ServerUnreachable.into()),
        }
    }

    fn handle_place(&mut self, place: &Place) -> Vec<ReceiveEvent> {
        let mut events: Vec<ReceiveEvent> = self.handle_sender(place.sender_here).into_iter().collect();
        let wait = match place.tier {
            Tier::Active => {
                self.pace.forget();
                None
            }
            Tier::Near | Tier::Far => self.pace.handle_ahead(place.ahead, self.epoch.elapsed()),
        };
        events.push(ReceiveEvent::Place {
            tier: place.tier,
            ahead: place.ahead,
            slots: place.slots,
            wait_seconds: wait.map(|wait| wait.as_secs()),
        });
        events
    }

    fn handle_message(&mut self, message: ServerMessage) -> News {
        match message {
            ServerMessage::Admitted => {
                self.admitted = true;
                self.pace.forget();
                // If the sender is away, that is told behind this.
                News::Admitted(self.handle_sender(true).into_iter().collect())
            }
            ServerMessage::SenderAway => News::Told(self.handle_sender(false).into_iter().collect()),
            ServerMessage::SenderBack => News::SenderBack(self.handle_sender(true).into_iter().collect()),
            ServerMessage::Relay { signal, .. } => {
                // An attempt that nobody listens to any more needs no signals.
                if let Some(inbox) = &self.inbox {
                    let _ = inbox.try_send(signal);
                }
                News::Told(Vec::new())
            }
            _ => News::Told(Vec::new()),
        }
    }

    // What the surface hears of it, if it is news.
    fn handle_sender(&mut self, here: bool) -> Option<ReceiveEvent> {
        match (std::mem::replace(&mut self.away, !here), here) {
            (true, true) => Some(ReceiveEvent::SenderBack),
            (false, false) => Some(ReceiveEvent::SenderAway),
            _ => None,
        }
    }
}
