//! The app's own program, processes found by the desk that they belong to, and lines of what one prints.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long any one thing may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often something is looked at that tells of no change by itself.
pub const BEAT: Duration = Duration::from_millis(50);

/// The program under test: what `SLUICE_DESKTOP_BIN` names, or else the one that was built with this test. The page in `ui/`
/// must have been built before.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let given = std::env::var_os("SLUICE_DESKTOP_BIN");
        given.map_or_else(|| env!("CARGO_BIN_EXE_sluice-desktop").into(), PathBuf::from)
    })
}

/// The project's top folder.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Waits until `look` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come in time");
        std::thread::sleep(BEAT);
    }
}

/// The processes whose environment has `variable`, written as `NAME=VALUE`.
pub fn with(variable: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| has(*pid, variable)).collect()
}

fn has(pid: u32, variable: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
}

/// Whether a process runs this program.
pub fn runs(pid: u32, program: &Path) -> bool {
    // A program that was built anew since is still the one that was started.
    let Ok(found) = fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    let found = found.to_string_lossy();
    found.trim_end_matches(" (deleted)") == program.canonicalize().unwrap().to_string_lossy()
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    // One that has ended by itself is what was wanted.
    let _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).output();
}

/// Lines as they come, read to their end so that nobody waits for a reader.
pub fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}
