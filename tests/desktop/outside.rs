//! What comes from the rest of the desktop: links, second starts, dialogs, the tray, notifications, a closed window.

use crate::desk::{Desk, Kind, USUAL};
use crate::person::{download, film, link, open, share_folder, wait_for_all};
use crate::process::wait_for;
use crate::window::Window;
use sluice_protocol::link::Link;
use std::fs;
use std::path::Path;

/// The link as a browser's page hands it to the system.
fn deep(link: &str) -> String {
    Link::parse(link).unwrap().to_deep()
}

/// Waits until the system knows who is in charge of our links.
fn wait_for_registration(desk: &Desk) {
    let handlers = desk.home().join(".config/mimeapps.list");
    wait_for("the link's handler", || {
        fs::read_to_string(&handlers).is_ok_and(|text| text.contains("x-scheme-handler/sluice")).then_some(())
    });
}

#[test]
fn a_link_opens_in_the_app_that_runs_and_in_one_that_does_not() {
    let (from, to) = (Desk::new(), Desk::new());
    let film = film(&from, 1_000_000);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let link = deep(&link(&sender));

    let receiver = Window::open(&to, &[]);
    wait_for_registration(&to);
    to.open(&link);
    receiver.find("heading", "film.bin");
    receiver.click("button", "Stop");
    receiver.click("button", "Settings");
    receiver.click("button", "Quit Sluice");
    to.wait_for_end();
    drop(receiver);

    to.open(&link);
    let receiver = Window::attach(&to);
    receiver.find("heading", "film.bin");
    assert!(!to.downloads().exists(), "nothing is downloaded before the person says so");
    download(&receiver);
    wait_for_all(&receiver);
    assert!(fs::read(&film).unwrap() == fs::read(to.downloads().join("film.bin")).unwrap());
}

#[test]
fn a_link_that_is_none_is_said_to_be_none() {
    let desk = Desk::new();
    let window = Window::open(&desk, &[]);
    wait_for_registration(&desk);
    desk.open("sluice://somewhere/else");
    window.shows("This is not a Sluice link");
}

#[test]
fn a_second_start_hands_its_path_to_the_first() {
    let desk = Desk::new();
    let film = film(&desk, 1_000_000);
    let window = Window::open(&desk, &[]);
    window.find("heading", "Drop files or folders here");
    let app = desk.app();
    desk.start_again(&[film.to_str().unwrap()]);
    window.find("heading", "film.bin");
    link(&window);
    assert_eq!(desk.app(), app);
}

#[test]
fn a_dialog_that_is_cancelled_changes_nothing_and_files_are_chosen_together() {
    let desk = Desk::new();
    let film = film(&desk, 1_000_000);
    let other = film.with_file_name("other.bin");
    fs::write(&other, "other").unwrap();
    let window = Window::open(&desk, &[]);
    window.click("button", "Choose files…");
    let dialog = desk.answer(&[]);
    assert_eq!((&dialog["folders"], &dialog["several"]), (&false.into(), &true.into()));
    window.click("button", "Choose files…");
    desk.answer(&[&film, &other]);
    link(&window);
    window.shows("2 items");
}

#[test]
fn a_download_goes_where_the_person_says() {
    let (from, to) = (Desk::new(), Desk::new());
    let film = film(&from, 1_000_000);
    let sender = Window::open(&from, &[film.to_str().unwrap()]);
    let receiver = Window::open(&to, &[]);
    open(&receiver, &link(&sender));
    let elsewhere = to.dir("elsewhere");
    receiver.click("button", "Change…");
    to.answer(&[&elsewhere]);
    receiver.shows(elsewhere.to_str().unwrap());
    download(&receiver);
    wait_for_all(&receiver);
    assert!(elsewhere.join("film.bin").exists() && !to.downloads().join("film.bin").exists());
}

#[test]
fn a_closed_window_leaves_the_share_in_the_tray() {
    let (from, to) = (Desk::new(), Desk::new());
    let folder = from.dir("home/notes");
    fs::write(folder.join("a note"), "remember").unwrap();
    let sender = Window::open(&from, &[]);
    assert!(from.tray_menu().contains(&"Quit".to_owned()), "{:?}", from.tray_menu());
    let link = share_folder(&sender, &from, &folder);
    let app = from.app();
    from.close_window();
    wait_for("the window to hide", || (!from.shows("Sluice")).then_some(()));
    assert!(app.is_some() && from.app() == app);
    wait_for("the share in the tray", || {
        from.tray_menu().iter().any(|line| line.starts_with("1 shared")).then_some(())
    });

    let receiver = Window::open(&to, &[]);
    open(&receiver, &link);
    download(&receiver);
    wait_for_all(&receiver);
    from.notification(&["has all of notes"]);

    from.click_tray("Show Sluice");
    wait_for("the window", || from.shows("Sluice").then_some(()));
    sender.shows("1 done");
    from.click_tray("Quit");
    from.wait_for_end();
}

#[test]
fn without_a_share_a_closed_window_is_the_end() {
    let desk = Desk::new();
    let _window = Window::open(&desk, &[]);
    wait_for("the window", || desk.shows("Sluice").then_some(()));
    desk.close_window();
    desk.wait_for_end();
}

#[test]
fn without_a_tray_it_is_said_and_a_closed_window_is_the_end() {
    let desk = Desk::of(Kind { tray: false, ..USUAL });
    let film = film(&desk, 1_000_000);
    let window = Window::open(&desk, &[film.to_str().unwrap()]);
    window.shows("There is no tray here");
    link(&window);
    desk.close_window();
    desk.wait_for_end();
}

#[test]
fn a_path_that_is_not_there_is_said_to_be_missing() {
    let desk = Desk::new();
    let window = Window::open(&desk, &[Path::new("/nowhere/at all").to_str().unwrap()]);
    window.shows("What was shared is no longer where it was.");
}
