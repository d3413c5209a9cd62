//! `cargo xtask bench browser`: a file from `sluice send` through the page of a real Chromium and onto its disk, beside
//! the same bytes over a bare data channel into the same browser.

use crate::error::Error;
use crate::process::Program;
use crate::setup::{self, Needs};

use super::Build;

/// Bytes of the file, in full and in the short form.
const BYTES: u64 = 1 << 30;
const QUICK_BYTES: u64 = 32 << 20;

/// Rounds, of which the medians are printed.
const ROUNDS: u32 = 3;

/// Measures, and prints what it found; `quick` once and with a small file.
pub fn bench(build: Build, quick: bool) -> Result<(), Error> {
    setup::install(&Needs::BROWSER)?;
    // The server holds the built page.
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    build.make("sluice-engine", &["bare_channel"])?;
    let (bytes, rounds) = if quick { (QUICK_BYTES, 1) } else { (BYTES, ROUNDS) };
    Program::new("npm")
        .within("ui")
        .args(["run", "--silent", "speed"])
        .env("SLUICE_BIN", build.program("sluice"))
        .env("SLUICE_BARE_CHANNEL", build.program("examples/bare_channel"))
        .env("SLUICE_BENCH_BYTES", bytes.to_string())
        .env("SLUICE_BENCH_ROUNDS", rounds.to_string())
        .run()
}
