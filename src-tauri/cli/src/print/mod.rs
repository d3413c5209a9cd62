//! What is printed where: answers and events on standard output, words for people on standard error.

pub mod meter;
pub mod qr;
pub mod receive;
pub mod send;
pub mod text;

use crate::log;
use serde::Serialize;
use sluice_engine::error::EngineError;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How often what is shown live is brought up to date.
pub const TICK: Duration = Duration::from_millis(500);
/// How often a line tells of the progress where nothing can be drawn.
pub const LINE_EVERY: Duration = Duration::from_secs(5);
/// How many single entries are named; a program that wants all of them reads the events.
pub const NAMED_ENTRIES: u64 = 20;

/// How a command tells what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Events on standard output, for programs.
    Json,
    /// Lines on standard error, without control codes.
    Lines,
    /// Bars on standard error, for a person at a terminal.
    Live,
}

impl Style {
    /// The style that suits what was asked for and where standard error leads.
    pub fn choose(json: bool, verbose: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match json {
            true => Style::Json,
            false if std::io::stderr().is_terminal() && !dumb && !log::is_on(verbose) => Style::Live,
            false => Style::Lines,
        }
    }
}

/// Prints one event; false when nobody reads any more.
pub fn json_line(event: &impl Serialize) -> bool {
    match serde_json::to_string(event) {
        Ok(line) => out_line(&line),
        Err(_) => false,
    }
}

/// Prints a line of the answer at once; false when nobody reads any more.
pub fn out_line(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Tells a person something.
pub fn note(line: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Why a command failed: a sentence for people and, if asked for, the last event for programs.
pub fn failure(json: bool, error: &EngineError) {
    let message = text::clean(&error.to_string());
    note(&format!("sluice: {message}"));
    if json {
        json_line(&Failure { event: "error", code: error.code().as_str(), message: &message });
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    event: &'static str,
    code: &'static str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_is_an_event() {
        let failure = Failure { event: "error", code: "disk_full", message: "The disk is full." };
        assert_eq!(
            serde_json::to_string(&failure).unwrap(),
            r#"{"event":"error","code":"disk_full","message":"The disk is full."}"#
        );
    }

    #[test]
    fn programs_get_events_wherever_they_lead() {
        assert_eq!(Style::choose(true, false), Style::Json);
        assert_eq!(Style::choose(false, true), Style::Lines);
    }
}
