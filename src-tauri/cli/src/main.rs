//! `sluice`, the command line: shares, receives and serves. `docs/cli.md` is its contract.

mod args;
mod exit;
mod failures;
mod log;
mod manual;
mod password;
mod print;
mod rate;
mod receive;
mod send;
mod serve;
mod signals;

use args::{Args, Command};
use clap::Parser;
use serve::{ConfigError, Environment, Plan};
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;
use std::panic::resume_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.command.is_json();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Command(error)) => {
            print::failure(json, &error);
            ExitCode::from(exit::status(error.code()))
        }
        Err(Failure::Config(error)) => {
            print::note(&format!("error: {error}"));
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Why a command failed.
enum Failure {
    Command(EngineError),
    /// A setting makes no sense: the command did not even start.
    Config(ConfigError),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::Command(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Config(error)
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let verbose = args.verbose;
    match args.command {
        Command::Send(args) => {
            log::start(verbose, None);
            let command = send::Send::new(args, verbose)?;
            in_runtime(command.run())?;
        }
        Command::Receive(args) => {
            log::start(verbose, None);
            let command = receive::Receive::new(args, verbose)?;
            in_runtime(command.run())?;
        }
        Command::Serve(args) => {
            let plan = Plan::new(&args, Environment::read())?;
            if args.check {
                serve::check(&plan, args.json)?;
            } else {
                log::start(verbose, plan.log);
                in_runtime(serve::run(plan, args.json))?;
            }
        }
        Command::Completions(args) => manual::print_completions(args.shell)?,
        Command::Manual(args) => manual::write_pages(&args.folder)?,
    }
    Ok(())
}

fn in_runtime(
    command: impl Future<Output = Result<(), EngineError>> + Send + 'static,
) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| EngineError::Detailed { code: Code::NoConnection, detail: error.to_string() })?;
    // On a worker: to wake the thread that blocks costs a switch to it each time.
    let command = runtime.spawn(command);
    // It is never aborted, so that it can only have panicked.
    let result = runtime.block_on(command).unwrap_or_else(|error| resume_unwind(error.into_panic()));
    // A walk over a million files need not be waited for.
    runtime.shutdown_background();
    result
}
