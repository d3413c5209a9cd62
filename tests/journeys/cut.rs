//! A network that is cut for half a minute: two machines, as namespaces, with one cable between them.

use crate::lab::{Lab, shared};
use crate::process::{Sluice, program, reached};
use crate::tree;
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const CUT: Duration = Duration::from_secs(30);

/// Two network namespaces and the cable between them; gone when dropped.
struct Cable {
    ends: [String; 2],
}

const ADDRESSES: [&str; 2] = ["10.83.7.1", "10.83.7.2"];

impl Cable {
    fn lay() -> Self {
        let cable = Cable { ends: ["a", "b"].map(|end| format!("sluice-{}-{end}", std::process::id())) };
        let [a, b] = &cable.ends;
        ip(&["netns", "add", a]);
        ip(&["netns", "add", b]);
        ip(&["-n", a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", b]);
        for (end, address) in cable.ends.iter().zip(ADDRESSES) {
            ip(&["-n", end, "address", "add", &format!("{address}/24"), "dev", "cable"]);
            ip(&["-n", end, "link", "set", "lo", "up"]);
            ip(&["-n", end, "link", "set", "cable", "up"]);
        }
        cable
    }

    fn set(&self, state: &str) {
        ip(&["-n", &self.ends[0], "link", "set", "cable", state]);
    }

    /// `sluice` at one end.
    fn command(&self, lab: &Lab, end: usize) -> Command {
        let mut command = Command::new("ip");
        // It becomes the program, under the same process id.
        command.args(["netns", "exec", &self.ends[end]]).arg(program());
        lab.settle(&mut command, &format!("end {end}"));
        command
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for end in &self.ends {
            let _ = Command::new("ip").args(["netns", "delete", end]).status();
        }
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args:?} failed, which needs root and iproute2: {said}");
}

#[test]
fn a_connection_that_was_cut_for_half_a_minute_goes_on() {
    let lab = Lab::new();
    let file = lab.dir("source").join("film.bin");
    tree::write_file(&file, 1, 64 * MIB);
    let cable = Cable::lay();
    let mut command = cable.command(&lab, 0);
    command
        .args(["send", "--json", "--limit", "12MiB", "--listen", &format!("{}:7575", ADDRESSES[0])])
        .arg(&file);
    let (_sender, link) = shared(command);
    let mut command = cable.command(&lab, 1);
    let out = lab.path("out");
    command.args(["receive", &link, "--json", "--out"]).arg(&out);
    let mut receiver = Sluice::start("the receiver", command);
    receiver.progress(24 * MIB);

    cable.set("down");
    receiver.watch_until(Instant::now() + CUT);
    let before = reached(&receiver.seen);
    assert!(before < 64 * MIB, "it was done before the cut could show anything");
    assert!(receiver.seen.iter().any(|event| event.is("retrying")), "a silent path was not noticed");
    cable.set("up");

    receiver.wait_for("another connection", |event| event.is("connected"));
    let after = receiver.event("progress").number("bytes");
    assert!(before - after.min(before) <= 16 * MIB, "{before} bytes before the cut, {after} after");
    receiver.end().well();
    tree::arrived(&file, &out);
}
