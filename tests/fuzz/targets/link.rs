//! Fuzzes the link in both forms: what a person pastes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_protocol::link::{Link, ServerUrl};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(link) = Link::parse(text) {
        assert_eq!(Link::parse(&link.to_web()).as_ref(), Ok(&link));
        assert_eq!(Link::parse(&link.to_deep()), Ok(link));
    }
    if let Ok(server) = ServerUrl::parse(text) {
        assert_eq!(ServerUrl::parse(&server.to_string()), Ok(server));
    }
});
