//! `sluice`, the command line: shares, receives and serves. `docs/cli.md` is its contract.

mod args;
mod embedded;
mod exit;
mod host;
mod log;
mod password;
mod print;
mod rate;
mod receive;
mod send;
mod serve;
mod signals;

use args::{Args, Command};
use clap::Parser;
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.verbose);
    let json = args.command.is_json();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::failure(json, &error);
            ExitCode::from(exit::status(error.code()))
        }
    }
}

fn run(args: Args) -> Result<(), EngineError> {
    let verbose = args.verbose;
    match args.command {
        Command::Send(args) => {
            let command = send::Send::new(args, verbose)?;
            in_runtime(command.run())
        }
        Command::Receive(args) => {
            let command = receive::Receive::new(args, verbose)?;
            in_runtime(command.run())
        }
        Command::Serve(args) => in_runtime(serve::run(args)),
    }
}

fn in_runtime(command: impl Future<Output = Result<(), EngineError>>) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| EngineError::Detailed { code: Code::NoConnection, detail: error.to_string() })?;
    let result = runtime.block_on(command);
    // A walk over a million files need not be waited for.
    runtime.shutdown_background();
    result
}
