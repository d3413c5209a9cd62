//! `cargo xtask fmt`: formats everything that has a formatter.

use crate::error::Error;
use crate::process::Program;
use crate::setup::{self, Needs};

/// Rewrites all Rust and all of `ui/` in the project's style.
pub fn fmt(_: &[String]) -> Result<(), Error> {
    setup::install(&Needs { components: &["rustfmt"], npm: true, ..Needs::NOTHING })?;
    Program::cargo().args(["fmt", "--all"]).run()?;
    Program::cargo().args(["fmt", "--manifest-path", "tests/fuzz/Cargo.toml"]).run()?;
    Program::new("npm").within("ui").args(["run", "format"]).run()
}
