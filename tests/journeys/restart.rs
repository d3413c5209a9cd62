//! A server that goes and comes back: transfers go on, and those who wait keep their places.

use crate::busy::Busy;
use crate::lab::{Lab, Server};
use std::process::Command;

/// Kept through the restart, as an operator would.
const SECRET: &str = "the same before and after the restart";

fn settle(command: &mut Command) {
    command.env("SLUICE_SECRET", SECRET);
}

fn start(lab: &Lab) -> (Server, Busy) {
    let server = lab.serve_settled("127.0.0.1:0", settle);
    let busy = Busy::start(lab, &server.url, &server.url);
    (server, busy)
}

/// Starts the server again where it was, and waits until the sender hears of the whole line.
fn restart(lab: &Lab, server: &Server, busy: &mut Busy) -> Server {
    let server = lab.serve_settled(&server.address, settle);
    busy.hear_of_line();
    server
}

#[test]
fn a_server_that_is_killed_finds_the_line_as_it_was() {
    let lab = Lab::new();
    let (mut server, mut busy) = start(&lab);
    let killed = server.process.kill_in_place();
    assert_eq!(killed.status, -1);
    let lost = busy.sender.event("server_lost").at;
    let _server = restart(&lab, &server, &mut busy);
    assert!(busy.sender.seen.iter().any(|event| event.is("server_back") && event.at > lost));
    busy.find_places();
    busy.end();
}

#[test]
fn a_server_that_is_restarted_in_order_is_no_news() {
    let lab = Lab::new();
    let (mut server, mut busy) = start(&lab);
    server.process.interrupt();
    server.process.ended().well();
    let _server = restart(&lab, &server, &mut busy);
    let told = ["server_lost", "server_back"];
    assert!(
        !busy.sender.seen.iter().any(|event| told.iter().any(|name| event.is(name))),
        "it was told as trouble"
    );
    busy.end();
}
