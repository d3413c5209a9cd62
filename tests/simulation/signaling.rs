//! What goes between a peer and a server as shared vectors, in `tests/vectors/signal.json`.

use crate::vectors::{check, counting};
use serde_json::json;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{
    ClientMessage, IceServer, IceServers, Place, ServerMessage, ShareCreated, ShareJoined, Signal, parse,
};

/// What a server says, in its form and in others.
const FROM_SERVER: [&str; 23] = [
    r#"{"type":"opened","active":["MDEyMzQ1Njc4OTo7PD0-Pw"],"waiting":3}"#,
    r#"{"type":"admitted"}"#,
    r#"{"type":"joined","peer":"MDEyMzQ1Njc4OTo7PD0-Pw","later":[1]}"#,
    r#"{"type":"left","peer":"MDEyMzQ1Njc4OTo7PD0-Pw"}"#,
    r#"{"type":"waiting","count":4294967295}"#,
    r#"{"type":"relay","signal":{"type":"offer","attempt":1,"sdp":"v=0\r\n"}}"#,
    r#"{"type":"relay","peer":"MDEyMzQ1Njc4OTo7PD0-Pw","signal":{"type":"request","attempt":7}}"#,
    r#"{"type":"sender_away"}"#,
    r#"{"type":"sender_back"}"#,
    r#"{"type":"ended","code":"share_ended"}"#,
    r#"{"type":"error","code":"not_your_turn","message":"wait"}"#,
    r#"{"type":"joined","peer":"MDEyMzQ1Njc4OTo7PD0-Px"}"#,
    r#"{"type":"joined","peer":"short"}"#,
    r#"{"type":"joined"}"#,
    r#"{"type":"waiting","count":-1}"#,
    r#"{"type":"waiting","count":4294967296}"#,
    r#"{"type":"waiting","count":"1"}"#,
    r#"{"type":"relay","signal":{"type":"shout","attempt":1}}"#,
    r#"{"type":"relay","signal":[]}"#,
    "[]",
    "null",
    "{",
    "",
];

#[test]
fn signaling_messages() {
    let from_server = |text: &str| match parse::<ServerMessage>(text) {
        Ok(message) => json!({ "text": text, "message": serde_json::to_value(message).unwrap() }),
        Err(code) => json!({ "text": text, "code": code.as_str() }),
    };
    let from_client = |message: ClientMessage| serde_json::to_value(message).unwrap();
    let place = Place {
        tier: Tier::Near,
        ahead: 4,
        slots: 20,
        lease_ms: Some(30_000),
        sender_here: true,
        version: "n4.20.11".into(),
    };
    let peer = PeerId(counting(0x30));
    let candidate = |sdp_mid: Option<&str>, sdp_mline_index| Signal::Candidate {
        attempt: 1,
        candidate: "candidate:1 1 udp 1 x.local 9 typ host".into(),
        sdp_mid: sdp_mid.map(str::to_owned),
        sdp_mline_index,
    };
    check(
        "signal.json",
        &json!({
            "from_server": FROM_SERVER.map(from_server).to_vec(),
            "from_client": [
                from_client(ClientMessage::Relay { peer: Some(peer), signal: candidate(Some("0"), Some(0)) }),
                from_client(ClientMessage::Relay { peer: None, signal: candidate(None, None) }),
            ],
            "place": place,
            "joined": ShareJoined { ticket: "t".into(), place: place.clone(), summary: None },
            "created": ShareCreated { share: ShareId(counting(0x10)), token: "t".into() },
            "ice": IceServers {
                ice_servers: vec![
                    IceServer { urls: vec!["stun:s".into()], username: None, credential: None },
                    IceServer { urls: vec!["turn:t".into()], username: Some("u".into()), credential: Some("c".into()) },
                ],
                ttl: Some(43_200),
            },
        }),
    );
}
