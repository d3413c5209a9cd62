//! A folder goes from one person's window to another's.

use crate::desk::Desk;
use crate::person::{
    LONG, SLOW, download, film, lift_limit, link, open, photos, share_folder, wait_for_all, wait_for_percent,
};
use crate::tree;
use crate::window::Window;
use serde_json::json;
use std::fs;
use thirtyfour::Key;

#[test]
fn a_folder_arrives_as_it_was() {
    let (from, to) = (Desk::new(), Desk::new());
    let folder = photos(&from);
    let sender = Window::open(&from, &[]);
    assert_eq!(sender.title(), "Sluice");
    let link = share_folder(&sender, &from, &folder);
    sender.shows("0 of 20 slots");

    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    receiver.find("heading", "photos");
    receiver.find("treeitem", "photos");
    assert!(!to.downloads().exists(), "nothing is downloaded before the person says so");
    download(&receiver);
    wait_for_all(&receiver);
    tree::arrived(&folder, &to.downloads());
    sender.shows("1 done");

    receiver.click("button", "History");
    receiver.shows("photos");
    sender.click("button", "History");
    assert!(!sender.text().contains("photos"), "a share that goes on is no history yet");
}

#[test]
fn only_what_is_ticked_arrives() {
    let (from, to) = (Desk::new(), Desk::new());
    let folder = photos(&from);
    let sender = Window::open(&from, &[folder.to_str().unwrap()]);
    let link = link(&sender);

    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    receiver.find("treeitem", "photos");
    receiver.click("button", "None");
    receiver.shows("0 of 314 items chosen");
    // By keyboard: into the folder, to its second folder, and that is ticked.
    receiver.click("treeitem", "photos");
    receiver.press(Key::Right);
    receiver.find("treeitem", "day 1");
    receiver.press(Key::Down);
    receiver.press(Key::Down);
    receiver.press(Key::Space);
    receiver.shows("26 of 314 items chosen");
    download(&receiver);
    wait_for_all(&receiver);
    assert_eq!(tree::names(&to.downloads().join("photos")), ["day 1"]);
    tree::same(&tree::read(&folder.join("day 1")), &tree::read(&to.downloads().join("photos/day 1")));
}

#[test]
fn either_side_pauses_and_resumes() {
    let (from, to) = (Desk::new().settle(&json!({ "limit": SLOW })), Desk::new());
    let film = film(&from, LONG);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let link = link(&sender);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    download(&receiver);
    let first = wait_for_percent(&receiver, 1);
    receiver.click("button", "Pause");
    receiver.shows("Paused");
    receiver.click("button", "Resume");
    wait_for_percent(&receiver, first + 2);
    sender.click("button", "Pause");
    receiver.shows("The sender has paused");
    sender.click("button", "Resume");
    lift_limit(&sender);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
}

#[test]
fn a_receiver_can_be_let_go_and_a_share_be_ended() {
    let (from, to) =
        (Desk::new().settle(&json!({ "limit": SLOW })), Desk::new().settle(&json!({ "name": "Ana" })));
    let film = film(&from, LONG);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let link = link(&sender);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    download(&receiver);
    sender.click("button", "1% Ana");
    sender.click("button", "Let go");
    receiver.find("alert", "");
    sender.shows("0 of 20 slots");
    sender.click("button", "End");
    sender.find("heading", "This share has ended");
    sender.click("button", "History");
    sender.shows("film.bin");
}

#[test]
fn a_password_is_asked_for_and_needed() {
    let (from, to) = (Desk::new(), Desk::new());
    let film = film(&from, 1_000_000);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let before = link(&sender);
    sender.click("button", "Change");
    sender.click("checkbox", "Ask for a password");
    sender.write("textbox", "Password", "correct horse");
    sender.click("button", "Save");
    sender.shows("password on");
    let changed = format!("return !document.body.innerText.includes({})", json!(before));
    sender.until("another link", &changed);
    let link = link(&sender);
    assert_ne!(link, before);

    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    receiver.write("textbox", "This share asks for a password", "wrong");
    receiver.click("button", "Continue");
    receiver.shows("This password is wrong");
    receiver.write("textbox", "This share asks for a password", "correct horse");
    receiver.click("button", "Continue");
    download(&receiver);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
}
