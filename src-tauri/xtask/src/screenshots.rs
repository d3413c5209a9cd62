//! `cargo xtask screenshots`: every view of the window, light and dark and in three widths, as pictures.

use std::fs;

use crate::error::Error;
use crate::process::{Program, target};
use crate::setup::{self, Needs};

/// The tests that go through all views, and draw them where they are told to.
const TESTS: &str = "views::no_view_";

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
    println!("\nThe pictures are in {}", folder.display());
    Ok(())
}
