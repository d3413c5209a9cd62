//! The store against real Redis: the contract of every store, and what happens when Redis fails.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::Timings;
use crate::hub::Hub;
use crate::mailbox::{Closing, Delivery};
use crate::metrics::Metrics;
use crate::role::Role;
use crate::store::contract::{self, Inspect};
use proptest::test_runner::{Config, TestRunner};
use sluice_protocol::id::JoinHash;
use sluice_protocol::queue::{Receiver, Snapshot, Stage};
use sluice_protocol::signal::ServerMessage;
use std::collections::{BTreeMap, BTreeSet};

#[path = "../../../tests/server/redis.rs"]
mod lab;

mod faults;

use lab::Redis;

// More of them: `SLUICE_CASES=5000 cargo xtask test as_the_contract_says`.
fn cases(default: u32) -> u32 {
    std::env::var("SLUICE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

fn store(redis: &Redis, time: Time) -> (RedisStore, Notices) {
    RedisStore::with_time(&url(redis), contract::RULES, contract::MAX_SHARES, Clock::new(), time).unwrap()
}

fn url(redis: &Redis) -> StoreUrl {
    redis.url().parse().unwrap()
}

// What is in a share's keys at one moment, in their order, and then when each of them expires.
const READ: &str = "
    local session, active, waiting, progress = unpack(KEYS)
    local all = { redis.call('HGETALL', session), redis.call('ZRANGE', active, 0, -1),
        redis.call('ZRANGE', waiting, 0, -1), redis.call('HGETALL', progress), {} }
    for at, key in ipairs(KEYS) do
        all[5][at] = tostring(redis.call('PEXPIRETIME', key))
    end
    return all";

impl RedisStore {
    async fn read(&self, share: ShareId) -> [Vec<Vec<u8>>; 5] {
        let answer = self.inner.commands.ask(cmd("EVAL").arg(READ).arg(4).arg(script::keys(share))).await;
        let Ok(Value::Array(all)) = answer else { panic!("{answer:?}") };
        let strings = |value: &Value| match value {
            Value::Array(values) => values.iter().map(|value| bytes(value).unwrap().to_vec()).collect(),
            other => panic!("{other:?}"),
        };
        all.iter().map(strings).collect::<Vec<_>>().try_into().unwrap()
    }
}

// Read from the keys themselves, and not by the script.
impl Inspect for RedisStore {
    async fn snapshot(&self, share: ShareId) -> Option<Snapshot> {
        let [session, active, waiting, progress, expiry] = self.read(share).await;
        let peer = |bytes: &[u8]| PeerId(bytes.try_into().unwrap());
        let session: BTreeMap<_, _> = pairs(session).collect();
        let number = |name: &str| String::from_utf8_lossy(&session[name.as_bytes()]).parse::<u64>().unwrap();
        if session.is_empty() {
            assert!([active, waiting, progress].iter().all(Vec::is_empty), "something of the share is left");
            return None;
        }
        let mut snapshot = Snapshot {
            slots: number("slots") as u16,
            sender_here: number("here") == 1,
            moves: number("moves"),
            ..Snapshot::default()
        };
        let mut ready = 0;
        for (name, text) in pairs(progress) {
            let text = String::from_utf8(text).unwrap();
            let [stage, progress, until, arrival] = text.split(' ').collect::<Vec<_>>()[..] else {
                assert_eq!(text, "dismissed");
                snapshot.dismissed.insert(peer(&name));
                continue;
            };
            ready += u64::from(stage == "ready");
            let until = Duration::from_micros(until.parse().unwrap());
            let stage = match stage {
                "waiting" | "ready" => Stage::Waiting { until, ready: stage == "ready" },
                "promoted" => Stage::Promoted { until },
                "active" => Stage::Active { until },
                "dropped" => Stage::Dropped { until },
                other => panic!("{other}"),
            };
            let progress = match progress {
                "-" => None,
                "connected" => Some(Progress::Connected),
                "downloading" => Some(Progress::Downloading),
                "completed" => Some(Progress::Completed),
                "failed" => Some(Progress::Failed),
                other => panic!("{other}"),
            };
            let receiver = Receiver { arrival: arrival.parse().unwrap(), stage, progress };
            snapshot.receivers.insert(peer(&name), receiver);
        }
        snapshot.line = waiting.iter().map(|name| peer(name)).collect();
        let held: BTreeSet<_> = active.iter().map(|name| peer(name)).collect();
        let expected = snapshot
            .receivers
            .iter()
            .filter(|(_, receiver)| !matches!(receiver.stage, Stage::Waiting { .. }));
        assert_eq!(held, expected.map(|(&peer, _)| peer).collect());
        assert_eq!((ready, snapshot.dismissed.len() as u64), (number("ready"), number("dismissed")));
        let first_ready = snapshot
            .receivers
            .values()
            .filter(|receiver| matches!(receiver.stage, Stage::Waiting { ready: true, .. }))
            .map(|receiver| receiver.arrival)
            .min();
        assert!(first_ready.is_none_or(|first| first >= number("ready_from")), "one is not found any more");
        // One time to live for all there is.
        let number = |text: &Vec<u8>| String::from_utf8_lossy(text).parse::<i64>().unwrap();
        // -2: there is no such key.
        let left: BTreeSet<_> = expiry.iter().map(number).filter(|&at| at != -2).collect();
        assert!(left.len() == 1 && left.first() > Some(&0), "{left:?}");
        Some(snapshot)
    }
}

fn pairs(values: Vec<Vec<u8>>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let mut values = values.into_iter();
    std::iter::from_fn(move || values.next().zip(values.next()))
}

fn check_contract(redis: &Redis, cases: u32) {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::with_cases(cases)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runner.run(&contract::steps(), |steps| {
        runtime.block_on(async {
            let (store, mut notices) = store(redis, Time::Given);
            // At every node of a cluster.
            assert_eq!(store.inner.commands.ask(&cmd("FLUSHALL")).await, Ok(Value::Okay));
            contract::check(&store, &mut notices, &steps).await;
        });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn one_node_answers_any_sequence_as_the_contract_says() {
    check_contract(&Redis::single(), cases(500));
}

#[test]
fn a_cluster_answers_any_sequence_as_the_contract_says() {
    check_contract(&Redis::cluster(false), cases(200));
}

#[test]
fn limits_hold_as_the_contract_says() {
    let redis = Redis::single();
    contract::block_on(async {
        let (store, _notices) = store(&redis, Time::Given);
        contract::check_limits(&store).await;
    });
}

// Thousands join and are not seen again; behind them wait some that are there.
#[test]
fn those_who_are_absent_at_the_head_of_the_line_are_passed_once() {
    let redis = Redis::single();
    contract::block_on(async {
        let rules = Rules { max_receivers: 10_000, ..contract::RULES };
        let (store, _notices) = RedisStore::new(&url(&redis), rules, 1, Clock::new()).unwrap();
        let (share, now) = (ShareId([1; 16]), store.inner.clock.now());
        let terms = Terms { join_hash: JoinHash([7; 32]), slots: 1, active: Vec::new(), summary: None };
        store.open(share, terms, now).await.unwrap();
        store.handle(share, &Command::SenderSeen, now).await.unwrap();
        let peer = |number: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            PeerId(id)
        };
        for number in 0..2_010 {
            let proof = JoinHash([7; 32]);
            let join = Command::Join { peer: peer(number), proof, arrival: None };
            store.handle(share, &join, now).await.unwrap();
        }
        // How often the script looked at receivers in the line.
        let looks = || {
            let stats = redis.ask(0, &["INFO", "commandstats"]);
            let calls = stats.split("cmdstat_hmget:calls=").nth(1).unwrap_or("0,").split(',').next();
            calls.unwrap().parse::<i64>().unwrap()
        };
        let promoted = async |number| {
            let standing = store.standings(share, &[peer(number)]).await.unwrap()[0].unwrap();
            standing.lease.is_some()
        };
        for number in 2_000..2_010 {
            store.seen(share, &[peer(number)], now).await.unwrap();
        }
        assert!(promoted(2_000).await, "the first that is there");
        // Each loads the session, and looks at one part of the line.
        let before = looks();
        for number in 2_000..2_005 {
            store.handle(share, &Command::Leave { peer: peer(number) }, now).await.unwrap();
            assert!(promoted(number + 1).await, "the next that is there");
        }
        let cost = looks() - before;
        assert!(cost <= 5 * 3, "{cost} looks for five promotions");
        // One of them is there after all, and comes before all others.
        store.seen(share, &[peer(700)], now).await.unwrap();
        store.handle(share, &Command::Leave { peer: peer(2_005) }, now).await.unwrap();
        assert!(promoted(700).await && !promoted(2_006).await);
        store.handle(share, &Command::Leave { peer: peer(700) }, now).await.unwrap();
        assert!(promoted(2_006).await);
    });
}

// The first instance's clock is two hours ahead.
#[test]
fn a_newer_socket_replaces_an_older_one_whatever_the_clocks_say() {
    let redis = Redis::single();
    contract::block_on(async {
        let mut hubs = Vec::new();
        for ahead in [Duration::from_secs(7200), Duration::ZERO] {
            let clock = Clock::ahead(ahead);
            let (store, notices) =
                RedisStore::new(&url(&redis), contract::RULES, contract::MAX_SHARES, clock).unwrap();
            let metrics = Arc::new(Metrics::new(clock.now()));
            let (hub, chores) = Hub::new(store, clock, Timings::default(), metrics);
            tokio::spawn(Arc::clone(&hub).run(notices, chores));
            let running = Arc::clone(&hub);
            tokio::spawn(async move { running.store().run().await });
            hubs.push(hub);
        }
        let share = ShareId([1; 16]);
        let terms = Terms { join_hash: JoinHash([7; 32]), slots: 1, active: Vec::new(), summary: None };
        for hub in &hubs {
            hub.store().open(share, terms.clone(), hub.now()).await.unwrap();
        }
        let (_older, mut to_older) = hubs[0].connect(share, Role::Sender).await.unwrap();
        let (_newer, mut to_newer) = hubs[1].connect(share, Role::Sender).await.unwrap();
        let closed = async {
            loop {
                if let Delivery::Close(closing) = to_older.next().await {
                    return closing;
                }
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert_eq!(closed, Ok(Closing::Replaced), "the older one believes to be the newer");
        let Delivery::Message(ServerMessage::Opened { .. }) = to_newer.next().await else {
            panic!("the newer one was not told that it is open");
        };
    });
}
