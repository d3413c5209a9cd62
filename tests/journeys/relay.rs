//! Through a relay: a real coturn, and credentials that are good for a time.

use crate::lab::{Lab, Server};
use crate::process::PATIENCE;
use crate::tree;
use sluice_engine::check;
use sluice_engine::rtc::IceServer;
use sluice_protocol::error::Code;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const SECRET: &str = "shared by server and relay";

/// How much one user and all of them may have of a relay that is run as we say.
const COMPOSED: &str = include_str!("../../src-tauri/server/deploy/compose.yaml");

/// A user whose time ended in 2001, and the password that coturn would take from it before: the base64 of the
/// HMAC-SHA1 of the name under [`SECRET`].
const EXPIRED: (&str, &str) = ("1000000000:sluice", "DIonFrHFOk49KwsI/zNA/6XWdLY=");

/// The same until 2036.
const GOOD: (&str, &str) = ("2100000000:sluice", "1Qiuf5KxtXHuBOvtjbuH1ycPx6w=");

/// Sluice through the relay and no other way.
const RELAY_ONLY: [&str; 1] = ["--relay-only"];

/// A TURN server on this machine, for this test.
struct Coturn {
    child: Child,
    url: String,
}

impl Coturn {
    fn start(lab: &Lab) -> Self {
        // A port that is free now may be another's a moment later.
        std::iter::repeat_with(|| Self::try_start(lab)).take(5).flatten().next().expect("no port was free")
    }

    /// Nothing if the port is taken.
    fn try_start(lab: &Lab) -> Option<Self> {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = lab.dir("coturn");
        let mut command = Command::new("turnserver");
        // -n: whatever is configured on this machine is not ours. -v: it says when it listens.
        command
            .args([
                "-n",
                "-v",
                "--no-cli",
                "--no-tcp",
                "--no-tls",
                "--no-dtls",
                "--simple-log",
                "--log-file",
                "stdout",
            ])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers"])
            .args(["--listening-port", &port.to_string(), "--realm", "sluice"])
            .args(["--use-auth-secret", "--static-auth-secret", SECRET])
            .args(quotas())
            .arg("--userdb")
            .arg(folder.join("db"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("coturn is not installed: cargo xtask setup does that");
        let log = child.stdout.take().unwrap();
        let (opened, listens) = mpsc::channel();
        std::thread::spawn(move || {
            // To its end, or the relay would wait for a reader.
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains("UDP listener opened") {
                    let _ = opened.send(true);
                } else if line.contains("Cannot bind") {
                    let _ = opened.send(false);
                }
            }
        });
        let coturn = Coturn { child, url: format!("turn:127.0.0.1:{port}") };
        listens.recv_timeout(PATIENCE).expect("coturn does not listen").then_some(coturn)
    }

    /// A server that makes credentials for it.
    fn serve(&self, lab: &Lab) -> Server {
        lab.serve_settled("127.0.0.1:0", |command| {
            command.args(["--turn-url", &self.url]).env("SLUICE_TURN_SECRET", SECRET);
        })
    }

    /// A server that hands on credentials whose time is over.
    fn serve_expired(&self, lab: &Lab) -> Server {
        let (username, credential) = EXPIRED;
        let servers =
            serde_json::json!([{ "urls": [self.url], "username": username, "credential": credential }]);
        lab.serve_settled("127.0.0.1:0", |command| {
            command.env("WEBRTC_ICE_SERVERS_JSON", servers.to_string());
        })
    }
}

fn quotas() -> Vec<&'static str> {
    let quotas: Vec<_> = COMPOSED.split_whitespace().filter(|word| word.contains("-quota=")).collect();
    assert_eq!(quotas.len(), 2, "{quotas:?}");
    quotas
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_goes_through_the_relay_bit_for_bit_and_both_sides_say_so() {
    let lab = Lab::new();
    let coturn = Coturn::start(&lab);
    let server = coturn.serve(&lab);
    let file = lab.dir("source").join("file.bin");
    tree::write_file(&file, 1, 3_000_001);
    let (mut sender, link) = lab.send(&server.url, &file, &RELAY_ONLY);
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &RELAY_ONLY).end().well();
    assert_eq!(ended.last("connected").unwrap().text("path"), "relayed");
    assert_eq!(sender.event("receiver_connected").text("path"), "relayed");
    tree::arrived(&file, &out);
}

#[test]
fn one_side_that_hides_its_address_is_enough_for_both_to_be_relayed() {
    let lab = Lab::new();
    let coturn = Coturn::start(&lab);
    let server = coturn.serve(&lab);
    let file = lab.dir("source").join("file.bin");
    tree::write_file(&file, 1, 100_000);
    let (mut sender, link) = lab.send(&server.url, &file, &RELAY_ONLY);
    let out = lab.path("out");
    let ended = lab.receive(&link, &out, &[] as &[&str]).end().well();
    assert_eq!(ended.last("connected").unwrap().text("path"), "relayed");
    assert_eq!(sender.event("receiver_connected").text("path"), "relayed");
    tree::arrived(&file, &out);
}

#[test]
fn a_full_share_finds_room_on_the_relay() {
    let lab = Lab::new();
    let coturn = Coturn::start(&lab);
    let server = coturn.serve(&lab);
    let file = lab.dir("source").join("file.bin");
    tree::write_file(&file, 1, 1_000_000);
    // So slow that nobody is done before the last one is there.
    let (mut sender, link) = lab.send(&server.url, &file, &["--relay-only", "--limit", "1MB"]);
    let outs: Vec<_> = (0..20).map(|number| lab.path(&format!("out {number}"))).collect();
    let receivers: Vec<_> = outs.iter().map(|out| lab.receive(&link, out, &[] as &[&str])).collect();
    for (receiver, out) in receivers.into_iter().zip(&outs) {
        let ended = receiver.end().well();
        assert_eq!(ended.last("connected").unwrap().text("path"), "relayed");
        tree::arrived(&file, out);
    }
    sender.event("receiver_done");
    let first_done = sender.seen.iter().position(|event| event.is("receiver_done")).unwrap();
    let connected = sender.seen[..first_done].iter().filter(|event| event.is("receiver_connected")).count();
    assert_eq!(connected, 20, "they took turns");
}

#[test]
fn credentials_whose_time_is_over_end_in_a_clear_word() {
    let lab = Lab::new();
    let coturn = Coturn::start(&lab);
    let server = coturn.serve_expired(&lab);
    let file = lab.dir("source").join("file.bin");
    tree::write_file(&file, 1, 1000);
    let (mut sender, link) = lab.send(&server.url, &file, &RELAY_ONLY);
    let mut receiver = lab.receive(&link, &lab.path("out"), &["--relay-only", "--wait", "3"]);
    let told = receiver.wait_for("the reason", |event| event.is("retrying"));
    assert_eq!(told.text("code"), "relay_refused");
    // At once, not after the time in which a connection may be made.
    let connecting = receiver.seen.iter().find(|event| event.is("connecting")).unwrap();
    assert!(told.at - connecting.at < Duration::from_secs(10));
    receiver.end().with(6, "relay_refused");
    let lost = sender.event("receiver_lost");
    assert_eq!(lost.text("code"), "relay_refused");
}

#[tokio::test]
async fn the_connection_test_tells_what_a_real_relay_does() {
    let lab = Lab::new();
    let coturn = Coturn::start(&lab);
    let asked = |(username, credential): (&str, &str)| {
        let urls = vec![coturn.url.clone()];
        check::turn(IceServer { urls, username: username.into(), credential: credential.into() })
    };
    let place = asked(GOOD).await.unwrap();
    assert!(place.starts_with("127.0.0.1:"), "{place}");
    assert_eq!(asked(EXPIRED).await.unwrap_err().code(), Code::RelayRefused);
    let public = check::stun(&coturn.url.replace("turn:", "stun:")).await.unwrap();
    assert!(public.ip().is_loopback(), "{public}");

    let url = coturn.url.clone();
    drop(coturn);
    let gone = IceServer { urls: vec![url.clone()], username: GOOD.0.into(), credential: GOOD.1.into() };
    assert_eq!(check::turn(gone).await.unwrap_err().code(), Code::NoConnection);
    assert_eq!(check::stun(&url.replace("turn:", "stun:")).await.unwrap_err().code(), Code::NoConnection);
}
