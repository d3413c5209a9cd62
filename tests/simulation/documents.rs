//! `docs/protocol.md` against the code: every error code and every number that it names.

use sluice_protocol::error::Code;
use sluice_protocol::{
    control, crypto, frame, handshake, link, manifest, path, receive, send, session, summary,
};
use std::path::Path;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the table under this heading, each as its cells.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    section.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

#[test]
fn every_error_code_is_documented_as_it_is() {
    let documented = rows(&document(), "Error codes");
    let codes = Code::ALL.iter().map(|code| vec![format!("`{code}`"), code.sentence().to_owned()]);
    assert_eq!(documented, codes.collect::<Vec<_>>());
}

#[test]
fn every_number_is_documented_as_it_is() {
    let numbers = [
        ("VERSION", u64::from(sluice_protocol::VERSION)),
        ("CHUNK_SIZE", u64::from(sluice_protocol::CHUNK_SIZE)),
        ("MAX_FILE_SIZE", sluice_protocol::MAX_FILE_SIZE),
        ("TAG_LEN", crypto::TAG_LEN as u64),
        ("HEADER_LEN", frame::HEADER_LEN as u64),
        ("MIN_MESSAGE_LEN", frame::MIN_MESSAGE_LEN as u64),
        ("MAX_MESSAGE_LEN", frame::MAX_MESSAGE_LEN as u64),
        ("MAX_CONTROL_LEN", frame::MAX_CONTROL_LEN as u64),
        ("MAX_NAME_LEN (handshake)", handshake::MAX_NAME_LEN as u64),
        ("MAX_LINK_LEN", link::MAX_LINK_LEN as u64),
        ("MAX_PAGE_LEN", manifest::MAX_PAGE_LEN as u64),
        ("MAX_PAGE_ENTRIES", manifest::MAX_PAGE_ENTRIES as u64),
        ("MAX_ENTRIES", u64::from(manifest::MAX_ENTRIES)),
        ("MAX_TARGET_LEN", manifest::MAX_TARGET_LEN as u64),
        ("MAX_PATH_LEN", path::MAX_PATH_LEN as u64),
        ("MAX_NAME_LEN (path)", path::MAX_NAME_LEN as u64),
        ("MAX_DEPTH", path::MAX_DEPTH as u64),
        ("MAX_WANT_ITEMS", control::MAX_WANT_ITEMS as u64),
        ("MAX_REQUESTS", send::MAX_REQUESTS as u64),
        ("CREDIT_WINDOW", receive::CREDIT_WINDOW),
        ("PAGE_WINDOW", u64::from(receive::PAGE_WINDOW)),
        ("SUMMARY_LEN", summary::PLAIN_LEN as u64),
        ("ALIVE_AFTER", session::ALIVE_AFTER.as_secs()),
        ("STALLED_AFTER", session::STALLED_AFTER.as_secs()),
    ];
    let documented: Vec<_> = rows(&document(), "Numbers")
        .into_iter()
        .map(|mut cells| (cells.remove(0), cells.remove(0)))
        .collect();
    let made: Vec<_> =
        numbers.iter().map(|(name, number)| (format!("`{name}`"), number.to_string())).collect();
    assert_eq!(documented, made);
}
