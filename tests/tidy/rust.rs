//! The Rust files: how each opens, what none may hold, and where a library's name may appear.

use crate::files::{File, all};
use crate::holds;

/// A library's name in code, and the only places that may write it.
const SPOKEN_IN: [(&str, &[&str]); 5] = [
    ("webrtc", &["src-tauri/engine/src/rtc"]),
    ("axum", &["src-tauri/server/"]),
    ("redis", &["src-tauri/server/"]),
    ("tauri", &["src-tauri/app/"]),
    ("tauri_build", &["src-tauri/build.rs"]),
];

/// What the protocol may not reach for: its time and its bytes are given to it.
const IMPURE: [&str; 18] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::os",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "rand::",
    "rand_core::",
    "getrandom",
    "OsRng",
    "thread_rng",
];

/// Words that leave something for another day.
const UNFINISHED: [&str; 3] = [concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("#[ig", "nore")];

/// The file without its comments, one string a line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or(line))
}

/// The part of a file above its test module.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Whether `line` has a path into `library`, which is not the tail of a longer path.
fn speaks_of(line: &str, library: &str) -> bool {
    line.match_indices(&format!("{library}::")).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// `use std::{fs, io}` as `std::fs std::io`, so that a list hides nothing.
fn spelled_out(line: &str) -> String {
    let Some((_, list)) = line.split_once("use std::{") else {
        return line.to_owned();
    };
    list.split([',', '}']).map(|name| format!("std::{} ", name.trim())).collect()
}

fn opening(file: &File) -> Option<String> {
    let opens = file.text.starts_with("//! ");
    (!opens).then(|| format!("{} does not open by saying what it owns", file.path))
}

fn unfinished(file: &File) -> Vec<String> {
    let found = UNFINISHED.iter().filter(|word| code(&file.text).any(|line| line.contains(**word)));
    found.map(|word| format!("{} has {word}", file.path)).collect()
}

fn spoken_elsewhere(file: &File) -> Vec<String> {
    let elsewhere = SPOKEN_IN.iter().filter(|(library, homes)| {
        code(&file.text).any(|line| speaks_of(line, library))
            && !homes.iter().any(|home| file.path.starts_with(home))
    });
    elsewhere.map(|(library, _)| format!("{} speaks of {library}", file.path)).collect()
}

fn impure(file: &File) -> Vec<String> {
    let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    if !file.path.starts_with("src-tauri/protocol/") || is_test {
        return Vec::new();
    }
    let lines: Vec<String> = code(without_tests(&file.text)).map(spelled_out).collect();
    let found = IMPURE.iter().filter(|path| lines.iter().any(|line| line.contains(**path)));
    found.map(|path| format!("{} reaches for {path}", file.path)).collect()
}

fn files() -> Vec<File> {
    let files: Vec<File> = all().into_iter().filter(|file| file.is("rs")).collect();
    assert!(files.len() > 20, "only {} Rust files were found", files.len());
    files
}

fn sample(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    holds(files().iter().filter_map(opening));

    assert!(opening(&sample("a.rs", "use std::fs;\n")).is_some());
}

#[test]
fn nothing_is_left_for_another_day() {
    holds(files().iter().flat_map(unfinished));

    for word in UNFINISHED {
        assert_eq!(unfinished(&sample("a.rs", &format!("fn f() {{ {word} }}"))).len(), 1);
    }
}

#[test]
fn a_library_is_spoken_of_only_at_home() {
    holds(files().iter().flat_map(spoken_elsewhere));

    for (library, homes) in SPOKEN_IN {
        let text = format!("use {library}::Thing;\n");
        assert!(spoken_elsewhere(&sample(homes[0], &text)).is_empty());
        assert_eq!(spoken_elsewhere(&sample("src-tauri/cli/src/main.rs", &text)).len(), 1);
    }
    let innocent = "// webrtc::Thing\nuse crate::webrtc::Thing;\nuse my_tauri::Thing;\n";
    assert!(spoken_elsewhere(&sample("src-tauri/cli/src/main.rs", innocent)).is_empty());
}

#[test]
fn the_protocol_reaches_for_nothing_outside_it() {
    holds(files().iter().flat_map(impure));

    let path = "src-tauri/protocol/src/frame.rs";
    for reach in
        ["use std::fs;", "use std::{fmt, fs};", "let now = Instant::now();", "use std::net::TcpStream;"]
    {
        assert_eq!(impure(&sample(path, reach)).len(), 1, "{reach}");
    }
    let innocent = "// no std::fs here\n#[cfg(test)]\nmod tests { use std::fs; }";
    assert!(impure(&sample(path, innocent)).is_empty());
    assert!(impure(&sample("src-tauri/engine/src/disk.rs", "use std::fs;")).is_empty());
}
