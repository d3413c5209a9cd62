//! A share with its slots full and a line behind them, and what has to hold of it whatever happens to its servers.

use crate::lab::Lab;
use crate::process::{Ended, Event, Sluice};
use crate::tree;
use sluice_protocol::link::{Link, ServerUrl};
use sluice_protocol::queue::NEAR_PLACES;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// How many are in a slot.
pub const SLOTS: usize = 2;
/// How many wait: five near the slots, who poll, and two far from them, who listen.
pub const WAITING: usize = 7;

/// What each takes of the share, by its place at the beginning. The second is there for as long as things happen, and
/// the first until the last is through: so the others pass through one slot, and their order can be seen.
const TAKEN: [(&str, u64); 3] = [("long.bin", 44 * MIB), ("middle.bin", 24 * MIB), ("short.bin", MIB)];
const LIMIT: &str = "4MiB";

/// Such a share.
pub struct Busy {
    pub sender: Sluice,
    pub link: Link,
    folder: PathBuf,
    receivers: Vec<Receiver>,
}

struct Receiver {
    process: Sluice,
    out: PathBuf,
    takes: &'static str,
}

/// Whether a receiver is told that so many wait before it.
pub fn is_waiting(event: &Event, ahead: usize) -> bool {
    let tier = if ahead < NEAR_PLACES as usize { "near" } else { "far" };
    event.is("place") && event.text("tier") == tier && event.number("ahead") == ahead as u64
}

impl Busy {
    /// Its sender is told of the server at one URL, and its receivers at another.
    pub fn start(lab: &Lab, for_sender: &str, for_receivers: &str) -> Self {
        let folder = lab.dir("source/work");
        for (seed, (name, size)) in TAKEN.iter().enumerate() {
            tree::write_file(&folder.join(name), seed as u64, *size);
        }
        let slots = SLOTS.to_string();
        let (sender, link) = lab.send(for_sender, &folder, &["--slots", &slots, "--limit", LIMIT]);
        let mut link = Link::parse(&link).unwrap();
        link.server = ServerUrl::parse(for_receivers).unwrap();
        let receivers = (0..SLOTS + WAITING)
            .map(|number| {
                let out = lab.path(&format!("out {number}"));
                let (takes, _) = TAKEN[number.min(SLOTS)];
                let only = format!("work/{takes}");
                let mut process = lab.receive(&link.to_web(), &out, &["--only", &only]);
                match number.checked_sub(SLOTS) {
                    None => process.progress(1),
                    Some(ahead) => process.wait_for("its place", |event| is_waiting(event, ahead)),
                };
                Receiver { process, out, takes }
            })
            .collect();
        Busy { sender, link, folder, receivers }
    }

    /// Waits until the sender hears anew of the whole line.
    pub fn hear_of_line(&mut self) {
        self.sender
            .wait_for("the line", |event| event.is("waiting") && event.number("count") == WAITING as u64);
    }

    /// Waits until everyone in line is told anew of the same place, whoever came back first.
    pub fn find_places(&mut self) {
        for (ahead, receiver) in self.receivers[SLOTS..].iter_mut().enumerate() {
            receiver.process.wait_for("the same place", |event| is_waiting(event, ahead));
        }
    }

    /// Lets all of it end, and holds that everyone had one turn, in order, and has what it chose. Those in a slot go on
    /// over the connections that they have.
    pub fn end(&mut self) -> Vec<Ended> {
        let ended: Vec<_> = self
            .receivers
            .drain(..)
            .map(|Receiver { process, out, takes }| {
                let ended = process.end().well();
                tree::same(&tree::read(&self.folder.join(takes)), &tree::read(&out.join("work").join(takes)));
                assert_eq!(tree::names(&out.join("work")), [takes]);
                ended
            })
            .collect();
        for ended in &ended {
            let turns = ["connecting", "connected", "retrying"].map(|name| ended.all(name).count());
            assert_eq!(turns, [1, 1, 0], "a transfer was broken off or begun again");
        }
        let turns: Vec<_> = ended.iter().map(|ended| ended.last("connecting").unwrap().at).collect();
        assert!(turns.is_sorted(), "they were let in out of order: {turns:?}");
        self.end_of_turns();
        ended
    }

    fn end_of_turns(&mut self) {
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
