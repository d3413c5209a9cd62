//! `cargo xtask fuzz`: builds the targets under `tests/fuzz` and runs each for a while.

use std::time::Duration;

use crate::error::Error;
use crate::process::{Program, target};
use crate::setup::{self, Needs};

/// How long a target runs when a person asks for it.
const LONG: Duration = Duration::from_secs(60);

/// Runs the named targets, or all of them, for [`LONG`] each.
pub fn fuzz(names: &[String]) -> Result<(), Error> {
    setup::install(&Needs { apt: &["build-essential"], tools: &["cargo-fuzz"], ..Needs::NOTHING })?;
    let names = if names.is_empty() { targets()? } else { names.to_vec() };
    run_each(&names, LONG)
}

/// Runs every target for `time`.
pub fn run_all(time: Duration) -> Result<(), Error> {
    run_each(&targets()?, time)
}

/// The names of all targets.
fn targets() -> Result<Vec<String>, Error> {
    let list = Program::cargo().args(["fuzz", "list", "--fuzz-dir", "tests/fuzz"]).output()?;
    let names: Vec<String> = String::from_utf8_lossy(&list).lines().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Error::Usage("tests/fuzz has no targets".into()));
    }
    Ok(names)
}

fn run_each(names: &[String], time: Duration) -> Result<(), Error> {
    cargo_fuzz("build").run()?;
    for name in names {
        cargo_fuzz("run")
            .arg(name)
            .arg("--")
            .arg(format!("-max_total_time={}", time.as_secs()))
            .arg("-print_final_stats=1")
            .run()?;
    }
    Ok(())
}

/// `cargo fuzz` as a stable toolchain can do it: coverage, but no sanitizer, which our code without
/// `unsafe` has little use for.
fn cargo_fuzz(verb: &str) -> Program {
    Program::cargo()
        .args(["fuzz", verb, "--sanitizer", "none", "--fuzz-dir", "tests/fuzz", "--target-dir"])
        .arg(target().join("fuzz"))
}
