//! The parts of the command line's contract that need no other peer: help, version, and refusals at the door.
//!
//! That this test exists also makes cargo build `sluice` beside the workspace's tests, for the journeys to use.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn sluice(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).output().unwrap()
}

#[test]
fn help_names_the_commands() {
    let help = sluice(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for command in ["send", "receive", "serve"] {
        assert!(text.contains(command), "{command} is not in the help");
    }
}

#[test]
fn what_is_no_link_ends_with_3_and_a_code() {
    let refused = sluice(&["receive", "http://127.0.0.1:1/s/nothing", "--json"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8(refused.stdout).unwrap().contains(r#""code":"link_invalid""#));
}

#[test]
fn what_is_no_command_ends_with_2() {
    assert_eq!(sluice(&["steal"]).status.code(), Some(2));
}
