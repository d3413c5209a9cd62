//! Apps that are killed in the middle go on where they were.

use crate::desk::Desk;
use crate::person::{LONG, SLOW, download, film, lift_limit, link, open, wait_for_all, wait_for_percent};
use crate::window::Window;
use serde_json::json;
use std::fs;

#[test]
fn a_killed_receiver_goes_on_from_its_journal_by_itself() {
    let (from, to) = (Desk::new().settle(&json!({ "limit": SLOW })), Desk::new());
    let film = film(&from, LONG);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let link = link(&sender);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    download(&receiver);
    let verified = wait_for_percent(&receiver, 25);
    to.kill_app();
    drop(receiver);
    assert!(!to.downloads().join("film.bin").exists());

    let receiver = Window::open(&to, &[]);
    receiver.click("button", "Receive");
    let first = wait_for_percent(&receiver, 1);
    // What came in the last seconds may not have reached the disk.
    assert!(first + 10 >= verified, "it went on from {first} percent, not from {verified}");
    lift_limit(&sender);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
}

#[test]
fn a_killed_sender_has_the_same_link_and_its_receiver_goes_on() {
    let (from, to) = (Desk::new().settle(&json!({ "limit": SLOW })), Desk::new());
    let film = film(&from, LONG);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let before = link(&sender);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &before);
    download(&receiver);
    let verified = wait_for_percent(&receiver, 10);
    from.kill_app();
    drop(sender);

    let sender = Window::open(&from, &[]);
    assert_eq!(link(&sender), before);
    let first = wait_for_percent(&receiver, 1);
    assert!(first >= verified, "it went on from {first} percent, not from {verified}");
    lift_limit(&sender);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
    sender.shows("1 done");
}
