//! `cargo xtask run`: builds the desktop app and opens its window; without a display, a share in the terminal.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::process::{Program, root, target};
use crate::setup::{self, Needs};

/// Bytes in the sample's largest file: enough to see a progress bar move.
const LARGE: usize = 64 << 20;

/// Opens the window, which shares the paths that `arguments` name; or, where none can be opened, does the same here.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    if has_display() {
        return window(arguments);
    }
    println!("There is no display here, so this shares in the terminal.");
    share(arguments)
}

/// Whether a window can be opened: on Linux something has to draw it.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

fn window(arguments: &[String]) -> Result<(), Error> {
    if let Some(option) = arguments.iter().find(|argument| argument.starts_with('-')) {
        let sentence = format!(
            "the window takes paths alone, and asks for the rest itself: {option} is for `sluice send`"
        );
        return Err(Error::Usage(sentence));
    }
    setup::install(&Needs::RUN)?;
    // The app holds the built page.
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    let build = ["build", "--release", "--package", "sluice-desktop"];
    Program::cargo().args(build).run()?;
    let app = target().join("release").join("sluice-desktop").with_extension(std::env::consts::EXE_EXTENSION);
    start(Program::new(&app.to_string_lossy()).here()?.args(arguments))
}

/// Shares what `arguments` name, or a sample, with the embedded server, until interrupted.
fn share(arguments: &[String]) -> Result<(), Error> {
    setup::install(&Needs::TERMINAL)?;
    // The server inside holds the page that the link opens in a browser.
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    Program::cargo().args(["build", "--release", "--package", "sluice-cli"]).run()?;

    let mut paths = Vec::new();
    if names_no_path(arguments) {
        let sample = std::env::temp_dir().join(format!("sluice-sample-{}", std::process::id()));
        fill(&sample, LARGE)?;
        println!("\nNo path was named: sharing a sample, {}", sample.display());
        paths.push(sample);
    }
    println!(
        "\nTo receive, in another terminal here or on a computer in this network:\n\n    \
         cargo run --release --package sluice-cli -- receive 'LINK' --out received\n\n\
         with the link that comes now in place of LINK; or open the link in a browser. Ctrl-C ends the share.\n"
    );
    let send = Program::cargo()
        .here()?
        .args(["run", "--quiet", "--release", "--package", "sluice-cli", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--", "send"])
        .args(paths)
        .args(arguments);
    start(send)
}

/// On Unix this process becomes the program, so that one Ctrl-C ends it and nothing is left behind.
#[cfg(unix)]
fn start(program: Program) -> Result<(), Error> {
    Err(program.become_it())
}

#[cfg(not(unix))]
fn start(program: Program) -> Result<(), Error> {
    program.run()
}

/// Paths come first: what opens with an option has none.
fn names_no_path(arguments: &[String]) -> bool {
    arguments.first().is_none_or(|first| first.starts_with('-'))
}

/// Makes the folder `top` with a few files, the largest of `large` bytes, a subfolder and an empty one.
fn fill(top: &Path, large: usize) -> Result<(), Error> {
    folder(top)?;
    file(&top.join("Read me first.txt"), b"Shared with Sluice, straight from the disk it lies on.\n")?;
    let lines: String = (1..=2_000_u64).map(|n| format!("{n},{}\n", n * n)).collect();
    file(&top.join("squares.csv"), lines.as_bytes())?;
    let pattern: Vec<u8> = (0..=u8::MAX).cycle().take(large).collect();
    file(&top.join("large.bin"), &pattern)?;
    folder(&top.join("pictures"))?;
    let icon = root().join("icons/icon.svg");
    let drawing = fs::read(&icon).map_err(|source| Error::File { path: icon, source })?;
    file(&top.join("pictures/gate.svg"), &drawing)?;
    folder(&top.join("pictures/to come"))
}

fn folder(path: &Path) -> Result<(), Error> {
    fs::create_dir(path).map_err(|source| Error::File { path: path.into(), source })
}

fn file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{fill, names_no_path};

    #[test]
    fn a_sample_is_shared_when_no_path_comes_first() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (line, wanted) in [("", true), ("--json", true), ("photos", false), ("photos --json", false)] {
            assert_eq!(names_no_path(&words(line)), wanted, "{line:?}");
        }
    }

    #[test]
    fn a_sample_has_files_a_subfolder_and_an_empty_one_and_takes_over_nothing() {
        let top = std::env::temp_dir().join(format!("sluice-sample-test-{}", std::process::id()));
        fill(&top, 1000).unwrap();

        assert_eq!(top.join("large.bin").metadata().unwrap().len(), 1000);
        assert!(top.join("pictures/gate.svg").is_file());
        assert_eq!(top.join("pictures/to come").read_dir().unwrap().count(), 0);
        assert!(fill(&top, 1000).is_err());
        std::fs::remove_dir_all(top).unwrap();
    }
}
