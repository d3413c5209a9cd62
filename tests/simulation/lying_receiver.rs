//! A receiver that holds the link and breaks the rules, against a real sending session.

use crate::rng::Rng;
use crate::share::{CHUNK, Share};
use bytes::Bytes;
use sluice_protocol::control::{MAX_WANT_ITEMS, ReceiverMessage, SenderMessage, WantItem};
use sluice_protocol::error::Code;
use sluice_protocol::frame::{self, Kind, MAX_MESSAGE_LEN};
use sluice_protocol::handshake::{ControlChannel, Initiator};
use sluice_protocol::manifest::{MAX_PAGE_ENTRIES, MAX_PAGE_LEN};
use sluice_protocol::send::{BATCH_LEN, SendConfig, SendSession};
use sluice_protocol::wire::Writer as _;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);

struct Liar {
    channel: ControlChannel,
    victim: SendSession,
    share: Share,
    /// How often the session asked for a size.
    lookups: u64,
}

impl Liar {
    fn new(sizes: &[u64]) -> Self {
        let mut rng = Rng::new(3);
        let share = Share::of_files(&mut rng, sizes);
        let context = share.context([0; 32]);
        let config = SendConfig {
            context: context.clone(),
            keys: share.keys.clone(),
            name: String::new(),
            max_message: MAX_MESSAGE_LEN,
            seed: rng.array(),
        };
        let mut victim = SendSession::new(config, NOW);
        let (initiator, hello) = Initiator::new(&context, share.keys.hash(), "", rng.array());
        victim.handle_message(&frame::build(Kind::Handshake, &hello), NOW).unwrap();
        let answer = victim.poll_message(NOW).unwrap();
        let (channel, _) = initiator.finish(&answer[1..]).unwrap();
        victim.handle_totals(share.totals(NOW));
        Liar { channel, victim, share, lookups: 0 }
    }

    fn say_bytes(&mut self, plaintext: &[u8]) -> Result<(), Code> {
        let sealed = self.channel.seal(plaintext);
        let frame = frame::build(Kind::Control, &sealed);
        self.victim.handle_message(&frame, NOW).map_err(|error| error.code)
    }

    fn say(&mut self, message: &ReceiverMessage) -> Result<(), Code> {
        self.say_bytes(&message.encode())
    }

    fn want(&mut self, request: u32, items: Vec<WantItem>) -> Result<(), Code> {
        self.say(&ReceiverMessage::Want { request, items })
    }

    fn allow(&mut self, credit: u64) {
        let message = ReceiverMessage::Progress { credit, durable_bytes: 0, durable_entries: 0 };
        self.say(&message).unwrap();
    }

    /// Reads and seals as long as the session wants to, while the channel takes nothing; gives bytes read.
    fn read_all(&mut self) -> Result<u64, Code> {
        let mut read = 0;
        loop {
            while let Some(index) = self.victim.poll_page() {
                let (first, encoded) = self.share.page(index);
                self.victim.handle_page(first, encoded);
            }
            let size_of = |entry| {
                self.lookups += 1;
                self.share.size_of(entry)
            };
            let Some(batch) = self.victim.poll_read(size_of).map_err(|error| error.code)? else {
                return Ok(read);
            };
            read += batch.len();
            let sealed = batch.seal(|piece, out| self.share.read(piece, out));
            self.victim.handle_sealed(sealed);
        }
    }

    /// The session has ended with `code`: it says so to the liar, reads nothing and takes nothing more.
    #[track_caller]
    fn ended(mut self, code: Code) {
        let mut said = None;
        while let Some(frame) = self.victim.poll_message(NOW) {
            let plaintext = self.channel.open(&frame[1..]).unwrap();
            said = Some(SenderMessage::decode(&plaintext).unwrap());
        }
        assert_eq!(said, Some(SenderMessage::Bye { code }));
        self.say(&ReceiverMessage::Done { bytes: 0, entries: 0 }).unwrap();
        assert_eq!(self.read_all(), Ok(0));
        assert!(self.victim.poll_message(NOW).is_none() && !self.victim.is_done());
        assert_eq!(self.victim.poll_timeout(), None);
    }
}

const WHOLE: fn(u32, u32) -> WantItem = |first, count| WantItem::Whole { first, count };
const PART: fn(u32, u32, u32) -> WantItem = |entry, first, count| WantItem::Part { entry, first, count };

#[test]
fn an_honest_request_is_served() {
    let mut liar = Liar::new(&[10, 0, CHUNK + 1]);
    liar.allow(10 * CHUNK);
    liar.want(0, vec![WHOLE(0, 3)]).unwrap();
    assert_eq!(liar.read_all(), Ok(CHUNK + 11));
}

#[test]
fn what_does_not_exist_can_not_be_asked_for() {
    for item in
        [WHOLE(3, 1), WHOLE(0, 4), WHOLE(u32::MAX - 1, 1), PART(2, 2, 1), PART(2, 0, 3), PART(1, 0, 1)]
    {
        let mut liar = Liar::new(&[10, 0, CHUNK + 1]);
        liar.allow(100 * CHUNK);
        liar.want(0, vec![item]).unwrap();
        assert_eq!(liar.read_all(), Err(Code::FrameInvalid), "{item:?}");
        liar.ended(Code::FrameInvalid);
    }
    // Nothing, more than a u32 counts, and a run that is longer than a page.
    let too_long = MAX_PAGE_ENTRIES as u32 + 1;
    for item in [WHOLE(0, 0), PART(0, 0, 0), WHOLE(u32::MAX, 1), PART(0, u32::MAX, 9), WHOLE(0, too_long)] {
        let mut liar = Liar::new(&[10]);
        assert_eq!(liar.want(0, vec![item]), Err(Code::FrameInvalid), "{item:?}");
        liar.ended(Code::FrameInvalid);
    }
}

#[test]
fn requests_are_numbered_and_not_empty() {
    for (request, items) in [(1, vec![WHOLE(0, 1)]), (u32::MAX, vec![WHOLE(0, 1)]), (0, Vec::new())] {
        let mut liar = Liar::new(&[10]);
        assert_eq!(liar.want(request, items), Err(Code::FrameInvalid));
        liar.ended(Code::FrameInvalid);
    }
    let mut liar = Liar::new(&[10]);
    liar.want(0, vec![WHOLE(0, 1)]).unwrap();
    assert_eq!(liar.want(0, vec![WHOLE(0, 1)]), Err(Code::FrameInvalid));
}

#[test]
fn a_flood_of_requests_ends_the_session() {
    // Without credit none is served; the session does not keep a million of them.
    let mut liar = Liar::new(&[10]);
    let refused = (0..1_000_000).find(|&request| liar.want(request, vec![WHOLE(0, 1)]).is_err());
    assert_eq!(refused, Some(64));
    liar.ended(Code::FrameInvalid);
    // Nor as items of one.
    for count in [MAX_WANT_ITEMS as u64 + 1, 1_000_000, u64::MAX] {
        let mut liar = Liar::new(&[10]);
        let mut plaintext = vec![2, 0];
        plaintext.varint(count);
        plaintext.extend([0, 0, 1].repeat(MAX_WANT_ITEMS + 1));
        assert_eq!(liar.say_bytes(&plaintext), Err(Code::FrameInvalid));
        liar.ended(Code::FrameInvalid);
    }
}

#[test]
fn asking_for_empty_files_again_and_again_costs_little() {
    // Entries without content cost no credit, so only the length of all runs together bounds the work.
    let page = MAX_PAGE_ENTRIES as u32;
    let mut liar = Liar::new(&[0; 3 * MAX_PAGE_ENTRIES]);
    for request in 0..64 {
        liar.want(request, vec![WHOLE(0, page - 1), WHOLE(7, 1)]).unwrap();
    }
    assert_eq!(liar.read_all(), Ok(0));
    assert_eq!(liar.lookups, 64 * MAX_PAGE_ENTRIES as u64);
    assert_eq!(liar.want(64, vec![WHOLE(0, page - 1), WHOLE(7, 2)]), Err(Code::FrameInvalid));
    liar.ended(Code::FrameInvalid);
}

#[test]
fn a_receiver_that_reads_nothing_fills_no_memory() {
    let mut liar = Liar::new(&[200 * CHUNK; 1]);
    liar.allow(u64::MAX);
    liar.say(&ReceiverMessage::Pages { up_to: u32::MAX }).unwrap();
    for request in 0..64 {
        liar.want(request, vec![PART(0, 0, 200); MAX_WANT_ITEMS]).unwrap();
    }
    let read = liar.read_all().unwrap();
    let queued: usize = std::iter::from_fn(|| liar.victim.poll_message(NOW)).map(|frame| frame.len()).sum();
    assert!(queued <= 4 * BATCH_LEN, "{queued} bytes were queued");
    assert!(read > 0 && read <= 4 * BATCH_LEN as u64);
    // Pages wait for the channel as well.
    let mut liar = Liar::new(&vec![0; 100_000]);
    liar.say(&ReceiverMessage::Pages { up_to: u32::MAX }).unwrap();
    assert_eq!(liar.read_all(), Ok(0));
    let queued: usize = std::iter::from_fn(|| liar.victim.poll_message(NOW)).map(|frame| frame.len()).sum();
    assert!(queued > MAX_PAGE_LEN && queued <= 4 * BATCH_LEN, "{queued} bytes of pages were queued");
}

#[test]
fn nothing_is_read_beyond_the_credit() {
    let mut liar = Liar::new(&[10 * CHUNK]);
    liar.want(0, vec![WHOLE(0, 1)]).unwrap();
    let mut read = 0;
    for (credit, expected) in [(0, 0), (CHUNK - 1, 0), (CHUNK, CHUNK), (0, CHUNK), (3 * CHUNK + 1, 3 * CHUNK)]
    {
        liar.allow(credit);
        read += liar.read_all().unwrap();
        while liar.victim.poll_message(NOW).is_some() {}
        assert_eq!(read, expected, "with a credit of {credit}");
    }
}

#[test]
fn words_that_mean_nothing_are_invalid() {
    for plaintext in
        [&[][..], &[0], &[7], &[5, 0], &[1], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[6, 1, 0xff]]
    {
        let mut liar = Liar::new(&[10]);
        assert_eq!(liar.say_bytes(plaintext), Err(Code::FrameInvalid), "{plaintext:?}");
        liar.ended(Code::FrameInvalid);
    }
    for frame in [Bytes::from_static(&[3, 1, 2]), Bytes::from_static(&[1, 1, 0]), Bytes::new()] {
        let mut liar = Liar::new(&[10]);
        let refused = liar.victim.handle_message(&frame, NOW).map_err(|error| error.code);
        assert_eq!(refused, Err(Code::FrameInvalid));
        liar.ended(Code::FrameInvalid);
    }
}

#[test]
fn a_goodbye_is_passed_on() {
    let mut liar = Liar::new(&[10]);
    assert_eq!(liar.say(&ReceiverMessage::Bye { code: Code::DiskFull }), Err(Code::DiskFull));
    assert!(!liar.victim.is_done());
}
