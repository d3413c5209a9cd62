//! Downloads as the engine tells of them.

#![allow(clippy::unwrap_used)]

use super::*;
use sluice_engine::disk::{Durable, Skip};
use sluice_protocol::queue::Tier;
use std::time::Duration;

fn at(seconds: f64) -> Now {
    Now { up: Duration::from_secs_f64(seconds), wall: 1000 + seconds as u64 }
}

fn start(started: bool) -> DownloadStart {
    DownloadStart {
        id: "1".into(),
        name: None,
        server: "10.0.0.1:7575".into(),
        started,
        flips: BTreeSet::new(),
        offer: None,
        chosen: None,
        progress: None,
        folder: "/there/Downloads".into(),
        conflict: ConflictChoice::Rename,
        begun_at: 5,
    }
}

fn entry(path: &str, kind: &'static str, size: u64) -> ReceiveEvent {
    ReceiveEvent::Entry { path: path.into(), kind, size, mtime: 0 }
}

fn progress(bytes: u64) -> ReceiveEvent {
    ReceiveEvent::Progress {
        bytes,
        durable_bytes: bytes / 2,
        entries: 1,
        total_bytes: 10_000,
        total_entries: 4,
        complete: true,
        current: Some("a/b".into()),
    }
}

fn play(model: &mut DownloadModel, events: impl IntoIterator<Item = ReceiveEvent>) {
    for event in events {
        model.handle_event(event, at(1.0));
    }
}

fn summary(reports: Vec<Report>) -> Summary {
    Summary { durable: Durable { bytes: 10_000, entries: 4 }, renamed: 0, skipped: 1, failed: 0, reports }
}

#[test]
fn from_the_line_to_the_choice() {
    let mut model = DownloadModel::new(start(false));
    let place = ReceiveEvent::Place { tier: Tier::Far, ahead: 9, slots: 20, wait_seconds: Some(60) };
    let told = ReceiveEvent::Summary { name: "photos".into(), entries: 4, bytes: 30, complete: true };
    play(&mut model, [place, told, ReceiveEvent::SenderAway, ReceiveEvent::SenderAway]);
    let view = model.view(at(1.0));
    assert_eq!((view.state, view.name.as_deref()), (DownloadState::SenderAway, Some("photos")));
    assert_eq!((view.offer.unwrap().listed, view.chosen), (false, Chosen { entries: 4, bytes: 30 }));
    play(&mut model, [ReceiveEvent::SenderBack]);
    assert!(matches!(model.state(), DownloadState::Waiting { ahead: 9, .. }));
    play(
        &mut model,
        [
            ReceiveEvent::Connecting { attempt: 1 },
            ReceiveEvent::Connected { name: "photos".into(), path: Some(sluice_engine::rtc::Path::Local) },
            entry("a", "directory", 0),
            entry("a/b", "file", 10),
            entry("a/c", "symlink", 0),
            entry("d", "unreadable", 20),
            ReceiveEvent::Offered { entries: 4, bytes: 30, unreadable: 1, complete: true },
            ReceiveEvent::Choosing { hold_seconds: 120 },
        ],
    );
    let view = model.view(at(1.0));
    assert_eq!(view.state, DownloadState::Choosing { kept_until: Some(1121) });
    assert_eq!((view.offer.unwrap().listed, view.path), (true, Some(PathKind::Local)));
    assert!(!view.started);
    let row = model.tree.rows(0, 1).rows[0].node;
    model.tree.tick(row, false);
    assert_eq!(model.view(at(1.0)).chosen, Chosen { entries: 1, bytes: 20 });
    play(&mut model, [ReceiveEvent::SlotReleased]);
    assert_eq!(model.state(), &DownloadState::Choosing { kept_until: None });
    // It is listed again, and what was unticked still is.
    play(&mut model, [ReceiveEvent::Connected { name: "photos".into(), path: None }]);
    play(&mut model, [entry("a", "directory", 0), entry("a/b", "file", 10), entry("d", "file", 20)]);
    assert_eq!(model.view(at(1.0)).chosen, Chosen { entries: 1, bytes: 20 });
}

#[test]
fn what_was_there_already_has_no_rate() {
    let mut model = DownloadModel::new(start(true));
    play(&mut model, [ReceiveEvent::Resumed { bytes: 4000, entries: 1 }]);
    assert_eq!(model.view(at(1.0)).progress.unwrap().bytes, 4000);
    play(&mut model, [ReceiveEvent::Connected { name: "x".into(), path: None }]);
    assert_eq!(model.state(), &DownloadState::Downloading);
    for step in 0..=4 {
        model.handle_event(progress(5000 + 1000 * step), at(2.0 + step as f64));
    }
    let view = model.view(at(6.0));
    assert!((900..1400).contains(&view.rate), "{}", view.rate);
    let progress = view.progress.unwrap();
    assert_eq!((progress.bytes, progress.durable_bytes), (9000, 4500));
    assert_eq!(progress.seconds_left, Some(1000_u64.div_ceil(view.rate)));
    assert_eq!(view.plot.iter().sum::<u64>(), 3000, "of the last second not all is over");
}

#[test]
fn a_pause_of_the_sender_lasts_until_it_says_so() {
    let mut model = DownloadModel::new(start(true));
    play(&mut model, [progress(1), ReceiveEvent::SenderPaused { paused: true }, progress(2)]);
    assert_eq!(model.state(), &DownloadState::PausedBySender);
    play(&mut model, [ReceiveEvent::SenderPaused { paused: false }]);
    assert_eq!(model.state(), &DownloadState::Downloading);
    play(&mut model, [ReceiveEvent::Retrying { code: Code::Stalled, seconds: 2.0 }]);
    assert_eq!(model.state(), &DownloadState::Retrying { code: Code::Stalled, seconds: 2.0 });
}

#[test]
fn reports_are_counted_once_and_bounded() {
    let mut model = DownloadModel::new(start(true));
    let report = |number: usize| Report {
        path: number.to_string(),
        outcome: Outcome::Skipped { reason: Skip::Identical },
    };
    for number in 0..MAX_REPORTS + 5 {
        model.handle_event(ReceiveEvent::Report(report(number)), at(0.0));
    }
    model.handle_done(summary(vec![report(0)]));
    let view = model.view(at(1.0));
    assert_eq!((view.state, view.report_count as usize), (DownloadState::Done, MAX_REPORTS + 5));
    assert_eq!(view.reports.len(), MAX_REPORTS);
    assert_eq!(
        (view.reports[0].outcome, view.reports[0].detail.as_str()),
        (ReportOutcome::Skipped, "identical")
    );
}

#[test]
fn what_ended_it_is_seen() {
    let mut model = DownloadModel::new(start(true));
    play(&mut model, [progress(1), progress(2)]);
    assert!(model.is_moving());
    model.handle_pause();
    assert_eq!((model.state(), model.rate(at(1.0))), (&DownloadState::Paused, 0));
    assert!(!model.is_over() && !model.is_moving());
    model.handle_locked(true);
    assert_eq!(model.state(), &DownloadState::PasswordNeeded { wrong: true });
    model.handle_failure(Code::DiskFull, Some("no".into()));
    assert!(model.is_over());
    assert_eq!(model.view(at(1.0)).progress.unwrap().bytes, 2, "how far it came is still known");
}
