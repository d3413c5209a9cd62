//! A share of which two servers keep the queue together in Redis, and what Redis is told of it.

use crate::lab::{Lab, PLAIN};
use crate::monitor::Monitor;
use crate::redis::Redis;
use crate::tree;
use sluice_protocol::link::Link;

// Bytes as the monitor has them.
fn shown(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| match byte {
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        b'\t' | b'\n' | b'\r' | b'"' | b'\\' | b' '..=b'~' => byte.escape_ascii().to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(shown).collect()
}

#[test]
fn a_folder_comes_through_two_servers_whose_redis_is_told_no_name_and_no_secret() {
    let lab = Lab::new();
    let redis = Redis::single();
    let monitor = Monitor::start(&redis);
    let serve = || {
        lab.serve_settled("127.0.0.1:0", |command| {
            command.args(["--store", &redis.url()]).env("SLUICE_SECRET", "known to both of the servers");
        })
    };
    let (first, second) = (serve(), serve());
    let folder = lab.dir("source/photos");
    tree::write_file(&lab.dir("source/photos/from the beach").join("secret.txt"), 1, 100_000);
    let (_sender, link) = lab.send(&first.url, &folder, &PLAIN);
    let elsewhere = link.replace(&first.address, &second.address);
    assert_ne!(elsewhere, link);
    let out = lab.path("out");
    lab.receive(&elsewhere, &out, &PLAIN).end().well();
    tree::arrived(&folder, &out);

    let told = monitor.finish(&redis);
    // Redis had all of it in its hands: the sealed summary, and how the peers find each other.
    for word in ["set_summary", "SPUBLISH", "candidate:"] {
        assert!(told.contains(word), "{word} is not in\n{told}");
    }
    let secret = Link::parse(&link).unwrap().secret;
    let fragment = link.split_once('#').unwrap().1;
    for word in ["photos", "beach", "secret.txt", fragment, &secret.to_text(), &shown(&secret.0)] {
        assert!(!told.contains(word), "{word} is in\n{told}");
    }
}
