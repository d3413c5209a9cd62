//! What may stand on the command line.

use crate::exit;
use crate::rate::Rate;
use crate::serve::Settings;
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sluice_engine::config::DEFAULT_PATIENCE;
use sluice_engine::disk::{Chosen, Conflict};
use sluice_protocol::signal::{DEFAULT_SLOTS, MAX_SLOTS};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The port of a server, embedded or not, unless it is told otherwise.
pub const DEFAULT_PORT: u16 = 7575;

/// Shares files and folders straight from one disk to many, sealed end to end.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = exit::HELP)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Tell on standard error what happens inside; SLUICE_LOG=FILTER chooses what.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Share files and folders under a link, until interrupted.
    #[command(after_help = exit::HELP)]
    Send(SendArgs),
    /// Receive what a link offers, or go on where an earlier run stopped.
    #[command(after_help = exit::HELP)]
    Receive(ReceiveArgs),
    /// Run a server that introduces senders and receivers to each other.
    #[command(after_help = exit::HELP)]
    Serve(Box<ServeArgs>),
    /// Print what makes a shell complete this command's words.
    #[command(after_help = exit::HELP)]
    Completions(CompletionsArgs),
    /// Write the manual's pages, for packages.
    #[command(hide = true)]
    Manual(ManualArgs),
}

impl Command {
    /// Whether standard output belongs to a program.
    pub fn is_json(&self) -> bool {
        match self {
            Command::Send(args) => args.json,
            Command::Receive(args) => args.json,
            Command::Serve(args) => args.json,
            Command::Completions(_) | Command::Manual(_) => false,
        }
    }
}

/// `sluice send`.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// Files and folders to share.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The server that introduces the receivers; without it one runs inside this command.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// How many receivers may be connected at once; the others wait in line.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SLOTS, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SLOTS)))]
    pub slots: u16,
    /// Bytes a second to all receivers together, such as 40MB or 500KiB.
    #[arg(long, value_name = "RATE")]
    pub limit: Option<Rate>,
    /// What receivers see as the share's name; by default that of the first path.
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Ask for a password that receivers must know beside the link; or set SLUICE_PASSWORD.
    #[arg(long)]
    pub password: bool,
    /// Take the password from the first line of a file.
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,
    /// End the share when the first receiver is done.
    #[arg(long, conflicts_with = "downloads")]
    pub once: bool,
    /// End the share when so many receivers are done.
    #[arg(long, value_name = "N")]
    pub downloads: Option<NonZeroUsize>,
    /// Where the server inside this command listens; by default on all interfaces.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "server")]
    pub listen: Option<SocketAddr>,
    /// Connect through the server's relay only, so that the other side does not learn this computer's address.
    #[arg(long)]
    pub relay_only: bool,
    /// Print one JSON event a line on standard output.
    #[arg(long)]
    pub json: bool,
    /// UDP addresses to bind.
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    pub bind: Vec<SocketAddr>,
}

/// `sluice receive`.
#[derive(Debug, clap::Args)]
pub struct ReceiveArgs {
    /// The link, in either form; quote it, because of its #.
    #[arg(value_name = "LINK")]
    pub link: String,
    /// The folder below which everything is written; made if it isn't there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Take only what matches, such as photos/2024 or *.jpg; may be repeated.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub only: Vec<String>,
    /// What to do where a different file is already there.
    #[arg(long, value_enum, default_value_t = OnConflict::Rename)]
    pub conflict: OnConflict,
    /// Print what is offered and download nothing.
    #[arg(long)]
    pub list: bool,
    /// How long to try without being connected.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_PATIENCE.as_secs())]
    pub wait: u64,
    /// Take the share's password from the first line of a file; or set SLUICE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Connect through the server's relay only, so that the other side does not learn this computer's address.
    #[arg(long)]
    pub relay_only: bool,
    /// Print one JSON event a line on standard output.
    #[arg(long)]
    pub json: bool,
    /// UDP addresses to bind.
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    pub bind: Vec<SocketAddr>,
}

/// `sluice serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// What holds for the server.
    #[command(flatten)]
    pub settings: Settings,
    /// The rest of the settings, in TOML: every flag that may stand in the environment is a key, without its dashes.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print what it would run with, secrets left out, and stop; a bad setting ends with status 2.
    #[arg(long)]
    pub check: bool,
    /// Print one JSON event a line on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `sluice completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `sluice manual`.
#[derive(Debug, clap::Args)]
pub struct ManualArgs {
    /// The folder that the pages are written into.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// What to do where a different file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Leave what is there.
    Skip,
    /// Write beside it, under a numbered name.
    Rename,
    /// Replace it when the new file is whole.
    Overwrite,
}

impl From<OnConflict> for Conflict {
    fn from(conflict: OnConflict) -> Self {
        match conflict {
            OnConflict::Skip => Conflict::Skip,
            OnConflict::Rename => Conflict::Rename,
            OnConflict::Overwrite => Conflict::Overwrite,
        }
    }
}

fn glob(text: &str) -> Result<String, String> {
    match Chosen::matching(&[text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(line.split(' ')).map(|args| args.command)
    }

    #[test]
    fn the_declaration_holds() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_contract_of_send() {
        let Command::Send(args) = parse("sluice send a b").unwrap() else { panic!() };
        assert_eq!(args.paths, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!((args.slots, args.limit, args.once, args.json), (20, None, false, false));
        let line = "sluice send a --server https://x --slots 5 --limit 40MB --name n --json --downloads 3";
        let Command::Send(args) = parse(line).unwrap() else { panic!() };
        assert_eq!((args.slots, args.limit.unwrap().0), (5, 40_000_000));
        assert_eq!((args.downloads.unwrap().get(), args.json), (3, true));
    }

    #[test]
    fn the_contract_of_receive() {
        let Command::Receive(args) = parse("sluice receive L").unwrap() else { panic!() };
        assert_eq!((args.out, args.conflict, args.wait), (".".into(), OnConflict::Rename, 120));
        let line = "sluice receive L --out d --only *.jpg --only b --conflict skip --json --list --wait 3";
        let Command::Receive(args) = parse(line).unwrap() else { panic!() };
        assert_eq!(args.only, ["*.jpg", "b"]);
        assert!(args.list && args.json && args.conflict == OnConflict::Skip && args.wait == 3);
    }

    #[test]
    fn the_contract_of_serve() {
        let Command::Serve(args) = parse("sluice serve").unwrap() else { panic!() };
        assert!(!args.check && !args.json && args.config.is_none());
        let line = "sluice serve --listen [::1]:80 --turn-url turn:a --turn-url turn:b,turn:c --log-addresses --check";
        let Command::Serve(args) = parse(line).unwrap() else { panic!() };
        assert_eq!(args.settings.listen.unwrap().to_string(), "[::1]:80");
        assert_eq!(args.settings.turn_urls.unwrap(), ["turn:a", "turn:b", "turn:c"]);
        assert!(args.settings.log_addresses == Some(true) && args.check);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "sluice",
            "sluice send",
            "sluice send a --slots 0",
            "sluice send a --slots 101",
            "sluice send a --limit fast",
            "sluice send a --once --downloads 2",
            "sluice send a --downloads 0",
            "sluice send a --server https://x --listen 127.0.0.1:1",
            "sluice receive",
            "sluice receive L --conflict ask",
            "sluice receive L --only [",
            "sluice serve --listen here",
            "sluice serve --max-shares 0",
            "sluice serve --trust-forwarded 256",
            "sluice serve --log-format xml",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
