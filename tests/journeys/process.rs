//! One running `sluice`: its events as they come, its end, and what it printed when a test fails.

use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long any one thing may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test: what `SLUICE_BIN` names, or else a fresh build with the profile of this test.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("SLUICE_BIN") {
            return given.into();
        }
        // target/PROFILE/deps/journeys-HASH
        let test = std::env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap();
        let profile = match built.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "sluice-cli", "--bin", "sluice", "--profile", profile])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .arg("--target-dir")
            .arg(built.parent().unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "sluice could not be built");
        built.join("sluice")
    })
}

/// A line of standard output, and when it came.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Instant,
    pub value: Value,
}

impl Event {
    /// Whether this is the event `name`.
    pub fn is(&self, name: &str) -> bool {
        self.value["event"] == name
    }

    /// A number of it; 0 where there is none.
    pub fn number(&self, field: &str) -> u64 {
        self.value[field].as_u64().unwrap_or(0)
    }

    /// A text of it; empty where there is none.
    pub fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or("")
    }
}

/// A process that prints events. Killed when dropped.
pub struct Sluice {
    name: String,
    child: Child,
    pub started: Instant,
    lines: mpsc::Receiver<(Instant, String)>,
    /// Everything read so far.
    pub seen: Vec<Event>,
    stderr: Arc<Mutex<String>>,
    // Behind a cell: joining takes it.
    stderr_reader: RefCell<Option<JoinHandle<()>>>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; -1 after a signal.
    pub status: i32,
    pub events: Vec<Event>,
    pub stderr: String,
}

impl Ended {
    /// The code of the `error` event; empty without one.
    pub fn code(&self) -> &str {
        self.last("error").map_or("", |event| event.text("code"))
    }

    /// The last event `name`.
    pub fn last(&self, name: &str) -> Option<&Event> {
        self.events.iter().rev().find(|event| event.is(name))
    }

    /// Every event `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.is(name))
    }

    /// Holds that it ended with status 0.
    #[track_caller]
    pub fn well(self) -> Self {
        self.with(0, "")
    }

    /// Holds that it ended with this status and code.
    #[track_caller]
    pub fn with(self, status: i32, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{:#?}\n{}", self.tail(), self.stderr);
        self
    }

    fn tail(&self) -> &[Event] {
        &self.events[self.events.len().saturating_sub(8)..]
    }
}

/// The most bytes that a receiver had, durable or on their way there.
pub fn reached(events: &[Event]) -> u64 {
    let progress = events.iter().filter(|event| event.is("progress"));
    progress.map(|event| event.number("bytes")).max().unwrap_or(0)
}

impl Sluice {
    /// Starts `command`, whose standard output is lines of JSON; `name` is for messages.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (pipe, kept) = (child.stderr.take().unwrap(), stderr.clone());
        let stderr_reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while pipe.by_ref().read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes));
                bytes.clear();
            }
        });
        Sluice {
            name: name.into(),
            child,
            started,
            lines,
            seen: Vec::new(),
            stderr,
            stderr_reader: RefCell::new(Some(stderr_reader)),
        }
    }

    /// The next event that `wanted` takes; those before it stay in `seen`.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(deadline) {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{}: {what} did not come in time", self.name),
                Err(RecvTimeoutError::Disconnected) => panic!("{} ended before {what}", self.name),
            }
        }
    }

    /// The next event `name`.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Event {
        self.wait_for(name, |event| event.is(name))
    }

    /// The next `progress` with at least so many bytes, durable or not.
    #[track_caller]
    pub fn progress(&mut self, bytes: u64) -> Event {
        let what = format!("progress beyond {bytes} bytes");
        self.wait_for(&what, |event| event.is("progress") && event.number("bytes") >= bytes)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        self.ended()
    }

    /// Waits for its end, with so much time for all of it.
    #[track_caller]
    pub fn ended(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{} does not end", self.name),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        Ended { status, events: std::mem::take(&mut self.seen), stderr: self.stderr() }
    }

    /// `kill -9`, and its end.
    pub fn kill(mut self) -> Ended {
        self.kill_in_place()
    }

    /// The same, for what is a part of something that goes on.
    pub fn kill_in_place(&mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Stops it where it is: nobody is told, it just does nothing any more.
    pub fn hold(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let signal = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &signal]).status().unwrap().success());
    }

    /// The most memory it has had resident so far, in bytes; 0 once it has ended.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .map_or(0, |size| size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
    }

    /// Reads events until `deadline`, however many come.
    #[track_caller]
    pub fn watch_until(&mut self, deadline: Instant) {
        let end = loop {
            if let Err(end) = self.next(deadline) {
                break end;
            }
        };
        assert_eq!(end, RecvTimeoutError::Timeout, "{} ended", self.name);
    }

    fn next(&mut self, deadline: Instant) -> Result<Event, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let (at, line) = self.lines.recv_timeout(left)?;
        let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}: not JSON: {line}", self.name));
        let event = Event { at, value };
        self.seen.push(event.clone());
        Ok(event)
    }

    fn stderr(&self) -> String {
        if let Some(reader) = self.stderr_reader.borrow_mut().take() {
            reader.join().unwrap();
        }
        self.stderr.lock().unwrap().clone()
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            while let Ok((at, line)) = self.lines.try_recv() {
                self.seen.push(Event { at, value: line.into() });
            }
            eprintln!("---- {}: the last of its events", self.name);
            for event in &self.seen[self.seen.len().saturating_sub(30)..] {
                eprintln!("{:8.3} {}", (event.at - self.started).as_secs_f64(), event.value);
            }
            eprintln!("---- {}: standard error\n{}", self.name, self.stderr.lock().unwrap());
        }
    }
}
