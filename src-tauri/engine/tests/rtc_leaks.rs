//! Dropped connections leave no socket and no task behind. A file of its own, because it counts
//! the file descriptors of its whole process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sluice_engine::rtc::{Connection, ConnectionEvent, ConnectionEvents, RtcConfig};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Passes candidates on until the channel is open.
async fn opened(events: &mut ConnectionEvents, other: &Connection) {
    loop {
        match timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap() {
            ConnectionEvent::LocalCandidate(candidate) => {
                other.add_candidate(candidate).await.unwrap();
            }
            ConnectionEvent::Open(..) => return,
            ConnectionEvent::Lost(error) => panic!("{error}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_dropped_connections_leave_nothing() {
    let config = RtcConfig { bind: vec!["127.0.0.1:0".to_owned()], ..RtcConfig::default() };
    let (files, tasks_before) = (open_files(), tasks());
    for round in 0..10 {
        // Half are dropped open, the others with nobody at the other end.
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(Connection::offer(&config).await.unwrap());
        }
        let (a, mut a_events, offer) = Connection::offer(&config).await.unwrap();
        let (b, mut b_events, answer) = Connection::answer(&config, &offer).await.unwrap();
        a.accept(&answer).await.unwrap();
        tokio::join!(opened(&mut a_events, &b), opened(&mut b_events, &a));
        assert!(open_files() >= files + 5, "round {round} opened no sockets");
    }
    // Sockets and tasks go away on their own; there is no event for the last of them.
    let gone = timeout(Duration::from_secs(20), async {
        while open_files() > files || tasks() > tasks_before {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(
        gone.await.is_ok(),
        "{} files and {} tasks, {files} and {tasks_before} before",
        open_files(),
        tasks()
    );
}
