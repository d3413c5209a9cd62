//! The server's HTTP against what it says of it: schemathesis asks every route of the served OpenAPI document for what
//! the document allows and for the opposite. All answers are as documented, none is a failure of the server's, and one
//! who waits in a share that is so knocked at notices nothing.

use crate::lab::{self, Lab, Server};
use serde_json::{Value, json};
use sluice_protocol::id::{JoinKey, OwnerKey, PeerId, ShareId};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

const OWNER_KEY: OwnerKey = OwnerKey([1; 32]);
const JOIN_KEY: JoinKey = JoinKey([2; 32]);
const PEER: PeerId = PeerId([3; 16]);
const OPERATOR: &str = "the-operator-of-this-very-test-and-no-other";

/// A share on a server whose limits nobody meets, and one who waits there.
struct Examined {
    lab: Lab,
    server: Server,
    waiting: Waiting,
}

/// One who waits in a share, and keeps it open.
struct Waiting {
    address: String,
    share: ShareId,
    /// The sender's.
    token: String,
    ticket: String,
}

impl Waiting {
    fn start(server: &Server) -> Self {
        let share = OWNER_KEY.share_id();
        let (token, ticket) = (String::new(), String::new());
        let mut waiting = Waiting { address: server.address.clone(), share, token, ticket };
        waiting.token = waiting.open();
        let body = json!({ "version": 1, "join_key": JOIN_KEY, "peer": PEER });
        let (status, joined) = waiting.ask("POST", &format!("/api/shares/{share}/receivers"), Some(&body));
        assert_eq!(status, 201, "{joined}");
        waiting.ticket = joined["ticket"].as_str().unwrap().to_owned();
        waiting
    }

    // Its sender has no socket, and so opens it again before it is forgotten; with its token.
    fn open(&self) -> String {
        let body = json!({ "version": 1, "owner_key": OWNER_KEY, "join_hash": JOIN_KEY.hash(), "slots": 20 });
        let (status, answer) = self.ask("POST", "/api/shares", Some(&body));
        assert_eq!(status, 201, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let words = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.ticket,
            body.len()
        );
        let (status, answer) = lab::ask(&self.address, &words);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// Runs `examine` beside one who waits and whose place does not change all the while.
    fn unnoticed(&self, examine: impl FnOnce()) {
        let (over, place) = (AtomicBool::new(false), format!("/api/shares/{}/place", self.share));
        let (status, first) = self.ask("GET", &place, None);
        assert_eq!(status, 200, "{first}");
        let next = format!("{place}?after={}", first["version"].as_str().unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                loop {
                    // Ten seconds, unless something changes or another asks with the same ticket.
                    match self.ask("GET", &next, None) {
                        (200, place) => assert_eq!(place, first),
                        (status, why) => {
                            assert!(over.load(Ordering::SeqCst), "{status} {why}");
                            return;
                        }
                    }
                    self.open();
                }
            });
            let examined = catch_unwind(AssertUnwindSafe(examine));
            over.store(true, Ordering::SeqCst);
            // Its place is gone, and so its wait is over.
            let leave = format!("/api/shares/{}/receivers/{PEER}", self.share);
            self.ask("DELETE", &leave, None);
            let waited = waiting.join();
            examined.and(waited).unwrap_or_else(|panic| resume_unwind(panic));
        });
    }
}

impl Examined {
    fn start() -> Self {
        let lab = Lab::new();
        let server = lab.serve_settled("127.0.0.1:0", |command| {
            command.args(["--creates-per-minute=0", "--joins-per-minute=0", "--shares-per-address=0"]);
            command.env("SLUICE_OPERATOR_TOKEN", OPERATOR);
        });
        let waiting = Waiting::start(&server);
        Examined { lab, server, waiting }
    }

    /// Lets schemathesis examine what `options` name, with this bearer.
    fn examine(&self, bearer: Option<&str>, options: &[&str]) {
        let folder = self.lab.dir("schemathesis");
        // A socket's handshake has headers that OpenAPI has no words for.
        let settings = format!(
            "[parameters]\n\"path.share\" = \"{}\"\n\"path.peer\" = \"{PEER}\"\n\n\
             [[operations]]\ninclude-path = \"/api/shares/{{share}}/socket\"\n\
             checks.positive_data_acceptance.enabled = false\n",
            self.waiting.share
        );
        fs::write(folder.join("schemathesis.toml"), settings).unwrap();
        let mut command = Command::new(schemathesis());
        self.lab.settle(&mut command, "schemathesis");
        command
            .current_dir(&folder)
            .args(["run", &format!("{}/api/openapi.json", self.server.url), "--no-color", "--warnings=off"])
            // The same requests in every run, and only so many.
            .args(["--seed=1", "--max-examples=25", "--phases=examples,coverage,fuzzing"])
            .args(["--continue-on-failure", "--request-timeout=30"])
            .args(options);
        if let Some(bearer) = bearer {
            command.args(["--header", &format!("Authorization: Bearer {bearer}")]);
        }
        let output = command.output().unwrap_or_else(|error| {
            panic!("schemathesis does not start ({error}): cargo xtask setup installs it")
        });
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
        let words: Vec<&str> = report.split_whitespace().collect();
        let counted = words.windows(2).find(|words| words[1] == "generated,").map(|words| words[0]);
        let count: u32 = counted.and_then(|count| count.replace(',', "").parse().ok()).unwrap_or(0);
        assert!(count >= 10, "only {count} requests were made:\n{report}");
    }
}

/// Where `cargo xtask setup` puts it: target/tools.
fn schemathesis() -> PathBuf {
    // target/PROFILE/deps/journeys-HASH
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("tools/schemathesis/bin/schemathesis")
}

#[test]
fn strangers_find_every_route_as_documented() {
    let examined = Examined::start();
    examined.waiting.unnoticed(|| examined.examine(None, &[]));
}

#[test]
fn a_receiver_finds_every_route_as_documented() {
    let examined = Examined::start();
    // Not the stream, which has no end, and not the end of its place.
    let options = ["--exclude-path=/api/shares/{share}/events", "--exclude-method=DELETE"];
    examined.waiting.unnoticed(|| examined.examine(Some(&examined.waiting.ticket), &options));
}

#[test]
fn a_sender_finds_every_route_as_documented() {
    let examined = Examined::start();
    examined.waiting.unnoticed(|| examined.examine(Some(&examined.waiting.token), &[]));
}

#[test]
fn a_receiver_that_leaves_finds_that_and_its_stream_as_documented() {
    let examined = Examined::start();
    let ticket = Some(&*examined.waiting.ticket);
    examined.examine(ticket, &["--include-method=DELETE"]);
    let place = format!("/api/shares/{}/place", examined.waiting.share);
    let (status, answer) = examined.waiting.ask("GET", &place, None);
    assert_eq!(status, 403, "it is still there: {answer}");
    // For one without a place the stream has an end.
    examined.examine(ticket, &["--include-path=/api/shares/{share}/events"]);
}

#[test]
fn the_operator_finds_the_statistics_as_documented() {
    let examined = Examined::start();
    examined.waiting.unnoticed(|| examined.examine(Some(OPERATOR), &["--include-path=/api/stats"]));
}
