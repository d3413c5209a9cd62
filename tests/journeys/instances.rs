//! Two instances of a server on one real Redis, the sender at one and its receivers at the other, and one of them
//! killed: transfers go on, the line stands, and nobody has two turns.

use crate::busy::{Busy, SLOTS, WAITING, is_waiting};
use crate::door::Door;
use crate::lab::{Lab, PLAIN, Server};
use crate::process::{Ended, Sluice};
use crate::redis::Redis;
use crate::tree;
use sluice_protocol::link::{Link, ServerUrl};
use sluice_protocol::queue::NEAR_PLACES;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Several instances need the same.
const SECRET: &str = "the same at both of the instances";

/// How many of those in line are far from the slots.
const FAR: u64 = WAITING as u64 - NEAR_PLACES as u64;

/// What takes less than this did not wait for something to time out.
const SOON: Duration = Duration::from_secs(10);

/// Two instances, and doors through which each side finds its own and can be led to the other.
struct Apart {
    lab: Lab,
    redis: Redis,
    of_sender: Server,
    of_receivers: Server,
    sender_door: Door,
    receiver_door: Door,
}

impl Apart {
    fn start(redis: Redis) -> Self {
        let lab = Lab::new();
        let instance = || {
            lab.serve_settled("127.0.0.1:0", |command| {
                command.args(["--store", &redis.url()]).env("SLUICE_SECRET", SECRET);
            })
        };
        let (of_sender, of_receivers) = (instance(), instance());
        let (sender_door, receiver_door) = (Door::to(&of_sender.address), Door::to(&of_receivers.address));
        Apart { lab, redis, of_sender, of_receivers, sender_door, receiver_door }
    }

    /// A busy share, with each side at its own instance.
    fn busy(&self) -> Busy {
        let busy = Busy::start(&self.lab, &self.sender_door.url, &self.receiver_door.url);
        assert_eq!(peers(&self.of_sender), [1, 0, 0]);
        assert_eq!(peers(&self.of_receivers), [0, SLOTS as u64, FAR]);
        busy
    }

    /// A share of one file with one slot: its sender, its link, and the same link for receivers.
    fn share(&self) -> (Sluice, Link, Link) {
        tree::write_file(&self.file(), 1, 6_000_000);
        let (sender, link) =
            self.lab.send(&self.sender_door.url, &self.file(), &["--slots", "1", "--limit", "4MB"]);
        let link = Link::parse(&link).unwrap();
        let server = ServerUrl::parse(&self.receiver_door.url).unwrap();
        let for_receivers = Link { server, ..link.clone() };
        (sender, link, for_receivers)
    }

    fn file(&self) -> PathBuf {
        self.lab.dir("source").join("file.bin")
    }

    fn out(&self, number: usize) -> PathBuf {
        self.lab.path(&format!("out {number}"))
    }

    fn receive(&self, link: &Link, number: usize) -> Sluice {
        self.lab.receive(&link.to_web(), &self.out(number), &PLAIN)
    }

    /// Waits for the end of a receiver of the file, and holds that it has it.
    fn end(&self, receiver: Sluice, number: usize) -> Ended {
        let ended = receiver.end().well();
        tree::arrived(&self.file(), &self.out(number));
        ended
    }
}

/// How many of the peers are connected to an instance by something that stays: not the polls of those who are near.
fn peers(server: &Server) -> [u64; 3] {
    ["sender", "active", "far"].map(|kind| server.metric(&format!("sluice_peers{{kind=\"{kind}\"}}")))
}

/// Waits until all peers of a busy share are at this instance.
fn all_are_at(server: &Server, redis: &Redis) {
    redis.wait("all peers at one instance", |_| peers(server) == [1, SLOTS as u64, FAR]);
}

/// What an instance has told those who are connected to it.
fn news(server: &Server) -> [u64; 3] {
    ["promoted", "joined", "passed_over"]
        .map(|name| server.metric(&format!("sluice_news_total{{news=\"{name}\"}}")))
}

/// Holds that this instance, since `before`, let in everyone in line, and each of them once.
fn one_turn_each(before: [u64; 3], server: &Server) {
    let now = news(server);
    let since = [0, 1, 2].map(|at| now[at] - before[at]);
    assert_eq!(since, [WAITING as u64, WAITING as u64, 0], "promoted, joined, passed over");
}

/// Holds that no slot and no place is held any more.
fn nobody_is_left(redis: &Redis, link: &Link) {
    for set in ["active", "waiting"] {
        let key = format!("sluice:{{{}}}:{set}", link.share);
        assert_eq!(redis.ask(redis.master_of(&key), &["ZCARD", &key]), "0", "{set}");
    }
}

/// Holds that nobody's place in line was ever worse than before.
fn kept_places(receivers: &[Ended]) {
    for ended in receivers {
        let ahead: Vec<_> = ended.all("place").map(|place| place.number("ahead")).collect();
        assert!(ahead.is_sorted_by(|before, after| before >= after), "{ahead:?}");
    }
}

fn receivers_go_on_at_the_other(redis: Redis) {
    let mut apart = Apart::start(redis);
    let mut busy = apart.busy();
    let before = news(&apart.of_sender);
    apart.of_receivers.process.kill_in_place();
    apart.receiver_door.lead_to(&apart.of_sender.address);
    busy.find_places();
    all_are_at(&apart.of_sender, &apart.redis);
    kept_places(&busy.end());
    let lost = busy.sender.seen.iter().any(|event| event.is("server_lost"));
    assert!(!lost, "the sender was told of an instance that it was not at");
    one_turn_each(before, &apart.of_sender);
    nobody_is_left(&apart.redis, &busy.link);
}

#[test]
fn receivers_whose_instance_is_killed_go_on_at_the_other() {
    receivers_go_on_at_the_other(Redis::single());
}

#[test]
fn receivers_whose_instance_is_killed_go_on_at_the_other_of_a_cluster() {
    receivers_go_on_at_the_other(Redis::cluster(false));
}

#[test]
fn a_sender_whose_instance_is_killed_goes_on_at_the_other() {
    let mut apart = Apart::start(Redis::single());
    let mut busy = apart.busy();
    let before = news(&apart.of_receivers);
    apart.of_sender.process.kill_in_place();
    apart.sender_door.lead_to(&apart.of_receivers.address);
    busy.sender.event("server_lost");
    busy.sender.event("server_back");
    busy.hear_of_line();
    all_are_at(&apart.of_receivers, &apart.redis);
    let receivers = busy.end();
    kept_places(&receivers);
    let away = receivers.iter().any(|ended| ended.last("sender_away").is_some());
    assert!(!away, "a receiver was told of a sender that was back at once");
    one_turn_each(before, &apart.of_receivers);
    nobody_is_left(&apart.redis, &busy.link);
}

#[test]
fn a_line_that_is_lost_with_an_instance_is_built_again_by_the_peers() {
    let mut apart = Apart::start(Redis::single());
    let mut busy = apart.busy();
    let before = news(&apart.of_sender);
    apart.of_receivers.process.kill_in_place();
    apart.redis.kill(0);
    apart.redis.start(0);
    busy.sender.event("server_lost");
    busy.sender.event("server_back");
    apart.receiver_door.lead_to(&apart.of_sender.address);
    busy.find_places();
    busy.hear_of_line();
    all_are_at(&apart.of_sender, &apart.redis);
    busy.end();
    one_turn_each(before, &apart.of_sender);
    nobody_is_left(&apart.redis, &busy.link);
}

#[test]
fn one_whose_instance_is_killed_before_it_hears_of_its_slot_takes_it_at_the_other() {
    let mut apart = Apart::start(Redis::single());
    let (_sender, link, for_receivers) = apart.share();
    let mut holder = apart.receive(&link, 0);
    holder.event("connected");
    holder.hold();
    let mut receivers = vec![holder];
    for ahead in 0..2 {
        let mut receiver = apart.receive(&for_receivers, ahead + 1);
        receiver.wait_for("its place", |event| is_waiting(event, ahead));
        receivers.push(receiver);
    }
    // It can't tell anybody, and then never will, that the first in line has the slot.
    apart.of_receivers.process.hold();
    receivers[0].release();
    let progress = format!("sluice:{{{}}}:progress", link.share);
    apart.redis.wait("the promotion", |redis| redis.ask(0, &["HVALS", &progress]).contains("promoted"));
    apart.of_receivers.process.kill_in_place();
    apart.receiver_door.lead_to(&apart.of_sender.address);
    let mut turns = Vec::new();
    for (number, receiver) in receivers.into_iter().enumerate() {
        let ended = apart.end(receiver, number);
        let connecting: Vec<_> = ended.all("connecting").map(|event| event.at).collect();
        assert_eq!(connecting.len(), 1, "receiver {number}");
        turns.extend(connecting);
    }
    assert!(turns.is_sorted(), "they were let in out of order: {turns:?}");
    let [_, joined, passed_over] = news(&apart.of_sender);
    assert_eq!((joined, passed_over), (3, 0));
}

#[test]
fn one_let_in_while_its_sender_has_no_instance_is_served_when_it_has() {
    let mut apart = Apart::start(Redis::single());
    let (mut sender, _, link) = apart.share();
    let mut holder = apart.receive(&link, 0);
    holder.event("connected");
    holder.hold();
    let mut receiver = apart.receive(&link, 1);
    receiver.wait_for("its place", |event| is_waiting(event, 0));
    apart.of_sender.process.kill_in_place();
    sender.event("server_lost");
    // The next one is let in by an instance that has not heard that the sender is gone, and asks in vain for a
    // connection.
    holder.release();
    apart.end(holder, 0);
    receiver.event("connecting");
    apart.sender_door.lead_to(&apart.of_receivers.address);
    let back = sender.event("server_back").at;
    let connected = receiver.event("connected").at;
    assert!(connected - back < SOON, "{:?}", connected - back);
    apart.end(receiver, 1);
    // What nobody could tell the sender meanwhile, it was told when it was back.
    sender.wait_for("the end of the second", |event| event.is("receiver_left") && event.at > connected);
    let turns = sender.seen.iter().map(|event| event.text("event"));
    let turns: Vec<_> = turns.filter(|name| ["receiver_joined", "receiver_left"].contains(name)).collect();
    assert_eq!(turns, ["receiver_joined", "receiver_left", "receiver_joined", "receiver_left"]);
}

#[test]
fn one_whose_instance_is_killed_with_the_answer_to_it_asks_again() {
    let mut apart = Apart::start(Redis::single());
    let (sender, _, link) = apart.share();
    // Nobody answers before there is nobody to bring the answer.
    sender.hold();
    let mut receiver = apart.receive(&link, 0);
    receiver.event("connecting");
    apart.of_receivers.process.hold();
    sender.release();
    apart.of_receivers.process.kill_in_place();
    apart.receiver_door.lead_to(&apart.of_sender.address);
    let killed = Instant::now();
    let connected = receiver.event("connected").at;
    assert!(connected - killed < SOON, "{:?}", connected - killed);
    apart.end(receiver, 0);
}
