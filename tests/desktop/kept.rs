//! What a person settles is kept, and what can't be read is kept aside.

use crate::desk::{Desk, Kind, USUAL};
use crate::tree;
use crate::window::Window;
use std::fs;

#[test]
fn settings_survive_a_restart() {
    let desk = Desk::new();
    let window = Window::open(&desk, &[]);
    window.click("button", "Settings");
    window.write("spinbutton", "Downloads at the same time", "7");
    window.write("textbox", "Name that senders see", "Ana’s laptop");
    window.click("button", "Choose folder…");
    let folder = desk.dir("arrivals");
    desk.answer(&[&folder]);
    window.shows(folder.to_str().unwrap());
    window.click("button", "Quit Sluice");
    desk.wait_for_end();
    drop(window);

    let window = Window::open(&desk, &[]);
    window.click("button", "Settings");
    window.shows(folder.to_str().unwrap());
    let value = "return document.activeElement.value";
    for (role, name, wanted) in [
        ("spinbutton", "Downloads at the same time", "7"),
        ("textbox", "Name that senders see", "Ana’s laptop"),
    ] {
        window.click(role, name);
        assert_eq!(window.run(value, Vec::new()), wanted);
    }
}

#[test]
fn settings_that_can_not_be_read_are_set_aside_and_it_is_said() {
    let desk = Desk::new();
    let broken = "{\"version\":1,\"content\":{\"slots\":";
    fs::create_dir_all(desk.settings().parent().unwrap()).unwrap();
    fs::write(desk.settings(), broken).unwrap();
    let window = Window::open(&desk, &[]);
    window.shows("The settings could not be read. They start anew; the old file is kept at");
    let folder = desk.settings().parent().unwrap().to_owned();
    let kept = tree::names(&folder).into_iter().filter(|name| name != "settings.json");
    let kept: Vec<String> = kept.map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
    assert_eq!(kept, [broken]);
    window.click("button", "Dismiss");
    window.click("button", "Settings");
    window.find("heading", "Settings");
}

#[test]
fn the_window_is_light_or_dark_as_the_person_likes() {
    for dark in [false, true] {
        let desk = Desk::of(Kind { dark, ..USUAL });
        let window = Window::open(&desk, &[]);
        let found = window.run("return matchMedia('(prefers-color-scheme: dark)').matches", Vec::new());
        assert_eq!(found, dark);
    }
}
