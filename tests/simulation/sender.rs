//! The driver of a sending session: reads the share when it is told to, and feeds the pipe while it has room.

use crate::network::{Network, Pipe};
use crate::rng::Rng;
use crate::share::Share;
use crate::world::{End, check_timer};
use bytes::Bytes;
use sluice_protocol::control::EntryFailure;
use sluice_protocol::send::{SealedBatch, SendConfig, SendEvent, SendSession};
use std::time::Duration;

pub struct Sender {
    session: SendSession,
    reading: Option<(Duration, SealedBatch)>,
    rng: Rng,
    pub end: End,
    pub opened: bool,
    /// Bytes of content that were sealed and handed over.
    pub sent: u64,
    pub failed: Vec<(u32, EntryFailure)>,
    /// Bytes and entries that the receiver says it has chosen.
    pub chosen: Option<(u64, u64)>,
}

impl Sender {
    pub fn new(share: &Share, network: &Network, binding: [u8; 32], rng: &mut Rng, now: Duration) -> Self {
        let config = SendConfig {
            context: share.context(binding),
            keys: share.keys.clone(),
            name: "photos".into(),
            max_message: network.max_message,
            seed: rng.array(),
        };
        Sender {
            session: SendSession::new(config, now),
            reading: None,
            rng: rng.clone(),
            end: End::Open,
            opened: false,
            sent: 0,
            failed: Vec::new(),
            chosen: None,
        }
    }

    /// Holds content back, or lets it flow again.
    pub fn pause(&mut self, paused: bool) {
        self.session.handle_paused(paused);
    }

    pub fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        if let Err(error) = self.session.handle_message(frame, now) {
            self.end.fail(error.code);
        }
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SendEvent::Opened { name } => {
                    assert_eq!(name, "Ana");
                    self.opened = true;
                }
                SendEvent::EntryFailed { entry, failure } => self.failed.push((entry, failure)),
                SendEvent::Done { .. } => self.end = End::Done,
                SendEvent::Chosen { bytes, entries } => self.chosen = Some((bytes, entries)),
                SendEvent::Progress { .. } => {}
            }
        }
    }

    /// Does all that can be done now.
    pub fn pump(&mut self, share: &Share, pipe: &mut Pipe, now: Duration) {
        if let Some((_, batch)) = self.reading.take_if(|(at, _)| *at <= now) {
            self.session.handle_sealed(batch);
        }
        self.session.handle_totals(share.totals(now));
        loop {
            let mut moved = false;
            while let Some(index) = self.session.poll_page() {
                let (first, encoded) = share.page(index);
                self.session.handle_page(first, encoded);
                moved = true;
            }
            match self.session.poll_read(|entry| share.size_of(entry)) {
                Ok(Some(batch)) => {
                    self.sent += batch.len();
                    let mut unsent = 0;
                    let sealed = batch.seal(|piece, out| {
                        let read = share.read(piece, out);
                        unsent += if read.is_err() { u64::from(piece.len) } else { 0 };
                        read
                    });
                    self.sent -= unsent;
                    self.reading = Some((now + self.rng.millis(0..3), sealed));
                }
                Ok(None) => {}
                Err(error) => self.end.fail(error.code),
            }
            while pipe.has_room(now)
                && let Some(frame) = self.session.poll_message(now)
            {
                pipe.send(frame, now);
                moved = true;
            }
            if !moved {
                break;
            }
        }
        self.take_events();
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            if let Err(error) = self.session.handle_timeout(now) {
                self.end.fail(error.code);
            }
            check_timer(self.session.poll_timeout(), now);
        }
    }

    pub fn next_event(&self) -> Option<Duration> {
        let read = self.reading.as_ref().map(|(at, _)| *at);
        read.into_iter().chain(self.session.poll_timeout()).min()
    }
}
