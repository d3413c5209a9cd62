//! Two people's shells, from a folder on one disk to the same folder on the other.

use super::*;
use crate::api::{
    ConflictChoice, DownloadState, Place, ReceiverState, ReportOutcome, ShareState, ShareTerms, Tick,
};
use serde_json::json;
use sluice_protocol::error::Code;
use std::time::Instant;
use std::{fs, slice};

// Photos of two folders and a note, 3.2 MB.
fn photos(lab: &Lab) -> PathBuf {
    for (name, bytes) in
        [("a/1.raw", 1_500_000), ("a/2.raw", 1_200_000), ("b/3.raw", 500_000), ("note.txt", 12)]
    {
        lab.file(&format!("ana/photos/{name}"), bytes);
    }
    lab.path("ana/photos")
}

fn live(view: &ShareView) -> bool {
    view.state == ShareState::Live && view.counted
}

fn choosing(view: &DownloadView) -> bool {
    matches!(view.state, DownloadState::Choosing { .. })
        && view.offer.is_some_and(|offer| offer.complete && offer.listed)
}

fn done(view: &DownloadView) -> bool {
    view.state == DownloadState::Done
}

async fn shared(shell: &Shell, paths: &[PathBuf], terms: ShareTerms) -> (String, Watcher, String) {
    let (watcher, _) = Watcher::of(shell);
    let id = shell.share(paths, terms).unwrap();
    let link = watcher.share(&id, live).await.link.unwrap();
    (id, watcher, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_from_one_to_the_other_as_it_was_chosen() {
    let lab = Lab::new();
    let (ana, mut heard) = lab.shell_and_news("ana").await;
    let (share, at_ana, link) = shared(&ana, &[photos(&lab)], ShareTerms::default()).await;
    assert_eq!(heard.recv().await.unwrap(), News::LinkMade { link: link.clone() });
    let (bo, mut bo_heard) = lab.shell_and_news("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    // A message brings more than the link alone.
    let id = bo.open_link(&format!(" {link}\n")).unwrap();
    let view = at_bo.download(&id, choosing).await;
    assert_eq!((view.name.as_deref(), view.started), (Some("photos"), false));
    assert_eq!((view.chosen.entries, view.chosen.bytes), (7, 3_200_012));
    assert!(view.free.unwrap() > 0);
    let top = bo.rows(&id, 0, 10).unwrap();
    assert_eq!((top.total, top.rows[0].name.as_str(), top.rows[0].tick), (1, "photos", Tick::All));
    bo.open_row(&id, top.rows[0].node, true).unwrap();
    let rows = bo.rows(&id, 0, 10).unwrap().rows;
    assert_eq!(
        rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["photos", "a", "b", "note.txt"]
    );
    bo.tick(&id, Some(rows[2].node), false).unwrap();
    assert_eq!(at_bo.download(&id, |view| view.chosen.entries == 5).await.chosen.bytes, 2_700_012);
    bo.start_download(&id).unwrap();
    assert_eq!(bo.tick(&id, None, true).unwrap_err().code, Code::RequestInvalid, "the choice is made");
    at_bo.download(&id, done).await;
    let there = lab.path("bo/Downloads/photos");
    assert_eq!(fs::read(there.join("a/1.raw")).unwrap(), content(1_500_000));
    assert_eq!(fs::read(there.join("note.txt")).unwrap(), content(12));
    assert!(!there.join("b").exists());
    let view = at_ana.share(&share, |view| view.done == 1).await;
    assert_eq!(view.receivers[0].state, ReceiverState::Done);
    assert_eq!((view.receivers[0].name.as_deref(), view.receivers[0].total), (Some("Lab"), Some(2_700_012)));
    let mut news = Vec::new();
    while news.len() < 2 {
        news.push(heard.recv().await.unwrap());
    }
    let (share_name, receiver) = ("photos".to_owned(), "Lab".to_owned());
    assert_eq!(
        news,
        [
            News::Started { share: share_name.clone(), receiver: receiver.clone() },
            News::Finished { share: share_name, receiver }
        ]
    );
    assert_eq!(bo_heard.recv().await.unwrap(), News::Choose { share: Some("photos".into()) });
    assert_eq!(bo_heard.recv().await.unwrap(), News::DownloadDone { share: Some("photos".into()) });
    let line = &bo.history()[0];
    assert_eq!((line.name.as_str(), line.bytes, line.done, line.shared), ("photos", 2_700_012, 1, false));
    assert_eq!(bo.history_folder(&line.id).unwrap(), lab.path("bo/Downloads"));
    bo.forget_history(None);
    assert!(bo.history().is_empty());
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_link_is_the_same_and_downloads_go_on() {
    let lab = Lab::new();
    let big = lab.file("ana/big.bin", 6_000_000);
    let ana = lab.shell("ana").await;
    let terms = ShareTerms { limit: Some(1_000_000), ..ShareTerms::default() };
    let (share, _, link) = shared(&ana, &[big], terms).await;
    let bo = lab.shell("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    let id = bo.open_link(&link).unwrap();
    // At once, before anything is known of it.
    bo.start_download(&id).unwrap();
    at_bo.download(&id, |view| view.progress.as_ref().is_some_and(|progress| progress.bytes > 500_000)).await;
    bo.close().await;
    ana.close().await;

    let ana = lab.shell("ana").await;
    let (at_ana, snapshot) = Watcher::of(&ana);
    assert_eq!((snapshot.shares.len(), snapshot.shares[0].id.as_str()), (1, share.as_str()));
    let view = at_ana.share(&share, live).await;
    assert_eq!(view.link.as_deref(), Some(link.as_str()));
    assert_eq!(view.terms.limit, Some(1_000_000));
    ana.set_terms(&share, ShareTerms::default()).unwrap();
    let bo = lab.shell("bo").await;
    let (at_bo, snapshot) = Watcher::of(&bo);
    let before = &snapshot.downloads[0];
    assert!(before.started && before.progress.as_ref().unwrap().bytes > 0, "{before:#?}");
    at_bo.download(&id, done).await;
    assert_eq!(fs::read(lab.path("bo/Downloads/big.bin")).unwrap(), content(6_000_000));
    let most = at_bo.downloads(&id).iter().map(|view| view.rate).max().unwrap();
    assert!(most < 100_000_000, "what was there already has no rate, but {most}");
    bo.close().await;
    let bo = lab.shell("bo").await;
    assert!(Watcher::of(&bo).1.downloads.is_empty(), "what is done is in the history");
    assert_eq!(bo.history().len(), 1);
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_paused_and_let_go_on() {
    let lab = Lab::new();
    let big = lab.file("ana/big.bin", 4_000_000);
    let ana = lab.shell("ana").await;
    let terms = ShareTerms { limit: Some(1_000_000), ..ShareTerms::default() };
    let (share, at_ana, link) = shared(&ana, &[big], terms).await;
    let bo = lab.shell("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    let id = bo.open_link(&link).unwrap();
    assert_eq!(bo.open_link(&link).unwrap(), id, "it is open already");
    bo.start_download(&id).unwrap();
    let moving = |view: &DownloadView| view.state == DownloadState::Downloading && view.rate > 0;
    at_bo.download(&id, moving).await;
    bo.pause_download(&id, true).unwrap();
    assert_eq!(at_bo.download(&id, |view| view.state == DownloadState::Paused).await.rate, 0);
    bo.pause_download(&id, false).unwrap();
    at_bo.download(&id, moving).await;
    // Now the other side.
    ana.pause_share(&share, true).unwrap();
    at_bo.download(&id, |view| view.state == DownloadState::PausedBySender).await;
    assert_eq!(
        at_ana.share(&share, |view| view.state == ShareState::Paused).await.receivers[0].state,
        ReceiverState::Paused
    );
    ana.pause_all(false);
    at_bo.download(&id, moving).await;
    let receiver = at_ana
        .share(&share, |view| view.receivers.iter().any(|one| one.state == ReceiverState::Active))
        .await;
    let receiver =
        receiver.receivers.iter().find(|one| one.state == ReceiverState::Active).unwrap().id.clone();
    ana.limit_receiver(&share, &receiver, Some(500_000)).unwrap();
    assert_eq!(ana.let_go(&share, "nobody").unwrap_err().code, Code::PeerLeft);
    ana.let_go(&share, &receiver).unwrap();
    at_bo.download(&id, |view| matches!(view.state, DownloadState::Failed { code: Code::LetGo, .. })).await;
    bo.retry_download(&id).unwrap();
    ana.set_terms(&share, ShareTerms::default()).unwrap();
    at_bo.download(&id, done).await;
    bo.remove_download(&id).unwrap();
    at_bo.event(|event| matches!(event, AppEvent::DownloadGone { .. })).await;
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_at_the_sender_is_fetched_once_it_is_whole_again() {
    let lab = Lab::new();
    let folder = photos(&lab);
    let missing = folder.join("a/1.raw");
    let ana = lab.shell("ana").await;
    let (_, _, link) = shared(&ana, slice::from_ref(&folder), ShareTerms::default()).await;
    let changed = fs::metadata(&missing).unwrap().modified().unwrap();
    fs::remove_file(&missing).unwrap();
    let bo = lab.shell("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    let id = bo.open_link(&link).unwrap();
    bo.start_download(&id).unwrap();
    let failed = |view: &DownloadView| {
        view.reports.iter().filter(|report| report.outcome == ReportOutcome::Failed).count()
    };
    let view = at_bo.download(&id, |view| done(view) && failed(view) == 1).await;
    assert_eq!((view.report_count, view.reports[0].path.as_str()), (1, "photos/a/1.raw"));

    fs::write(&missing, content(1_500_000)).unwrap();
    fs::File::options().append(true).open(&missing).unwrap().set_modified(changed).unwrap();
    bo.retry_download(&id).unwrap();
    let view = at_bo.download(&id, |view| done(view) && failed(view) == 0).await;
    assert_eq!(fs::read(lab.path("bo/Downloads/photos/a/1.raw")).unwrap(), content(1_500_000));
    assert!(view.reports.iter().all(|report| report.outcome == ReportOutcome::Skipped), "{:?}", view.reports);
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_failed_goes_on_in_another_folder() {
    let lab = Lab::new();
    let ana = lab.shell("ana").await;
    let (_, _, link) = shared(&ana, &[photos(&lab)], ShareTerms::default()).await;
    let bo = lab.shell("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    let id = bo.open_link(&link).unwrap();
    // A file where the folder should be.
    bo.set_folder(&id, &lab.file("bo/taken", 1)).unwrap();
    bo.start_download(&id).unwrap();
    at_bo.download(&id, |view| matches!(view.state, DownloadState::Failed { .. })).await;

    bo.set_folder(&id, &lab.path("bo/elsewhere")).unwrap();
    bo.retry_download(&id).unwrap();
    at_bo.download(&id, done).await;
    assert_eq!(fs::read(lab.path("bo/elsewhere/photos/note.txt")).unwrap(), content(12));
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_makes_a_new_link_and_is_asked_for_until_it_is_right() {
    let lab = Lab::new();
    let note = lab.file("ana/note.txt", 100);
    let ana = lab.shell("ana").await;
    let (share, at_ana, open) = shared(&ana, &[note], ShareTerms::default()).await;
    let terms = ShareTerms { password: Some("tulip".into()), ..ShareTerms::default() };
    ana.set_terms(&share, terms).unwrap();
    let locked = at_ana.share(&share, |view| live(view) && view.link.as_deref() != Some(&open)).await;
    assert_eq!(locked.terms.password.as_deref(), Some(""));
    // An empty one in new terms means the same as before.
    let terms = ShareTerms { password: Some(String::new()), downloads: Some(1), ..ShareTerms::default() };
    ana.set_terms(&share, terms).unwrap();
    let bo = lab.shell("bo").await;
    let (at_bo, _) = Watcher::of(&bo);
    let id = bo.open_link(&locked.link.clone().unwrap()).unwrap();
    at_bo.download(&id, |view| view.state == DownloadState::PasswordNeeded { wrong: false }).await;
    bo.give_password(&id, "rose".into()).unwrap();
    at_bo.download(&id, |view| view.state == DownloadState::PasswordNeeded { wrong: true }).await;
    bo.give_password(&id, "tulip".into()).unwrap();
    at_bo.download(&id, choosing).await;
    bo.set_conflict(&id, ConflictChoice::Overwrite).unwrap();
    bo.set_folder(&id, &lab.path("bo/elsewhere")).unwrap();
    bo.start_download(&id).unwrap();
    at_bo.download(&id, done).await;
    assert_eq!(fs::read(lab.path("bo/elsewhere/note.txt")).unwrap(), content(100));
    // It was to be downloaded once.
    at_ana.share(&share, |view| view.state == ShareState::Ended).await;
    assert_eq!((ana.history()[0].done, ana.history()[0].name.as_str()), (1, "note.txt"));
    // The link that nobody needed a password for is dead for good.
    let old = bo.open_link(&open).unwrap();
    at_bo.download(&old, |view| matches!(view.state, DownloadState::Failed { .. })).await;
    bo.close().await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_share_comes_back_under_its_link_and_a_new_one_under_another() {
    let lab = Lab::new();
    let note = lab.file("ana/note.txt", 100);
    let ana = lab.shell("ana").await;
    let (share, at_ana, link) = shared(&ana, slice::from_ref(&note), ShareTerms::default()).await;
    assert_eq!(ana.share(&[lab.path("ana/../ana/note.txt")], ShareTerms::default()).unwrap(), share);
    assert_eq!(ana.remove_share(&share).unwrap_err().code, Code::RequestInvalid, "it runs");
    ana.end_share(&share).unwrap();
    at_ana.share(&share, |view| view.state == ShareState::Ended).await;
    ana.close().await;

    let ana = lab.shell("ana").await;
    let (at_ana, snapshot) = Watcher::of(&ana);
    assert_eq!(snapshot.shares[0].state, ShareState::Ended, "and stays so");
    ana.restart_share(&share).unwrap();
    assert_eq!(at_ana.share(&share, live).await.link.as_deref(), Some(link.as_str()));
    ana.end_share(&share).unwrap();
    let again = ana.share(slice::from_ref(&note), ShareTerms::default()).unwrap();
    at_ana.event(|event| matches!(event, AppEvent::ShareGone { id } if *id == share)).await;
    let new = at_ana.share(&again, live).await.link.unwrap();
    assert_ne!(new, link);
    ana.end_share(&again).unwrap();
    ana.remove_share(&again).unwrap();
    // The time is over before it has begun.
    let terms = ShareTerms { ends_at: Some(1), ..ShareTerms::default() };
    let late = ana.share(&[note], terms).unwrap();
    at_ana.share(&late, |view| view.state == ShareState::Ended).await;
    assert_eq!(
        ana.share(&[lab.path("nothing")], ShareTerms::default()).unwrap_err().code,
        Code::SourceMissing
    );
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_outside_waits_for_the_window() {
    let lab = Lab::new();
    let ana = lab.shell("ana").await;
    let note = lab.file("ana/note.txt", 100);
    ana.open_and_show("sluice://nonsense");
    ana.share_and_show(&[note]);
    let (at_ana, snapshot) = Watcher::of(&ana);
    assert_eq!(snapshot.notices, [Notice::BadLink { code: Code::LinkInvalid }]);
    at_ana.event(|event| matches!(event, AppEvent::Show { place: Place::Share, id: Some(_) })).await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_link_ends_in_a_sentence_and_shares_and_fetches_nothing() {
    let lab = Lab::new();
    let ana = lab.shell("ana").await;
    let secret = lab.file("ana/secret.txt", 100);
    let long = format!("sluice://h/p/{}", "x".repeat(100_000));
    let quoted = format!("sluice://h/p/x\" \"{}", secret.display());
    let lines = format!("sluice://127.0.0.1:1/p/x#y\n{}", secret.display());
    let starts: [&[&str]; 9] = [
        &[&long],
        &[&quoted],
        &[&lines],
        &["sluice://h/p/x --hidden"],
        &["sluice://h/p/x\"", "--hidden", secret.to_str().unwrap()],
        &["sluice://h/p/$(touch x)`id`;\u{202e}\u{0}%00"],
        &["sluice:"],
        &["javascript://alert/1"],
        &["https://example.org/"],
    ];
    for arguments in starts {
        let asked = crate::links::read(arguments, &lab.path("ana"));
        assert_eq!((asked.links.len(), asked.paths.len(), asked.hidden), (1, 0, false), "{arguments:?}");
        ana.open_and_show(&asked.links[0]);
    }
    let (_, snapshot) = Watcher::of(&ana);
    assert_eq!(snapshot.notices, vec![Notice::BadLink { code: Code::LinkInvalid }; starts.len()]);
    assert!(snapshot.shares.is_empty() && snapshot.downloads.is_empty());
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_told_of_and_everything_else_goes_on() {
    let lab = Lab::new();
    let ana = lab.shell("ana").await;
    let note = lab.file("ana/note.txt", 100);
    let (share, ..) = shared(&ana, &[note], ShareTerms::default()).await;
    ana.close().await;
    let settings = lab.places("ana").config.join("settings.json");
    write(&settings, b"{ not ours");
    write(&lab.places("ana").state.join("history.json"), br#"{"version":9,"content":[]}"#);
    let ana = lab.shell("ana").await;
    let (at_ana, snapshot) = Watcher::of(&ana);
    let aside: Vec<&str> = snapshot
        .notices
        .iter()
        .map(|notice| match notice {
            Notice::SetAside { what, .. } => what.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(aside, ["settings", "history"]);
    assert_eq!(fs::read(settings.with_extension("broken")).unwrap(), b"{ not ours");
    at_ana.share(&share, live).await;
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_at_most_four_times_a_second() {
    let lab = Lab::new();
    let note = lab.file("ana/note.txt", 100);
    let ana = lab.shell("ana").await;
    let (share, at_ana, _) = shared(&ana, &[note], ShareTerms::default()).await;
    let (begun, before) = (Instant::now(), at_ana.shares(&share).len());
    let mut changes = tokio::time::interval(Duration::from_millis(5));
    for limit in 1..=300 {
        changes.tick().await;
        ana.set_terms(&share, ShareTerms { limit: Some(limit), ..ShareTerms::default() }).unwrap();
    }
    at_ana.share(&share, |view| view.terms.limit == Some(300)).await;
    let (most, told) = (begun.elapsed().as_millis() as usize / 250 + 2, at_ana.shares(&share).len() - before);
    assert!((4..=most).contains(&told), "{told} views, and not at most {most}");
    ana.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_what_runs() {
    let lab = Lab::new();
    let ana = lab.shell("ana").await;
    let note = lab.file("ana/note.txt", 100);
    let (share, at_ana, link) = shared(&ana, &[note], ShareTerms::default()).await;
    // One change at a time, and each leaves the others as they are.
    for change in [json!({ "slots": 3 }), json!({ "downloadFolder": "/etc" }), json!({ "name": "Ana" })] {
        ana.save_settings(serde_json::from_value(change).unwrap()).await.unwrap();
    }
    let refused = ana.save_settings(serde_json::from_value(json!({ "slots": "many" })).unwrap()).await;
    assert_eq!(refused.unwrap_err().code, Code::RequestInvalid);
    at_ana.share(&share, |view| view.slots == 3).await;
    assert_eq!(ana.download_folder(), lab.places("ana").downloads, "paths come from dialogs only");
    ana.set_download_folder(&lab.path("ana/chosen"));
    assert_eq!(ana.download_folder(), lab.path("ana/chosen"));
    // Another port is another link, for the same share.
    let port = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let change = serde_json::from_value(json!({ "embeddedPort": port })).unwrap();
    ana.save_settings(change).await.unwrap();
    let moved = at_ana.share(&share, |view| live(view) && view.link.as_deref() != Some(&link)).await;
    assert!(moved.link.unwrap().contains(&format!(":{port}/")));
    ana.close().await;
    let ana = lab.shell("ana").await;
    let (_, snapshot) = Watcher::of(&ana);
    assert_eq!((snapshot.settings.slots, snapshot.settings.name.as_deref()), (3, Some("Ana")));
    assert_eq!(snapshot.settings.download_folder, Some(lab.path("ana/chosen").display().to_string()));
    ana.close().await;
}
