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

#[test]
fn a_bad_setting_ends_with_2_and_its_name() {
    let refused = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["serve", "--check"])
        .env("SLUICE_SECRET", "hush")
        .output()
        .unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("secret-file") && !told.contains("hush"), "{told}");
    assert_eq!(sluice(&["serve", "--max-shares", "0"]).status.code(), Some(2));
}

#[test]
fn check_tells_what_would_run_without_its_secrets_and_starts_nothing() {
    let checked = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["serve", "--check", "--store", "redis://:hush-store@127.0.0.1:1", "--turn-url", "turn:a"])
        .env("SLUICE_SECRET", "hush-hush-hush-hush,hush-hush-hush-HUSH")
        .env("SLUICE_OPERATOR_TOKEN", "hush-hush-hush-hush")
        .env("SLUICE_TURN_SECRET", "hush-hush-hush-hush")
        .env("WEBRTC_ICE_SERVERS_JSON", r#"[{"urls":"turn:b","username":"u","credential":"hush"}]"#)
        .env("SLUICE_MAX_SHARES", "7")
        .output()
        .unwrap();
    let out = String::from_utf8(checked.stdout).unwrap();
    let told = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.success(), "{told}");
    for line in ["store = \"redis://127.0.0.1:1\"", "max-shares = 7", "listen = \"127.0.0.1:7575\""] {
        assert!(out.contains(line), "{line} is not in {out}");
    }
    assert!(told.contains("Keys: 2."), "{told}");
    assert!(!out.contains("hush") && !told.contains("hush"), "{out}{told}");
}

#[test]
fn every_shell_is_told_of_every_command_and_flag() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = String::from_utf8(sluice(&["completions", shell]).stdout).unwrap();
        for word in ["send", "receive", "serve", "completions", "relay-only"] {
            assert!(script.contains(word), "{word} is not in the script for {shell}");
        }
    }
    assert_eq!(sluice(&["completions", "command.com"]).status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_every_command_that_a_person_may_use() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sluice(&["manual", folder.path().to_str().unwrap()]).status.success());
    let mut pages: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let wanted = ["sluice-completions.1", "sluice-receive.1", "sluice-send.1", "sluice-serve.1", "sluice.1"];
    assert_eq!(pages, wanted);
    let page = std::fs::read_to_string(folder.path().join("sluice-receive.1")).unwrap();
    assert!(page.contains("LINK") && page.contains("Exit status") && page.contains(".TH"), "{page}");
}

#[test]
fn a_manual_that_can_not_be_written_ends_with_7() {
    assert_eq!(sluice(&["manual", "/no/such/folder"]).status.code(), Some(7));
}
