//! Fuzzes what comes off a data channel: frames, the record stream inside them, and control messages.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_protocol::control::{ReceiverMessage, SenderMessage};
use sluice_protocol::frame::{self, Kind, RecordReader};

fuzz_target!(|input: &[u8]| {
    control(input);
    records(input);
});

// What decodes, encodes again to the same message.
fn control(input: &[u8]) {
    if let Ok(message) = ReceiverMessage::decode(input) {
        assert_eq!(ReceiverMessage::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = SenderMessage::decode(input) {
        assert_eq!(SenderMessage::decode(&message.encode()), Ok(message));
    }
}

// The first byte says how the rest is cut into messages, each a frame of its own.
fn records(input: &[u8]) {
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let mut reader = RecordReader::new();
    for message in stream.chunks(usize::from(cut) + 1) {
        let Ok((Kind::Data, mut body)) = frame::parse(&Bytes::copy_from_slice(message)) else {
            continue;
        };
        while !body.is_empty() {
            let before = body.len();
            if reader.read_header(&mut body).is_err() {
                return;
            }
            if let Some(record) = reader.read_body(&mut body) {
                assert_eq!(record.header.to_bytes().len() + record.sealed.len(), record.header.record_len());
            }
            assert!(body.len() < before, "the reader takes something or ends");
        }
    }
}
