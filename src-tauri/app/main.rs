//! The desktop program: starts the window and says on standard error why it could not.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match sluice_desktop::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Sluice could not start: {error}");
            ExitCode::FAILURE
        }
    }
}
