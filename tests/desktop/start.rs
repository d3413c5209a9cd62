//! The window opens.

use crate::desk::{Desk, Kind, USUAL};
use crate::window::Window;

#[test]
fn the_window_opens_with_its_page() {
    let desk = Desk::new();
    let window = Window::open(&desk, &[]);
    assert_eq!(window.title(), "Sluice");
    assert!(desk.shows("Sluice"));
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
