//! A sender that holds all keys and breaks the rules, against a real receiving session.

use crate::rng::Rng;
use crate::share::CHUNK;
use bytes::Bytes;
use sluice_protocol::CHUNK_SIZE;
use sluice_protocol::control::{EntryFailure, ReceiverMessage, SenderMessage};
use sluice_protocol::crypto::{FileCipher, Key};
use sluice_protocol::error::Code;
use sluice_protocol::frame::{self, Kind, RecordHeader};
use sluice_protocol::handshake::{Context, ControlChannel, SenderKeys, respond};
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::{Entry, EntryKind, Mtime, PageBuilder, Totals};
use sluice_protocol::path::RelPath;
use sluice_protocol::receive::{
    CREDIT_WINDOW, PAGE_WINDOW, ReceiveConfig, ReceiveEvent, ReceiveSession, SealedChunk, Want,
};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);
const SMALL: u64 = 10;
const LARGE: u64 = CHUNK + 5;

struct Liar {
    channel: ControlChannel,
    session: Key,
    victim: ReceiveSession,
}

impl Liar {
    /// Behind the handshake.
    fn new() -> Self {
        Liar::to_receiver(false)
    }

    fn to_receiver(list_first: bool) -> Self {
        let context = Context { share: ShareId([1; 16]), psk: Key::new([2; 32]), binding: [3; 32] };
        let keys = SenderKeys::from_private([4; 32]);
        let config = ReceiveConfig {
            context: context.clone(),
            sender: keys.hash(),
            name: String::new(),
            seed: Rng::new(1).array(),
            list_first,
        };
        let mut victim = ReceiveSession::new(&config, NOW);
        let hello = victim.poll_message(NOW).unwrap();
        let (answer, accepted) = respond(&context, &keys, "", &hello[1..], &Rng::new(2).array());
        let accepted = accepted.unwrap();
        let mut liar = Liar { channel: accepted.channel, session: accepted.session, victim };
        let events = liar.give(&frame::build(Kind::Handshake, &answer)).unwrap();
        assert!(matches!(events[..], [ReceiveEvent::Opened { .. }]));
        liar
    }

    /// With two files announced, and asked for.
    fn with_wants() -> Self {
        let mut liar = Liar::new();
        let events = liar.say(&page(0, 0, &["a", "b"])).unwrap();
        assert!(
            matches!(&events[..], [ReceiveEvent::Page { first_entry: 0, entries }] if entries.len() == 2)
        );
        let want = |entry, count| Want { entry, ranges: vec![std::ops::Range { start: 0, end: count }] };
        liar.victim.handle_plan(&[want(0, 1), want(1, 2)]);
        liar
    }

    fn give(&mut self, frame: &Bytes) -> Result<Vec<ReceiveEvent>, Code> {
        let result = self.victim.handle_message(frame, NOW);
        let events: Vec<_> = std::iter::from_fn(|| self.victim.poll_event()).collect();
        match result {
            Ok(()) => Ok(events),
            Err(error) => {
                assert!(events.is_empty(), "{events:?} came out of a frame that was refused");
                Err(error.code)
            }
        }
    }

    fn say(&mut self, message: &SenderMessage) -> Result<Vec<ReceiveEvent>, Code> {
        let sealed = self.channel.seal(&message.encode());
        self.give(&frame::build(Kind::Control, &sealed))
    }

    fn record(&self, session: &Key, request: u32, key_entry: u32, header: RecordHeader) -> Bytes {
        let mut chunk = vec![7; header.len as usize];
        let bytes = header.to_bytes();
        let tag = FileCipher::new(session, request, key_entry).seal(header.chunk, &bytes, &mut chunk);
        frame::build(Kind::Data, &[&bytes[..], &chunk, &tag].concat())
    }

    /// A record as an honest sender would make it.
    fn chunk(&mut self, entry: u32, chunk: u32, len: u64) -> Result<Vec<ReceiveEvent>, Code> {
        let header = RecordHeader { entry, chunk, len: len as u32 };
        // 256 KiB and more don't fit one message.
        let record = self.record(&self.session.clone(), 0, entry, header);
        let mut events = Vec::new();
        for piece in record[1..].chunks(60_000) {
            events.extend(self.give(&frame::build(Kind::Data, piece))?);
        }
        Ok(events)
    }

    /// The session has ended with `code`: it says so to the liar, and takes nothing more.
    #[track_caller]
    fn ended(mut self, code: Code) {
        let mut said = None;
        while let Some(frame) = self.victim.poll_message(NOW) {
            let plaintext = self.channel.open(&frame[1..]).unwrap();
            said = Some(ReceiverMessage::decode(&plaintext).unwrap());
        }
        assert_eq!(said, Some(ReceiverMessage::Bye { code }));
        for frame in [self.say(&page(0, 0, &["z"])), self.chunk(0, 0, SMALL)] {
            assert!(frame.unwrap().is_empty());
        }
        assert_eq!(self.victim.poll_timeout(), None);
    }
}

fn page(index: u32, first_entry: u32, names: &[&str]) -> SenderMessage {
    let mut builder = PageBuilder::new();
    for (at, name) in names.iter().enumerate() {
        let size = if at == 0 { SMALL } else { LARGE };
        let kind = EntryKind::File { size, executable: false };
        let path = RelPath::parse(*name).unwrap();
        assert!(builder.push(&Entry { path, kind, mtime: Mtime::default() }));
    }
    SenderMessage::Page { index, first_entry, encoded: builder.take().into() }
}

fn totals(pages: u32, entries: u64, complete: bool) -> SenderMessage {
    SenderMessage::Totals(Totals { pages, entries, bytes: 0, unreadable: 0, complete })
}

/// After `prelude`, which is allowed, `lie` ends the session with `code`.
#[track_caller]
fn check(prelude: &[SenderMessage], lie: &SenderMessage, code: Code) {
    let mut liar = Liar::with_wants();
    for message in prelude {
        liar.say(message).unwrap();
    }
    assert_eq!(liar.say(lie).unwrap_err(), code, "{lie:?}");
    liar.ended(code);
}

#[test]
fn an_honest_answer_is_taken() {
    let mut liar = Liar::with_wants();
    let mut open = |entry, chunk, len| match liar.chunk(entry, chunk, len).unwrap().remove(0) {
        ReceiveEvent::Chunk(sealed) => (sealed.last_of_entry, sealed.open().unwrap()),
        other => panic!("{other:?}"),
    };
    assert_eq!(open(0, 0, SMALL), (true, vec![7; SMALL as usize][..].into()));
    assert_eq!(open(1, 0, CHUNK), (false, vec![7; CHUNK as usize][..].into()));
    assert_eq!(open(1, 1, 5), (true, vec![7; 5][..].into()));
}

#[test]
fn content_that_was_not_asked_for_is_unexpected() {
    let mut liar = Liar::new();
    assert_eq!(liar.chunk(0, 0, SMALL).unwrap_err(), Code::ChunkUnexpected);
    liar.ended(Code::ChunkUnexpected);
    // Announced is not asked for.
    let mut liar = Liar::new();
    liar.say(&page(0, 0, &["a", "b"])).unwrap();
    assert_eq!(liar.chunk(0, 0, SMALL).unwrap_err(), Code::ChunkUnexpected);
    liar.ended(Code::ChunkUnexpected);
    // The first of file 1 before file 0, another chunk, another length, more than there is.
    for (entry, chunk, len) in [(1, 0, CHUNK), (0, 1, SMALL), (0, 0, SMALL + 1), (0, 0, 1), (9, 0, SMALL)] {
        let mut liar = Liar::with_wants();
        assert_eq!(liar.chunk(entry, chunk, len).unwrap_err(), Code::ChunkUnexpected);
        liar.ended(Code::ChunkUnexpected);
    }
    // All that was asked for, and then once more.
    let mut liar = Liar::with_wants();
    liar.chunk(0, 0, SMALL).unwrap();
    assert_eq!(liar.chunk(0, 0, SMALL).unwrap_err(), Code::ChunkUnexpected);
}

#[test]
fn content_that_was_sealed_elsewhere_is_forged() {
    let header = RecordHeader { entry: 0, chunk: 0, len: SMALL as u32 };
    let open = |session: Option<Key>, request, key_entry, sealed_as: RecordHeader| {
        let mut liar = Liar::with_wants();
        let session = session.unwrap_or(liar.session.clone());
        let mut record = liar.record(&session, request, key_entry, sealed_as).to_vec();
        record[1..13].copy_from_slice(&header.to_bytes());
        let mut events = liar.give(&record.into()).unwrap();
        let ReceiveEvent::Chunk(chunk) = events.remove(0) else { panic!("no chunk") };
        let opened = SealedChunk::open(chunk).is_ok();
        if !opened {
            liar.victim.close(Code::ChunkForged);
            liar.ended(Code::ChunkForged);
        }
        opened
    };
    assert!(open(None, 0, 0, header));
    // Another session or share, another request, another entry, another place in the same file.
    assert!(!open(Some(Key::new([9; 32])), 0, 0, header));
    assert!(!open(None, 1, 0, header));
    assert!(!open(None, 0, 1, header));
    assert!(!open(None, 0, 0, RecordHeader { chunk: 1, ..header }));
    assert!(!open(None, 0, 0, RecordHeader { entry: 1, ..header }));
}

#[test]
fn impossible_records_are_invalid_before_they_have_come() {
    for len in [0, CHUNK_SIZE + 1, u32::MAX] {
        let mut liar = Liar::with_wants();
        let header = RecordHeader { entry: 0, chunk: 0, len }.to_bytes();
        assert_eq!(liar.give(&frame::build(Kind::Data, &header)).unwrap_err(), Code::FrameInvalid);
        liar.ended(Code::FrameInvalid);
    }
}

#[test]
fn content_beyond_the_credit_is_refused() {
    let mut liar = Liar::new();
    let size = 3 * CREDIT_WINDOW;
    let kind = EntryKind::File { size, executable: false };
    let mut builder = PageBuilder::new();
    builder.push(&Entry { path: RelPath::parse("a").unwrap(), kind, mtime: Mtime::default() });
    liar.say(&SenderMessage::Page { index: 0, first_entry: 0, encoded: builder.take().into() }).unwrap();
    let chunks = (size / CHUNK) as u32;
    liar.victim.handle_plan(&[Want { entry: 0, ranges: std::iter::once(0..chunks).collect() }]);
    let allowed = (CREDIT_WINDOW / CHUNK) as u32;
    for chunk in 0..allowed {
        assert_eq!(liar.chunk(0, chunk, CHUNK).unwrap().len(), 1);
    }
    // Nothing has been written yet: one more would be held in memory without end.
    assert_eq!(liar.chunk(0, allowed, CHUNK).unwrap_err(), Code::FrameInvalid);
    liar.ended(Code::FrameInvalid);
}

#[test]
fn a_broken_manifest_is_invalid() {
    let invalid = Code::ManifestInvalid;
    check(&[], &totals(1, 1_000_000_000, false), invalid);
    check(&[], &totals(1, u64::MAX, true), invalid);
    // Less than before; anything after the last word; complete with fewer pages than have come.
    check(&[totals(3, 6, false)], &totals(2, 4, false), invalid);
    check(&[totals(1, 2, true)], &totals(1, 2, true), invalid);
    check(&[page(1, 2, &["c"])], &totals(1, 2, true), invalid);
    // A page again, one left out, one with other numbers, one after the last.
    check(&[], &page(0, 0, &["a", "b"]), invalid);
    check(&[], &page(0, 2, &["c"]), invalid);
    check(&[], &page(2, 2, &["c"]), invalid);
    check(&[], &page(1, 1, &["c"]), invalid);
    check(&[], &page(1, u32::MAX, &["c"]), invalid);
    check(&[totals(1, 2, true)], &page(1, 2, &["c"]), invalid);
    // The last word counts what has come.
    check(&[], &totals(1, 3, true), invalid);
    check(&[totals(2, 9, true)], &page(1, 2, &["c"]), invalid);
}

#[test]
fn pages_beyond_the_window_are_refused() {
    let mut liar = Liar::with_wants();
    for index in 1..PAGE_WINDOW {
        liar.say(&page(index, index + 1, &["c"])).unwrap();
    }
    let refused = liar.say(&page(PAGE_WINDOW, PAGE_WINDOW + 1, &["c"]));
    assert_eq!(refused.unwrap_err(), Code::ManifestInvalid);
    liar.ended(Code::ManifestInvalid);
}

#[test]
fn hostile_entries_end_the_session() {
    let raw = |path: &[u8], size: &[u8]| {
        let mut page = vec![1, 0, 0, path.len() as u8];
        page.extend_from_slice(path);
        page.extend_from_slice(&[0, 0]);
        page.extend_from_slice(size);
        SenderMessage::Page { index: 1, first_entry: 2, encoded: page.into() }
    };
    Liar::with_wants().say(&raw(b"fine", &[1])).unwrap();
    for path in [&b".."[..], b"../x", b"/etc/passwd", b"a/../../b", b"a//b", b"a\0", b"", b"\xff"] {
        check(&[], &raw(path, &[1]), Code::ManifestInvalid);
    }
    // 2^60 bytes, more entries than bytes, and bytes that mean nothing.
    check(&[], &raw(b"a", &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]), Code::ManifestInvalid);
    for page in [&[0xff, 0x03][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[], &[1, 9, 0, 1, b'a', 0, 0]] {
        let encoded = Bytes::copy_from_slice(page);
        check(&[], &SenderMessage::Page { index: 1, first_entry: 2, encoded }, Code::ManifestInvalid);
    }
}

#[test]
fn words_at_the_wrong_time_are_invalid() {
    let failed =
        |request, entry| SenderMessage::EntryFailed { request, entry, failure: EntryFailure::Changed };
    check(&[], &SenderMessage::DoneHeard, Code::FrameInvalid);
    check(&[], &failed(0, 1), Code::FrameInvalid);
    check(&[], &failed(1, 0), Code::FrameInvalid);
    check(&[failed(0, 0), failed(0, 1)], &failed(0, 1), Code::FrameInvalid);
    // In the middle of a record.
    let mut liar = Liar::with_wants();
    let header = RecordHeader { entry: 0, chunk: 0, len: SMALL as u32 }.to_bytes();
    liar.give(&frame::build(Kind::Data, &header)).unwrap();
    assert_eq!(liar.say(&failed(0, 0)).unwrap_err(), Code::FrameInvalid);
    liar.ended(Code::FrameInvalid);
    // No message at all.
    for plaintext in [&[][..], &[7], &[4, 0], &[2, 1], &[6, 200]] {
        let mut liar = Liar::with_wants();
        let sealed = liar.channel.seal(plaintext);
        let refused = liar.give(&frame::build(Kind::Control, &sealed));
        assert_eq!(refused.unwrap_err(), Code::FrameInvalid);
        liar.ended(Code::FrameInvalid);
    }
}

#[test]
fn a_goodbye_is_passed_on() {
    let mut liar = Liar::with_wants();
    let bye = SenderMessage::Bye { code: Code::ShareEnded };
    assert_eq!(liar.say(&bye).unwrap_err(), Code::ShareEnded);
}

#[test]
fn pages_that_were_allowed_for_the_list_are_not_all_planned_at_once() {
    let mut liar = Liar::to_receiver(true);
    let events = |liar: &mut Liar, pages: std::ops::Range<u32>| -> Vec<ReceiveEvent> {
        pages.flat_map(|index| liar.say(&page(index, index, &["a"])).unwrap()).collect()
    };
    let is_page = |event: &ReceiveEvent| matches!(event, ReceiveEvent::Page { .. });
    let listed = events(&mut liar, 0..4);
    assert!(listed.len() == 4 && listed.iter().all(|event| matches!(event, ReceiveEvent::Listed { .. })));
    // Nothing was asked for yet.
    assert_eq!(liar.victim.listed().len(), 4);
    liar.victim.handle_choice();
    let mut planned: Vec<ReceiveEvent> = std::iter::from_fn(|| liar.victim.poll_event()).collect();
    planned.extend(events(&mut liar, 4..12));
    assert!(planned.len() == PAGE_WINDOW as usize && planned.iter().all(is_page), "{planned:?}");
    liar.victim.handle_plan(&[]);
    let next = liar.victim.poll_event();
    assert!(matches!(next, Some(ReceiveEvent::Page { first_entry: PAGE_WINDOW, .. })), "{next:?}");
    assert!(liar.victim.poll_event().is_none());
}

#[test]
fn content_that_comes_while_the_share_is_listed_is_refused() {
    let mut liar = Liar::to_receiver(true);
    liar.say(&page(0, 0, &["a"])).unwrap();
    assert_eq!(liar.chunk(0, 0, SMALL).unwrap_err(), Code::ChunkUnexpected);
    liar.ended(Code::ChunkUnexpected);
}

#[test]
fn a_pause_is_news_once_and_stops_nothing_that_comes_all_the_same() {
    let mut liar = Liar::with_wants();
    let mut say = |paused| liar.say(&SenderMessage::Paused { paused }).unwrap();
    assert!(say(false).is_empty());
    assert!(matches!(say(true)[..], [ReceiveEvent::Paused { paused: true }]));
    assert!(say(true).is_empty());
    assert_eq!(liar.chunk(0, 0, SMALL).unwrap().len(), 1);
    let events = liar.say(&SenderMessage::Paused { paused: false }).unwrap();
    assert!(matches!(events[..], [ReceiveEvent::Paused { paused: false }]));
}
