//! A server that goes and comes back: transfers go on, and those who wait keep their places.

use crate::lab::{Lab, PLAIN, Server};
use crate::process::{Event, Sluice};
use crate::tree;
use std::path::PathBuf;
use std::process::Command;

/// Kept through the restart, as an operator would.
const SECRET: &str = "the same before and after the restart";

/// How many are in a slot, and how many wait.
const SLOTS: usize = 2;
const WAITING: usize = 4;

/// A share with its slots full and a line behind them.
struct Busy {
    lab: Lab,
    file: PathBuf,
    server: Server,
    sender: Sluice,
    receivers: Vec<(Sluice, PathBuf)>,
}

fn settle(command: &mut Command) {
    command.env("SLUICE_SECRET", SECRET);
}

fn is_waiting(event: &Event, ahead: usize) -> bool {
    event.is("place") && event.text("tier") == "near" && event.number("ahead") == ahead as u64
}

impl Busy {
    fn start() -> Self {
        let lab = Lab::new();
        let file = lab.dir("source").join("file.bin");
        tree::write_file(&file, 1, 16 << 20);
        let server = lab.serve_settled("127.0.0.1:0", settle);
        let (sender, link) = lab.send(&server, &file, &["--slots", "2", "--limit", "2MiB"]);
        let receivers = (0..SLOTS + WAITING)
            .map(|number| {
                let out = lab.path(&format!("out {number}"));
                let mut receiver = lab.receive(&link, &out, &PLAIN);
                match number.checked_sub(SLOTS) {
                    None => receiver.progress(1),
                    Some(ahead) => receiver.wait_for("its place", |event| is_waiting(event, ahead)),
                };
                (receiver, out)
            })
            .collect();
        Busy { lab, file, server, sender, receivers }
    }

    /// Starts the server again where it was, and waits until the sender hears of the whole line.
    fn restart(&mut self) {
        self.server = self.lab.serve_settled(&self.server.address, settle);
        self.sender
            .wait_for("the line", |event| event.is("waiting") && event.number("count") == WAITING as u64);
    }

    /// Lets all of it end, and holds that everyone had one turn, in order.
    fn end(mut self) {
        // The first two go on over the connections that they have; then there is nothing to hold the others up.
        let mut connected = Vec::new();
        for (receiver, out) in std::mem::take(&mut self.receivers) {
            let ended = receiver.end().well();
            assert_eq!(ended.all("connecting").count(), 1, "a transfer was begun again");
            connected.push(ended.last("connecting").unwrap().at);
            tree::arrived(&self.file, &out);
        }
        assert!(connected.is_sorted(), "they were let in out of order: {connected:?}");
        let sender = &mut self.sender;
        let done = |sender: &Sluice| sender.seen.iter().filter(|event| event.is("receiver_left")).count();
        while done(sender) < SLOTS + WAITING {
            sender.event("receiver_left");
        }
        let mut held: Vec<&str> = Vec::new();
        let mut joined: Vec<&str> = Vec::new();
        for event in &sender.seen {
            let receiver = event.text("receiver");
            if event.is("receiver_joined") {
                joined.push(receiver);
                held.push(receiver);
                assert!(held.len() <= SLOTS, "more than {SLOTS} held a slot");
            } else if event.is("receiver_left") {
                held.retain(|holder| *holder != receiver);
            }
        }
        let times = joined.len();
        joined.sort_unstable();
        joined.dedup();
        assert_eq!((times, joined.len()), (SLOTS + WAITING, SLOTS + WAITING), "someone was let in twice");
    }
}

#[test]
fn a_server_that_is_killed_finds_the_line_as_it_was() {
    let mut busy = Busy::start();
    let killed = busy.server.process.kill_in_place();
    assert_eq!(killed.status, -1);
    let lost = busy.sender.event("server_lost").at;
    busy.restart();
    assert!(busy.sender.seen.iter().any(|event| event.is("server_back") && event.at > lost));
    // They were told of their places anew, whoever came back first.
    for (ahead, (receiver, _)) in busy.receivers[SLOTS..].iter_mut().enumerate() {
        receiver.wait_for("the same place", |event| is_waiting(event, ahead));
    }
    busy.end();
}

#[test]
fn a_server_that_is_restarted_in_order_is_no_news() {
    let mut busy = Busy::start();
    busy.server.process.interrupt();
    busy.server.process.ended().well();
    busy.restart();
    let told = ["server_lost", "server_back"];
    assert!(
        !busy.sender.seen.iter().any(|event| told.iter().any(|name| event.is(name))),
        "it was told as trouble"
    );
    busy.end();
}
