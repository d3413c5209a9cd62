//! `cargo xtask test`: everything that must hold before a change is kept.

use std::time::Duration;

use crate::bench;
use crate::error::Error;
use crate::fuzz;
use crate::process::{Program, target};
use crate::setup::{self, Needs};
use crate::steps::Steps;

/// How long each fuzz target runs here; `cargo xtask fuzz` runs them longer.
const FUZZ: Duration = Duration::from_secs(5);

/// The one package of ours outside the workspace.
const FUZZ_MANIFEST: &str = "tests/fuzz/Cargo.toml";

/// Checks and tests the whole project; with filters, only runs the Rust tests that they name.
pub fn test(filters: &[String]) -> Result<(), Error> {
    let mut steps = Steps::start();
    steps.step("setup", || setup::install(&Needs::TEST))?;
    if !filters.is_empty() {
        steps.step("ui build", || npm("build"))?;
        return steps.step("nextest", || nextest(filters));
    }

    steps.step("rustfmt", rustfmt)?;
    steps.step("ui lint", || npm("lint"))?;
    steps.step("ui check", || npm("check"))?;
    steps.step("ui test", || npm("test"))?;
    // Before any Rust: the desktop app holds the built page.
    steps.step("ui build", || npm("build"))?;
    steps.step("deny", deny)?;
    steps.step("clippy", clippy)?;
    steps.step("fuzz", || fuzz::run_all(FUZZ))?;
    steps.step("doc tests", || Program::cargo().args(["test", "--workspace", "--doc"]).run())?;
    steps.step("nextest", || nextest(&[]))?;
    // Behind the tests, which build what it runs.
    steps.step("bench", || bench(&[]))?;
    steps.step("bench server", || bench(&["server"]))?;
    steps.step("bench desktop", || bench(&["desktop"]))?;
    println!("cargo xtask test: {}", steps.summary());
    Ok(())
}

/// In its short form, which finds what is broken.
fn bench(names: &[&str]) -> Result<(), Error> {
    let arguments: Vec<String> = ["--quick", "--dev"].iter().chain(names).map(ToString::to_string).collect();
    bench::bench(&arguments)
}

fn npm(script: &str) -> Result<(), Error> {
    Program::new("npm").within("ui").args(["run", "--silent", script]).run()
}

fn rustfmt() -> Result<(), Error> {
    Program::cargo().args(["fmt", "--all", "--check"]).run()?;
    Program::cargo().args(["fmt", "--manifest-path", FUZZ_MANIFEST, "--check"]).run()
}

/// Licences, bans and sources; not advisories, whose database is on a host that may be out of reach.
fn deny() -> Result<(), Error> {
    let check = ["check", "licenses", "bans", "sources"];
    Program::cargo().arg("deny").args(check).run()?;
    Program::cargo()
        .args(["deny", "--manifest-path", FUZZ_MANIFEST, "--config", "deny.toml"])
        .args(check)
        .run()
}

fn clippy() -> Result<(), Error> {
    Program::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()
}

fn nextest(filters: &[String]) -> Result<(), Error> {
    // Built with the tests themselves; alone, cargo would build it and half of its libraries with other features.
    let sluice = target().join("debug").join("sluice").with_extension(std::env::consts::EXE_EXTENSION);
    Program::cargo().args(["nextest", "run", "--workspace"]).args(filters).env("SLUICE_BIN", sluice).run()
}
