//! Whoever is killed in the middle, nothing that was verified is fetched a second time beyond 16 MiB.

use crate::lab::{Lab, PLAIN, Server};
use crate::process::reached;
use crate::tree;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// What may at most be fetched twice.
const TWICE: u64 = 16 * MIB;

/// One large file among small ones, 48 MiB and a bit.
fn folder(lab: &Lab) -> PathBuf {
    let folder = lab.dir("source/work");
    for number in 0..50 {
        tree::write_file(&folder.join(format!("a{number:02}")), number, 3000 + number);
    }
    tree::write_file(&folder.join("large.bin"), 100, 48 * MIB + 12_345);
    folder
}

#[test]
fn a_receiver_that_is_killed_goes_on_from_its_journal() {
    let lab = Lab::new();
    let folder = folder(&lab);
    let out = lab.path("out");
    let (_sender, link) = lab.send_alone(&folder, &["--limit", "12MiB"]);
    let mut durable = 0;
    for beyond in [20 * MIB, 40 * MIB] {
        let mut receiver = lab.receive(&link, &out, &PLAIN);
        receiver.progress(beyond);
        let killed = receiver.kill();
        assert_eq!(killed.status, -1);
        if durable > 0 {
            assert!(killed.last("resumed").unwrap().number("bytes") >= durable);
        }
        // What it had said to be durable is what the next one must find.
        durable = killed.last("progress").unwrap().number("durable_bytes");
        let had = reached(&killed.events);
        assert!(had > TWICE, "a kill after {had} bytes shows nothing");
        assert!(had - durable <= TWICE, "{had} bytes had come, {durable} were durable");
        assert_ne!(tree::read(&folder), tree::read(&out.join("work")));
    }
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    let resumed = ended.last("resumed").unwrap().number("bytes");
    assert!(resumed >= durable, "{durable} bytes were durable, {resumed} were found");
    assert!(resumed < 48 * MIB);
    tree::arrived(&folder, &out);
}

#[test]
fn a_sender_that_is_killed_is_followed_under_its_link() {
    let lab = Lab::new();
    let folder = folder(&lab);
    let out = lab.path("out");
    let server = lab.serve();
    let (sender, link) = lab.send(&server.url, &folder, &["--limit", "12MiB"]);
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.progress(20 * MIB);
    sender.kill();
    receiver.event("sender_away");
    let (_sender, again) = lab.send(&server.url, &folder, &PLAIN);
    assert_eq!(again, link);
    let back = receiver.event("sender_back");
    let retrying = receiver.event("retrying");
    assert_eq!(retrying.text("code"), "sender_gone");
    let before = reached(&receiver.seen);
    let connected = receiver.wait_for("a second connection", |event| event.is("connected"));
    // It does not wait for a stall of fifteen seconds once it knows that the sender has started again.
    assert!(connected.at - back.at < Duration::from_secs(10), "{:?}", connected.at - back.at);
    let after = receiver.event("progress").number("bytes");
    assert!(before > TWICE && before.saturating_sub(after) <= TWICE, "{before} bytes before, {after} after");
    receiver.end().well();
    tree::arrived(&folder, &out);
}

#[test]
fn a_transfer_outlives_the_server_and_a_new_one_takes_newcomers() {
    let lab = Lab::new();
    let folder = folder(&lab);
    let server = lab.serve();
    let (mut sender, link) = lab.send(&server.url, &folder, &["--limit", "6MiB"]);
    let mut receiver = lab.receive(&link, &lab.path("out"), &PLAIN);
    receiver.progress(4 * MIB);
    let Server { process, address, .. } = server;
    process.kill();
    let lost = sender.event("server_lost").at;
    // It goes on without a server.
    let so_far = receiver.seen.last().unwrap().number("bytes");
    let moving = receiver.wait_for("progress without a server", |event| {
        event.is("progress") && event.at > lost && event.number("bytes") > so_far
    });
    let server = lab.serve_at(&address);
    assert!(moving.at < server.process.seen[0].at);
    sender.event("server_back");
    let newcomer = lab.receive(&link, &lab.path("second"), &["--only", "work/a*"]);
    newcomer.end().well();
    assert_eq!(tree::names(&lab.path("second/work")).len(), 50);
    let ended = receiver.end().well();
    assert_eq!(ended.all("connecting").count(), 1, "the transfer was begun again");
    tree::arrived(&folder, &lab.path("out"));
}

#[test]
fn a_receiver_that_is_interrupted_keeps_everything() {
    let lab = Lab::new();
    let folder = folder(&lab);
    let out = lab.path("out");
    let (mut sender, link) = lab.send_alone(&folder, &["--limit", "12MiB"]);
    let mut receiver = lab.receive(&link, &out, &PLAIN);
    receiver.progress(10 * MIB);
    receiver.interrupt();
    let interrupted = receiver.end().with(130, "interrupted");
    sender.wait_for("the end of the first run", |event| event.is("receiver_left"));
    let ended = lab.receive(&link, &out, &PLAIN).end().well();
    let resumed = ended.last("resumed").unwrap().number("bytes");
    let had = reached(&interrupted.events);
    // Asked in time, it loses nothing but what had not been verified yet: less than a chunk.
    assert!(resumed + MIB >= had, "{had} bytes had come, {resumed} were kept");
    tree::arrived(&folder, &out);
}
