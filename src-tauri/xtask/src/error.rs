//! Why a command of this program stopped.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// The first thing that went wrong; nothing after it was run.
#[derive(Debug)]
pub enum Error {
    /// The words on the command line name nothing that can be done.
    Usage(String),
    /// A program that has to be there already is not, or is too old.
    Missing { program: String, advice: String },
    /// A program could not be started.
    Start { program: String, source: io::Error },
    /// A program ran and ended badly.
    Failed { command: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    File { path: PathBuf, source: io::Error },
    /// A measurement that counts for nothing, because what was measured did not do its work.
    Measure(String),
    /// A named step of a longer command failed.
    Step { name: String, source: Box<Error> },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) | Self::Measure(sentence) => f.write_str(sentence),
            Self::Missing { program, advice } => write!(f, "{program} is needed: {advice}"),
            Self::Start { program, source } => {
                write!(f, "{program} could not be started: {source}")
            }
            Self::Failed { command, status } => write!(f, "`{command}` ended with {status}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Step { name, source } => write!(f, "step `{name}` failed: {source}"),
        }
    }
}

impl std::error::Error for Error {}
