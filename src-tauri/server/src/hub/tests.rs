//! Two instances on one store: the sender at one, receivers at either.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::mailbox::{self, Delivery, Inbox};
use crate::store::{MemoryStore, Rate, Terms, Totals};
use sluice_protocol::id::JoinHash;
use sluice_protocol::queue::{Event, Rules, Standing};
use sluice_protocol::signal::{ServerMessage, Signal};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

const SHARE: ShareId = ShareId([1; 16]);
const HASH: JoinHash = JoinHash([7; 32]);

// One store, as each instance sees it: what is published goes to all.
#[derive(Clone)]
struct Shared {
    store: Arc<MemoryStore>,
    instances: Arc<Vec<mpsc::UnboundedSender<(ShareId, Notice)>>>,
    // How often places were asked for.
    asked: Arc<AtomicU32>,
}

impl Store for Shared {
    async fn open(&self, share: ShareId, terms: Terms, now: Duration) -> Result<(), Code> {
        self.store.open(share, terms, now).await
    }

    async fn handle(
        &self,
        share: ShareId,
        command: &Command,
        now: Duration,
    ) -> Result<Option<Standing>, Code> {
        self.store.handle(share, command, now).await
    }

    async fn seen(
        &self,
        share: ShareId,
        peers: &[PeerId],
        now: Duration,
    ) -> Result<Vec<Result<Standing, Code>>, Code> {
        self.store.seen(share, peers, now).await
    }

    async fn standings(&self, share: ShareId, peers: &[PeerId]) -> Result<Vec<Option<Standing>>, Code> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.standings(share, peers).await
    }

    async fn opened(&self, share: ShareId) -> Result<(Vec<PeerId>, u32), Code> {
        self.store.opened(share).await
    }

    async fn set_summary(&self, share: ShareId, summary: String) -> Result<(), Code> {
        self.store.set_summary(share, summary).await
    }

    async fn summary(&self, share: ShareId) -> Result<Option<String>, Code> {
        self.store.summary(share).await
    }

    async fn publish(&self, share: ShareId, notice: Notice) -> Result<(), Code> {
        for instance in self.instances.iter() {
            let _ = instance.send((share, notice.clone()));
        }
        Ok(())
    }

    async fn watch(&self, _: ShareId) -> Result<(), Code> {
        Ok(())
    }

    async fn unwatch(&self, _: ShareId) {}

    async fn allow(&self, key: &str, rate: Rate, now: Duration) -> Result<Option<Duration>, Code> {
        self.store.allow(key, rate, now).await
    }

    async fn hold(
        &self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> Result<bool, Code> {
        self.store.hold(key, member, cap, until, now).await
    }

    async fn release(&self, key: &str, member: [u8; 16]) -> Result<(), Code> {
        self.store.release(key, member).await
    }

    async fn ready(&self) -> Result<(), Code> {
        self.store.ready().await
    }

    fn common_time(&self, now: Duration) -> Duration {
        self.store.common_time(now)
    }

    async fn totals(&self) -> Result<Totals, Code> {
        self.store.totals().await
    }

    async fn run(&self) {
        self.store.run().await;
    }
}

struct Two {
    hubs: [Arc<Hub<Shared>>; 2],
}

impl Two {
    // Runs for as long as the test does.
    async fn start(slots: u16) -> Self {
        let clock = Clock::new();
        let (store, mut notices) = MemoryStore::new(Rules::default(), 10, clock);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Shared { store: Arc::new(store), instances: Arc::new(senders), asked: Arc::default() };
        let mut hubs = Vec::new();
        for receiver in receivers {
            let metrics = Arc::new(Metrics::new(clock.now()));
            let (hub, chores) = Hub::new(shared.clone(), clock, Timings::default(), metrics);
            tokio::spawn(Arc::clone(&hub).run(receiver, chores));
            hubs.push(hub);
        }
        let all = shared.clone();
        tokio::spawn(async move {
            while let Some((share, notice)) = notices.recv().await {
                all.publish(share, notice).await.unwrap();
            }
        });
        let terms = Terms { join_hash: HASH, slots, active: Vec::new(), summary: None };
        shared.open(SHARE, terms, clock.now()).await.unwrap();
        tokio::spawn(async move { shared.run().await });
        Two { hubs: hubs.try_into().ok().unwrap() }
    }

    async fn join(&self, number: u8) {
        let command = Command::Join { peer: peer(number), proof: HASH, arrival: None };
        let hub = &self.hubs[0];
        hub.store().handle(SHARE, &command, hub.now()).await.unwrap();
    }

    async fn connect(&self, at: usize, role: Role) -> (Connection<Shared>, Inbox) {
        // Later than whoever came before, as the clocks of the instances have it too.
        tokio::time::advance(Duration::from_millis(1)).await;
        self.hubs[at].connect(SHARE, role).await.unwrap()
    }

    async fn receiver(&self, at: usize, number: u8) -> (Connection<Shared>, Inbox) {
        self.join(number).await;
        let (connection, mut inbox) = self.connect(at, Role::Receiver(peer(number))).await;
        assert_eq!(inbox.next().await, Delivery::Message(ServerMessage::Admitted));
        (connection, inbox)
    }

    async fn waiting(&self, at: usize, number: u8) -> (Listening<Shared>, Standing) {
        self.join(number).await;
        let listening = self.hubs[at].listen(SHARE, peer(number), true);
        let standing = listening.begin().await.unwrap();
        (listening, standing)
    }
}

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn request(attempt: u32) -> Signal {
    Signal::Request { attempt }
}

// The next message but counts of those who wait.
async fn news(inbox: &mut Inbox) -> ServerMessage {
    loop {
        match inbox.next().await {
            Delivery::Message(ServerMessage::Waiting { .. }) => {}
            Delivery::Message(message) => return message,
            Delivery::Close(closing) => panic!("{closing:?}"),
        }
    }
}

async fn closing(inbox: &mut Inbox) -> mailbox::Closing {
    loop {
        if let Delivery::Close(closing) = inbox.next().await {
            return closing;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn signals_pass_between_instances_behind_the_news_that_they_need() {
    let two = Two::start(20).await;
    let (sender, mut to_sender) = two.connect(0, Role::Sender).await;
    let opened = ServerMessage::Opened { active: Vec::new(), waiting: 0 };
    assert_eq!(news(&mut to_sender).await, opened);
    for (at, number) in [(0, 1), (1, 2)] {
        let (receiver, mut to_receiver) = two.receiver(at, number).await;
        receiver.relay(None, request(1)).await;
        assert_eq!(news(&mut to_sender).await, ServerMessage::Joined { peer: peer(number) });
        let relayed = ServerMessage::Relay { peer: Some(peer(number)), signal: request(1) };
        assert_eq!(news(&mut to_sender).await, relayed);
        sender.relay(Some(peer(number)), request(2)).await;
        let relayed = ServerMessage::Relay { peer: None, signal: request(2) };
        assert_eq!(news(&mut to_receiver).await, relayed);
        // To one without a slot nothing goes.
        sender.relay(Some(peer(9)), request(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_elsewhere_replaces_the_older_one() {
    let two = Two::start(1).await;
    let (old_sender, mut to_old_sender) = two.connect(0, Role::Sender).await;
    let (old, mut to_old) = two.receiver(0, 1).await;
    // Later is what the instances' clocks say.
    tokio::time::advance(Duration::from_millis(1)).await;
    let (_new, mut to_new) = two.connect(1, Role::Receiver(peer(1))).await;
    let (_sender, mut to_sender) = two.connect(1, Role::Sender).await;
    assert_eq!(closing(&mut to_old).await, mailbox::Closing::Replaced);
    assert_eq!(closing(&mut to_old_sender).await, mailbox::Closing::Replaced);
    // That the old ones are gone is told to nobody.
    drop((old, old_sender));
    assert_eq!(news(&mut to_sender).await, ServerMessage::Opened { active: vec![peer(1)], waiting: 0 });
    assert_eq!(news(&mut to_new).await, ServerMessage::Admitted);
    // Nor to the receiver, which hears once that there is another socket to speak to.
    assert_eq!(news(&mut to_new).await, ServerMessage::SenderBack);
    tokio::time::sleep(Duration::from_secs(19)).await;
    let (active, _) = two.hubs[0].store().opened(SHARE).await.unwrap();
    assert_eq!(active, [peer(1)]);
    for inbox in [&mut to_sender, &mut to_new] {
        let next = pin!(news(inbox));
        assert!(tokio::time::timeout(Duration::from_secs(1), next).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_slot_is_told_at_the_other_instance() {
    let two = Two::start(1).await;
    let (_sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (mut first, _to_first) = two.receiver(0, 1).await;
    let (next, standing) = two.waiting(1, 2).await;
    assert_eq!((standing.ahead, standing.lease), (0, None));
    let (last, standing) = two.waiting(0, 3).await;
    assert_eq!(standing.ahead, 1);
    let left = tokio::time::Instant::now();
    first.leave(peer(1)).await.unwrap();
    assert!(matches!(next.listener().next().await, Word::Place(Standing { lease: Some(_), .. })));
    assert!(matches!(last.listener().next().await, Word::Place(Standing { ahead: 0, lease: None, .. })));
    assert!(left.elapsed() < Duration::from_millis(200));
    let (_next, mut to_next) = two.connect(0, Role::Receiver(peer(2))).await;
    assert_eq!(to_next.next().await, Delivery::Message(ServerMessage::Admitted));
    // Its wait elsewhere was over before that.
    assert_eq!(next.listener().next().await, Word::Close(Closing::Replaced));
}

// As if an older connection at a third instance had ended, and the queue heard of it only now.
#[tokio::test(start_paused = true)]
async fn the_end_of_an_older_connection_that_is_told_late_takes_nothing_from_the_newer() {
    let two = Two::start(2).await;
    let (_sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (_stays, mut to_stays) = two.receiver(1, 1).await;
    let (mut leaves, _to_leaves) = two.receiver(0, 2).await;
    let (next, _) = two.waiting(1, 3).await;
    let (_last, _) = two.waiting(0, 4).await;
    let store = two.hubs[0].store();
    let late = [Command::Drop { peer: peer(1) }, Command::Drop { peer: peer(3) }, Command::SenderDrop];
    for command in late {
        store.handle(SHARE, &command, two.hubs[0].now()).await.unwrap();
    }
    assert_eq!(news(&mut to_stays).await, ServerMessage::SenderAway);
    let back = pin!(news(&mut to_stays));
    let back = tokio::time::timeout(Duration::from_millis(50), back).await;
    assert_eq!(back, Ok(ServerMessage::SenderBack));
    // It is there to be promoted, before its next sign of life.
    leaves.leave(peer(2)).await.unwrap();
    let promoted = pin!(async {
        while !matches!(next.listener().next().await, Word::Place(Standing { lease: Some(_), .. })) {}
    });
    tokio::time::timeout(Duration::from_millis(50), promoted).await.expect("it was passed over");
    // Past the grace of a slot without its socket.
    tokio::time::sleep(Duration::from_secs(21)).await;
    let (active, _) = store.opened(SHARE).await.unwrap();
    assert_eq!(active, [peer(1)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_made_up_for() {
    let two = Two::start(2).await;
    let (_sender, mut to_sender) = two.connect(0, Role::Sender).await;
    news(&mut to_sender).await;
    let (waiting, standing) = two.waiting(0, 3).await;
    // What this instance is not told: as if its subscription had been cut off.
    let hub = &two.hubs[0];
    hub.change(SHARE, |local| {
        local.reopen(vec![peer(8)], 7, hub.now());
        local.tell_place(peer(3), Some(&Standing { lease: None, ..standing }));
    });
    assert_eq!(news(&mut to_sender).await, ServerMessage::Joined { peer: peer(8) });
    assert!(matches!(waiting.listener().next().await, Word::Place(Standing { lease: None, .. })));
    hub.handle_notice(SHARE, Notice::Missed);
    assert_eq!(news(&mut to_sender).await, ServerMessage::Left { peer: peer(8) });
    assert!(matches!(waiting.listener().next().await, Word::Place(Standing { lease: Some(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_counts_its_moves_anew_is_followed() {
    let two = Two::start(1).await;
    let (_sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (mut first, _to_first) = two.receiver(0, 1).await;
    let (waiting, _) = two.waiting(0, 2).await;
    let hub = &two.hubs[0];
    // Of a queue of before, that was lost with all its moves; and then, of this one.
    for moves in [vec![1_000_000], vec![1_000_000, 1]] {
        for moves in moves {
            hub.handle_notice(SHARE, Notice::Queue(Event::Moved { moves }));
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }
    let asked = hub.store().asked.load(Ordering::Relaxed);
    assert!((1..10).contains(&asked), "it asked {asked} times");
    first.leave(peer(1)).await.unwrap();
    assert!(matches!(waiting.listener().next().await, Word::Place(Standing { lease: Some(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn those_in_line_are_asked_for_once_a_second_while_the_sender_comes_and_goes() {
    let two = Two::start(1).await;
    let (_sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (_first, mut to_first) = two.receiver(0, 1).await;
    let (waiting, standing) = two.waiting(0, 2).await;
    assert!(standing.sender_here);
    let hub = &two.hubs[0];
    let before = hub.store().asked.load(Ordering::Relaxed);
    for _ in 0..50 {
        for command in [Command::SenderDrop, Command::SenderSeen] {
            hub.store().handle(SHARE, &command, hub.now()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Who is in a slot hears it at once.
        assert_eq!(news(&mut to_first).await, ServerMessage::SenderAway);
        assert_eq!(news(&mut to_first).await, ServerMessage::SenderBack);
    }
    let asked = hub.store().asked.load(Ordering::Relaxed) - before;
    assert!((4..=6).contains(&asked), "in five seconds it asked {asked} times");
    hub.store().handle(SHARE, &Command::SenderDrop, hub.now()).await.unwrap();
    let last = async {
        while !matches!(waiting.listener().next().await, Word::Place(Standing { sender_here: false, .. })) {}
    };
    tokio::time::timeout(Duration::from_secs(2), last).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn that_the_sender_is_away_is_told_at_once_where_nobody_waited_as_it_came() {
    let two = Two::start(1).await;
    let (sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (_first, _to_first) = two.receiver(0, 1).await;
    // All that follows from its coming is done.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (waiting, standing) = two.waiting(0, 2).await;
    assert!(standing.sender_here);
    drop(sender);
    let away = async {
        while !matches!(waiting.listener().next().await, Word::Place(Standing { sender_here: false, .. })) {}
    };
    tokio::time::timeout(Duration::from_millis(100), away).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_shows_its_receiver_for_as_long_as_it_is_read() {
    let two = Two::start(1).await;
    let (sender, _to_sender) = two.connect(0, Role::Sender).await;
    let (first, _to_first) = two.receiver(0, 1).await;
    let (read, _) = two.waiting(0, 2).await;
    let (_unread, _) = two.waiting(1, 3).await;
    // Sockets that answer.
    for _ in 0..12 {
        assert_eq!(read.listener().next().await, Word::Beat);
        sender.heard().await.unwrap();
        first.heard().await.unwrap();
    }
    let standings = two.hubs[0].store().standings(SHARE, &[peer(2), peer(3)]).await.unwrap();
    assert!(standings[0].is_some() && standings[1].is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_to_a_server_that_stops_is_sent_on() {
    let two = Two::start(1).await;
    let (sender, mut to_sender) = two.connect(0, Role::Sender).await;
    two.hubs[0].stop();
    assert_eq!(closing(&mut to_sender).await, mailbox::Closing::Stopping);
    let (waiting, _) = two.waiting(0, 1).await;
    assert_eq!(waiting.listener().next().await, Word::Close(Closing::Stopping));
    drop((sender, waiting));
    // Nobody is away for that: they are about to come back elsewhere.
    let (again, _) = two.waiting(1, 1).await;
    assert!(again.begin().await.unwrap().sender_here);
    assert_eq!(two.hubs[0].shares(), 0);
}
