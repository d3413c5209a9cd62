//! The shared vectors in `tests/vectors`: what this code makes of fixed inputs, which every other client must make too.
//!
//! `SLUICE_WRITE_VECTORS=1 cargo test -p sluice-tests --test simulation vectors` writes them anew. A change in them
//! is a change of the protocol, and needs a new version of it.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_protocol::control::{EntryFailure, ReceiverMessage, SenderMessage, WantItem};
use sluice_protocol::crypto::{FileCipher, Key, join_key, psk};
use sluice_protocol::error::Code;
use sluice_protocol::frame::{self, Kind, MIN_MESSAGE_LEN, RecordHeader};
use sluice_protocol::handshake::{Context, Initiator, SenderKeys, binding, respond};
use sluice_protocol::id::{LinkSecret, OwnerKey, ShareId, sender_hash};
use sluice_protocol::link::{Link, ServerUrl};
use sluice_protocol::manifest::{Entry, EntryKind, Mtime, PageBuilder, Totals, Unreadable, decode_page};
use sluice_protocol::path::RelPath;
use sluice_protocol::send::{SendConfig, SendSession};
use sluice_protocol::summary::{Summary, SummaryKey};
use std::path::Path;
use std::time::Duration;

/// The file of this name must hold `made`, or is written if the environment says so.
#[track_caller]
pub fn check(name: &str, made: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("SLUICE_WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{made:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(kept == *made, "{name} is not what this code makes; it makes {made:#}");
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that count up from `first`.
pub fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

#[test]
fn ids_and_derivations() {
    let owner = OwnerKey(counting(0));
    let share = owner.share_id();
    let secret = LinkSecret(counting(0x40));
    let join = join_key(&secret, share);
    let psk = |password: Option<&str>| {
        // A key does not print; its bytes are what HKDF made, seen through a cipher that only it can make.
        let key = psk(&secret, share, password);
        let mut block = [0; 16];
        let tag = FileCipher::new(&key, 0, 0).seal(0, b"", &mut block);
        json!({ "password": password, "sealed_zeros": hex(&[&block[..], &tag].concat()) })
    };
    let (sender, receiver) = (counting(0x80), counting(0xa0));
    check(
        "ids.json",
        &json!({
            "owner_key": { "hex": hex(&owner.0), "text": owner.to_text() },
            "share_id": { "hex": hex(&share.0), "text": share.to_text() },
            "link_secret": hex(&secret.0),
            "join_key": { "hex": hex(&join.0), "text": join.to_text() },
            "join_hash": { "hex": hex(&join.hash().0), "text": join.hash().to_text() },
            "psk": [psk(None), psk(Some("")), psk(Some("correct horse")), psk(Some("пароль"))],
            "sender": {
                "private": hex(&counting::<32>(0x60)),
                "hash": hex(&SenderKeys::from_private(counting(0x60)).hash()),
            },
            "sender_hash": { "public": hex(&counting::<32>(0xc0)), "hash": hex(&sender_hash(&counting(0xc0))) },
            "binding": {
                "sender_fingerprint": hex(&sender),
                "receiver_fingerprint": hex(&receiver),
                "hex": hex(&binding(&sender, &receiver)),
            },
        }),
    );
}

/// Servers of all kinds, good and bad.
const SERVERS: [&str; 52] = [
    "https://example.org",
    "HTTPS://Example.ORG:08443/",
    "https://[::1]",
    "https://[::ffff:192.168.1.7]:1",
    "http://[::ffff:10.0.0.1]",
    "http://[::ffff:8.8.8.8]",
    "http://[fe80::1]",
    "http://[fec0::1]",
    "http://[fd00::]",
    "https://[1:2:3:4:5:6:7:8]",
    "https://[1:2:3:4:5:6:1.2.3.4]",
    "https://[1:2::3::4]",
    "https://[1:2:3:4:5:6:7::]",
    "https://[1:2:3:4:5:6:7:8::]",
    "https://[::1.2.3.4:1]",
    "https://[12345::]",
    "https://[fe80::1%eth0]",
    "https://[]",
    "https://[::1",
    "https://[::1]x",
    "https://[::1]:",
    "http://127.8.9.1",
    "http://127.1",
    "http://10.0.0.256",
    "http://010.0.0.1",
    "http://100.64.0.1",
    "http://100.128.0.1",
    "http://172.31.0.1",
    "http://172.32.0.1",
    "http://169.254.1.1",
    "http://1.1.1.1",
    "http://a.localhost",
    "http://localhost.",
    "http://x.local",
    "http://local",
    "https://-a.org",
    "https://a-.org",
    "https://a..org",
    "https://a.1",
    "https://1a",
    "https://a_b",
    "https://\u{212a}.org",
    "https://a.org:65535",
    "https://a.org:65536",
    "https://a.org:+1",
    "https://a.org:",
    "https://a.org//",
    "https://a.org/x",
    "https://",
    "sluice://a.org",
    "ws://a.org",
    "",
];

#[test]
fn links() {
    let share = ShareId(counting(0x10));
    let valid = |server: &str, password: bool| {
        let link = Link {
            server: ServerUrl::parse(server).unwrap(),
            share,
            secret: LinkSecret(counting(0x40)),
            sender: counting(0x70),
            password,
        };
        for text in [link.to_web(), link.to_deep()] {
            assert_eq!(Link::parse(&text).as_ref(), Ok(&link));
        }
        json!({
            "server": server, "share": hex(&share.0), "secret": hex(&link.secret.0), "sender": hex(&link.sender),
            "password": password, "web": link.to_web(), "deep": link.to_deep(),
        })
    };
    let good = valid("https://example.org", false)["web"].as_str().unwrap().to_owned();
    let invalid = |text: String| {
        let code = Link::parse(&text).unwrap_err().code();
        json!({ "text": text, "code": code.as_str() })
    };
    let server = |text: &str| match ServerUrl::parse(text) {
        Ok(server) => json!({
            "text": text, "http": server.http("/x"), "code": null, "loopback": server.is_loopback(),
        }),
        Err(error) => json!({ "text": text, "http": null, "code": error.code().as_str(), "loopback": false }),
    };
    check(
        "link.json",
        &json!({
            "valid": [
                valid("https://example.org", false),
                valid("https://example.org:8443", true),
                valid("http://127.0.0.1:7575", false),
                valid("http://192.168.1.7:7575", true),
                valid("http://[fd00::2]:7575", false),
                valid("http://laptop.local", false),
            ],
            "invalid": [
                invalid(String::new()),
                invalid(good.replace("https", "ftp")),
                invalid(good.replace("https", "http")),
                invalid(good.replace("https://example.org", "http://8.8.8.8")),
                invalid(good.replace("example.org", "me@example.org")),
                invalid(good.replace("example.org", "example.org:0")),
                invalid(good.replace("/s/", "/x/")),
                invalid(good.replace("/s/", "/p/")),
                invalid(good.replace('#', "")),
                invalid(good[..good.len() - 1].to_owned()),
                invalid(good.replace("#AQ", "#AQA")),
                // The fragment of version 2, of the same length and with whatever sum.
                invalid(good.replace("#AQ", "#Ag")),
                invalid(format!("{good}{}", "x".repeat(512))),
                // The same, so that its length counts first; and the checks in their order.
                invalid(format!("{}{}", good.replace("#AQ", "#Ag"), "A".repeat(512))),
                invalid(good.replace("https", "http").replace("/s/", "/x/")),
                invalid(good.replace("https", "http").replace("#AQ", "#Ag")),
                // A flag without a meaning, a share id of another length, one whose last bits are not zero.
                invalid(good.replace("#AQB", "#AQR")),
                invalid(good.replace("/s/E", "/s/")),
                invalid(good.replace("Hw#", "Hx#")),
                invalid(good.replace("https:", "https:/")),
                invalid(good.replace("/s/", "/s//")),
                invalid(good.replace('#', "/#")),
                invalid(good.replace('#', "?x#")),
                invalid(format!("{good}#")),
                invalid(format!("{good}=")),
                invalid(good.replace("https://", "sluice://").replace("/s/", "/p/")),
            ],
            "servers": SERVERS.map(server).to_vec(),
        }),
    );
}

#[test]
fn handshakes() {
    let keys = SenderKeys::from_private(counting(0x60));
    let key = counting(0x20);
    let context = Context { share: ShareId(counting(0x10)), psk: Key::new(key), binding: counting(0x90) };
    let (receiver_seed, sender_seed) = (counting::<32>(1), counting::<64>(0x33));
    let (initiator, hello) = Initiator::new(&context, keys.hash(), "Ana", receiver_seed);
    let (answer, accepted) = respond(&context, &keys, "photos", &hello, &sender_seed);
    let mut accepted = accepted.unwrap();
    let (mut channel, greeting) = initiator.finish(&answer).unwrap();
    assert_eq!(greeting.session, accepted.session);
    let up = ReceiverMessage::Pages { up_to: 8 }.encode();
    let down =
        SenderMessage::Totals(Totals { pages: 1, entries: 2, bytes: 3, unreadable: 0, complete: true });
    let down = down.encode();
    let sealed_up: Vec<_> = (0..2).map(|_| channel.seal(&up)).collect();
    let sealed_down: Vec<_> = (0..2).map(|_| accepted.channel.seal(&down)).collect();
    for (a, b) in sealed_up.iter().zip(&sealed_down) {
        assert_eq!((accepted.channel.open(a), channel.open(b)), (Ok(up.clone()), Ok(down.clone())));
    }
    let refused = |context: &Context, hello: &[u8]| {
        let (answer, accepted) = respond(context, &keys, "photos", hello, &sender_seed);
        json!({ "hello": hex(hello), "answer": hex(&answer), "code": accepted.err().unwrap().code().as_str() })
    };
    let ephemeral = |seed: &[u8]| hex(&Sha256::digest([&b"sluice/1 ephemeral"[..], seed, &[0; 8]].concat()));
    check(
        "handshake.json",
        &json!({
            "share": hex(&context.share.0),
            "psk": hex(&key),
            "binding": hex(&context.binding),
            "sender_private": hex(&counting::<32>(0x60)),
            "sender_hash": hex(&keys.hash()),
            "receiver": {
                "name": "Ana", "seed": hex(&receiver_seed), "ephemeral_private": ephemeral(&receiver_seed),
            },
            "sender": {
                "name": "photos", "seed": hex(&sender_seed), "ephemeral_private": ephemeral(&sender_seed[..32]),
                "session_key": hex(&sender_seed[32..]),
            },
            "hello": hex(&hello),
            "answer": hex(&answer),
            "control_from_receiver": {
                "plaintext": hex(&up), "sealed": sealed_up.iter().map(|sealed| hex(sealed)).collect::<Vec<_>>(),
            },
            "control_from_sender": {
                "plaintext": hex(&down), "sealed": sealed_down.iter().map(|sealed| hex(sealed)).collect::<Vec<_>>(),
            },
            "refused": [
                refused(&Context { psk: Key::new([0; 32]), ..context.clone() }, &hello),
                refused(&Context { binding: [0; 32], ..context.clone() }, &hello),
                refused(&context, &[&[2, 0][..], &hello[2..]].concat()),
                refused(&context, &hello[..20]),
            ],
        }),
    );
}

#[test]
fn control_messages() {
    let receiver = |described: Value, message: ReceiverMessage| {
        let bytes = message.encode();
        assert_eq!(ReceiverMessage::decode(&bytes), Ok(message));
        json!({ "message": described, "hex": hex(&bytes) })
    };
    let sender = |described: Value, message: SenderMessage| {
        let bytes = message.encode();
        assert_eq!(SenderMessage::decode(&bytes), Ok(message));
        json!({ "message": described, "hex": hex(&bytes) })
    };
    let failed = |text: &str, failure| {
        sender(
            json!({ "type": "entry_failed", "request": 300, "entry": 70_000, "failure": text }),
            SenderMessage::EntryFailed { request: 300, entry: 70_000, failure },
        )
    };
    let invalid = |bytes: &[u8]| {
        assert!(ReceiverMessage::decode(bytes).is_err() && SenderMessage::decode(bytes).is_err());
        hex(bytes)
    };
    check(
        "control.json",
        &json!({
            "from_receiver": [
                receiver(json!({ "type": "pages", "up_to": 8 }), ReceiverMessage::Pages { up_to: 8 }),
                receiver(
                    json!({ "type": "want", "request": 0, "items": [
                        { "type": "whole", "first": 3, "count": 500 },
                        { "type": "part", "entry": 4_294_967_295_u32, "first": 128, "count": 16_384 },
                    ] }),
                    ReceiverMessage::Want {
                        request: 0,
                        items: vec![
                            WantItem::Whole { first: 3, count: 500 },
                            WantItem::Part { entry: u32::MAX, first: 128, count: 16_384 },
                        ],
                    },
                ),
                receiver(
                    json!({ "type": "progress", "credit": 8_388_608, "durable_bytes": 127, "durable_entries": 0 }),
                    ReceiverMessage::Progress { credit: 8_388_608, durable_bytes: 127, durable_entries: 0 },
                ),
                receiver(
                    json!({ "type": "done", "bytes": u64::MAX.to_string(), "entries": 1 }),
                    ReceiverMessage::Done { bytes: u64::MAX, entries: 1 },
                ),
                receiver(json!({ "type": "alive" }), ReceiverMessage::Alive),
                receiver(
                    json!({ "type": "bye", "code": "disk_full" }),
                    ReceiverMessage::Bye { code: Code::DiskFull },
                ),
                receiver(
                    json!({ "type": "chosen", "bytes": 1_u64 << 40, "entries": 600 }),
                    ReceiverMessage::Chosen { bytes: 1 << 40, entries: 600 },
                ),
            ],
            "from_sender": [
                sender(
                    json!({ "type": "page", "index": 1, "first_entry": 512, "encoded": "00" }),
                    SenderMessage::Page { index: 1, first_entry: 512, encoded: Bytes::from_static(&[0]) },
                ),
                sender(
                    json!({ "type": "totals", "pages": 2, "entries": 600, "bytes": 1_u64 << 40, "unreadable": 1,
                            "complete": true }),
                    SenderMessage::Totals(Totals {
                        pages: 2,
                        entries: 600,
                        bytes: 1 << 40,
                        unreadable: 1,
                        complete: true,
                    }),
                ),
                failed("changed", EntryFailure::Changed),
                failed("denied", EntryFailure::Unreadable(Unreadable::Denied)),
                failed("failed", EntryFailure::Unreadable(Unreadable::Failed)),
                sender(json!({ "type": "done_heard" }), SenderMessage::DoneHeard),
                sender(json!({ "type": "alive" }), SenderMessage::Alive),
                sender(
                    json!({ "type": "bye", "code": "share_ended" }),
                    SenderMessage::Bye { code: Code::ShareEnded },
                ),
                sender(json!({ "type": "paused", "paused": true }), SenderMessage::Paused { paused: true }),
                sender(json!({ "type": "paused", "paused": false }), SenderMessage::Paused { paused: false }),
            ],
            // Nothing, no such tag, bytes that follow, a number cut short, one not in its shortest form, no flag.
            "invalid": [
                invalid(&[]), invalid(&[8]), invalid(&[5, 0]), invalid(&[1, 0x80]), invalid(&[1, 0x80, 0]),
                invalid(&[2, 0, 0x85, 7]), invalid(&[7, 2]),
            ],
        }),
    );
}

#[test]
fn manifest_pages() {
    let mut builder = PageBuilder::new();
    let mut entries = Vec::new();
    let mut add = |path: &str, kind: EntryKind, described: Value, seconds: i64, nanos: u32| {
        let entry = Entry { path: RelPath::parse(path).unwrap(), kind, mtime: Mtime { seconds, nanos } };
        assert!(builder.push(&entry));
        entries.push(entry);
        json!({ "path": path, "kind": described, "seconds": seconds, "nanos": nanos })
    };
    let size = (1_u64 << 32) + 1;
    let described = vec![
        add("photos", EntryKind::Directory, json!({ "type": "directory" }), 1_700_000_000, 0),
        add(
            "photos/é.jpg",
            EntryKind::File { size, executable: false },
            json!({ "type": "file", "size": size, "executable": false }),
            1_700_000_001,
            999_999_999,
        ),
        // Shares the first byte of the letter before with it: the prefix ends at a whole character.
        add(
            "photos/è.sh",
            EntryKind::File { size: 0, executable: true },
            json!({ "type": "file", "size": 0, "executable": true }),
            -1,
            5,
        ),
        add(
            "photos/link",
            EntryKind::Symlink { target: "../b".into() },
            json!({ "type": "symlink", "target": "../b" }),
            0,
            0,
        ),
        add(
            "photos/socket",
            EntryKind::Unreadable(Unreadable::Special),
            json!({ "type": "unreadable", "reason": "special" }),
            i64::MIN,
            0,
        ),
    ];
    let page = builder.take();
    assert_eq!(decode_page(&page), Ok(entries));
    // All but the last, whose time no clock shows: some languages can't hold it as a number.
    let ordinary =
        decode_page(&page).unwrap().iter().take(4).fold(PageBuilder::new(), |mut builder, entry| {
            assert!(builder.push(entry));
            builder
        });
    let ordinary = json!({ "entries": described[..4], "page": hex(&{ ordinary }.take()) });
    let invalid = |bytes: &[u8]| {
        assert!(decode_page(bytes).is_err());
        hex(bytes)
    };
    check(
        "manifest.json",
        &json!({
            "entries": described,
            "page": hex(&page),
            "ordinary": ordinary,
            "empty_page": hex(&PageBuilder::new().take()),
            "invalid": [
                invalid(&[]),
                invalid(&[1, 9, 0, 1, b'a', 0, 0]),
                invalid(&[1, 2, 0, 2, b'.', b'.', 0, 0]),
                invalid(&[1, 2, 0, 2, b'/', b'a', 0, 0]),
                invalid(&[1, 2, 0, 1, 0xff, 0, 0]),
                invalid(&[1, 2, 1, 1, b'a', 0, 0]),
                invalid(&[0x81, 4]),
                invalid(&[1, 2, 0, 1, b'a', 0, 0x80, 0x94, 0xeb, 0xdc, 3]),
                invalid(&[1, 0, 0, 1, b'a', 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]),
            ],
        }),
    );
}

#[test]
fn summaries() {
    let (secret, share) = (LinkSecret(counting(0x40)), ShareId(counting(0x10)));
    let key = SummaryKey::new(&secret, share);
    let sealed = |name: &str, entries: u64, bytes: u64, complete: bool, nonce: u8| {
        let summary = Summary { name: name.to_owned(), entries, bytes, complete };
        let text = key.seal(&summary, counting(nonce));
        assert_eq!(key.open(&text), Ok(summary));
        json!({
            "name": name, "entries": entries, "bytes": bytes, "complete": complete,
            "nonce": hex(&counting::<12>(nonce)), "sealed": text,
        })
    };
    let good = key.seal(&Summary { name: String::new(), entries: 0, bytes: 0, complete: false }, counting(0));
    let invalid = |text: String| {
        assert!(key.open(&text).is_err());
        text
    };
    check(
        "summary.json",
        &json!({
            "secret": hex(&secret.0), "share": hex(&share.0),
            "valid": [
                sealed("", 0, 0, false, 0),
                sealed("photos", 1204, 38_240_000_000, true, 0x20),
                sealed("фото 写真", 70_000, 1 << 50, false, 0x30),
            ],
            "invalid": [
                invalid(String::new()),
                invalid(good.replacen('A', "B", 1)),
                invalid(good[..good.len() - 4].to_owned()),
                invalid(format!("{good}AAAA")),
            ],
        }),
    );
}

#[test]
fn records() {
    let session = counting(0x50);
    let record = |request: u32, entry: u32, chunk: u32, plaintext: &[u8]| {
        let header = RecordHeader { entry, chunk, len: plaintext.len() as u32 }.to_bytes();
        let mut sealed = plaintext.to_vec();
        let tag = FileCipher::new(&Key::new(session), request, entry).seal(chunk, &header, &mut sealed);
        let record = [&header[..], &sealed, &tag].concat();
        json!({
            "request": request, "entry": entry, "chunk": chunk, "plaintext": hex(plaintext), "record": hex(&record),
        })
    };
    check(
        "records.json",
        &json!({
            "session_key": hex(&session),
            "records": [
                record(0, 0, 0, b"water finds its level"),
                record(1, 0, 0, b"water finds its level"),
                record(0, 70_000, 3, &[0]),
                record(u32::MAX, u32::MAX - 1, u32::MAX - 2, &counting::<33>(0)),
            ],
            "session": frames(&session),
        }),
    );
}

/// What a sending session makes of one request, cut at the smallest message size.
fn frames(session_key: &[u8; 32]) -> Value {
    let sizes = [40_000_u64, 0, 5, 300_000];
    let context = Context { share: ShareId(counting(0)), psk: Key::new(counting(1)), binding: counting(2) };
    let keys = SenderKeys::from_private(counting(3));
    let seed = [counting(4), *session_key].concat().try_into().unwrap();
    let (initiator, hello) = Initiator::new(&context, keys.hash(), "", counting(5));
    let config = SendConfig { context, keys, name: String::new(), max_message: MIN_MESSAGE_LEN, seed };
    let now = Duration::ZERO;
    let mut sender = SendSession::new(config, now);
    sender.handle_message(&frame::build(Kind::Handshake, &hello), now).unwrap();
    let (mut channel, _) = initiator.finish(&sender.poll_message(now).unwrap()[1..]).unwrap();
    let items = vec![WantItem::Whole { first: 0, count: 3 }, WantItem::Part { entry: 3, first: 1, count: 1 }];
    for message in [
        ReceiverMessage::Progress { credit: 1 << 20, durable_bytes: 0, durable_entries: 0 },
        ReceiverMessage::Want { request: 0, items },
    ] {
        let sealed = channel.seal(&message.encode());
        sender.handle_message(&frame::build(Kind::Control, &sealed), now).unwrap();
    }
    let size_of = |entry: u32| sizes.get(entry as usize).copied();
    while let Some(batch) = sender.poll_read(size_of).unwrap() {
        let sealed = batch.seal(|piece, out| {
            for (at, byte) in out.iter_mut().enumerate() {
                *byte = ((u64::from(piece.chunk) * 262_144 + at as u64) % 251) as u8;
            }
            Ok(())
        });
        sender.handle_sealed(sealed);
    }
    let frames = std::iter::from_fn(|| sender.poll_message(now));
    let described: Vec<Value> =
        frames.map(|frame| json!({ "len": frame.len(), "sha256": hex(&Sha256::digest(&frame)) })).collect();
    json!({
        "sizes": sizes, "content": "byte n of each file is n modulo 251", "max_message": MIN_MESSAGE_LEN,
        "request": 0, "items": [
            { "type": "whole", "first": 0, "count": 3 }, { "type": "part", "entry": 3, "first": 1, "count": 1 },
        ],
        "frames": described,
    })
}
