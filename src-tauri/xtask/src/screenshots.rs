//! `cargo xtask screenshots`: every view of the window, light and dark and in three widths, as pictures; those of the README among them.

use std::fs;

use crate::error::Error;
use crate::process::{Program, root, target};
use crate::setup::{self, Needs};

/// The tests that go through all views, and draw them where they are told to.
const TESTS: &str = "views::no_view_";

/// Those that the README shows, from `docs/pictures`.
const SHOWN: [&str; 4] = [
    "share-empty-light-1080.png",
    "share-full-light-1080.png",
    "receive-choosing-dark-1080.png",
    "receive-downloading-dark-1080.png",
];

/// Draws all into `target/screenshots`, in place of those that were there.
pub fn screenshots(arguments: &[String]) -> Result<(), Error> {
    if let Some(unknown) = arguments.first() {
        return Err(Error::Usage(format!("screenshots takes no arguments, not {unknown}")));
    }
    setup::install(&Needs::TEST)?;
    let folder = target().join("screenshots");
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::File { path: folder, source });
        }
        _ => {}
    }
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    Program::cargo()
        .args(["nextest", "run", "--workspace", "--test", "desktop", TESTS])
        .env("SLUICE_PICTURES", folder.clone())
        .run()?;
    for name in SHOWN {
        let shown = root().join("docs/pictures").join(name);
        fs::copy(folder.join(name), &shown).map_err(|source| Error::File { path: shown, source })?;
    }
    println!("\nThe pictures are in {}, and the README's in docs/pictures", folder.display());
    Ok(())
}
