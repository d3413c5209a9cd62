//! Whole sessions as shared vectors, in `tests/vectors/sessions.json`: every call of a driver and every frame and event
//! that came of it, between two honest peers and against a peer that breaks the rules. Another implementation makes
//! the same calls, as either side, and must come to the same frames, events and refusals, byte for byte.

mod lies;

use crate::vectors::{check, counting, hex};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_protocol::control::EntryFailure;
use sluice_protocol::crypto::Key;
use sluice_protocol::error::Code;
use sluice_protocol::frame::{MIN_MESSAGE_LEN, RecordHeader};
use sluice_protocol::handshake::{Context, SenderKeys};
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::{Entry, EntryKind, Mtime, PageBuilder, Totals};
use sluice_protocol::path::RelPath;
use sluice_protocol::receive::{ReceiveConfig, ReceiveEvent, ReceiveSession, Want};
use sluice_protocol::send::{SendConfig, SendEvent, SendSession};
use sluice_protocol::session::SessionError;
use std::time::Duration;

const SIZES: [u64; 8] = [0, 5, 300_000, 0, 70, 262_144, 9, 1];

fn context() -> Context {
    Context { share: ShareId(counting(0x10)), psk: Key::new(counting(0x20)), binding: counting(0x90) }
}

fn keys() -> SenderKeys {
    SenderKeys::from_private(counting(0x60))
}

fn receive_config(list_first: bool) -> ReceiveConfig {
    let (context, sender, name) = (context(), keys().hash(), "Ana".to_owned());
    ReceiveConfig { context, sender, name, seed: counting(1), list_first }
}

fn send_config(max_message: usize) -> SendConfig {
    let (context, keys, name) = (context(), keys(), "photos".to_owned());
    SendConfig { context, keys, name, max_message, seed: counting(0x33) }
}

/// Whole, or what tells it from others if it is long.
fn frame_value(frame: &[u8]) -> Value {
    match frame.len() {
        0..=400 => json!({ "hex": hex(frame) }),
        len => json!({ "len": len, "sha256": hex(&Sha256::digest(frame)) }),
    }
}

fn content(entry: u32, at: u64) -> u8 {
    ((u64::from(entry) + at) % 251) as u8
}

/// By their paths: how entries are read has vectors of its own.
fn paths(entries: &[Entry]) -> Value {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn failure_value(failure: EntryFailure) -> Value {
    match failure {
        EntryFailure::Changed => json!("changed"),
        EntryFailure::Unreadable(reason) => json!(reason.as_str()),
    }
}

fn totals_value(totals: Totals) -> Value {
    let Totals { pages, entries, bytes, unreadable, complete } = totals;
    json!({ "pages": pages, "entries": entries, "bytes": bytes, "unreadable": unreadable, "complete": complete })
}

fn receive_event(event: ReceiveEvent) -> Value {
    match event {
        ReceiveEvent::Opened { name } => json!({ "type": "opened", "name": name }),
        ReceiveEvent::Totals(totals) => json!({ "type": "totals", "totals": totals_value(totals) }),
        ReceiveEvent::Listed { entries } => json!({ "type": "listed", "paths": paths(&entries) }),
        ReceiveEvent::AllListed => json!({ "type": "all_listed" }),
        ReceiveEvent::Paused { paused } => json!({ "type": "paused", "paused": paused }),
        ReceiveEvent::Page { first_entry, entries } => {
            json!({ "type": "page", "first_entry": first_entry, "paths": paths(&entries) })
        }
        ReceiveEvent::Chunk(chunk) => {
            let RecordHeader { entry, chunk: number, len } = chunk.header;
            let last = chunk.last_of_entry;
            let opened = chunk.open().map_or(Value::Null, |bytes| json!(hex(&Sha256::digest(&bytes))));
            json!({ "type": "chunk", "entry": entry, "chunk": number, "len": len, "last": last, "sha256": opened })
        }
        ReceiveEvent::EntryFailed { entry, failure } => {
            json!({ "type": "entry_failed", "entry": entry, "failure": failure_value(failure) })
        }
        ReceiveEvent::AllReceived => json!({ "type": "all_received" }),
        ReceiveEvent::Done => json!({ "type": "done" }),
    }
}

fn send_event(event: SendEvent) -> Value {
    match event {
        SendEvent::Opened { name } => json!({ "type": "opened", "name": name }),
        SendEvent::Progress { durable_bytes, durable_entries } => {
            json!({ "type": "progress", "durable_bytes": durable_bytes, "durable_entries": durable_entries })
        }
        SendEvent::Chosen { bytes, entries } => {
            json!({ "type": "chosen", "bytes": bytes, "entries": entries })
        }
        SendEvent::EntryFailed { entry, failure } => {
            json!({ "type": "entry_failed", "entry": entry, "failure": failure_value(failure) })
        }
        SendEvent::Done { bytes, entries } => json!({ "type": "done", "bytes": bytes, "entries": entries }),
    }
}

fn code_value(result: Result<(), SessionError>) -> Value {
    result.err().map_or(Value::Null, |error| json!(error.code.as_str()))
}

fn read_batch(session: &mut SendSession, changed: &[u32]) -> Result<(), SessionError> {
    if let Some(batch) = session.poll_read(|entry| SIZES.get(entry as usize).copied())? {
        session.handle_sealed(batch.seal(|piece, out| {
            for (at, byte) in out.iter_mut().enumerate() {
                *byte = content(piece.entry, u64::from(piece.chunk) * 262_144 + at as u64);
            }
            if changed.contains(&piece.entry) { Err(EntryFailure::Changed) } else { Ok(()) }
        }));
    }
    Ok(())
}

/// One session of each kind that is called on, and what came of every call.
struct Transcript {
    now: u64,
    receiver: ReceiveSession,
    sender: SendSession,
    list_first: bool,
    max_message: usize,
    steps: Vec<Value>,
}

impl Transcript {
    fn new(list_first: bool, max_message: usize) -> Self {
        let receiver = ReceiveSession::new(&receive_config(list_first), Duration::ZERO);
        let sender = SendSession::new(send_config(max_message), Duration::ZERO);
        Transcript { now: 0, receiver, sender, list_first, max_message, steps: Vec::new() }
    }

    fn moment(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Notes a call of the receiver's driver, and what events and frames came of it.
    fn receive(
        &mut self,
        mut step: Value,
        call: impl FnOnce(&mut ReceiveSession, Duration) -> Result<(), SessionError>,
    ) -> Vec<Bytes> {
        let now = self.moment();
        step["side"] = json!("receiver");
        step["now"] = json!(self.now);
        step["code"] = code_value(call(&mut self.receiver, now));
        step["events"] = std::iter::from_fn(|| self.receiver.poll_event()).map(receive_event).collect();
        let frames: Vec<Bytes> = std::iter::from_fn(|| self.receiver.poll_message(now)).collect();
        step["frames"] = frames.iter().map(|frame| frame_value(frame)).collect();
        step["timeout"] = json!(self.receiver.poll_timeout().map(|at| at.as_millis() as u64));
        self.steps.push(step);
        frames
    }

    fn send(
        &mut self,
        mut step: Value,
        call: impl FnOnce(&mut SendSession, Duration) -> Result<(), SessionError>,
    ) -> Vec<Bytes> {
        let now = self.moment();
        step["side"] = json!("sender");
        step["now"] = json!(self.now);
        step["code"] = code_value(call(&mut self.sender, now));
        step["events"] = std::iter::from_fn(|| self.sender.poll_event()).map(send_event).collect();
        let frames: Vec<Bytes> = std::iter::from_fn(|| self.sender.poll_message(now)).collect();
        step["frames"] = frames.iter().map(|frame| frame_value(frame)).collect();
        step["timeout"] = json!(self.sender.poll_timeout().map(|at| at.as_millis() as u64));
        self.steps.push(step);
        frames
    }

    /// Hands what one side has said to the other, frame by frame; the frames are those of the steps before.
    fn hand_to_receiver(&mut self, frames: Vec<Bytes>) -> Vec<Bytes> {
        let handed = frames.into_iter().flat_map(|frame| {
            self.receive(json!({ "call": "message", "frame": frame_value(&frame) }), |session, now| {
                session.handle_message(&frame, now)
            })
        });
        handed.collect()
    }

    fn hand_to_sender(&mut self, frames: Vec<Bytes>) -> Vec<Bytes> {
        let handed = frames.into_iter().flat_map(|frame| {
            self.send(json!({ "call": "message", "frame": frame_value(&frame) }), |session, now| {
                session.handle_message(&frame, now)
            })
        });
        handed.collect()
    }

    fn totals(&mut self, totals: Totals) -> Vec<Bytes> {
        self.send(json!({ "call": "totals", "totals": totals_value(totals) }), |session, _| {
            session.handle_totals(totals);
            Ok(())
        })
    }

    fn page(&mut self, first: u32, page: &[u8]) -> Vec<Bytes> {
        assert!(self.sender.poll_page().is_some());
        let encoded = Bytes::copy_from_slice(page);
        self.send(json!({ "call": "page", "first_entry": first, "encoded": hex(page) }), |session, _| {
            session.handle_page(first, encoded);
            Ok(())
        })
    }

    fn plan(&mut self, wants: &[(u32, &[(u32, u32)])]) -> Vec<Bytes> {
        let want = |&(entry, ranges): &(u32, &[(u32, u32)])| Want {
            entry,
            ranges: ranges.iter().map(|&(start, end)| start..end).collect(),
        };
        let described: Value = wants
            .iter()
            .map(|&(entry, ranges)| {
                let range = |&(start, end): &(u32, u32)| json!({ "start": start, "end": end });
                json!({ "entry": entry, "ranges": ranges.iter().map(range).collect::<Vec<_>>() })
            })
            .collect();
        let wants: Vec<Want> = wants.iter().map(want).collect();
        self.receive(json!({ "call": "plan", "wants": described }), |session, _| {
            session.handle_plan(&wants);
            Ok(())
        })
    }

    /// Reads one batch; entries of `changed` fail.
    fn read(&mut self, changed: &[u32]) -> Vec<Bytes> {
        self.send(json!({ "call": "read", "changed": changed }), |session, _| read_batch(session, changed))
    }

    fn progress(&mut self, written: u64, bytes: u64, entries: u64) -> Vec<Bytes> {
        let step = json!({ "call": "progress", "written": written, "bytes": bytes, "entries": entries });
        self.receive(step, |session, now| {
            session.handle_progress(written, bytes, entries, now);
            Ok(())
        })
    }

    fn wake_receiver(&mut self) -> Vec<Bytes> {
        self.receive(json!({ "call": "timeout" }), ReceiveSession::handle_timeout)
    }

    fn wake_sender(&mut self) -> Vec<Bytes> {
        self.send(json!({ "call": "timeout" }), SendSession::handle_timeout)
    }

    fn paused(&mut self, paused: bool) -> Vec<Bytes> {
        self.send(json!({ "call": "paused", "paused": paused }), |session, _| {
            session.handle_paused(paused);
            Ok(())
        })
    }

    fn begin(&mut self) {
        let hello = self.receive(json!({ "call": "start" }), |_, _| Ok(()));
        let answer = self.hand_to_sender(hello);
        let credit = self.hand_to_receiver(answer);
        assert!(self.hand_to_sender(credit).is_empty());
    }

    fn finish(self, name: &str) -> Value {
        json!({ "name": name, "list_first": self.list_first, "max_message": self.max_message, "steps": self.steps })
    }
}

fn pages() -> [(u32, Vec<u8>); 2] {
    let mut builder = PageBuilder::new();
    let mut add = |path: &str, kind: EntryKind| {
        let mtime = Mtime { seconds: 1_700_000_000, nanos: 7 };
        assert!(builder.push(&Entry { path: RelPath::parse(path).unwrap(), kind, mtime }));
    };
    let file = |entry: usize| EntryKind::File { size: SIZES[entry], executable: entry == 1 };
    add("photos", EntryKind::Directory);
    add("photos/a", file(1));
    add("photos/b", file(2));
    add("photos/c", EntryKind::Symlink { target: "a".into() });
    add("photos/d", file(4));
    add("photos/é", file(5));
    let first = builder.take();
    let mut add = |path: &str, kind: EntryKind| {
        assert!(builder.push(&Entry { path: RelPath::parse(path).unwrap(), kind, mtime: Mtime::default() }));
    };
    add("photos/f", file(6));
    add("photos/g", file(7));
    [(0, first), (6, builder.take())]
}

/// Two pages, one after the other; a file that changes, a pause, silence, and the end.
fn whole_session() -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    it.begin();
    let [(_, first), (second_entry, second)] = pages();
    let totals = Totals { pages: 1, entries: 6, bytes: 562_219, unreadable: 0, complete: false };
    let mut down = it.totals(totals);
    down.extend(it.page(0, &first));
    assert!(it.hand_to_receiver(down).is_empty());
    // The first chunk of the large file is there; the one that changes is asked for in parts.
    let mut up = it.plan(&[(1, &[(0, 1)]), (2, &[(1, 2)]), (4, &[(0, 1)]), (5, &[(0, 1)])]);
    let chosen = json!({ "call": "chosen", "bytes": 300_075, "entries": 5 });
    up.extend(it.receive(chosen, |session, _| {
        session.handle_chosen(300_075, 5);
        Ok(())
    }));
    assert!(it.hand_to_sender(up).is_empty());
    it.now = 100;
    let paused = it.paused(true);
    it.hand_to_receiver(paused);
    assert!(it.read(&[]).is_empty());
    it.now = 5_200;
    for down in [it.wake_sender(), it.paused(false)] {
        it.hand_to_receiver(down);
    }
    let up = it.wake_receiver();
    it.hand_to_sender(up);
    loop {
        let down = it.read(&[4]);
        if down.is_empty() {
            break;
        }
        let up = it.hand_to_receiver(down);
        it.hand_to_sender(up);
    }
    let totals = Totals { pages: 2, entries: 8, bytes: 562_229, unreadable: 0, complete: true };
    let mut down = it.totals(totals);
    down.extend(it.page(second_entry, &second));
    let up = it.hand_to_receiver(down);
    it.hand_to_sender(up);
    let mut up = it.progress(37_861 + 5, 37_866, 1);
    up.extend(it.progress(262_144 * 4 + 1, 300_010, 2));
    up.extend(it.plan(&[(6, &[(0, 1)]), (7, &[(0, 1)])]));
    it.hand_to_sender(up);
    let down = it.read(&[]);
    it.hand_to_receiver(down);
    it.now = 6_000;
    let up = it.progress(10, 300_020, 4);
    assert!(up.is_empty());
    let up = it.wake_receiver();
    it.hand_to_sender(up);
    let up = it.receive(json!({ "call": "all_durable", "bytes": 300_020, "entries": 8 }), |session, _| {
        session.handle_all_durable(300_020, 8);
        Ok(())
    });
    let down = it.hand_to_sender(up);
    it.hand_to_receiver(down);
    it.finish("a whole session")
}

/// The share is listed first, and chosen from; then the person stops it.
fn listed_session() -> Value {
    let mut it = Transcript::new(true, 65_536);
    it.begin();
    let [(_, first), (second_entry, second)] = pages();
    let mut down = it.totals(Totals { pages: 2, entries: 8, bytes: 562_229, unreadable: 0, complete: true });
    down.extend(it.page(0, &first));
    down.extend(it.page(second_entry, &second));
    it.hand_to_receiver(down);
    it.receive(json!({ "call": "choice" }), |session, _| {
        session.handle_choice();
        Ok(())
    });
    let mut up = it.plan(&[(1, &[(0, 1)]), (4, &[(0, 1)])]);
    up.extend(it.plan(&[(6, &[(0, 1)])]));
    it.hand_to_sender(up);
    let down = it.read(&[1]);
    let up = it.hand_to_receiver(down);
    it.hand_to_sender(up);
    let up = it.receive(json!({ "call": "close", "reason": "interrupted" }), |session, _| {
        session.close(Code::Interrupted);
        Ok(())
    });
    it.hand_to_sender(up);
    it.finish("a share that is listed and then given up")
}

/// Everything whole, in one run over an entry without content; a large file changes at its first chunk.
fn changing_session() -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    it.begin();
    let [(_, first), _] = pages();
    let mut down = it.totals(Totals { pages: 1, entries: 6, bytes: 562_219, unreadable: 0, complete: true });
    down.extend(it.page(0, &first));
    it.hand_to_receiver(down);
    let up = it.plan(&[(1, &[(0, 1)]), (2, &[(0, 2)]), (4, &[(0, 1)]), (5, &[(0, 1)])]);
    it.hand_to_sender(up);
    loop {
        let down = it.read(&[2]);
        if down.is_empty() {
            break;
        }
        it.hand_to_receiver(down);
    }
    it.finish("a large file that changes")
}

/// Both ends give up with content on its way to the channel, which is dropped, and control messages, which are not.
fn dropping_session() -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    it.begin();
    let [(_, first), _] = pages();
    let mut down = it.totals(Totals { pages: 1, entries: 6, bytes: 562_219, unreadable: 0, complete: true });
    down.extend(it.page(0, &first));
    it.hand_to_receiver(down);
    let up = it.plan(&[(1, &[(0, 1)]), (4, &[(0, 1)])]);
    it.hand_to_sender(up);
    let down = it.send(
        json!({ "call": "read_and_close", "changed": [4], "reason": "share_ended" }),
        |session, _| {
            read_batch(session, &[4])?;
            session.close(Code::ShareEnded);
            Ok(())
        },
    );
    it.hand_to_receiver(down);
    it.finish("an end with content on its way")
}

/// More pages than may be open at once; from the eighth on every second has content that does not come.
fn paged_session() -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    it.begin();
    let down = it.totals(Totals { pages: 20, entries: 20, bytes: 10, unreadable: 0, complete: true });
    it.hand_to_receiver(down);
    for entry in 0..20 {
        let mut builder = PageBuilder::new();
        let kind = EntryKind::File { size: u64::from(entry % 2), executable: false };
        let path = RelPath::parse(format!("{entry}")).unwrap();
        assert!(builder.push(&Entry { path, kind, mtime: Mtime::default() }));
        if it.sender.poll_page() != Some(entry) {
            break;
        }
        let down = it.page(entry, &builder.take());
        let mut up = it.hand_to_receiver(down);
        let wants: [(u32, &[(u32, u32)]); 1] = [(entry, &[(0, 1)])];
        up.extend(it.plan(if entry % 2 == 1 && entry > 6 { &wants } else { &[] }));
        it.hand_to_sender(up);
    }
    it.finish("many pages")
}

fn silent_session() -> Value {
    let mut it = Transcript::new(false, MIN_MESSAGE_LEN);
    it.begin();
    it.now = 14_999;
    it.wake_receiver();
    it.wake_sender();
    it.now = 15_000;
    it.wake_receiver();
    it.wake_sender();
    it.finish("silence is a stall")
}

#[test]
fn sessions() {
    let mut sessions = vec![
        whole_session(),
        listed_session(),
        changing_session(),
        dropping_session(),
        paged_session(),
        silent_session(),
    ];
    sessions.extend(lies::of_senders());
    sessions.extend(lies::of_receivers());
    check(
        "sessions.json",
        &json!({
            "share": hex(&context().share.0), "psk": hex(&counting::<32>(0x20)), "binding": hex(&context().binding),
            "sender_private": hex(&counting::<32>(0x60)), "sender_hash": hex(&keys().hash()),
            "receiver": { "name": "Ana", "seed": hex(&counting::<32>(1)) },
            "sender": { "name": "photos", "seed": hex(&counting::<64>(0x33)) },
            "sizes": SIZES, "content": "byte n of entry e is (e + n) modulo 251",
            "sessions": sessions,
        }),
    );
}
