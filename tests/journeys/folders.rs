//! A folder, a file and a choice of them arrive as they were.

use crate::lab::{Lab, PLAIN};
use crate::tree::{self, Node};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Names in many scripts, and some that shells, terminals or other systems stumble over.
const NAMES: [&str; 16] = [
    "снимок.txt",
    "写真.jpg",
    "사진",
    "صورة.png",
    "תמונה",
    "क्षत्रिय.txt",
    "ภาพถ่าย",
    "🦀 crab.txt",
    "e\u{301} apart.txt",
    "\u{e9} together.txt",
    " a space before",
    "-rf",
    "quote'\"`$HOME.txt",
    "con.txt",
    "dots...",
    "Upper.TXT",
];

/// A folder with one of everything that can be sent.
fn photos(lab: &Lab) -> PathBuf {
    let photos = lab.dir("source/photos");
    fs::create_dir(photos.join("empty folder")).unwrap();
    File::create(photos.join("empty.bin")).unwrap();
    tree::write_file(&photos.join("one byte"), 1, 1);
    tree::write_file(&photos.join("a chunk and a byte"), 2, (1 << 20) + 1);
    tree::write_file(&photos.join("run.sh"), 3, 100);
    fs::set_permissions(photos.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for (seed, name) in NAMES.into_iter().enumerate() {
        tree::write_file(&photos.join(name), seed as u64, 1000 + seed as u64);
    }
    symlink("run.sh", photos.join("to a file")).unwrap();
    symlink("empty folder", photos.join("to a folder")).unwrap();
    let mut deep = photos.clone();
    // With the folder itself, 100 levels above the file.
    for level in 1..100 {
        deep.push(format!("{level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    tree::write_file(&deep.join("deep.txt"), 4, 10);
    let old = SystemTime::UNIX_EPOCH + Duration::new(981_173_106, 123_456_789);
    for aged in ["run.sh", "empty.bin", "empty folder", ""] {
        let times = FileTimes::new().set_modified(old);
        File::open(photos.join(aged)).unwrap().set_times(times).unwrap();
    }
    photos
}

#[test]
fn a_folder_arrives_as_it_was() {
    let lab = Lab::new();
    let photos = photos(&lab);
    let (mut sender, link) = lab.send_alone(&photos, &PLAIN);
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    tree::arrived(&photos, &out);
    assert_eq!(ended.all("report").count(), 0);
    let nodes = tree::read(&photos);
    let files: u64 = nodes
        .values()
        .map(|node| match node {
            Node::File { size, .. } => *size,
            _ => 0,
        })
        .sum();
    let done = ended.last("done").unwrap();
    assert_eq!(done.value["durable"]["bytes"], files);
    let done = sender.event("receiver_done");
    assert_eq!((done.number("bytes"), done.number("entries")), (files, nodes.len() as u64));
    sender.interrupt();
    let ended = sender.end().well();
    assert!(ended.last("ended").is_some());
}

#[test]
fn what_can_not_be_sent_is_listed_and_the_rest_arrives() {
    let lab = Lab::new();
    let mixed = lab.dir("source/mixed");
    tree::write_file(&mixed.join("a file"), 1, 1000);
    symlink("/etc/hostname", mixed.join("to the system")).unwrap();
    symlink("../../..", mixed.join("to outside")).unwrap();
    let _socket = UnixListener::bind(mixed.join("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(mixed.join("pipe")).status().unwrap().success());
    let (sender, link) = lab.send_alone(&mixed, &PLAIN);
    // Sockets and pipes hold nothing that anybody misses, and a link outwards is not followed.
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    assert_eq!(tree::names(&out.join("mixed")), ["a file"]);
    let mut reports: Vec<_> =
        ended.all("report").map(|report| (report.text("path"), report.text("reason"))).collect();
    reports.sort_unstable();
    let expected = [
        ("mixed/pipe", "unreadable_special"),
        ("mixed/socket", "unreadable_special"),
        ("mixed/to outside", "unsafe_link"),
        ("mixed/to the system", "unsafe_link"),
    ];
    assert_eq!(reports, expected);
    drop(sender);

    // A name that is no text is content that is missing.
    tree::write_file(&mixed.join(OsStr::from_bytes(b"caf\xe9")), 2, 10);
    let (_sender, link) = lab.send_alone(&mixed, &PLAIN);
    let ended = lab.receive(&link, &lab.path("again"), &PLAIN).end().with(8, "source_unreadable");
    assert!(ended.all("report").any(|report| report.text("reason") == "unreadable_name"));
    assert_eq!(tree::names(&lab.path("again/mixed")), ["a file"]);
}

#[test]
fn a_file_arrives_under_its_own_name_by_either_form_of_link() {
    let lab = Lab::new();
    let film = lab.dir("source").join("film.bin");
    tree::write_file(&film, 1, 3_000_000);
    let (sender, link) = lab.send_alone(&film, &PLAIN);
    let deep_link = sender.seen[0].text("deep_link").to_owned();
    assert!(link.starts_with("http://127.0.0.1:") && deep_link.starts_with("sluice://127.0.0.1:"));
    for (number, link) in [link, deep_link].into_iter().enumerate() {
        let out = lab.path(&format!("out {number}"));
        lab.receive(&link, &out, &PLAIN).end().well();
        tree::arrived(&film, &out);
    }
}

#[test]
fn a_list_shows_everything_and_writes_nothing() {
    let lab = Lab::new();
    let photos = photos(&lab);
    let (_sender, link) = lab.send_alone(&photos, &PLAIN);
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &["--list"]).end().well();
    assert!(!out.exists());
    let mut listed: Vec<_> = ended
        .all("entry")
        .map(|entry| (entry.text("path").to_owned(), entry.text("kind").to_owned(), entry.number("size")))
        .collect();
    listed.sort();
    let mut there: Vec<_> = tree::read(&photos)
        .into_iter()
        .map(|(path, node)| {
            let path = Path::new("photos").join(path).to_str().unwrap().trim_end_matches('/').to_owned();
            match node {
                Node::File { size, .. } => (path, "file".to_owned(), size),
                Node::Folder { .. } => (path, "directory".to_owned(), 0),
                Node::Symlink { .. } => (path, "symlink".to_owned(), 0),
                Node::Other => panic!("{path}"),
            }
        })
        .collect();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn only_what_was_chosen_arrives() {
    let lab = Lab::new();
    let source = lab.dir("source/trip");
    for (seed, path) in ["a.jpg", "a.txt", "sub/b.jpg", "sub/b.txt", "all/c.txt"].into_iter().enumerate() {
        fs::create_dir_all(source.join(path).parent().unwrap()).unwrap();
        tree::write_file(&source.join(path), seed as u64, 1000);
    }
    let (_sender, link) = lab.send_alone(&source, &PLAIN);
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &["--only", "*.jpg", "--only", "trip/all"]).end().well();
    let files: Vec<_> = tree::read(&out)
        .into_iter()
        .filter_map(|(path, node)| matches!(node, Node::File { .. }).then_some(path))
        .collect();
    assert_eq!(files, ["trip/a.jpg", "trip/all/c.txt", "trip/sub/b.jpg"].map(PathBuf::from));
    assert_eq!(ended.last("done").unwrap().value["durable"]["bytes"], 3000);
}

#[test]
fn a_file_that_is_there_is_kept_numbered_or_replaced() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note.txt");
    fs::write(&note, "the new one").unwrap();
    let (_sender, link) = lab.send_alone(&note, &PLAIN);
    let read = |out: &Path, name: &str| fs::read_to_string(out.join(name)).unwrap();

    let there = |name: &str| {
        let out = lab.dir(name);
        fs::write(out.join("note.txt"), "mine").unwrap();
        out
    };
    let out = there("skip");
    let ended = lab.receive(&link, &out, &["--conflict", "skip"]).end().well();
    assert_eq!(ended.last("report").unwrap().text("reason"), "exists");
    assert_eq!((tree::names(&out).len(), read(&out, "note.txt").as_str()), (1, "mine"));

    let out = there("overwrite");
    lab.receive(&link, &out, &["--conflict", "overwrite"]).end().well();
    assert_eq!((tree::names(&out).len(), read(&out, "note.txt").as_str()), (1, "the new one"));

    let out = there("rename");
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    let to = ended.last("report").unwrap().text("to").to_owned();
    assert_eq!((read(&out, "note.txt").as_str(), read(&out, &to).as_str()), ("mine", "the new one"));

    // The same file is not fetched twice.
    let again = lab.receive(&link, &lab.path("overwrite"), &PLAIN).end().well();
    assert_eq!(again.last("report").unwrap().text("reason"), "identical");
    assert_eq!(again.last("done").unwrap().value["durable"]["bytes"], 0);
}
