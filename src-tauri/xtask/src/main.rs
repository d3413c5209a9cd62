//! `cargo xtask`: what a person does to this project, a command a module.

mod bench;
mod cross;
mod error;
mod fmt;
mod fuzz;
mod icons;
mod manifest;
mod package;
mod process;
mod run;
mod screenshots;
mod setup;
mod share;
mod steps;
mod test;

use std::process::ExitCode;

use error::Error;

/// A word on the command line, what it does, and the code behind it.
struct Command {
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    work: fn(&[String]) -> Result<(), Error>,
}

const COMMANDS: [Command; 11] = [
    Command {
        name: "run",
        arguments: "[-- PATH [OPTION…]]",
        purpose: "open the window, with a file or folder shared; without a display, share it or a sample here",
        work: run::run,
    },
    Command {
        name: "test",
        arguments: "[FILTER…]",
        purpose: "everything that must hold before a change is kept; with a filter, only the Rust tests it names",
        work: test::test,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET…]",
        purpose: "run each fuzz target for a minute",
        work: fuzz::fuzz,
    },
    Command {
        name: "bench",
        arguments: "[--quick] [--dev] [NAME…|server [NAME…]|browser|desktop]",
        purpose: "measure transfers, the page or the server beside bare ones and others, or the window; --quick with less",
        work: bench::bench,
    },
    Command { name: "fmt", arguments: "", purpose: "format all Rust and all of ui/", work: fmt::fmt },
    Command {
        name: "setup",
        arguments: "",
        purpose: "install what `run` and `test` need, and nothing else",
        work: setup::setup,
    },
    Command {
        name: "package",
        arguments: "[--check] [--built] [deb|rpm|appimage]…",
        purpose: "build what a person installs on Linux, by default .deb and .rpm; --check lives with them on a clean one",
        work: package::package,
    },
    Command {
        name: "cross",
        arguments: "windows|macos [--quick]",
        purpose: "build for Windows, and live with it under wine; check for macOS; --quick without the app",
        work: cross::cross,
    },
    Command {
        name: "manifest",
        arguments: "FOLDER ADDRESS",
        purpose: "write what stands beside a release's files: checksums, notes, what the app's updater reads",
        work: manifest::manifest,
    },
    Command {
        name: "screenshots",
        arguments: "",
        purpose: "draw every view of the window into target/screenshots",
        work: screenshots::screenshots,
    },
    Command { name: "icons", arguments: "", purpose: "draw icons/ anew", work: icons::icons },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let mut rest: Vec<String> = arguments.collect();
    if rest.first().is_some_and(|first| first == "--") {
        rest.remove(0);
    }
    let outcome = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.work)(&rest),
        None => Err(Error::Usage(usage())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("one of these commands is needed:\n");
    for Command { name, arguments, purpose, .. } in COMMANDS {
        let call = format!("{name} {arguments}");
        text.push_str(&format!("  {call:<26} {purpose}\n"));
    }
    text
}
