//! A share is steered while it runs: held back, slowed down, given other slots, and rid of a receiver.

use crate::inside::{Download, Events, share};
use crate::lab::{Lab, PLAIN, Server};
use crate::tree;
use sluice_engine::event::{ReceiveEvent, ShareEvent};
use sluice_engine::share::Share;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SIZE: u64 = 30_000_000;
const SLOW: u64 = 500_000;

struct Steered {
    lab: Lab,
    _server: Server,
    file: PathBuf,
    share: Share,
    events: Events<ShareEvent>,
}

impl Steered {
    /// A file of [`SIZE`], at [`SLOW`].
    async fn start(slots: u16) -> Self {
        let lab = Lab::new();
        let file = lab.dir("source").join("film.bin");
        tree::write_file(&file, 1, SIZE);
        let server = lab.serve();
        let (share, events) = share(&server, &file, slots, Some(SLOW)).await;
        Steered { lab, _server: server, file, share, events }
    }

    fn receive(&self, name: &str) -> Download {
        Download::start(self.share.link(), &self.lab.path(name))
    }

    async fn connected(&mut self) -> PeerId {
        self.events
            .wait("a connection", |event| match event {
                ShareEvent::ReceiverConnected { receiver, .. } => Some(*receiver),
                _ => None,
            })
            .await
    }

    async fn arrived(&self, download: Download, name: &str) {
        download.end().await.0.unwrap();
        tree::arrived(&self.file, &self.lab.path(name));
    }
}

/// Waits until some of it has come.
async fn flowing(download: &mut Download) -> u64 {
    let come = |event: &ReceiveEvent| match event {
        ReceiveEvent::Progress { bytes, .. } if *bytes > 0 => Some(*bytes),
        _ => None,
    };
    download.events.wait("the first bytes", come).await
}

async fn paused(download: &mut Download, expected: bool) {
    let told = |event: &ReceiveEvent| match event {
        ReceiveEvent::SenderPaused { paused } => Some(*paused),
        _ => None,
    };
    assert_eq!(download.events.wait("word of the pause", told).await, expected);
}

fn last_bytes(events: &[ReceiveEvent]) -> Option<u64> {
    events.iter().rev().find_map(|event| match event {
        ReceiveEvent::Progress { bytes, .. } => Some(*bytes),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_everything_back_and_a_new_limit_holds_at_once() {
    let steered = Steered::start(20).await;
    let control = steered.share.control();
    let mut download = steered.receive("out");
    flowing(&mut download).await;
    control.pause(true);
    paused(&mut download, true).await;
    // What was on its way settles; a limit that is taken away meanwhile moves nothing.
    download.events.watch(Duration::from_secs(1)).await;
    control.set_limit(None);
    let moved = download.events.watch(Duration::from_secs(3)).await;
    assert_eq!(last_bytes(moved), None, "{moved:?}");
    // Who comes now is told as well.
    let mut other = steered.receive("other");
    paused(&mut other, true).await;
    // A minute at the old limit.
    let since = Instant::now();
    control.pause(false);
    paused(&mut download, false).await;
    paused(&mut other, false).await;
    steered.arrived(download, "out").await;
    steered.arrived(other, "other").await;
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receiver_is_paused_and_slowed_alone() {
    let mut steered = Steered::start(20).await;
    let control = steered.share.control();
    let mut one = steered.receive("one");
    let receiver = steered.connected().await;
    control.pause_receiver(receiver, true);
    paused(&mut one, true).await;
    let mut other = steered.receive("other");
    flowing(&mut other).await;
    control.set_limit(None);
    steered.arrived(other, "other").await;
    control.limit_receiver(receiver, Some(SLOW));
    control.pause_receiver(receiver, false);
    paused(&mut one, false).await;
    // Five times of what one gets in that time, and no limit for the others.
    let before = flowing(&mut one).await;
    one.events.watch(Duration::from_secs(2)).await;
    let slow = last_bytes(&one.events.seen).unwrap();
    assert!(slow > before && slow < before + 5 * 2 * SLOW, "{before} {slow}");
    control.limit_receiver(receiver, None);
    steered.arrived(one, "one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_tells_how_much_it_has_chosen_and_what_arrives() {
    let mut steered = Steered::start(20).await;
    let mut download = steered.receive("out");
    let total = |event: &ShareEvent| match event {
        ShareEvent::ReceiverProgress { total_bytes: Some(total), .. } => Some(*total),
        _ => None,
    };
    assert_eq!(steered.events.wait("the total", total).await, SIZE);
    let current = |event: &ReceiveEvent| match event {
        ReceiveEvent::Progress { current: Some(path), .. } => Some(path.clone()),
        _ => None,
    };
    assert_eq!(download.events.wait("what arrives", current).await, "film.bin");
    steered.share.control().set_limit(None);
    let (result, events) = download.end().await;
    result.unwrap();
    let last = events.iter().rev().find(|event| matches!(event, ReceiveEvent::Progress { .. }));
    assert!(matches!(last, Some(ReceiveEvent::Progress { current: None, .. })), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_go_hears_it_and_makes_room() {
    let mut steered = Steered::start(1).await;
    let control = steered.share.control();
    let link = steered.share.link().to_web();
    let mut unwanted = steered.lab.receive(&link, &steered.lab.path("unwanted"), &PLAIN);
    let receiver = steered.connected().await;
    unwanted.wait_for("some progress", |event| event.is("progress") && event.number("bytes") > 0);
    let mut next = steered.receive("next");
    next.events.wait("its place", |event| matches!(event, ReceiveEvent::Place { .. }).then_some(())).await;
    let since = Instant::now();
    control.let_go(receiver);
    let ended = unwanted.end().with(4, "let_go");
    assert_eq!(ended.all("retrying").count(), 0);
    let lost = |event: &ShareEvent| match event {
        ShareEvent::ReceiverLost { receiver, code } => Some((*receiver, *code)),
        _ => None,
    };
    assert_eq!(steered.events.wait("its end", lost).await, (receiver, Code::LetGo));
    let left = |event: &ShareEvent| matches!(event, ShareEvent::ReceiverLeft { receiver: gone } if *gone == receiver);
    steered.events.wait("its slot", |event| left(event).then_some(())).await;
    assert_ne!(steered.connected().await, receiver);
    // Well before a slot that is merely dropped would be free: the grace period is 20 s.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    control.set_limit(None);
    steered.arrived(next, "next").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slots_let_those_in_line_in() {
    let mut steered = Steered::start(1).await;
    let control = steered.share.control();
    let one = steered.receive("one");
    let first = steered.connected().await;
    let mut two = steered.receive("two");
    two.events
        .wait("its place", |event| matches!(event, ReceiveEvent::Place { ahead: 0, .. }).then_some(()))
        .await;
    // The last of what a dial passes over counts.
    for slots in [5, 9, 2] {
        control.set_slots(slots);
    }
    assert_ne!(steered.connected().await, first);
    flowing(&mut two).await;
    // Two are in, and nobody else.
    let mut three = steered.receive("three");
    let place = |event: &ReceiveEvent| match event {
        ReceiveEvent::Place { ahead, slots, .. } => Some((*ahead, *slots)),
        _ => None,
    };
    assert_eq!(three.events.wait("its place", place).await, (0, 2));
    control.set_limit(None);
    for (download, name) in [(one, "one"), (two, "two"), (three, "three")] {
        steered.arrived(download, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_over_takes_no_orders() {
    let steered = Steered::start(1).await;
    let control = steered.share.control();
    steered.share.end().await;
    control.pause(true);
    control.set_slots(3);
    control.let_go(PeerId([7; 16]));
}
