//! Fuzzes what is said over HTTP and WebSockets, from either side.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::signal::{
    ClientMessage, CreateShare, ErrorBody, JoinShare, ServerMessage, ShareCreated, ShareJoined, parse,
};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    round_trip::<ClientMessage>(text);
    round_trip::<ServerMessage>(text);
    round_trip::<CreateShare>(text);
    round_trip::<ShareCreated>(text);
    round_trip::<JoinShare>(text);
    round_trip::<ShareJoined>(text);
    round_trip::<ErrorBody>(text);
    if let Ok(ClientMessage::Relay { signal, .. }) = parse(text) {
        let _ = signal.is_within_limits();
    }
});

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(message) = serde_json::from_str::<T>(text) {
        let again = serde_json::to_string(&message).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<T>(&again).ok(), Some(message));
    }
}
