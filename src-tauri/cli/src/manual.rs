//! What other programs are told of the command line: shells, to complete its words, and `man`, to show its pages.

use crate::args::Args;
use clap::CommandFactory;
use clap_complete::Shell;
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;
use std::io::{self, Write};
use std::path::Path;

/// Prints the script that makes `shell` complete the words of `sluice`.
///
/// # Errors
/// Standard output is closed.
pub fn print_completions(shell: Shell) -> Result<(), EngineError> {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sluice", &mut script);
    io::stdout().write_all(&script).map_err(|error| failed(&error))
}

/// Writes `sluice.1`, and a page for each command, into the folder `folder`, which is there.
///
/// # Errors
/// The folder can't be written.
pub fn write_pages(folder: &Path) -> Result<(), EngineError> {
    clap_mangen::generate_to(Args::command(), folder).map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> EngineError {
    EngineError::Detailed { code: Code::DiskFailed, detail: error.to_string() }
}
