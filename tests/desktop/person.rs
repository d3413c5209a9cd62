//! What people do with the window, in their own steps.

use crate::desk::Desk;
use crate::tree;
use crate::window::Window;
use std::fs;
use std::path::{Path, PathBuf};

/// A limit in bytes a second, and a file of so many bytes, with which a download goes on for as long as is needed on a machine
/// that is busy; [`lift_limit`] brings it to its end.
pub const SLOW: u64 = 1_000_000;
/// See [`SLOW`].
pub const LONG: u64 = 40_000_000;

/// The link of the share in view.
const LINK: &str = "return [...document.querySelectorAll('p[title]')].map((line) => line.title).find((text) => /\\/s\\/.+#/.test(text))";

/// How full the bar in view is, in percent.
const PERCENT: &str = "return document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')";

/// Makes a folder of a few hundred files, in folders and of many sizes.
pub fn photos(desk: &Desk) -> PathBuf {
    let photos = desk.dir("home/photos");
    for number in 0..300 {
        let folder = photos.join(format!("day {}", number / 25));
        fs::create_dir_all(&folder).unwrap();
        tree::write_file(&folder.join(format!("{number:03}.jpg")), number, number * number);
    }
    fs::create_dir(photos.join("to come")).unwrap();
    photos
}

/// Makes a file of so many bytes.
pub fn film(desk: &Desk, bytes: u64) -> PathBuf {
    let film = desk.dir("home/films").join("film.bin");
    tree::write_file(&film, 7, bytes);
    film
}

/// Waits for the link of the share in view.
#[track_caller]
pub fn link(window: &Window) -> String {
    window.until("the link", LINK).as_str().unwrap().to_owned()
}

/// Chooses a folder to be shared, in the system's dialog, and returns the link.
#[track_caller]
pub fn share_folder(window: &Window, desk: &Desk, folder: &Path) -> String {
    window.click("button", "Choose folder…");
    let dialog = desk.answer(&[folder]);
    assert_eq!(dialog["folders"], true, "{dialog}");
    link(window)
}

/// Writes a link into the field for it, and opens it.
#[track_caller]
pub fn open(window: &Window, link: &str) {
    window.click("button", "Receive");
    window.write("textbox", "Link", link);
    window.click("button", "Open");
}

/// Waits for what is offered, and downloads what is ticked.
#[track_caller]
pub fn download(window: &Window) {
    window.click("button", "Download ");
}

/// Lets everything that is shared go as fast as it can.
#[track_caller]
pub fn lift_limit(window: &Window) {
    window.click("button", "Settings");
    window.write("spinbutton", "Speed limit of each share", "");
    window.click("button", "Share");
}

/// Waits for the end of the download in view.
#[track_caller]
pub fn wait_for_all(window: &Window) {
    window.until(
        "the end of the download",
        "return [...document.querySelectorAll('h3')].some((line) => / verified$|^All is verified/.test(line.innerText))",
    );
}

/// Waits until the bar in view is at least so full, and returns how full it is.
#[track_caller]
pub fn wait_for_percent(window: &Window, least: u32) -> u32 {
    let script =
        format!("const full = Number((() => {{ {PERCENT} }})()); return full >= {least} ? full + '' : null");
    window.until(&format!("{least} percent"), &script).as_str().unwrap().parse().unwrap()
}
