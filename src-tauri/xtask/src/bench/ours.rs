//! Our own command line, as a person runs it: a server, a sender, and receivers.

use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::scratch::Scratch;
use super::watched::Watched;
use super::work::Work;
use super::{Build, Sample, Usage};
use crate::error::Error;

/// Serves, shares and receives `work` once.
pub fn run(work: &Work, scratch: &Scratch, build: Build) -> Result<Sample, Error> {
    let home = scratch.folder("home")?;
    let sluice = |words: &[&str]| {
        let mut command = Command::new(build.program("sluice"));
        command.arg(words[0]).arg("--json").args(&words[1..]);
        command
    };
    let mut server = Watched::start(sluice(&["serve", "--listen", "127.0.0.1:0"]), &home)?;
    let (_, url) = server.find(|line| event(line, "listening")?["url"].as_str().map(str::to_owned))?;

    let mut send = sluice(&["send", "--server", &url]);
    send.args(["--downloads", &work.receivers.to_string()]).arg(scratch.source());
    let mut sender = Watched::start(send, &home)?;
    let (_, link) = sender.find(|line| event(line, "shared")?["link"].as_str().map(str::to_owned))?;

    let mut receivers = Vec::new();
    for number in 0..work.receivers {
        let out = scratch.folder(&format!("ours-{number}"))?;
        let mut receive = sluice(&["receive", &link, "--out"]);
        receive.arg(&out);
        receivers.push((out, Watched::start(receive, &home)?));
    }
    let started = receivers.iter().map(|(_, receiver)| receiver.started).min();
    let mut ends = Vec::new();
    for (out, mut receiver) in receivers {
        let (connected, ()) = receiver.find(|line| event(line, "connected").map(|_| ()))?;
        let (done, ()) = receiver.find(|line| event(line, "done").map(|_| ()))?;
        let (ended, usage) = receiver.end()?;
        ends.push((End { connected, done, ended, usage }, out));
    }
    let (_, usage) = sender.end()?;
    for (_, out) in &ends {
        // The shared folder arrives under its own name.
        scratch.check(&out.join("source"), work)?;
    }
    let ends: Vec<End> = ends.into_iter().map(|(end, _)| end).collect();
    sample(&ends, started, usage).ok_or_else(|| Error::Measure("nobody received".to_owned()))
}

/// How one receiver fared.
struct End {
    connected: Instant,
    done: Instant,
    ended: Instant,
    usage: Usage,
}

fn sample(ends: &[End], started: Option<Instant>, sender: Usage) -> Option<Sample> {
    let (started, connected) = (started?, ends.iter().map(|end| end.connected).min()?);
    let (done, ended) = (ends.iter().map(|end| end.done).max()?, ends.iter().map(|end| end.ended).max()?);
    let times = || ends.iter().map(|end| (end.done - end.connected).as_secs_f64());
    Some(Sample {
        whole: (ended - started).as_secs_f64(),
        moving: (done - connected).as_secs_f64(),
        sender,
        receivers: Usage {
            cpu_seconds: ends.iter().map(|end| end.usage.cpu_seconds).sum(),
            peak_mib: ends.iter().map(|end| end.usage.peak_mib).fold(0.0, f64::max),
        },
        fairness: times().fold(f64::INFINITY, f64::min) / times().fold(0.0, f64::max),
    })
}

/// The event that a line is, if it is one of this name.
fn event(line: &str, name: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == name).then_some(event)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn times_run_from_the_first_start_to_the_last_end() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let end = |connected, done, ended, cpu_seconds, peak_mib| End {
            connected: at(connected),
            done: at(done),
            ended: at(ended),
            usage: Usage { cpu_seconds, peak_mib },
        };
        let ends = [end(2, 10, 11, 1.0, 30.0), end(1, 5, 6, 2.0, 20.0)];
        let sample = sample(&ends, Some(start), Usage::default()).unwrap();
        assert_eq!((sample.whole, sample.moving), (11.0, 9.0));
        assert_eq!(sample.fairness, 0.5);
        assert_eq!((sample.receivers.cpu_seconds, sample.receivers.peak_mib), (3.0, 30.0));
        assert!(super::sample(&[], Some(start), Usage::default()).is_none());
    }

    #[test]
    fn events_are_known_by_their_names() {
        assert_eq!(event(r#"{"event":"listening","url":"u"}"#, "listening").unwrap()["url"], "u");
        assert!(event(r#"{"event":"done"}"#, "connected").is_none());
        assert!(event("no event", "done").is_none());
    }
}
