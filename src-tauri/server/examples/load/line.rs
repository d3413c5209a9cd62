//! A share whose receivers move up: each hears of its place as its tier does, claims its slot, holds it until it is
//! told to leave, and leaves.

use crate::peers::{Peers, is_promoted, path};
use crate::report::{done, ready, times};
use crate::wire::Wire;
use crate::{Orders, Outcome};
use serde_json::{Value, json};
use sluice_protocol::id::ShareId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Receivers that join at the same time.
const AT_ONCE: usize = 64;

/// What a receiver tells.
enum Word {
    /// It knows its place and listens, or is about to say that it is in its slot. Once.
    Listens,
    /// It heard that a slot is kept for it.
    Promoted(Instant),
    /// It is in its slot, and leaves it when told.
    Admitted(oneshot::Sender<()>),
    /// It was lost, and the measurement with it.
    Failed(String),
}

/// One share, and what its receivers tell.
struct Line {
    peers: Arc<Peers>,
    share: ShareId,
    words: mpsc::UnboundedReceiver<Word>,
    tell: mpsc::UnboundedSender<Word>,
    /// Of those that join, only so many may be under way.
    permits: Arc<Semaphore>,
    /// Those in slots, longest first.
    active: VecDeque<oneshot::Sender<()>>,
}

impl Line {
    async fn open(peers: &Arc<Peers>, slots: u32) -> Outcome<Self> {
        let (share, mut sender) = peers.sender(slots).await?;
        tokio::spawn(async move { while let Ok(Some(_)) = sender.hear().await {} });
        let (tell, words) = mpsc::unbounded_channel();
        let (peers, permits) = (Arc::clone(peers), Arc::new(Semaphore::new(AT_ONCE)));
        Ok(Line { peers, share: share.id, words, tell, permits, active: VecDeque::new() })
    }

    fn add(&self, permit: OwnedSemaphorePermit) {
        let (peers, share, tell) = (Arc::clone(&self.peers), self.share, self.tell.clone());
        tokio::spawn(async move {
            if let Err(error) = receive(&peers, share, &tell, permit).await {
                let _ = tell.send(Word::Failed(error.to_string()));
            }
        });
    }

    /// Adds one, and waits until it listens.
    async fn add_listener(&mut self) -> Outcome<()> {
        self.add(Arc::clone(&self.permits).acquire_owned().await?);
        while !matches!(self.word().await?, Word::Listens) {}
        Ok(())
    }

    /// The next moment at which somebody heard that it was promoted.
    async fn promoted(&mut self) -> Outcome<Instant> {
        loop {
            match self.word().await? {
                Word::Promoted(at) => return Ok(at),
                Word::Admitted(leave) => self.active.push_back(leave),
                _ => {}
            }
        }
    }

    /// Waits until somebody is in its slot.
    async fn admitted(&mut self) -> Outcome<()> {
        loop {
            if let Word::Admitted(leave) = self.word().await? {
                self.active.push_back(leave);
                return Ok(());
            }
        }
    }

    async fn word(&mut self) -> Outcome<Word> {
        match self.words.recv().await {
            Some(Word::Failed(why)) => Err(why.into()),
            Some(word) => Ok(word),
            None => Err("nobody is left".into()),
        }
    }

    fn let_one_leave(&mut self) -> Outcome<()> {
        let leave = self.active.pop_front().ok_or("nobody is in a slot")?;
        leave.send(()).map_err(|()| "it left by itself".into())
    }
}

/// A long line whose head is promoted `count` times.
pub async fn promotions(
    peers: &Arc<Peers>,
    receivers: u32,
    slots: u32,
    rate: u32,
    count: u32,
    orders: &mut Orders,
) -> Outcome<()> {
    let mut line = Line::open(peers, slots).await?;
    let (mut added, mut settled) = (0, 0);
    while settled < receivers {
        tokio::select! {
            permit = Arc::clone(&line.permits).acquire_owned(), if added < receivers => {
                line.add(permit?);
                added += 1;
            }
            word = line.words.recv() => match word {
                Some(Word::Listens) => settled += 1,
                Some(Word::Admitted(leave)) => line.active.push_back(leave),
                Some(Word::Failed(why)) => return Err(why.into()),
                _ => {}
            }
        }
    }
    while line.active.len() < slots as usize {
        line.admitted().await?;
    }
    ready(&json!({ "receivers": receivers }));
    orders.next().await;

    let start = Instant::now();
    let mut taken = Vec::new();
    for number in 0..count {
        tokio::time::sleep_until((start + Duration::from_secs(1) * number / rate).into()).await;
        let left = Instant::now();
        line.let_one_leave()?;
        taken.push(line.promoted().await? - left);
        line.admitted().await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    done(&json!({ "times": times(taken), "seconds": seconds, "rate": f64::from(count) / seconds }));
    Ok(())
}

/// A short line in which the next one hears `count` times that a slot was freed.
pub async fn handover(peers: &Arc<Peers>, slots: u32, count: u32, orders: &mut Orders) -> Outcome<()> {
    if peers.bare {
        return bare_handover(peers, count, orders).await;
    }
    let mut line = Line::open(peers, slots).await?;
    for _ in 0..slots {
        line.add_listener().await?;
        line.admitted().await?;
    }
    for _ in 0..sluice_protocol::queue::NEAR_PLACES {
        line.add_listener().await?;
    }
    ready(&json!({}));
    orders.next().await;

    let mut taken = Vec::new();
    for _ in 0..count {
        let left = Instant::now();
        line.let_one_leave()?;
        taken.push(line.promoted().await? - left);
        line.admitted().await?;
        // And somebody new at the end.
        line.add_listener().await?;
    }
    done(&json!({ "times": times(taken) }));
    Ok(())
}

/// The same two messages without a queue: one on a socket, and the answer to a request that waits for it.
async fn bare_handover(peers: &Arc<Peers>, count: u32, orders: &mut Orders) -> Outcome<()> {
    let (mut poll, mut socket) = (peers.connect().await?, peers.connect().await?);
    socket.upgrade("/socket").await?;
    ready(&json!({}));
    orders.next().await;
    let mut taken = Vec::new();
    for _ in 0..count {
        let asked = poll.ask("GET", "/poll", "", "");
        let said = async {
            let left = Instant::now();
            socket.say("{}").await?;
            Outcome::Ok(left)
        };
        let (left, answer) = tokio::try_join!(said, asked)?;
        answer.expect(200)?;
        taken.push(left.elapsed());
        socket.hear().await?;
    }
    done(&json!({ "times": times(taken) }));
    Ok(())
}

// One receiver from its join to its end.
async fn receive(
    peers: &Peers,
    share: ShareId,
    tell: &mpsc::UnboundedSender<Word>,
    permit: OwnedSemaphorePermit,
) -> Outcome<()> {
    let mut wire = peers.connect().await?;
    let joined = peers.join(&mut wire, share).await?;
    let (ticket, mut place) = (joined.ticket, joined.place);
    let mut permit = Some(permit);
    let mut listens = || {
        if permit.take().is_some() {
            let _ = tell.send(Word::Listens);
        }
    };
    let mut socket = loop {
        if place["tier"] == "far" {
            wire.stream(&path(share, "events"), &ticket).await?;
            while place["tier"] == "far" {
                place = event(&mut wire).await?;
                listens();
            }
            // A stream can't be asked anything: the near tier needs a connection of its own.
            wire = peers.connect().await?;
        }
        let mut after = String::new();
        while place["tier"] == "near" {
            let request = format!("{}{after}", path(share, "place"));
            place = wire.ask("GET", &request, &ticket, "").await?.expect(200)?;
            after = format!("?after={}", place["version"].as_str().unwrap_or_default());
            if place["tier"] == "near" {
                listens();
            }
        }
        if place["tier"] == "far" {
            continue;
        }
        if is_promoted(&place) {
            let _ = tell.send(Word::Promoted(Instant::now()));
        }
        let mut socket = peers.connect().await?;
        let first = peers.socket(&mut socket, share, &ticket).await?;
        if first["type"] == "admitted" {
            break socket;
        }
        if first["code"] != "not_your_turn" {
            return Err(format!("not admitted: {first}").into());
        }
        place = json!({ "tier": "near" });
    };
    listens();
    let (leave, mut left) = oneshot::channel();
    let _ = tell.send(Word::Admitted(leave));
    loop {
        tokio::select! {
            _ = &mut left => break,
            heard = socket.hear() => { heard?.ok_or("a slot was lost")?; }
        }
    }
    socket.say(r#"{"type":"leave"}"#).await?;
    while socket.hear().await?.is_some() {}
    Ok(())
}

async fn event(wire: &mut Wire) -> Outcome<Value> {
    match wire.event().await? {
        Some((name, place)) if name == "place" => Ok(place),
        other => Err(format!("instead of a place {other:?}").into()),
    }
}
