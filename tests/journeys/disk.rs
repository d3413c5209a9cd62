//! What the receiver's disk may do: be full, go away, or lead elsewhere.

use crate::lab::{Lab, PLAIN};
use crate::process::reached;
use crate::tree;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const MB: u64 = 1_000_000;

/// A file system in memory, of a size of its own; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Self {
        let options = format!("size={size}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "sluice"]).arg(at));
        Small(at.to_owned())
    }

    fn enlarge(&self, size: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left may still be there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed, which needs root: {said}");
}

#[test]
fn a_disk_without_room_is_told_before_and_a_larger_one_takes_all() {
    let lab = Lab::new();
    let file = lab.dir("source").join("backup");
    tree::write_file(&file, 1, 40 * MB);
    let (_sender, link) = lab.send_alone(&file, &PLAIN);
    let out = lab.dir("small");
    let small = Small::mount(&out, "24m");
    let full = lab.receive(&link, &out, &PLAIN).end().with(7, "disk_full");
    // It says how much is missing, and has not begun.
    let message = full.last("error").unwrap().text("message");
    assert!(message.contains("40000000 bytes are needed"), "{message}");
    assert_eq!(reached(&full.events), 0);
    small.enlarge("80m");
    lab.receive(&link, &out, &PLAIN).end().well();
    tree::arrived(&file, &out);
}

#[test]
fn a_disk_that_fills_up_meanwhile_stops_cleanly_and_goes_on_when_there_is_room() {
    let lab = Lab::new();
    let folder = lab.dir("source/backup");
    let names = ["a", "b", "c", "d"];
    for (seed, name) in names.into_iter().enumerate() {
        tree::write_file(&folder.join(name), seed as u64, 10 * MB);
    }
    let (_sender, link) = lab.send_alone(&folder, &["--limit", "8MB"]);
    let out = lab.dir("small");
    let _small = Small::mount(&out, "60m");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.progress(14 * MB);
    // Somebody else takes the rest.
    let ballast = fs::File::create(out.join("ballast")).unwrap();
    std::io::copy(&mut std::io::repeat(1), &mut &ballast).unwrap_err();
    let full = receiver.end().with(7, "disk_full");
    let whole = names.into_iter().filter(|name| out.join("backup").join(name).exists());
    for name in whole.clone() {
        assert!(fs::read(folder.join(name)).unwrap() == fs::read(out.join("backup").join(name)).unwrap());
    }
    assert!((1..4).contains(&whole.count()));
    // Room is only there again once nobody holds it open.
    drop(ballast);
    fs::remove_file(out.join("ballast")).unwrap();
    let kept = full.last("progress").unwrap().number("durable_bytes");
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    let resumed = ended.last("resumed").unwrap().number("bytes");
    assert!(resumed >= kept && kept >= 10 * MB, "{kept} bytes were durable, {resumed} were found");
    tree::arrived(&folder, &out);
}

#[test]
fn a_destination_that_is_removed_ends_the_download() {
    let lab = Lab::new();
    let folder = lab.dir("source/work");
    for number in 0..40 {
        tree::write_file(&folder.join(format!("{number:02}")), number, MB);
    }
    let (_sender, link) = lab.send_alone(&folder, &["--limit", "8MB"]);
    let out = lab.path("out");
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.progress(6 * MB);
    fs::rename(&out, lab.path("taken away")).unwrap();
    fs::remove_dir_all(lab.path("taken away")).unwrap();
    let ended = receiver.end();
    assert_eq!(ended.status, 7, "{:?}", ended.last("error"));
    assert!(["destination_gone", "disk_failed"].contains(&ended.code()), "{}", ended.code());
    assert!(!out.exists());
    // The same command starts over.
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.event("connected");
    receiver.end().well();
    tree::arrived(&folder, &out);
}

#[test]
fn a_symlink_in_the_destination_leads_nothing_out() {
    let lab = Lab::new();
    let folder = lab.dir("source/work");
    for place in ["", "sub"] {
        fs::create_dir_all(folder.join(place)).unwrap();
        for number in 0..3 {
            tree::write_file(&folder.join(place).join(format!("file {number}")), number, 1000);
        }
    }
    let (_sender, link) = lab.send_alone(&folder, &PLAIN);
    let outside = lab.dir("outside");
    fs::write(outside.join("file 0"), "not to be touched").unwrap();
    for linked in ["work", "work/sub", "work/file 0"] {
        for conflict in ["skip", "rename", "overwrite"] {
            let out = lab.dir(&format!("out {} {conflict}", linked.replace('/', " ")));
            let at = out.join(linked);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match linked {
                "work/file 0" => symlink(outside.join("file 0"), &at).unwrap(),
                _ => symlink(&outside, &at).unwrap(),
            }
            let ended = lab.receive(&link, &out, &["--conflict", conflict]).end();
            assert!([0, 7].contains(&ended.status), "{linked} {conflict}: {ended:?}");
            assert_eq!(tree::names(&outside), ["file 0"], "{linked} {conflict}");
            assert_eq!(fs::read_to_string(outside.join("file 0")).unwrap(), "not to be touched");
        }
    }
}

#[test]
fn a_symlink_swapped_in_while_writing_leads_nothing_out() {
    let lab = Lab::new();
    let folder = lab.dir("source/work");
    for place in ["a", "b"] {
        fs::create_dir_all(folder.join(place)).unwrap();
        for number in 0..20 {
            tree::write_file(&folder.join(place).join(format!("{number:02}")), number, MB);
        }
    }
    let (_sender, link) = lab.send_alone(&folder, &["--limit", "8MB"]);
    let (out, outside) = (lab.path("out"), lab.dir("outside"));
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    // In the middle of the first folder, both are swapped.
    receiver.progress(8 * MB);
    for place in ["a", "b"] {
        let at = out.join("work").join(place);
        if at.exists() {
            fs::rename(&at, lab.path(&format!("moved {place}"))).unwrap();
        }
        symlink(&outside, &at).unwrap();
    }
    let ended = receiver.end();
    assert!([0, 7].contains(&ended.status), "{ended:?}");
    assert!(tree::names(&outside).is_empty(), "{:?}", tree::names(&outside));
}
