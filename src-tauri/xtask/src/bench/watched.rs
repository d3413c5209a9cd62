//! A process under measurement: its lines with their times, its processor time, its peak memory.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{LIMIT, Usage};
use crate::error::Error;

/// How often peak memory is read; it only grows, so that the last look before the end tells nearly all.
const LOOK: Duration = Duration::from_millis(25);

/// A running process whose standard output is read. Dropping it kills it.
pub struct Watched {
    name: String,
    child: Child,
    pub started: Instant,
    input: Option<ChildStdin>,
    lines: Receiver<(Instant, String)>,
    complaints: Option<JoinHandle<String>>,
    peak: Option<JoinHandle<f64>>,
}

impl Watched {
    /// Starts `command`, with a home of its own in `home`.
    pub fn start(command: Command, home: &Path) -> Result<Self, Error> {
        Self::spawn(command, home, Stdio::null())
    }

    /// The same, for a program that is told things while it runs.
    pub fn start_with_input(command: Command, home: &Path) -> Result<Self, Error> {
        Self::spawn(command, home, Stdio::piped())
    }

    fn spawn(mut command: Command, home: &Path, input: Stdio) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.env("HOME", home).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, home);
        }
        for variable in ["SLUICE_LOG", "SLUICE_PASSWORD"] {
            command.env_remove(variable);
        }
        let started = Instant::now();
        let spawned = command.spawn();
        let mut child = spawned.map_err(|source| Error::Start { program: name.clone(), source })?;
        let input = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send((Instant::now(), line)).is_err() {
                        return;
                    }
                }
            });
        }
        let complaints = child.stderr.take().map(|mut errors| {
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = errors.read_to_string(&mut text);
                text
            })
        });
        let status = format!("/proc/{}/status", child.id());
        let peak = std::thread::spawn(move || {
            let mut peak = 0.0;
            // The line is gone when the process has ended, though nobody has waited for it.
            while let Some(now) = fs::read_to_string(&status).ok().and_then(|text| peak_mib(&text)) {
                peak = now;
                std::thread::sleep(LOOK);
            }
            peak
        });
        Ok(Self { name, child, started, input, lines, complaints, peak: Some(peak) })
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line and when it came; `None` at the end of the output.
    pub fn line(&self) -> Result<Option<(Instant, String)>, Error> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(Error::Measure(format!("{} said nothing for {} s", self.name, LIMIT.as_secs())))
            }
        }
    }

    /// The first line for which `find` finds something.
    pub fn find<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<(Instant, T), Error> {
        while let Some((at, line)) = self.line()? {
            if let Some(found) = find(&line) {
                return Ok((at, found));
            }
        }
        let complaints = self.complaints();
        Err(Error::Measure(format!("{} ended too early: {complaints}", self.name)))
    }

    /// Writes a line to its input, if it has one.
    pub fn tell(&mut self, line: &str) -> Result<(), Error> {
        let told = self.input.as_mut().map_or(Ok(()), |input| writeln!(input, "{line}"));
        told.map_err(|error| Error::Measure(format!("{} does not listen: {error}", self.name)))
    }

    /// Waits for a good end; returns when it was and what the process and those it waited for have used.
    pub fn end(mut self) -> Result<(Instant, Usage), Error> {
        while self.line()?.is_some() {}
        // Its output is closed, so it ends now; until we wait for it, the system keeps its figures.
        let stat = format!("/proc/{}/stat", self.child.id());
        let closed = Instant::now();
        let cpu_seconds = loop {
            let text = fs::read_to_string(&stat).unwrap_or_default();
            let Some((state, cpu_seconds)) = parse_stat(&text) else {
                break 0.0;
            };
            if state == "Z" {
                break cpu_seconds;
            }
            if closed.elapsed() > LIMIT {
                return Err(Error::Measure(format!("{} does not end", self.name)));
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let ended = Instant::now();
        let waited = self.child.wait();
        let status = waited.map_err(|source| Error::Start { program: self.name.clone(), source })?;
        let peak = self.peak.take().and_then(|peak| peak.join().ok());
        if !status.success() {
            let complaints = self.complaints();
            return Err(Error::Measure(format!("{} ended with {status}: {complaints}", self.name)));
        }
        Ok((ended, Usage { cpu_seconds, peak_mib: peak.unwrap_or(0.0) }))
    }

    /// What a process that goes on has used until now.
    pub fn usage(&self) -> Usage {
        Usage {
            cpu_seconds: parse_stat(&self.figures("stat")).map_or(0.0, |(_, seconds)| seconds),
            peak_mib: peak_mib(&self.figures("status")).unwrap_or(0.0),
        }
    }

    /// The memory that it has resident at this moment, in MiB.
    pub fn resident_mib(&self) -> f64 {
        mib(&self.figures("status"), "VmRSS:").unwrap_or(0.0)
    }

    fn figures(&self, what: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{what}", self.child.id())).unwrap_or_default()
    }

    /// Whether it has children that it has not waited for.
    pub fn has_children(&self) -> bool {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.is_ok_and(|children| !children.trim().is_empty())
    }

    fn complaints(&mut self) -> String {
        let _ = self.child.kill();
        let text = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        text.trim().to_owned()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state, and the processor seconds of a process and the children it has waited for (proc_pid_stat(5),
/// fields 14 to 17, in ticks of 10 ms), from the text of its `stat`.
fn parse_stat(text: &str) -> Option<(&str, f64)> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: Option<f64> = (11..=14).map(|at| fields.get(at)?.parse::<f64>().ok()).sum();
    Some((*fields.first()?, ticks? / 100.0))
}

/// The most memory that a process has had resident, from the text of its `status`.
fn peak_mib(text: &str) -> Option<f64> {
    mib(text, "VmHWM:")
}

fn mib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn figures_are_read_from_where_the_system_keeps_them() {
        let stat = "42 (a) b) Z 1 42 42 0 -1 4 9 8 7 6 150 50 25 5 20 0 1 0 99";
        assert_eq!(parse_stat(stat), Some(("Z", 2.3)));
        assert_eq!(parse_stat("42 (a"), None);
        assert_eq!(peak_mib("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n"), Some(2.0));
        assert_eq!(peak_mib("State:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_timed_and_a_bad_end_is_told() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Watched::start(command, Path::new("/nonexistent")).unwrap()
        };
        let mut busy = shell("echo ready; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $HOME");
        let (ready, ()) = busy.find(|line| (line == "ready").then_some(())).unwrap();
        let (told, home) = busy.find(|line| Some(line.to_owned())).unwrap();
        let (ended, usage) = busy.end().unwrap();
        assert!(ready < told && told < ended);
        assert_eq!(home, "/nonexistent");
        assert!(usage.cpu_seconds > 0.0 && usage.peak_mib > 0.1, "{usage:?}");

        let error = shell("echo why >&2; exit 3").end().unwrap_err().to_string();
        assert!(error.contains("why") && error.contains('3'), "{error}");
    }
}
