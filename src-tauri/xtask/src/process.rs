//! Other programs: how they are started, shown and judged.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::error::Error;

/// The project's top folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this package lives two folders below the top")
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program to be run once, with its arguments, in the project's top folder unless told otherwise.
pub struct Program {
    command: Command,
    folder: &'static str,
}

impl Program {
    /// `name`, found as the shell finds it.
    pub fn new(name: &str) -> Self {
        let mut command = Command::new(name);
        command.current_dir(root());
        Self { command, folder: "" }
    }

    /// The cargo that runs this program.
    pub fn cargo() -> Self {
        let mut program = Self::new("cargo");
        // Set by cargo for this program, and not meant for the packages that the next cargo builds.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                program.command.env_remove(name);
            }
        }
        program
    }

    /// `words`, run by the system's administrator: through `sudo` unless that is who we are.
    pub fn administrator(words: &[&str]) -> Result<Self, Error> {
        let id = Self::new("id").args(["-u"]).output()?;
        Ok(match words {
            [first, rest @ ..] if id.trim_ascii() == b"0" => Self::new(first).args(rest),
            _ => Self::new("sudo").args(words),
        })
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Runs in `folder`, relative to the top.
    pub fn within(mut self, folder: &'static str) -> Self {
        self.command.current_dir(root().join(folder));
        self.folder = folder;
        self
    }

    /// Runs in the folder that the person stands in, so that their relative paths mean what they say.
    pub fn here(mut self) -> Result<Self, Error> {
        let here =
            std::env::current_dir().map_err(|source| Error::File { path: PathBuf::from("."), source })?;
        self.command.current_dir(here);
        Ok(self)
    }

    /// Shows the command, runs it on this terminal, and waits for its end.
    pub fn run(mut self) -> Result<(), Error> {
        println!("$ {self}");
        let status = self.command.status().map_err(|source| self.not_started(source))?;
        self.judge(status)
    }

    /// Runs quietly and returns what the program wrote on standard output.
    pub fn output(mut self) -> Result<Vec<u8>, Error> {
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().map_err(|source| self.not_started(source))?;
        self.judge(output.status)?;
        Ok(output.stdout)
    }

    /// What the program answers when asked for its version, or nothing when it isn't there.
    pub fn answer(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Becomes the program where the system allows it, so that an interrupt reaches it alone.
    #[cfg(unix)]
    pub fn become_it(mut self) -> Error {
        use std::os::unix::process::CommandExt;
        println!("$ {self}");
        let source = self.command.exec();
        self.not_started(source)
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Error> {
        if status.success() { Ok(()) } else { Err(Error::Failed { command: self.to_string(), status }) }
    }

    fn not_started(&self, source: std::io::Error) -> Error {
        Error::Start { program: self.command.get_program().to_string_lossy().into_owned(), source }
    }
}

/// The command as a person would type it.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.folder.is_empty() {
            write!(f, "cd {} && ", self.folder)?;
        }
        write!(f, "{}", self.command.get_program().to_string_lossy())?;
        for argument in self.command.get_args() {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}
