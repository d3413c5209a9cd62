//! Many receivers: all at once, and in line.

use crate::lab::{Lab, PLAIN};
use crate::process::Sluice;
use crate::tree;

#[test]
fn twenty_receivers_at_once_have_every_byte() {
    let lab = Lab::new();
    let folder = lab.dir("source/lecture");
    tree::write_file(&folder.join("slides.bin"), 1, 2_000_000);
    for number in 0..20 {
        tree::write_file(&folder.join(format!("{number}.txt")), number, 500);
    }
    let (mut sender, link) = lab.send_alone(&folder, &["--limit", "4MB"]);
    let outs: Vec<_> = (0..20).map(|number| lab.path(&format!("out {number}"))).collect();
    let receivers: Vec<_> = outs
        .iter()
        .map(|out| {
            let mut receiver = lab.receive(&link, out, &PLAIN);
            receiver.event("connected");
            // Or the first would be done before the last is there.
            receiver.hold();
            receiver
        })
        .collect();
    receivers.iter().for_each(Sluice::release);
    for (receiver, out) in receivers.into_iter().zip(&outs) {
        receiver.end().well();
        tree::arrived(&folder, out);
    }
    while sender.seen.iter().filter(|event| event.is("receiver_done")).count() < 20 {
        sender.event("receiver_done");
    }
    // All of them were connected before the first was done.
    let first_done = sender.seen.iter().position(|event| event.is("receiver_done")).unwrap();
    let connected = sender.seen[..first_done].iter().filter(|event| event.is("receiver_connected")).count();
    assert_eq!(connected, 20, "they took turns");
}

#[test]
fn receivers_beyond_the_slots_wait_in_line() {
    let lab = Lab::new();
    let file = lab.dir("source").join("file.bin");
    tree::write_file(&file, 1, 6_000_000);
    let (mut sender, link) = lab.send_alone(&file, &["--slots", "2", "--limit", "4MB"]);
    let outs: Vec<_> = (0..4).map(|number| lab.path(&format!("out {number}"))).collect();
    let mut receivers = Vec::new();
    for (number, out) in outs.iter().enumerate() {
        let mut receiver = lab.receive(&link, out, &PLAIN);
        let ahead = number.saturating_sub(2) as u64;
        match number {
            0 | 1 => receiver.event("connected"),
            _ => receiver.wait_for("its place", |event| event.is("place") && event.number("ahead") == ahead),
        };
        receivers.push(receiver);
    }
    let mut connecting = Vec::new();
    for (receiver, out) in receivers.into_iter().zip(&outs) {
        let ended = receiver.end().well();
        connecting.push(ended.last("connecting").unwrap().at);
        tree::arrived(&file, out);
    }
    assert!(connecting.is_sorted(), "{connecting:?}");
    sender.wait_for("an empty line", |event| event.is("waiting") && event.number("count") == 0);
    let mut active = 0_i32;
    for event in &sender.seen {
        active += i32::from(event.is("receiver_joined")) - i32::from(event.is("receiver_left"));
        assert!(active <= 2, "more than two held a slot");
    }
}

#[test]
fn one_at_the_end_of_the_line_comes_through_every_tier_to_its_slot() {
    // One slot, five places near it, and two behind those.
    const RECEIVERS: usize = 8;
    let lab = Lab::new();
    let folder = lab.dir("source/lecture");
    tree::write_file(&folder.join("slides.bin"), 1, 2_000_000);
    let (mut sender, link) = lab.send_alone(&folder, &["--slots", "1", "--limit", "1MB"]);
    let outs: Vec<_> = (0..RECEIVERS).map(|number| lab.path(&format!("out {number}"))).collect();
    let mut receivers = Vec::new();
    for (number, out) in outs.iter().enumerate() {
        let mut receiver = lab.receive(&link, out, &PLAIN);
        // Held in its slot until the line is there.
        match number.checked_sub(1) {
            None => receiver.event("connected"),
            Some(ahead) => receiver
                .wait_for("its place", |event| event.is("place") && event.number("ahead") == ahead as u64),
        };
        if number == 0 {
            receiver.hold();
        }
        receivers.push(receiver);
    }
    receivers[0].release();
    sender.wait_for("the whole line", |event| {
        event.is("waiting") && event.number("count") == RECEIVERS as u64 - 1
    });
    let mut connecting = Vec::new();
    for (number, (receiver, out)) in receivers.into_iter().zip(&outs).enumerate() {
        let ended = receiver.end().well();
        connecting.push(ended.last("connecting").unwrap().at);
        tree::arrived(&folder, out);
        let places: Vec<_> = ended.all("place").collect();
        let ahead: Vec<u64> = places.iter().map(|place| place.number("ahead")).collect();
        assert!(ahead.is_sorted_by(|before, after| before >= after), "{ahead:?}");
        let mut tiers: Vec<&str> = places.iter().map(|place| place.text("tier")).collect();
        tiers.dedup();
        let all = ["far", "near", "active"];
        let expected = &all[if number == 0 { 2 } else { usize::from(number <= 5) }..];
        assert_eq!(tiers, expected, "receiver {number}");
        if number == RECEIVERS - 1 {
            let told = places.iter().any(|place| place.number("wait_seconds") > 0);
            assert!(told, "it never heard how long it takes");
        }
        if number > 0 {
            // What is offered is known to those who wait.
            let summary = ended.all("summary").find(|summary| summary.value["complete"] == true).unwrap();
            let told = (summary.text("name"), summary.number("entries"), summary.number("bytes"));
            assert_eq!(told, ("lecture", 2, 2_000_000));
            assert!(summary.at < *connecting.last().unwrap());
        }
    }
    assert!(connecting.is_sorted(), "{connecting:?}");
}
