//! What the window is told of a real share and a real download, kept for the tests of the window.

use super::*;
use crate::api::{DownloadState, ShareState, ShareTerms};
use std::fs;

/// Where recordings are, below the top.
const FIXTURES: &str = "ui/app/fixtures";

impl Lab {
    // As it would be on anyone's computer: no folder and no address of this one.
    fn tidied(&self, watcher: &Watcher, address: &str) -> String {
        let home = self.path("");
        let home = home.to_str().unwrap().trim_end_matches('/');
        let lines = watcher.told.lock().unwrap();
        let line = |event: &AppEvent| {
            let json = serde_json::to_string(event).unwrap();
            json.replace(&format!("{home}/bo"), "~").replace(home, "~").replace(address, "192.168.1.20:7575")
                + "\n"
        };
        lines.events.iter().map(line).collect()
    }
}

// The states that a recording goes through, each once.
fn states(recording: &str) -> Vec<String> {
    let events = recording.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut states: Vec<_> =
        events.filter_map(|event| event["view"]["state"]["state"].as_str().map(str::to_owned)).collect();
    states.sort();
    states.dedup();
    states
}

// What is moving may have been told of at a moment or not; the rest must be the same.
fn lasting(recording: &str) -> Vec<String> {
    let passing = ["connecting", "joining", "waiting"];
    states(recording).into_iter().filter(|state| !passing.contains(&state.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recordings_of_a_share_and_a_download_are_what_the_shell_tells() {
    let lab = Lab::new();
    for (name, bytes) in
        [("a/1.raw", 1_500_000), ("a/2.raw", 1_200_000), ("b/3.raw", 500_000), ("note.txt", 12)]
    {
        lab.file(&format!("ana/photos/{name}"), bytes);
    }
    let (ana, bo) = (lab.shell("ana").await, lab.shell("bo").await);
    let (at_ana, at_bo) = (Watcher::of(&ana).0, Watcher::of(&bo).0);
    let terms = ShareTerms { limit: Some(1_000_000), ..ShareTerms::default() };
    let share = ana.share(&[lab.path("ana/photos")], terms).unwrap();
    let live = at_ana.share(&share, |view| view.state == ShareState::Live && view.counted).await;
    let download = bo.open_link(&live.link.unwrap()).unwrap();
    let choosing = |view: &DownloadView| {
        matches!(view.state, DownloadState::Choosing { .. }) && view.offer.is_some_and(|offer| offer.complete)
    };
    let address = at_bo.download(&download, choosing).await.server;
    bo.start_download(&download).unwrap();
    at_bo.download(&download, |view| view.state == DownloadState::Done).await;
    at_ana.share(&share, |view| view.done == 1).await;
    for (watcher, name) in [(&at_ana, "recorded-share"), (&at_bo, "recorded-download")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURES).join(format!("{name}.jsonl"));
        let made = lab.tidied(watcher, &address);
        if std::env::var_os("SLUICE_BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        assert_eq!(
            lasting(&fs::read_to_string(path).unwrap()),
            lasting(&made),
            "run this test with SLUICE_BLESS=1"
        );
    }
    bo.close().await;
    ana.close().await;
}
