//! `cargo xtask bench desktop`: how soon the window can be used, and the memory that it takes when nothing happens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::scratch::Scratch;
use super::table::{self, median};
use super::watched::Watched;
use super::{Build, LIMIT, RUNS};
use crate::error::Error;
use crate::process::Program;

/// Seconds from the start of the process to a window that can be used.
const START_SECONDS: f64 = 1.5;

/// MiB of the app's own process when nothing happens.
const IDLE_MIB: f64 = 150.0;

/// How often the screen is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long memory has to stay as it is, give or take half a MiB.
const STILL: Duration = Duration::from_secs(3);

/// The accent of `ui/shared/tokens.css` in light, as a screen of 32 bits a pixel has it.
const ACCENT: [u8; 3] = [0x75, 0x7a, 0x0b];

/// Pixels in the accent that the first place of the window has at least: its button and its picture. They are drawn when
/// the shell has told the page what there is, and by what handles clicks on them.
const USABLE: usize = 2000;

/// One start.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    seconds: f64,
    own: Memory,
    all: Memory,
}

/// What processes take, in MiB: all that is in memory for them, and their part of it where several share it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Memory {
    resident: f64,
    proportional: f64,
}

/// Starts the app, once to warm the disk and then a few times; `quick` once.
pub fn bench(build: Build, quick: bool) -> Result<(), Error> {
    make(build)?;
    let scratch = Scratch::new(&[])?;
    let before = table::machine();
    let runs = if quick { 1 } else { RUNS };
    let mut starts = Vec::new();
    for run in 0..=runs {
        let start = start(&scratch, &build.program("sluice-desktop"), run)?;
        eprintln!("start {run} of {runs}: {:.2} s", start.seconds);
        starts.push(start);
    }
    // The first has read the program from the disk.
    print!("{}", report(&starts[1..], &before));
    Ok(())
}

fn make(build: Build) -> Result<(), Error> {
    // The app holds the built page.
    Program::new("npm").within("ui").args(["run", "--silent", "build"]).run()?;
    let words: &[&str] = match build {
        Build::Release => &["build", "--release", "--package", "sluice-desktop"],
        Build::Dev => &["build", "--workspace", "--bin", "sluice-desktop"],
    };
    Program::cargo().args(words).run()
}

/// Starts the app on a screen and a session bus of its own; `number` tells them from those before.
fn start(scratch: &Scratch, program: &Path, number: usize) -> Result<Start, Error> {
    let home = scratch.folder("home")?;
    let screen = scratch.folder(&format!("screen-{number}"))?;
    let run = scratch.folder(&format!("run-{number}"))?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700))
        .map_err(|source| Error::File { path: run.clone(), source })?;
    let mut xvfb = Command::new("Xvfb");
    xvfb.args(["-displayfd", "1", "-screen", "0", "1280x960x24", "-nolisten", "tcp", "-fbdir"]).arg(&screen);
    let mut xvfb = Watched::start(xvfb, &home)?;
    let (_, display) = xvfb.find(|line| Some(format!(":{line}")))?;
    let mut bus = Command::new("dbus-daemon");
    bus.args(["--session", "--nofork", "--print-address=1"]).env("XDG_RUNTIME_DIR", &run);
    let mut bus = Watched::start(bus, &home)?;
    let (_, address) = bus.find(|line| Some(line.to_owned()))?;

    let mut app = Command::new(program);
    app.env("DISPLAY", display).env("DBUS_SESSION_BUS_ADDRESS", address).env("XDG_RUNTIME_DIR", &run);
    // There is no bus of its own for screen readers here.
    app.env("NO_AT_BRIDGE", "1")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("GTK_THEME");
    let app = Watched::start(app, &home)?;
    let picture = screen.join("Xvfb_screen0");
    until("the window was not drawn", || {
        accented(&fs::read(&picture).ok()?).filter(|pixels| *pixels >= USABLE)
    })?;
    let seconds = app.started.elapsed().as_secs_f64();

    let mut since = (Instant::now(), memory(app.id()));
    let own = until("its memory does not settle", || {
        let now = memory(app.id());
        if (now.proportional - since.1.proportional).abs() > 0.5 {
            since = (Instant::now(), now);
        }
        (since.0.elapsed() > STILL).then_some(now)
    })?;
    let all = family(app.id()).into_iter().map(memory).fold(own, |sum, one| Memory {
        resident: sum.resident + one.resident,
        proportional: sum.proportional + one.proportional,
    });
    Ok(Start { seconds, own, all })
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if begun.elapsed() > LIMIT {
            return Err(Error::Measure(format!("{what} in {} s", LIMIT.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}

/// Pixels in the accent on a screen of Xvfb, which writes it as an X window dump; `None` while it is not whole.
fn accented(dump: &[u8]) -> Option<usize> {
    // The length of the header is the first of its numbers and that of the colour table, in 12 bytes each, the twentieth.
    let number =
        |index: usize| Some(u32::from_be_bytes(dump.get(index * 4..index * 4 + 4)?.try_into().ok()?));
    let begin = number(0)? as usize + number(19)? as usize * 12;
    Some(dump.get(begin..)?.chunks_exact(4).filter(|pixel| pixel[..3] == ACCENT).count())
}

fn memory(process: u32) -> Memory {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    parse_memory(&text)
}

fn parse_memory(rollup: &str) -> Memory {
    let mib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    };
    Memory { resident: mib("Rss:"), proportional: mib("Pss:") }
}

/// All processes that `process` has started, and those that they have.
fn family(process: u32) -> Vec<u32> {
    let children = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = children.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
    children.iter().flat_map(|child| std::iter::once(*child).chain(family(*child))).collect()
}

fn report(starts: &[Start], machine: &str) -> String {
    let middle = |figure: fn(&Start) -> f64| median(starts.iter().map(figure).collect());
    let seconds = middle(|start| start.seconds);
    let (resident, proportional) =
        (middle(|start| start.own.resident), middle(|start| start.own.proportional));
    let verdict = |reached: bool| if reached { "reached" } else { "**missed**" };
    format!(
        "\n{machine} Load average {} after. Medians of {} starts with a warm disk.\n\n\
         | of the desktop app | to reach | measured | |\n| --- | --- | ---: | --- |\n\
         | from its start to a window that can be used | below {START_SECONDS} s | {seconds:.2} s | {} |\n\
         | its own process when idle, with its part of what is shared (PSS) | below {IDLE_MIB} MiB | \
         {proportional:.0} MiB | {} |\n\
         | its own process when idle, with all of what is shared (RSS) | below {IDLE_MIB} MiB | {resident:.0} MiB | {} |\n\
         | the same and the webview's processes (PSS) | – | {:.0} MiB | |\n",
        table::load(),
        starts.len(),
        verdict(seconds < START_SECONDS),
        verdict(proportional < IDLE_MIB),
        verdict(resident < IDLE_MIB),
        middle(|start| start.all.proportional),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pixels_are_counted_behind_header_and_colours_and_nowhere_else() {
        let mut dump = vec![0_u8; 100 + 2 * 12];
        dump[..4].copy_from_slice(&100_u32.to_be_bytes());
        dump[76..80].copy_from_slice(&2_u32.to_be_bytes());
        dump[100..103].copy_from_slice(&ACCENT);
        assert_eq!(accented(&dump), Some(0));
        dump.extend([0x75, 0x7a, 0x0b, 0, 0x75, 0x7a, 0x0b, 0xff, 0x74, 0x7a, 0x0b, 0]);
        assert_eq!(accented(&dump), Some(2));
        assert_eq!(accented(&dump[..60]), None);
    }

    #[test]
    fn memory_is_in_mib_and_a_process_that_is_gone_has_none() {
        let text = "5581 [rollup]\nRss:  153600 kB\nPss:   51200 kB\nPss_Dirty:  9 kB\n";
        assert_eq!(parse_memory(text), Memory { resident: 150.0, proportional: 50.0 });
        assert_eq!(memory(0), Memory::default());
    }

    #[test]
    fn what_is_above_its_limit_is_called_missed() {
        let memory = |proportional| Memory { resident: 160.0, proportional };
        let start = |seconds| Start { seconds, own: memory(100.0), all: memory(300.0) };
        let text = report(&[start(1.0), start(9.0), start(1.4)], "A machine.");
        let verdicts: Vec<bool> = text.lines().skip(5).map(|line| line.contains("missed")).collect();
        assert_eq!(verdicts, [false, false, true, false], "{text}");
    }
}
