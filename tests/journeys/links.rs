//! The link is there at once, however much there is to walk, and receivers see the share grow.

use crate::lab::{Lab, PLAIN};
use crate::tree;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Empty files in folders of a thousand.
fn crowd(root: &Path, folders: usize) {
    for folder in 0..folders {
        let folder = root.join(format!("{folder:04}"));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..1000 {
            File::create(folder.join(format!("{number:03}"))).unwrap();
        }
    }
}

#[test]
fn the_link_is_there_in_two_seconds_and_the_share_grows_while_it_is_walked() {
    let lab = Lab::in_memory();
    let crowded = lab.dir("source/crowd");
    crowd(&crowded, 50);
    let (mut sender, link) = lab.send_alone(&crowded, &PLAIN);
    let shared = sender.seen[0].at;
    assert!(shared - sender.started < Duration::from_secs(2), "{:?}", shared - sender.started);
    // Walking goes on behind the link, in steps that can be seen.
    let first = sender.event("walked");
    assert!(first.at >= shared && first.value["complete"] == false, "{first:?}");
    let all = sender.wait_for("the end of the walk", |event| event.value["complete"] == true);
    assert_eq!((all.number("entries"), all.number("unreadable")), (50_051, 0));
    let listed = lab.receive(&link, &lab.path("out"), &["--list"]).end().well();
    assert_eq!(listed.all("entry").count(), 50_051);
}

#[test]
fn a_receiver_is_let_in_while_the_walk_goes_on() {
    let lab = Lab::in_memory();
    let crowded = lab.dir("source/crowd");
    crowd(&crowded, 3);
    // Between what sorts before and behind it.
    let slow = SlowFolder::new(&lab, &crowded.join("0001.slow"));
    let (mut sender, link) = lab.send_settled(&crowded, |command| slow.settle(command));
    let shared = sender.seen[0].at;
    assert!(shared - sender.started < Duration::from_secs(2), "{:?}", shared - sender.started);

    let mut receiver = lab.receive(&link, &lab.path("out"), &["--list"]);
    let early = receiver.event("offered");
    // Whole pages of what stands before the slow folder.
    assert!((512..=2003).contains(&early.number("entries")) && early.value["complete"] == false, "{early:?}");
    slow.open();
    let late = receiver.wait_for("the whole offer", |event| event.value["complete"] == true);
    assert_eq!(late.number("entries"), 3006);
    let listed = receiver.end().well();
    assert_eq!(listed.all("entry").count(), 3006);
    sender.wait_for("the end of the walk", |event| event.value["complete"] == true);
}

/// A folder whose listing takes until [`Self::open`], for processes that were settled in it.
struct SlowFolder {
    path: PathBuf,
    gate: PathBuf,
    library: PathBuf,
}

impl SlowFolder {
    fn new(lab: &Lab, path: &Path) -> Self {
        let (gate, library) = (lab.path("gate"), lab.path("slow_folder.so"));
        fs::create_dir_all(path).unwrap();
        File::create(path.join("last")).unwrap();
        let made = Command::new("mkfifo").arg(&gate).status().unwrap();
        assert!(made.success(), "no pipe was made");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/journeys/slow_folder.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(built.unwrap().success(), "{source} was not compiled");
        SlowFolder { path: path.to_owned(), gate, library }
    }

    fn settle(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library);
        command.env("SLUICE_SLOW_FOLDER", &self.path).env("SLUICE_SLOW_FOLDER_GATE", &self.gate);
    }

    // Opening a pipe for writing waits for its reader, so for the walk to have come this far.
    fn open(&self) {
        File::options().write(true).open(&self.gate).unwrap();
    }
}

#[test]
fn a_share_ends_after_as_many_downloads_as_were_asked_for() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note.bin");
    tree::write_file(&note, 1, 100_000);
    let server = lab.serve();

    let (sender, link) = lab.send(&server.url, &note, &["--once"]);
    lab.receive(&link, &lab.path("one"), &PLAIN).end().well();
    sender.end().well();
    // Its link is dead, and the next share has one of its own.
    lab.receive(&link, &lab.path("late"), &["--wait", "1"]).end().with(5, "share_not_found");

    let (mut sender, other) = lab.send(&server.url, &note, &["--downloads", "2"]);
    assert_ne!(other, link);
    lab.receive(&other, &lab.path("two"), &PLAIN).end().well();
    sender.event("receiver_done");
    lab.receive(&other, &lab.path("three"), &PLAIN).end().well();
    let ended = sender.end().well();
    assert_eq!(ended.all("receiver_done").count(), 2);
    for out in ["one", "two", "three"] {
        tree::arrived(&note, &lab.path(out));
    }
    assert!(tree::names(&lab.path("late")).is_empty());
}
