//! Peers that hold all keys and break the rules, against one session of each kind.

use super::{Transcript, content, context, keys, pages};
use crate::vectors::counting;
use bytes::Bytes;
use serde_json::{Value, json};
use sluice_protocol::control::{EntryFailure, ReceiverMessage, SenderMessage, WantItem};
use sluice_protocol::crypto::{FileCipher, Key};
use sluice_protocol::error::Code;
use sluice_protocol::frame::{self, Kind, MIN_MESSAGE_LEN, RecordHeader};
use sluice_protocol::handshake::{ControlChannel, Initiator, respond};
use sluice_protocol::manifest::{Totals, Unreadable};

/// A peer that holds the channel and says whatever it likes.
struct Liar {
    channel: ControlChannel,
    session: Key,
}

impl Liar {
    fn control(&mut self, plaintext: &[u8]) -> Bytes {
        frame::build(Kind::Control, &self.channel.seal(plaintext))
    }

    fn record(&self, request: u32, entry: u32, header: RecordHeader) -> Vec<u8> {
        let mut chunk: Vec<u8> = (0..u64::from(header.len)).map(|at| content(header.entry, at)).collect();
        let bytes = header.to_bytes();
        let tag = FileCipher::new(&self.session, request, entry).seal(header.chunk, &bytes, &mut chunk);
        [&bytes[..], &chunk, &tag].concat()
    }
}

/// What a lying sender says once two files are asked for, after which the session must have ended, or not.
fn lie_to_receiver(name: &str, lies: impl FnOnce(&mut Liar) -> Vec<Bytes>, code: Option<Code>) -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    let hello = it.receive(json!({ "call": "start" }), |_, _| Ok(()));
    let (answer, accepted) = respond(&context(), &keys(), "photos", &hello[0][1..], &counting(0x33));
    let accepted = accepted.unwrap();
    let mut liar = Liar { channel: accepted.channel, session: accepted.session };
    let [(_, first), _] = pages();
    let page = SenderMessage::Page { index: 0, first_entry: 0, encoded: first.into() }.encode();
    let said = vec![frame::build(Kind::Handshake, &answer), liar.control(&page)];
    it.hand_to_receiver(said);
    it.plan(&[(1, &[(0, 1)]), (4, &[(0, 1)])]);
    let lies = lies(&mut liar);
    it.hand_to_receiver(lies);
    let ended = it.steps.iter().find_map(|step| step["code"].as_str()).map(str::to_owned);
    assert_eq!(ended.as_deref(), code.map(Code::as_str), "{name}");
    it.finish(name)
}

fn lie_to_sender(name: &str, lies: impl FnOnce(&mut Liar) -> Vec<Bytes>, code: Option<Code>) -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    let (initiator, hello) = Initiator::new(&context(), keys().hash(), "Ana", counting(1));
    let answer = it.hand_to_sender(vec![frame::build(Kind::Handshake, &hello)]);
    let (channel, greeting) = initiator.finish(&answer[0][1..]).unwrap();
    let mut liar = Liar { channel, session: greeting.session };
    let lies = lies(&mut liar);
    it.hand_to_sender(lies);
    it.read(&[]);
    let ended = it.steps.iter().find_map(|step| step["code"].as_str()).map(str::to_owned);
    assert_eq!(ended.as_deref(), code.map(Code::as_str), "{name}");
    it.finish(name)
}

pub fn of_senders() -> Vec<Value> {
    let header = |entry, chunk, len| RecordHeader { entry, chunk, len };
    let data = |bytes: &[u8]| frame::build(Kind::Data, bytes);
    let totals = |pages, entries, complete| {
        SenderMessage::Totals(Totals { pages, entries, bytes: 0, unreadable: 0, complete }).encode()
    };
    let page = |index, first_entry, encoded: &[u8]| {
        SenderMessage::Page { index, first_entry, encoded: Bytes::copy_from_slice(encoded) }.encode()
    };
    let failed = |request, entry| {
        SenderMessage::EntryFailed { request, entry, failure: EntryFailure::Unreadable(Unreadable::Denied) }
            .encode()
    };
    let second = pages()[1].1.clone();
    let forged = Some(Code::FrameForged);
    let invalid = Some(Code::FrameInvalid);
    let unexpected = Some(Code::ChunkUnexpected);
    let manifest = Some(Code::ManifestInvalid);
    vec![
        lie_to_receiver(
            "what was asked for",
            |l| vec![data(&l.record(0, 1, header(1, 0, 5))), data(&l.record(0, 4, header(4, 0, 70)))],
            None,
        ),
        lie_to_receiver(
            "a record in two frames and one",
            |l| {
                let bytes = [l.record(0, 1, header(1, 0, 5)), l.record(0, 4, header(4, 0, 70))].concat();
                vec![data(&bytes[..7]), data(&bytes[7..20]), data(&bytes[20..])]
            },
            None,
        ),
        lie_to_receiver(
            "a chunk of another entry",
            |l| vec![data(&l.record(0, 4, header(4, 0, 70)))],
            unexpected,
        ),
        lie_to_receiver("another chunk", |l| vec![data(&l.record(0, 1, header(1, 1, 5)))], unexpected),
        lie_to_receiver("another length", |l| vec![data(&l.record(0, 1, header(1, 0, 4)))], unexpected),
        lie_to_receiver(
            "a length that no chunk has",
            |_| vec![data(&header(1, 0, 262_145).to_bytes())],
            invalid,
        ),
        lie_to_receiver("no length", |_| vec![data(&header(1, 0, 0).to_bytes())], invalid),
        // Comes out, and does not open.
        lie_to_receiver(
            "a chunk under another request's key",
            |l| vec![data(&l.record(1, 1, header(1, 0, 5)))],
            None,
        ),
        lie_to_receiver(
            "a chunk twice",
            |l| vec![data(&l.record(0, 1, header(1, 0, 5))), data(&l.record(0, 1, header(1, 0, 5)))],
            unexpected,
        ),
        lie_to_receiver(
            "bytes behind the last chunk",
            |l| {
                vec![
                    data(&l.record(0, 1, header(1, 0, 5))),
                    data(&[&l.record(0, 4, header(4, 0, 70))[..], b"x"].concat()),
                ]
            },
            unexpected,
        ),
        lie_to_receiver("an empty data frame", |_| vec![data(b"")], None),
        lie_to_receiver(
            "a failure between two records",
            |l| vec![l.control(&failed(0, 1)), data(&l.record(0, 4, header(4, 0, 70)))],
            None,
        ),
        lie_to_receiver("a failure of another entry", |l| vec![l.control(&failed(0, 4))], invalid),
        lie_to_receiver("a failure of another request", |l| vec![l.control(&failed(1, 1))], invalid),
        lie_to_receiver(
            "a failure within a record",
            |l| vec![data(&l.record(0, 1, header(1, 0, 5))[..9]), l.control(&failed(0, 1))],
            invalid,
        ),
        lie_to_receiver("the next page", |l| vec![l.control(&page(1, 6, &second))], None),
        lie_to_receiver("a page twice", |l| vec![l.control(&page(0, 0, &second))], manifest),
        lie_to_receiver("a page with a hole before it", |l| vec![l.control(&page(1, 7, &second))], manifest),
        lie_to_receiver("a page out of order", |l| vec![l.control(&page(2, 6, &second))], manifest),
        lie_to_receiver(
            "a page that climbs out",
            |l| vec![l.control(&page(1, 6, &[1, 2, 0, 2, b'.', b'.', 0, 0]))],
            manifest,
        ),
        lie_to_receiver(
            "pages beyond those allowed",
            |l| (1..9).map(|at| l.control(&page(at, 6, &[0]))).collect(),
            manifest,
        ),
        lie_to_receiver(
            "totals that shrink",
            |l| vec![l.control(&totals(2, 8, false)), l.control(&totals(1, 6, false))],
            manifest,
        ),
        lie_to_receiver(
            "totals behind the last",
            |l| vec![l.control(&totals(1, 6, true)), l.control(&totals(1, 6, true))],
            manifest,
        ),
        lie_to_receiver("totals of too few entries", |l| vec![l.control(&totals(1, 5, true))], manifest),
        lie_to_receiver("totals of too few pages", |l| vec![l.control(&totals(0, 6, true))], manifest),
        lie_to_receiver(
            "totals beyond all limits",
            |l| vec![l.control(&totals(1, 100_000_001, false))],
            manifest,
        ),
        lie_to_receiver(
            "totals beyond all numbers",
            |l| vec![l.control(&totals(1, u64::MAX, false))],
            manifest,
        ),
        lie_to_receiver(
            "done before it is",
            |l| vec![l.control(&SenderMessage::DoneHeard.encode())],
            invalid,
        ),
        lie_to_receiver(
            "goodbye",
            |l| vec![l.control(&SenderMessage::Bye { code: Code::LetGo }.encode())],
            Some(Code::LetGo),
        ),
        lie_to_receiver(
            "goodbye with a word of later times",
            |l| vec![l.control(&[6, 3, b'n', b'e', b'w'])],
            Some(Code::PeerLeft),
        ),
        lie_to_receiver("a goodbye that is not UTF-8", |l| vec![l.control(&[6, 1, 0xff])], invalid),
        lie_to_receiver("a word that means nothing", |l| vec![l.control(&[9])], invalid),
        lie_to_receiver("an empty word", |l| vec![l.control(&[])], invalid),
        lie_to_receiver(
            "a word twice",
            |l| {
                let word = l.control(&SenderMessage::Alive.encode());
                vec![word.clone(), word]
            },
            forged,
        ),
        lie_to_receiver(
            "a word that was left out",
            |l| {
                l.control(&SenderMessage::Alive.encode());
                vec![l.control(&SenderMessage::Alive.encode())]
            },
            forged,
        ),
        lie_to_receiver(
            "a word that is too short to be sealed",
            |_| vec![frame::build(Kind::Control, &[1; 15])],
            forged,
        ),
        lie_to_receiver("a second handshake", |_| vec![frame::build(Kind::Handshake, &[0])], invalid),
        lie_to_receiver("a frame of no kind", |_| vec![Bytes::from_static(&[9, 1])], invalid),
        lie_to_receiver("an empty frame", |_| vec![Bytes::new()], invalid),
    ]
}

pub fn of_receivers() -> Vec<Value> {
    let want =
        |request, items: &[WantItem]| ReceiverMessage::Want { request, items: items.to_vec() }.encode();
    let whole = |first, count| WantItem::Whole { first, count };
    let part = |entry, first, count| WantItem::Part { entry, first, count };
    let credit = |credit| ReceiverMessage::Progress { credit, durable_bytes: 0, durable_entries: 0 }.encode();
    let invalid = Some(Code::FrameInvalid);
    let one = move |name: &str, message: Vec<u8>, code| {
        lie_to_sender(name, move |l| vec![l.control(&credit(1 << 20)), l.control(&message)], code)
    };
    vec![
        one("what there is", want(0, &[whole(0, 8)]), None),
        one("parts of what there is", want(0, &[part(2, 1, 1), part(4, 0, 1)]), None),
        one("an entry that is not there", want(0, &[whole(8, 1)]), invalid),
        one("a chunk that is not there", want(0, &[part(2, 1, 2)]), invalid),
        one("a part of a folder", want(0, &[part(0, 0, 1)]), invalid),
        one("nothing", want(0, &[]), invalid),
        one("an empty run", want(0, &[part(2, 0, 0)]), invalid),
        one("a run past all numbers", want(0, &[part(2, u32::MAX, 1)]), invalid),
        one("longer runs than are served", want(0, &[whole(0, 500), whole(0, 13)]), invalid),
        one("a request out of turn", want(1, &[whole(1, 1)]), invalid),
        one("goodbye", ReceiverMessage::Bye { code: Code::DiskFull }.encode(), Some(Code::DiskFull)),
        one("a word that means nothing", vec![0], invalid),
        lie_to_sender("no credit", |l| vec![l.control(&want(0, &[whole(1, 1)]))], None),
        lie_to_sender(
            "credit that shrinks",
            |l| vec![l.control(&credit(70)), l.control(&credit(1)), l.control(&want(0, &[whole(4, 1)]))],
            None,
        ),
        lie_to_sender(
            "credit beyond all numbers",
            |l| vec![l.control(&credit(u64::MAX)), l.control(&want(0, &[whole(1, 1)]))],
            None,
        ),
        lie_to_sender(
            "more requests than wait",
            |l| (0..65).map(|at| l.control(&want(at, &[whole(1, 1)]))).collect(),
            invalid,
        ),
        lie_to_sender("content", |_| vec![frame::build(Kind::Data, &[1; 40])], invalid),
        lie_to_sender("a second hello", |_| vec![frame::build(Kind::Handshake, &[1; 40])], invalid),
        lie_to_sender(
            "a word that was changed",
            |l| {
                let mut word = l.control(&credit(1)).to_vec();
                word[1] ^= 1;
                vec![word.into()]
            },
            Some(Code::FrameForged),
        ),
    ]
}
