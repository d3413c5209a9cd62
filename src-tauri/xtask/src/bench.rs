//! `cargo xtask bench`: whole processes over loopback, ours beside a bare data channel and others; and `cargo xtask
//! bench server`: the server under load; and `cargo xtask bench desktop`: the window's start, and its memory.

mod bare;
#[cfg(target_os = "linux")]
mod desktop;
mod others;
mod ours;
mod scratch;
mod server;
mod table;
mod watched;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::process::{Program, target};

use scratch::Scratch;
use table::Row;
use work::{ALL, Work};

/// Runs of everything, of which the medians are printed.
const RUNS: usize = 5;

/// After which a measurement is given up.
const LIMIT: Duration = Duration::from_secs(300);

/// What one program needed to move one piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Seconds from the start of the first receiving process to the end of the last.
    whole: f64,
    /// Seconds from the first connection's being open to the last word that all has arrived; the same as
    /// `whole` for programs that don't tell.
    moving: f64,
    /// Processor seconds and peak memory of the sending process.
    sender: Usage,
    /// Processor seconds of all receiving processes, and the peak memory of the largest.
    receivers: Usage,
    /// The fastest receiver's time as a part of the slowest one's; 1 where there is one.
    fairness: f64,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    cpu_seconds: f64,
    peak_mib: f64,
}

/// Which build of our own programs is run.
#[derive(Debug, Clone, Copy)]
pub enum Build {
    /// The one that people get.
    Release,
    /// The one that the tests have built already: shows that all of this works, and says nothing of speed.
    Dev,
}

impl Build {
    /// Builds what is measured: `sluice`, and examples of one package.
    fn make(self, package: &str, examples: &[&str]) -> Result<(), Error> {
        let examples = examples.iter().flat_map(|example| ["--example", example]);
        match self {
            Self::Release => {
                Program::cargo().args(["build", "--release", "--package", "sluice-cli"]).run()?;
                let build = ["build", "--release", "--package", package];
                Program::cargo().args(build).args(examples).run()
            }
            // Of the whole workspace, or cargo would build half of the libraries once more with other features.
            Self::Dev => {
                let build = ["build", "--workspace", "--bin", "sluice"];
                Program::cargo().args(build).args(examples).run()
            }
        }
    }

    /// Where a program of it is.
    pub fn program(self, path: &str) -> PathBuf {
        let profile = match self {
            Self::Release => "release",
            Self::Dev => "debug",
        };
        target().join(profile).join(path)
    }
}

/// A program to be measured.
pub enum Contender {
    Ours,
    Bare,
    Rsync,
    Scp,
    Sendme,
}

impl Contender {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours => "sluice",
            Self::Bare => "bare channel",
            Self::Rsync => "rsync daemon",
            Self::Scp => "scp",
            Self::Sendme => "sendme",
        }
    }

    fn run(&self, work: &Work, scratch: &Scratch, build: Build) -> Result<Sample, Error> {
        match self {
            Self::Ours => ours::run(work, scratch, build),
            Self::Bare => bare::run(work, build),
            Self::Rsync => others::rsync(work, scratch),
            Self::Scp => others::scp(work, scratch),
            Self::Sendme => others::sendme(work, scratch),
        }
    }
}

/// Measures what `arguments` name, or everything; `--quick` once and with less to move, `--dev` with the debug build.
pub fn bench(arguments: &[String]) -> Result<(), Error> {
    let (flags, names): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| !["--quick", "--dev"].contains(&flag.as_str())) {
        return Err(Error::Usage(format!("there is no flag {unknown}, only --quick and --dev")));
    }
    let given = |name: &str| flags.iter().any(|flag| *flag == name);
    let quick = given("--quick");
    let build = if given("--dev") { Build::Dev } else { Build::Release };
    if names.first().is_some_and(|name| *name == "server") {
        return server::bench(build, quick, &names[1..]);
    }
    #[cfg(target_os = "linux")]
    if names.iter().any(|name| *name == "desktop") && names.len() == 1 {
        return desktop::bench(build, quick);
    }
    if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|work| work.name == **name)) {
        let known: Vec<&str> = ALL.iter().map(|work| work.name).collect();
        return Err(Error::Usage(format!(
            "there is no measurement {unknown}, only {}, server and desktop",
            known.join(", ")
        )));
    }
    let wanted = ALL.iter().filter(|work| names.is_empty() || names.iter().any(|name| work.name == **name));
    let works: Vec<Work> = wanted.map(|work| if quick { work.quick() } else { *work }).collect();

    build.make("sluice-engine", &["bare_channel"])?;

    let scratch = Scratch::new(&works)?;
    let (contenders, missing) = others::installed();
    let runs = if quick { 1 } else { RUNS };
    let mut rows = Vec::new();
    let before = table::machine_and_files(&scratch);
    for work in &works {
        let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
        scratch.fill(work)?;
        for round in 1..=runs {
            // One after the other in every round, so that the machine's moods meet all alike.
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                let sample = contender.run(work, &scratch, build).map_err(|error| Error::Step {
                    name: format!("{}, {}", work.title, contender.name()),
                    source: Box::new(error),
                })?;
                let (name, title) = (contender.name(), work.title);
                eprintln!("{title}, round {round} of {runs}, {name}: {:.2} s", sample.whole);
                samples.push(sample);
            }
        }
        scratch.empty()?;
        let named = contenders.iter().map(Contender::name).zip(samples);
        rows.extend(named.map(|(name, samples)| Row { work: *work, name, samples }));
    }
    print!("{}", table::print(&rows, &before, &missing, runs));
    Ok(())
}
