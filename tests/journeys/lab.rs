//! The place of one test: its folders and homes, and what it starts there.

use crate::process::{Sluice, program};
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Folders of its own for one test; gone when it ends.
pub struct Lab {
    root: TempDir,
}

/// A `sluice serve`.
pub struct Server {
    pub process: Sluice,
    /// `ADDRESS:PORT`.
    pub address: String,
    pub url: String,
}

impl Server {
    /// A figure of its metrics, by its name with its labels; 0 for what has not been counted yet.
    pub fn metric(&self, name: &str) -> u64 {
        let (status, metrics) =
            ask(&self.address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(status, 200, "{metrics}");
        let figure = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        figure.map_or(0, |figure| figure.parse().unwrap())
    }
}

/// The status and body of what the server at `address` answers to a request that asks it to close behind it.
pub fn ask(address: &str, words: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(words.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Lab {
    /// Makes the folders, and the program where that is needed.
    pub fn new() -> Self {
        program();
        Lab { root: TempDir::with_prefix("sluice-journey-").unwrap() }
    }

    /// The same in memory, where tens of thousands of files are made in no time.
    pub fn in_memory() -> Self {
        program();
        Lab { root: TempDir::with_prefix_in("sluice-journey-", "/dev/shm").unwrap() }
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A folder in the test's folder, made if it isn't there.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// `sluice` with a home of its own, so that nothing outside of the test is read or written.
    pub fn command(&self, home: &str) -> Command {
        let mut command = Command::new(program());
        self.settle(&mut command, home);
        command
    }

    /// Gives a command its home.
    pub fn settle(&self, command: &mut Command, home: &str) {
        let home = self.dir(&format!("home of {home}"));
        command.env("HOME", &home).current_dir(&home).env_remove("SLUICE_PASSWORD");
        for variable in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, home.join(variable));
        }
    }

    /// `sluice serve` on any port.
    pub fn serve(&self) -> Server {
        self.serve_at("127.0.0.1:0")
    }

    /// `sluice serve` on this address.
    pub fn serve_at(&self, listen: &str) -> Server {
        self.serve_settled(listen, |_| {})
    }

    /// The same, with whatever `settle` does to the command.
    pub fn serve_settled(&self, listen: &str, settle: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.command("server");
        command.args(["serve", "--json", "--listen", listen]);
        settle(&mut command);
        let mut process = Sluice::start("the server", command);
        let listening = process.event("listening");
        Server { address: listening.text("address").into(), url: listening.text("url").into(), process }
    }

    /// `sluice send` of one path over the server at `url`; with its link.
    pub fn send<S: AsRef<OsStr>>(&self, url: &str, path: &Path, more: &[S]) -> (Sluice, String) {
        let mut command = self.command("the sender");
        command.args(["send", "--json", "--bind", "127.0.0.1:0", "--server", url]).arg(path).args(more);
        shared(command)
    }

    /// `sluice send` of one path with the server inside; with its link.
    pub fn send_alone<S: AsRef<OsStr>>(&self, path: &Path, more: &[S]) -> (Sluice, String) {
        self.send_settled(path, |command| {
            command.args(more);
        })
    }

    /// The same, with whatever `settle` does to the command.
    pub fn send_settled(&self, path: &Path, settle: impl FnOnce(&mut Command)) -> (Sluice, String) {
        let mut command = self.command("the sender");
        command.args(["send", "--json", "--bind", "127.0.0.1:0", "--listen", "127.0.0.1:0"]).arg(path);
        settle(&mut command);
        shared(command)
    }

    /// `sluice receive` into `out`.
    pub fn receive<S: AsRef<OsStr>>(&self, link: &str, out: &Path, more: &[S]) -> Sluice {
        let mut command = self.command("the receiver");
        command.args(["receive", link, "--json", "--bind", "127.0.0.1:0", "--out"]).arg(out).args(more);
        Sluice::start("the receiver", command)
    }
}

/// Starts a sender, and waits for its link.
pub fn shared(command: Command) -> (Sluice, String) {
    let mut sender = Sluice::start("the sender", command);
    let link = sender.event("shared").text("link").to_owned();
    (sender, link)
}

/// No flags.
pub const PLAIN: [&str; 0] = [];
