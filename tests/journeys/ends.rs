//! Each way to end has the exit status and the code that the command line promises.

use crate::lab::{Lab, PLAIN};
use crate::process::Sluice;
use crate::tree;
use std::fs;
use std::net::TcpListener;

#[test]
fn a_bad_link_is_told_at_once() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note");
    fs::write(&note, "note").unwrap();
    let (_sender, link) = lab.send_alone(&note, &PLAIN);
    let out = lab.path("out");
    let cut = &link[..link.len() - 1];
    let swapped = format!("{}{}", &link[..link.len() - 1], if link.ends_with('A') { 'B' } else { 'A' });
    let bare = link.split('#').next().unwrap();
    for bad in ["not a link", cut, &swapped, bare, "https://example.org/"] {
        lab.receive(bad, &out, &PLAIN).end().with(3, "link_invalid");
    }
    let public = format!("http://example.org{}", &link[link.find("/s/").unwrap()..]);
    lab.receive(&public, &out, &PLAIN).end().with(3, "link_insecure");
    assert!(!out.exists());
}

#[test]
fn a_sender_that_is_gone_is_told_after_the_wait() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note");
    tree::write_file(&note, 1, 1000);
    let server = lab.serve();
    let (sender, link) = lab.send(&server.url, &note, &PLAIN);
    sender.kill();
    let ended = lab.receive(&link, &lab.path("out"), &["--wait", "1"]).end();
    assert_eq!(ended.status, 5, "{ended:?}");
    assert!(["sender_gone", "share_not_found"].contains(&ended.code()), "{}", ended.code());
}

#[test]
fn a_server_that_is_not_there_is_told_after_the_wait() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note");
    tree::write_file(&note, 1, 1000);
    let (sender, link) = lab.send_alone(&note, &PLAIN);
    sender.kill();
    lab.receive(&link, &lab.path("out"), &["--wait", "1"]).end().with(6, "server_unreachable");

    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = lab.command("the sender");
    command.args(["send", "--json", "--server", &format!("http://{free}")]).arg(&note);
    Sluice::start("the sender", command).end().with(6, "server_unreachable");
}

#[test]
fn a_sender_without_anything_to_share_is_told() {
    let lab = Lab::new();
    let mut command = lab.command("the sender");
    command.args(["send", "--json", "--listen", "127.0.0.1:0", "nothing is here"]);
    Sluice::start("the sender", command).end().with(8, "source_missing");
}

#[test]
fn a_share_with_a_password_takes_only_those_who_know_it() {
    let lab = Lab::new();
    let note = lab.dir("source").join("note");
    tree::write_file(&note, 1, 1000);
    let secret = lab.path("password");
    fs::write(&secret, "open sesame\n").unwrap();
    let wrong = lab.path("wrong");
    fs::write(&wrong, "open barley\n").unwrap();
    let flag = |path: &std::path::Path| ["--password-file".to_owned(), path.to_str().unwrap().to_owned()];
    let (mut sender, link) = lab.send_alone(&note, &flag(&secret));
    let out = lab.path("out");
    lab.receive(&link, &out, &PLAIN).end().with(4, "password_needed");
    lab.receive(&link, &out, &flag(&wrong)).end().with(4, "link_rejected");
    assert_eq!(sender.event("receiver_lost").text("code"), "link_rejected");
    assert!(!out.join("note").exists());
    lab.receive(&link, &out, &flag(&secret)).end().well();
    tree::arrived(&note, &out);
}
