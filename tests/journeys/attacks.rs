//! Who holds another link, and who stands in between, gets nothing onto a disk and is named.

use crate::lab::{Lab, PLAIN, Server};
use crate::middle::{Conduct, Middle};
use crate::process::Sluice;
use crate::tree;
use sluice_protocol::link::Link;
use std::path::{Path, PathBuf};

fn note(lab: &Lab) -> PathBuf {
    let note = lab.dir("source").join("note.bin");
    tree::write_file(&note, 1, 2_000_000);
    note
}

/// Holds that nothing of a share is in the folder, not even a part.
#[track_caller]
fn nothing_in(out: &Path) {
    let names = tree::names(out);
    let content: Vec<_> = names.iter().filter(|name| !name.ends_with(".journal")).collect();
    assert!(content.is_empty(), "{content:?}");
}

#[test]
fn a_link_with_another_secret_is_not_let_in() {
    let lab = Lab::new();
    let (sender, link) = lab.send_alone(&note(&lab), &PLAIN);
    let mut other = Link::parse(&link).unwrap();
    other.secret.0[0] ^= 1;
    let out = lab.path("out");
    lab.receive(&other.to_web(), &out, &PLAIN).end().with(4, "not_authorised");
    nothing_in(&out);
    assert!(!sender.seen.iter().any(|event| event.is("receiver_joined")));
}

#[test]
fn a_sender_that_is_not_the_one_of_the_link_is_named() {
    let lab = Lab::new();
    let (_sender, link) = lab.send_alone(&note(&lab), &PLAIN);
    let mut other = Link::parse(&link).unwrap();
    other.sender[0] ^= 1;
    let out = lab.path("out");
    lab.receive(&other.to_web(), &out, &PLAIN).end().with(9, "sender_not_authentic");
    nothing_in(&out);
}

/// A share and a receiver that see each other through somebody else's hands.
struct Between {
    middle: Middle,
    sender: Sluice,
    receiver: Sluice,
    _server: Server,
}

fn between(lab: &Lab, conduct: Conduct, out: &Path) -> Between {
    let server = lab.serve();
    let middle = Middle::start(&server.address, conduct);
    let (sender, link) = lab.send(&middle.url, &note(lab), &PLAIN);
    let receiver = lab.receive(&link, out, &["--wait", "1"]);
    Between { middle, sender, receiver, _server: server }
}

#[test]
fn an_honest_server_in_between_changes_nothing() {
    let lab = Lab::new();
    let out = lab.path("out");
    between(&lab, Conduct::Honest, &out).receiver.ended().well();
    tree::arrived(&lab.path("source/note.bin"), &out);
}

#[test]
fn a_server_that_swaps_a_fingerprint_gets_no_connection() {
    let lab = Lab::new();
    let out = lab.path("out");
    let mut between = between(&lab, Conduct::Swap, &out);
    assert_eq!(between.sender.event("receiver_lost").text("code"), "no_connection");
    assert_eq!(between.receiver.event("retrying").text("code"), "no_connection");
    assert!(!between.receiver.seen.iter().any(|event| event.is("connected")));
    between.receiver.interrupt();
    between.receiver.ended().with(130, "interrupted");
    nothing_in(&out);
}

#[test]
fn a_server_that_stands_between_is_found_out_by_both() {
    let lab = Lab::new();
    let out = lab.path("out");
    let mut between = between(&lab, Conduct::Bridge, &out);
    between.receiver.ended().with(9, "fingerprint_mismatch");
    assert_eq!(between.sender.event("receiver_lost").text("code"), "fingerprint_mismatch");
    // Both ends did speak through it: it is the handshake that found it out.
    assert!(between.middle.passed() >= 2, "{} messages", between.middle.passed());
    nothing_in(&out);
}
