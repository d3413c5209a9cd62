//! What the app is to the person's session: files dragged to it, its start at login, and a computer that stays awake for it.

use crate::desk::Desk;
use crate::person::{download, film, link, open, wait_for_all};
use crate::process::{program, wait_for};
use crate::window::Window;
use serde_json::json;
use std::fs;

#[test]
fn files_that_are_dropped_are_shared() {
    let (from, to) = (Desk::new(), Desk::new());
    let film = film(&from, 1_000_000);
    let notes = from.dir("home/my notes");
    fs::write(notes.join("a note"), "remember").unwrap();
    let sender = Window::open(&from, &[]);
    from.drop_on("Sluice", &[&film, &notes], || sender.shows("Let go to share"));
    let link = link(&sender);

    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    receiver.find("treeitem", "my notes");
    download(&receiver);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
    assert_eq!(fs::read_to_string(to.downloads().join("my notes/a note")).unwrap(), "remember");
}

#[test]
fn it_starts_in_the_tray_at_login_once_the_person_wants_that() {
    let desk = Desk::new();
    let entry = desk.home().join(".config/autostart/Sluice.desktop");
    let window = Window::open(&desk, &[]);
    window.click("button", "Settings");
    assert!(!entry.exists());
    window.click("checkbox", "Start in the tray when I log in");
    let text =
        wait_for("the entry", || fs::read_to_string(&entry).ok().filter(|text| text.contains("Exec=")));
    let line = text.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap().to_owned();
    assert_eq!(line, format!("{} --hidden", program().display()));
    window.click("button", "Quit Sluice");
    desk.wait_for_end();
    drop(window);

    // As the session does at the next login.
    let mut words = line.split(' ');
    let mut app = desk.command(words.next().unwrap()).args(words).spawn().unwrap();
    wait_for("the tray", || desk.tray_menu().contains(&"Show Sluice".to_owned()).then_some(()));
    assert!(!desk.shows("Sluice"), "the window waits in the tray");
    desk.click_tray("Show Sluice");
    wait_for("the window", || desk.shows("Sluice").then_some(()));
    desk.click_tray("Quit");
    assert!(app.wait().unwrap().success());

    let window = Window::open(&desk, &[]);
    window.click("button", "Settings");
    window.click("checkbox", "Start in the tray when I log in");
    wait_for("the entry to go", || (!entry.exists()).then_some(()));
}

#[test]
fn neither_computer_sleeps_while_bytes_move() {
    let (from, to) = (Desk::new().settle(&json!({ "limit": 1_000_000 })), Desk::new());
    let film = film(&from, 5_000_000);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &link(&sender));
    receiver.find("button", "Download 5.0");
    assert_eq!((from.held(), to.held()), (Vec::new(), Vec::new()), "nothing moves yet");
    download(&receiver);
    let both = ["idle", "sleep"].map(|what| (what.to_owned(), "Sluice".to_owned()));
    for desk in [&from, &to] {
        wait_for("a lock against sleep", || (desk.held() == both).then_some(()));
    }
    wait_for_all(&receiver);
    receiver.click("button", "Settings");
    receiver.click("button", "Quit Sluice");
    wait_for("the end of the lock", || to.held().is_empty().then_some(()));
}
