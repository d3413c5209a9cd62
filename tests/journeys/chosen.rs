//! A share is looked at before anything of it is received, and then only what was ticked comes.

use crate::inside::{Download, Events, choice, share, share_as};
use crate::lab::{Lab, Server};
use crate::tree;
use sluice_engine::event::{ReceiveEvent, ShareEvent};
use sluice_engine::identity::Identity;
use sluice_engine::share::Share;
use sluice_protocol::error::Code;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SIZE: u64 = 600_000;
const FLIPS: [&str; 4] = ["album/raw", "album/raw/keep", "album/raw/keep/no.bin", "album/a.bin"];

struct Offered {
    lab: Lab,
    _server: Server,
    folder: PathBuf,
    share: Share,
    events: Events<ShareEvent>,
}

impl Offered {
    async fn start(slots: u16, limit: Option<u64>) -> Self {
        let lab = Lab::new();
        let folder = lab.dir("source/album");
        for path in
            ["a.bin", "b.bin", "raw/c.bin", "raw/keep/no.bin", "raw/keep/yes.bin", "raw/keep/in/d.bin"]
        {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            tree::write_file(&path, path.as_os_str().len() as u64, SIZE);
        }
        let server = lab.serve();
        let (share, events) = share(&server, &folder, slots, limit).await;
        Offered { lab, _server: server, folder, share, events }
    }

    /// What [`FLIPS`] leave is there, as it is at the source, and nothing else.
    #[track_caller]
    fn arrived(&self, out: &Path) {
        for path in ["b.bin", "raw/keep/yes.bin", "raw/keep/in/d.bin"] {
            let found = tree::read(&out.join("album").join(path));
            tree::same(&tree::read(&self.folder.join(path)), &found);
        }
        assert_eq!(tree::names(out), ["album"]);
        assert_eq!(tree::names(&out.join("album")), ["b.bin", "raw"]);
        assert_eq!(tree::names(&out.join("album/raw")), ["keep"]);
        assert_eq!(tree::names(&out.join("album/raw/keep")), ["in", "yes.bin"]);
    }
}

async fn choosing(download: &mut Download) -> u64 {
    let choosing = |event: &ReceiveEvent| match event {
        ReceiveEvent::Choosing { hold_seconds } => Some(*hold_seconds),
        _ => None,
    };
    download.events.wait("the choice", choosing).await
}

fn count(events: &[ReceiveEvent], wanted: impl Fn(&ReceiveEvent) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

fn is_entry(event: &ReceiveEvent) -> bool {
    matches!(event, ReceiveEvent::Entry { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ticked_comes_on_the_connection_that_listed_it() {
    let mut offered = Offered::start(20, None).await;
    let out = offered.lab.path("out");
    let (mut download, choose) = Download::open(offered.share.link(), None);
    assert_eq!(choosing(&mut download).await, 120);
    let paths: Vec<String> = download
        .events
        .seen
        .iter()
        .filter_map(|event| match event {
            ReceiveEvent::Entry { path, .. } => Some(path.clone()),
            _ => None,
        })
        .collect();
    // A folder before what is in it.
    assert_eq!(paths.len(), 10, "{paths:?}");
    assert_eq!(paths[0], "album");
    let offers =
        |event: &ReceiveEvent| matches!(event, ReceiveEvent::Offered { entries: 10, complete: true, .. });
    assert_eq!(count(&download.events.seen, offers), 1);
    assert!(!out.exists());
    choose.send(choice(&out, &FLIPS)).unwrap();
    let (result, events) = download.end().await;
    let summary = result.unwrap();
    assert_eq!(summary.durable.bytes, 3 * SIZE);
    offered.arrived(&out);
    assert_eq!(count(&events, |event| matches!(event, ReceiveEvent::Connected { .. })), 1);
    assert_eq!(count(&events, is_entry), 10);
    // From the first on, it counts what is chosen and not what is offered.
    for event in &events {
        if let ReceiveEvent::Progress { total_bytes, .. } = event {
            assert_eq!(*total_bytes, 3 * SIZE);
        }
    }
    let done = |event: &ShareEvent| match event {
        ShareEvent::ReceiverDone { bytes, .. } => Some(*bytes),
        _ => None,
    };
    assert_eq!(offered.events.wait("its end", done).await, 3 * SIZE);
    let connected = |event: &&ShareEvent| matches!(event, ShareEvent::ReceiverConnected { .. });
    assert_eq!(offered.events.seen.iter().filter(connected).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_choice_goes_on_where_it_stopped() {
    let offered = Offered::start(20, Some(300_000)).await;
    let out = offered.lab.path("out");
    let (mut download, choose) = Download::open(offered.share.link(), None);
    choosing(&mut download).await;
    choose.send(choice(&out, &FLIPS)).unwrap();
    let durable = |event: &ReceiveEvent| match event {
        ReceiveEvent::Progress { durable_bytes, .. } if *durable_bytes >= 262_144 => Some(()),
        _ => None,
    };
    download.events.wait("something durable", durable).await;
    download.cancel.cancel();
    let (result, _) = download.end().await;
    assert_eq!(result.unwrap_err().code(), Code::Interrupted);
    offered.share.control().set_limit(None);
    let (result, events) = Download::resume(offered.share.link(), choice(&out, &FLIPS)).end().await;
    let summary = result.unwrap();
    offered.arrived(&out);
    // Straight on: nothing is listed, and nothing comes twice.
    assert_eq!(count(&events, |event| is_entry(event) || matches!(event, ReceiveEvent::Choosing { .. })), 0);
    let resumed = events.iter().find_map(|event| match event {
        ReceiveEvent::Resumed { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert_eq!(resumed.unwrap_or(0) + summary.durable.bytes, 3 * SIZE, "{resumed:?} {summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_kept_for_a_while_and_then_given_up() {
    let mut offered = Offered::start(1, None).await;
    let out = offered.lab.path("out");
    let (mut download, choose) = Download::open(offered.share.link(), Some(Duration::from_secs(2)));
    assert_eq!(choosing(&mut download).await, 2);
    let next = Download::start(offered.share.link(), &offered.lab.path("next"));
    let released = |event: &ReceiveEvent| matches!(event, ReceiveEvent::SlotReleased).then_some(());
    download.events.wait("its end", released).await;
    // The next in line has it now.
    next.end().await.0.unwrap();
    tree::arrived(&offered.folder, &offered.lab.path("next"));
    choose.send(choice(&out, &FLIPS)).unwrap();
    let (result, events) = download.end().await;
    result.unwrap();
    offered.arrived(&out);
    // Nothing is listed a second time.
    assert_eq!(count(&events, is_entry), 10);
    assert_eq!(count(&events, |event| matches!(event, ReceiveEvent::Connected { .. })), 2);
    let left = |event: &ShareEvent| matches!(event, ShareEvent::ReceiverLeft { .. }).then_some(());
    for _ in 0..3 {
        offered.events.wait("a slot that is free", left).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_chooses_holds_nothing() {
    let offered = Offered::start(1, None).await;
    let (mut download, choose) = Download::open(offered.share.link(), None);
    choosing(&mut download).await;
    drop(choose);
    let (result, _) = download.end().await;
    assert_eq!(result.unwrap_err().code(), Code::Interrupted);
    let out = offered.lab.path("out");
    Download::start(offered.share.link(), &out).end().await.0.unwrap();
    tree::arrived(&offered.folder, &out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_starts_again_while_somebody_chooses_loses_no_choice() {
    let Offered { lab, _server: server, folder, share, .. } = Offered::start(1, None).await;
    drop(share);
    let identity = Identity::random().unwrap();
    let (first, _) = share_as(&identity, &server, &folder, 1, None).await;
    let (mut download, choose) = Download::open(first.link(), None);
    choosing(&mut download).await;
    first.leave().await;
    let away = |event: &ReceiveEvent| matches!(event, ReceiveEvent::SenderAway).then_some(());
    download.events.wait("word of it", away).await;
    let (share, events) = share_as(&identity, &server, &folder, 1, None).await;
    let back = |event: &ReceiveEvent| matches!(event, ReceiveEvent::SenderBack).then_some(());
    download.events.wait("word of it", back).await;
    let out = lab.path("out");
    choose.send(choice(&out, &FLIPS)).unwrap();
    let (result, events_of_download) = download.end().await;
    result.unwrap();
    Offered { lab, _server: server, folder, share, events }.arrived(&out);
    // What it saw is not told again, and that the connection was lost meanwhile is not its person's trouble.
    assert_eq!(count(&events_of_download, is_entry), 10);
    assert_eq!(count(&events_of_download, |event| matches!(event, ReceiveEvent::Retrying { .. })), 0);
}
