//! A crowd of receivers at two instances, and what goes wrong beneath them: whatever it is, everybody is served, and
//! never more at once than there are slots.

use super::lab::Redis;
use super::*;
use sluice_protocol::id::JoinHash;
use sluice_protocol::queue::Event;
use std::sync::atomic::{AtomicBool, AtomicU32};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const RULES: Rules = Rules {
    lease: Duration::from_secs(6),
    grace: Duration::from_secs(2),
    presence: Duration::from_secs(10),
    sender_grace: Duration::from_secs(10),
    max_receivers: 100,
};
const HASH: JoinHash = JoinHash([7; 32]);
const SHARE: ShareId = ShareId([1; 16]);
const SLOTS: u16 = 3;
const RECEIVERS: u8 = 40;
// How long one has its slot: so the crowd takes some three seconds, and a fault is in the middle of it.
const WORK: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(250);

struct Crowd {
    // Their clocks are two hours apart.
    stores: [Arc<RedisStore>; 2],
    served: AtomicU32,
    in_slots: AtomicU32,
    most_in_slots: AtomicU32,
    // Whom the sender is connected with.
    connected: Mutex<BTreeSet<PeerId>>,
    sender_rests: AtomicBool,
}

/// What an instance was told.
struct Heard {
    events: Vec<Event>,
    missed: usize,
}

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn open_store(redis: &Redis, ahead: Duration) -> (Arc<RedisStore>, Notices) {
    let (store, notices) = RedisStore::new(&url(redis), RULES, 10, Clock::ahead(ahead)).unwrap();
    (Arc::new(store), notices)
}

impl Crowd {
    /// Lets everybody come, and does `harm` in the middle; what the two instances heard.
    async fn run(
        redis: &mut Redis,
        harm: impl AsyncFnOnce(&mut Redis, &Arc<Crowd>),
    ) -> (Arc<Crowd>, [Heard; 2]) {
        let (first, first_notices) = open_store(redis, Duration::ZERO);
        let (second, second_notices) = open_store(redis, Duration::from_secs(7200));
        let crowd = Arc::new(Crowd {
            stores: [first, second],
            served: AtomicU32::new(0),
            in_slots: AtomicU32::new(0),
            most_in_slots: AtomicU32::new(0),
            connected: Mutex::default(),
            sender_rests: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for store in &crowd.stores {
            let store = Arc::clone(store);
            tasks.spawn(async move { store.run().await });
        }
        for store in &crowd.stores {
            store.watch(SHARE).await.unwrap();
        }
        let hear = [(0, first_notices), (1, second_notices)].map(|(at, notices)| {
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move { crowd.hear(at, notices).await })
        });
        crowd.open().await.unwrap();
        // Everybody is there before the sender, in order: so nobody can rightly overtake another.
        let mut receivers = JoinSet::new();
        for number in 0..RECEIVERS {
            let standing = crowd.join(number, None).await.unwrap();
            crowd.store(number).seen(SHARE, &[peer(number)], Duration::ZERO).await.unwrap();
            let crowd = Arc::clone(&crowd);
            receivers.spawn(async move { crowd.receive(number, standing.arrival).await });
        }
        let sender = Arc::clone(&crowd);
        tasks.spawn(async move { sender.send().await });
        while crowd.served.load(Ordering::Relaxed) < 5 {
            sleep(POLL).await;
        }
        harm(redis, &crowd).await;
        timeout(PATIENCE, async {
            while let Some(served) = receivers.join_next().await {
                served.unwrap();
            }
        })
        .await
        .expect("not everybody was served");
        assert_eq!(crowd.served.load(Ordering::Relaxed), u32::from(RECEIVERS));
        // It is heard at both that the share is over, so news are arriving.
        timeout(PATIENCE, async {
            while crowd.stores[0].handle(SHARE, &Command::End, Duration::ZERO).await
                == Err(Code::StoreUnavailable)
            {
                sleep(POLL).await;
            }
        })
        .await
        .unwrap();
        let mut heard = Vec::new();
        for hear in hear {
            heard.push(timeout(PATIENCE, hear).await.expect("an instance hears nothing").unwrap());
        }
        tasks.shutdown().await;
        (crowd, heard.try_into().ok().unwrap())
    }

    fn store(&self, number: u8) -> &RedisStore {
        &self.stores[usize::from(number % 2)]
    }

    fn connected(&self) -> MutexGuard<'_, BTreeSet<PeerId>> {
        self.connected.lock().unwrap()
    }

    async fn open(&self) -> Result<(), Code> {
        let active = self.connected().iter().copied().collect();
        let terms = Terms { join_hash: HASH, slots: SLOTS, active, summary: None };
        self.stores[0].open(SHARE, terms, Duration::ZERO).await
    }

    async fn join(&self, number: u8, arrival: Option<u64>) -> Result<Standing, Code> {
        let join = Command::Join { peer: peer(number), proof: HASH, arrival };
        self.store(number).handle(SHARE, &join, Duration::ZERO).await.map(Option::unwrap)
    }

    async fn send(&self) {
        loop {
            let seen = self.stores[0].handle(SHARE, &Command::SenderSeen, Duration::ZERO).await;
            if seen == Err(Code::ShareNotFound) && !self.sender_rests.load(Ordering::Relaxed) {
                let _ = self.open().await;
            }
            sleep(POLL).await;
        }
    }

    async fn receive(&self, number: u8, arrival: u64) {
        let store = self.store(number);
        let claim = Command::Claim { peer: peer(number) };
        loop {
            sleep(POLL).await;
            match store.handle(SHARE, &claim, Duration::ZERO).await {
                Ok(_) if self.work(store, &claim).await => break,
                Err(Code::NotAuthorised | Code::ShareNotFound) => {
                    let _ = self.join(number, Some(arrival)).await;
                }
                _ => {}
            }
        }
        self.served.fetch_add(1, Ordering::Relaxed);
        // A slot that is not given back lapses.
        let _ = store.handle(SHARE, &Command::Leave { peer: peer(number) }, Duration::ZERO).await;
    }

    // Whether it could finish what it has a slot for.
    async fn work(&self, store: &RedisStore, claim: &Command) -> bool {
        let now = self.in_slots.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_slots.fetch_max(now, Ordering::Relaxed);
        let end = Instant::now() + WORK;
        let mut holds = true;
        while holds && Instant::now() < end {
            sleep(POLL).await;
            let kept = store.handle(SHARE, claim, Duration::ZERO).await;
            holds = matches!(kept, Ok(_) | Err(Code::StoreUnavailable));
        }
        // Before it leaves, behind which the next one comes.
        self.in_slots.fetch_sub(1, Ordering::Relaxed);
        holds
    }

    async fn hear(&self, at: usize, mut notices: Notices) -> Heard {
        let mut heard = Heard { events: Vec::new(), missed: 0 };
        while let Some((share, notice)) = notices.recv().await {
            assert_eq!(share, SHARE);
            let event = match notice {
                Notice::Queue(event) => event,
                Notice::Missed => {
                    heard.missed += 1;
                    if at == 0
                        && let Ok((active, _)) = self.stores[0].opened(SHARE).await
                    {
                        *self.connected() = active.into_iter().collect();
                    }
                    continue;
                }
                other => panic!("{other:?}"),
            };
            // One moment is told apart by a few microseconds.
            heard.events.push(match event {
                Event::Promoted { peer, until } => {
                    let left = until.saturating_sub(self.stores[at].inner.clock.now());
                    assert!(left.abs_diff(RULES.lease) < Duration::from_secs(2), "{left:?}");
                    Event::Promoted { peer, until: Duration::ZERO }
                }
                ref event => event.clone(),
            });
            match event {
                Event::Ended { code } => {
                    assert_eq!(code, Code::ShareEnded);
                    return heard;
                }
                Event::Joined { peer } if at == 0 => drop(self.connected().insert(peer)),
                Event::Left { peer } if at == 0 => drop(self.connected().remove(&peer)),
                _ => {}
            }
        }
        panic!("the store says nothing more");
    }

    // Nothing was lost beneath it: then there is nothing to excuse.
    fn check_strictly(&self, heard: &[Heard; 2]) {
        assert!(self.most_in_slots.load(Ordering::Relaxed) <= u32::from(SLOTS));
        let promoted: Vec<_> = heard[0]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Promoted { peer, .. } => Some(*peer),
                _ => None,
            })
            .collect();
        let everybody: Vec<_> = (0..RECEIVERS).map(peer).collect();
        assert_eq!(promoted, everybody, "in order, and each once");
        let passed_over = |event: &Event| matches!(event, Event::PassedOver { .. });
        assert!(!heard[0].events.iter().any(passed_over));
    }
}

// Asks all the time how many hold a slot. A store of its own, so that what it asks is not what others learn from.
async fn watch_slots(store: &RedisStore) {
    let [_, active, _, _] = script::keys(SHARE).try_into().unwrap();
    loop {
        if let Ok(Value::Int(held)) = store.inner.commands.ask(cmd("ZCARD").arg(&active)).await {
            assert!(held <= i64::from(SLOTS), "{held} hold slots");
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn watched(
    redis: &mut Redis,
    harm: impl AsyncFnOnce(&mut Redis, &Arc<Crowd>),
) -> (Arc<Crowd>, [Heard; 2]) {
    let (store, _notices) = open_store(redis, Duration::ZERO);
    tokio::select! {
        () = watch_slots(&store) => unreachable!(),
        outcome = Crowd::run(redis, harm) => outcome,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_serve_everybody_in_order() {
    let mut redis = Redis::single();
    let (crowd, heard) = watched(&mut redis, async |_, _| {}).await;
    crowd.check_strictly(&heard);
    assert_eq!(heard[0].events, heard[1].events);
    assert_eq!((heard[0].missed, heard[1].missed), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stalls_loses_nothing() {
    let mut redis = Redis::single();
    let harm = async |redis: &mut Redis, crowd: &Arc<Crowd>| {
        redis.pause(0);
        let start = Instant::now();
        let answer = crowd.stores[1].handle(SHARE, &Command::Tick, Duration::ZERO).await;
        assert_eq!(answer, Err(Code::StoreUnavailable));
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!(crowd.stores[0].ready().await, Err(Code::StoreUnavailable));
        redis.resume(0);
    };
    let (crowd, heard) = watched(&mut redis, harm).await;
    crowd.check_strictly(&heard);
    assert_eq!(heard[0].events, heard[1].events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_forgets_is_built_again() {
    let mut redis = Redis::single();
    let (_, heard) = watched(&mut redis, async |redis, _| redis.flush()).await;
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_forgets_in_part_is_built_again() {
    for lost in script::keys(SHARE) {
        let mut redis = Redis::single();
        let harm = async |redis: &mut Redis, _: &Arc<Crowd>| {
            assert_eq!(redis.ask(0, &["DEL", &lost]), "1", "{lost}");
        };
        let (_, heard) = watched(&mut redis, harm).await;
        assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said that {lost} is gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_noticed_though_nobody_asks() {
    let redis = Redis::single();
    let (store, mut notices) = open_store(&redis, Duration::ZERO);
    store.watch(SHARE).await.unwrap();
    let terms = Terms { join_hash: HASH, slots: SLOTS, active: Vec::new(), summary: None };
    store.open(SHARE, terms, Duration::ZERO).await.unwrap();
    redis.flush();
    let told = async {
        tokio::select! {
            () = store.run() => unreachable!(),
            told = notices.recv() => told,
        }
    };
    assert_eq!(timeout(Duration::from_secs(10), told).await.unwrap(), Some((SHARE, Notice::Missed)));
    assert_eq!(store.opened(SHARE).await, Err(Code::ShareNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_and_started_again_serves_on() {
    let mut redis = Redis::single();
    let harm = async |redis: &mut Redis, crowd: &Arc<Crowd>| {
        redis.kill(0);
        let start = Instant::now();
        let answer = crowd.stores[1].handle(SHARE, &Command::Tick, Duration::ZERO).await;
        assert_eq!(answer, Err(Code::StoreUnavailable));
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        redis.start(0);
    };
    let (_, heard) = watched(&mut redis, harm).await;
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_gone_without_a_word_takes_nobody_with_it() {
    let redis = Redis::single();
    let (first, _first_notices) = open_store(&redis, Duration::ZERO);
    let (second, mut notices) = open_store(&redis, Duration::ZERO);
    let terms = Terms { join_hash: HASH, slots: 1, active: Vec::new(), summary: None };
    first.open(SHARE, terms, Duration::ZERO).await.unwrap();
    first.handle(SHARE, &Command::SenderSeen, Duration::ZERO).await.unwrap();
    second.watch(SHARE).await.unwrap();
    // A receiver that holds the slot there, and one that waits here.
    for (store, number) in [(&first, 1), (&second, 2)] {
        let join = Command::Join { peer: peer(number), proof: HASH, arrival: None };
        store.handle(SHARE, &join, Duration::ZERO).await.unwrap();
        store.seen(SHARE, &[peer(number)], Duration::ZERO).await.unwrap();
    }
    drop(first);
    let wanted = async {
        loop {
            let seen = second.seen(SHARE, &[peer(2)], Duration::ZERO).await.unwrap();
            if let Ok(Standing { lease: Some(_), .. }) = seen[0] {
                break;
            }
            // The sender is back here.
            second.handle(SHARE, &Command::SenderSeen, Duration::ZERO).await.unwrap();
            sleep(POLL).await;
        }
        let mut told = Vec::new();
        while let Ok((_, Notice::Queue(event))) = notices.try_recv() {
            told.push(event);
        }
        assert!(told.contains(&Event::PassedOver { peer: peer(1) }), "{told:?}");
    };
    tokio::select! {
        () = second.run() => unreachable!(),
        done = timeout(PATIENCE, wanted) => done.unwrap(),
    }
}

// A share of which all four keys are there, and whose times are so short that they last a second without a heartbeat.
async fn short_lived(redis: &Redis) -> RedisStore {
    let rules = Rules { lease: SHORT, grace: SHORT, presence: SHORT, sender_grace: SHORT, max_receivers: 9 };
    let (store, _notices) = RedisStore::new(&url(redis), rules, 10, Clock::new()).unwrap();
    let terms = Terms { join_hash: HASH, slots: 1, active: vec![peer(1)], summary: Some("sealed".into()) };
    store.open(SHARE, terms, Duration::ZERO).await.unwrap();
    let join = Command::Join { peer: peer(2), proof: HASH, arrival: None };
    store.handle(SHARE, &join, Duration::ZERO).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_lasts_for_as_long_as_its_sender_is_heard() {
    let redis = Redis::single();
    let store = short_lived(&redis).await;
    let start = Instant::now();
    while start.elapsed() < 12 * SHORT {
        store.handle(SHARE, &Command::SenderSeen, Duration::ZERO).await.unwrap();
        sleep(SHORT / 5).await;
    }
    let (mut keys, mut all) = (redis.keys(), script::keys(SHARE));
    keys.sort();
    all.sort();
    assert_eq!(keys, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_no_instance_knows_any_more_vanishes() {
    let redis = Redis::single();
    let store = short_lived(&redis).await;
    let rate = Rate { per: SHORT, burst: 1 };
    store.allow("a pseudonym", rate, Duration::ZERO).await.unwrap();
    store.hold("a pseudonym", [1; 16], 1, SHORT, Duration::ZERO).await.unwrap();
    let keys = redis.keys();
    assert_eq!(keys.len(), 6, "{keys:?}");
    drop(store);
    redis.wait("an empty Redis", |redis| redis.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_needed_where_there_is_one() {
    for redis in [Redis::single(), Redis::cluster(false)] {
        let text = redis.url();
        redis.demand_password("hush");
        for (user, expected) in
            [("", Err(Code::StoreUnavailable)), (":wrong@", Err(Code::StoreUnavailable)), (":hush@", Ok(()))]
        {
            let url = text.replace("://", &format!("://{user}")).parse().unwrap();
            let (store, _notices) = RedisStore::new(&url, RULES, 10, Clock::new()).unwrap();
            assert_eq!(store.ready().await, expected, "{user}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_serves_everybody_in_order() {
    let mut redis = Redis::cluster(false);
    let (crowd, heard) = watched(&mut redis, async |_, _| {}).await;
    crowd.check_strictly(&heard);
    assert_eq!(heard[0].events, heard[1].events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_node_is_killed_and_started_again_serves_on() {
    let mut redis = Redis::cluster(false);
    let harm = async |redis: &mut Redis, _: &Arc<Crowd>| {
        let node = redis.master_of(&script::keys(SHARE)[0]);
        redis.kill(node);
        redis.start(node);
    };
    let (_, heard) = watched(&mut redis, harm).await;
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_from_a_node_that_is_killed() {
    let mut redis = Redis::cluster(true);
    let harm = async |redis: &mut Redis, _: &Arc<Crowd>| {
        let node = redis.master_of(&script::keys(SHARE)[0]);
        redis.kill(node);
    };
    let (_, heard) = watched(&mut redis, harm).await;
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_from_a_node_that_stalls() {
    let mut redis = Redis::cluster(true);
    let harm = async |redis: &mut Redis, crowd: &Arc<Crowd>| {
        let node = redis.master_of(&script::keys(SHARE)[0]);
        redis.pause(node);
        // Its connections stay, and say nothing.
        let before = crowd.served.load(Ordering::Relaxed);
        timeout(PATIENCE, async {
            while crowd.served.load(Ordering::Relaxed) < before + 5 {
                sleep(POLL).await;
            }
        })
        .await
        .expect("nobody is served by the replica");
        redis.resume(node);
    };
    let (_, heard) = watched(&mut redis, harm).await;
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_failover_loses_nobody() {
    let mut redis = Redis::cluster(true);
    let harm = async |redis: &mut Redis, _: &Arc<Crowd>| {
        let key = &script::keys(SHARE)[0];
        let node = redis.master_of(key);
        let replica = redis.replica_of(node);
        assert_eq!(redis.ask(replica, &["CLUSTER", "FAILOVER"]), "OK");
        redis.wait("another master", |redis| redis.ask(replica, &["ROLE"]).starts_with("master"));
    };
    let (crowd, heard) = watched(&mut redis, harm).await;
    assert!(crowd.most_in_slots.load(Ordering::Relaxed) <= u32::from(SLOTS));
    let gone = |event: &Event| matches!(event, Event::PassedOver { .. });
    assert!(!heard[0].events.iter().any(gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_loses_nobody() {
    let mut redis = Redis::cluster(false);
    let harm = async |redis: &mut Redis, _: &Arc<Crowd>| {
        let keys = script::keys(SHARE);
        let node = redis.master_of(&keys[0]);
        redis.move_slot(node, (node + 1) % 3, &keys);
    };
    let (crowd, heard) = watched(&mut redis, harm).await;
    assert!(crowd.most_in_slots.load(Ordering::Relaxed) <= u32::from(SLOTS));
    assert!(!heard[0].events.iter().any(|event| matches!(event, Event::PassedOver { .. })));
    // The node that lost it ended the subscriptions.
    assert!(heard.iter().all(|heard| heard.missed > 0), "nobody said so");
}
