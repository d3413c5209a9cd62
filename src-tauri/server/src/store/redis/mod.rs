//! The store that several instances share: Redis 7, one node or a cluster.
//!
//! A share is four keys with one hash tag, and every command one atomic step, a script (`queue.lua` and `call.lua`)
//! that also tells all instances what follows from it, over the share's own sharded channel. There are two links: one
//! on which commands are carried out, and one on which news arrive; for a node of a cluster that loses a slot ends
//! subscriptions unasked, which a client can take for the answer to a command. Moments are those of Redis's clock, so
//! that instances need not agree on the time.

mod link;
mod listen;
mod news;
mod script;
mod shares;

use self::link::Link;
use self::script::{Answer, Arguments, Script, State, bytes, call, channel, micros, number, text};
use self::shares::Shares;
use super::{Notice, Notices, Rate, Store, Terms, Totals};
use crate::clock::Clock;
use crate::config::StoreUrl;
use ::redis::{Value, cmd};
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::{Command, Progress, Rules, Standing};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Keeps shares in Redis.
pub struct RedisStore {
    inner: Arc<Inner>,
    listener: JoinHandle<()>,
}

struct Inner {
    commands: Link,
    news: Link,
    queue: Script,
    limits: Script,
    rules: Rules,
    max_shares: usize,
    clock: Clock,
    time: Time,
    // By how much Redis's clock is before ours, in microseconds.
    skew: AtomicI64,
    shares: Mutex<Shares>,
    // The first timer may have changed.
    retime: Notify,
    // Some subscriptions are missing.
    resubscribe: Notify,
    notices: mpsc::UnboundedSender<(ShareId, Notice)>,
}

/// Whose moments count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Redis's.
    Redis,
    /// The callers', which only a test has in its hand.
    #[cfg(test)]
    Given,
}

impl RedisStore {
    /// A store at `url`, which is connected with when it is first needed, and what it tells. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`] for a URL that is not of Redis.
    pub fn new(
        url: &StoreUrl,
        rules: Rules,
        max_shares: usize,
        clock: Clock,
    ) -> Result<(Self, Notices), Code> {
        Self::with_time(url, rules, max_shares, clock, Time::Redis)
    }

    fn with_time(
        url: &StoreUrl,
        rules: Rules,
        max_shares: usize,
        clock: Clock,
        time: Time,
    ) -> Result<(Self, Notices), Code> {
        let (notices, receiver) = mpsc::unbounded_channel();
        let (push, pushes) = mpsc::unbounded_channel();
        let link = |pushes| Link::new(url, pushes).map_err(|_| Code::StoreUnavailable);
        let inner = Arc::new(Inner {
            commands: link(None)?,
            news: link(Some(push))?,
            queue: Script::queue(),
            limits: Script::limits(),
            rules,
            max_shares,
            clock,
            time,
            skew: AtomicI64::new(0),
            shares: Mutex::default(),
            retime: Notify::new(),
            resubscribe: Notify::new(),
            notices,
        });
        let listener = tokio::spawn(listen::listen(Arc::clone(&inner), pushes));
        Ok((RedisStore { inner, listener }, receiver))
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Inner {
    fn shares(&self) -> MutexGuard<'_, Shares> {
        // No code that holds the lock can panic half way through a change.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, share: ShareId, notice: Notice) {
        // Nobody listens any more when the server stops.
        let _ = self.notices.send((share, notice));
    }

    // One of Redis's moments by our clock.
    fn local(&self, moment: u64) -> Duration {
        Duration::from_micros(moment.saturating_add_signed(-self.skew.load(Ordering::Relaxed)))
    }

    // One operation on one share.
    async fn operate(
        &self,
        share: ShareId,
        operation: &str,
        now: Duration,
        with: impl FnOnce(Arguments) -> Arguments,
    ) -> Result<(State, Answer), Code> {
        let answer = self.ask(share, operation, now, with).await?;
        let due = answer.state.and_then(|state| state.due).map(|due| self.local(due));
        if self.shares().handle_answer(share, answer.state, due, self.clock.now()) {
            self.retime.notify_one();
        }
        match (answer.refusal, answer.state) {
            (Some(code), _) => Err(code),
            (None, Some(state)) => Ok((state, answer)),
            (None, None) => Err(Code::StoreUnavailable),
        }
    }

    // The same, and nothing is learnt from it.
    async fn ask(
        &self,
        share: ShareId,
        operation: &str,
        now: Duration,
        with: impl FnOnce(Arguments) -> Arguments,
    ) -> Result<Answer, Code> {
        let arguments = with(call(share, operation, self.given(now), &self.rules));
        let values = self.queue.call(&self.commands, &arguments).await?;
        let answer = Answer::parse(values).ok_or(Code::StoreUnavailable)?;
        if self.time == Time::Redis {
            // Late by the way back at most.
            let now = micros(self.clock.now());
            self.skew.store(answer.now.cast_signed() - now.cast_signed(), Ordering::Relaxed);
        }
        Ok(answer)
    }

    fn given(&self, now: Duration) -> Option<Duration> {
        (self.time != Time::Redis).then_some(now)
    }

    // What is asked of the limits of one address.
    fn limit(&self, kind: &str, key: &str, operation: &str, now: Duration) -> Arguments {
        let now = self.given(now).map_or(String::new(), |now| micros(now).to_string());
        Arguments::new(vec![format!("sluice:{kind}:{key}")]).with(operation).with(now)
    }

    async fn ask_limit(&self, arguments: &Arguments) -> Result<u64, Code> {
        let values = self.limits.call(&self.commands, arguments).await?;
        values.first().and_then(number).ok_or(Code::StoreUnavailable)
    }

    fn standings(&self, state: &State, values: &[Value]) -> Result<Vec<Result<Standing, Code>>, Code> {
        let standing = |value| state.standing(value, |moment| self.local(moment));
        values.iter().map(standing).collect::<Option<_>>().ok_or(Code::StoreUnavailable)
    }
}

impl Store for RedisStore {
    async fn open(&self, share: ShareId, terms: Terms, now: Duration) -> Result<(), Code> {
        let full = {
            let mut shares = self.inner.shares();
            !shares.is_kept(share) && shares.count(self.inner.clock.now()) >= self.inner.max_shares
        };
        let Terms { join_hash, slots, active, summary } = terms;
        self.inner
            .operate(share, "open", now, |mut arguments| {
                arguments = arguments
                    .with(&join_hash.0[..])
                    .with(slots)
                    .with(summary.map_or(String::new(), |summary| format!("={summary}")))
                    .with(if full { "full" } else { "" });
                active.iter().fold(arguments, |arguments, peer| arguments.with(&peer.0[..]))
            })
            .await?;
        // Its sender's socket may be at another instance.
        self.inner.shares().keep(share, false, self.inner.clock.now());
        Ok(())
    }

    async fn handle(
        &self,
        share: ShareId,
        command: &Command,
        now: Duration,
    ) -> Result<Option<Standing>, Code> {
        let peer = |peer: &PeerId| peer.0;
        let (operation, arguments): (_, Vec<Vec<u8>>) = match command {
            Command::Open { join_hash, slots } => {
                let slots = slots.to_string().into_bytes();
                ("open", vec![join_hash.0.to_vec(), slots, Vec::new(), b"full".to_vec()])
            }
            Command::Join { peer, proof, arrival } => {
                let arrival = arrival.map_or(String::new(), |at| at.min(1 << 53).to_string());
                ("join", vec![peer.0.to_vec(), proof.0.to_vec(), arrival.into_bytes()])
            }
            Command::Seen { peer: of } => ("seen", vec![peer(of).to_vec()]),
            Command::Drop { peer: of } => ("drop", vec![peer(of).to_vec()]),
            Command::Claim { peer: of } => ("claim", vec![peer(of).to_vec()]),
            Command::Progress { peer: of, progress } => {
                let progress = match progress {
                    Progress::Connected => "connected",
                    Progress::Downloading => "downloading",
                    Progress::Completed => "completed",
                    Progress::Failed => "failed",
                };
                ("progress", vec![peer(of).to_vec(), progress.into()])
            }
            Command::Leave { peer: of } => ("leave", vec![peer(of).to_vec()]),
            Command::Dismiss { peer: of } => ("dismiss", vec![peer(of).to_vec()]),
            Command::SenderSeen => ("sender_seen", Vec::new()),
            Command::SenderDrop => ("sender_drop", Vec::new()),
            Command::End => ("end", Vec::new()),
            Command::Tick => ("tick", vec![b"sweep".to_vec()]),
        };
        let with = |all: Arguments| arguments.into_iter().fold(all, |all, one| all.with(one));
        let answer = match self.inner.operate(share, operation, now, with).await {
            // There is none to open again, and none is made.
            Err(Code::ServerFull) => Err(Code::ShareNotFound),
            answer => answer,
        };
        if let (Command::SenderSeen, Ok(_)) = (command, &answer) {
            self.inner.shares().keep(share, true, self.inner.clock.now());
        }
        let (state, answer) = answer?;
        match command {
            Command::Join { .. } | Command::Seen { .. } | Command::Claim { .. } => {
                let standing = self.inner.standings(&state, &answer.rest)?.pop();
                standing.ok_or(Code::StoreUnavailable)?.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn seen(
        &self,
        share: ShareId,
        peers: &[PeerId],
        now: Duration,
    ) -> Result<Vec<Result<Standing, Code>>, Code> {
        let with = |all| peers.iter().fold(all, |all: Arguments, peer| all.with(&peer.0[..]));
        let (state, answer) = self.inner.operate(share, "seen", now, with).await?;
        self.inner.standings(&state, &answer.rest)
    }

    async fn standings(&self, share: ShareId, peers: &[PeerId]) -> Result<Vec<Option<Standing>>, Code> {
        let with = |all| peers.iter().fold(all, |all: Arguments, peer| all.with(&peer.0[..]));
        let (state, answer) = self.inner.operate(share, "standings", self.inner.clock.now(), with).await?;
        let standings = self.inner.standings(&state, &answer.rest)?;
        Ok(standings.into_iter().map(Result::ok).collect())
    }

    async fn opened(&self, share: ShareId) -> Result<(Vec<PeerId>, u32), Code> {
        let (state, answer) = self.inner.operate(share, "opened", self.inner.clock.now(), |all| all).await?;
        let peer = |value: &Value| bytes(value)?.try_into().ok().map(PeerId);
        let active = answer.rest.iter().map(peer).collect::<Option<_>>();
        Ok((active.ok_or(Code::StoreUnavailable)?, state.waiting))
    }

    async fn set_summary(&self, share: ShareId, summary: String) -> Result<(), Code> {
        let now = self.inner.clock.now();
        self.inner.operate(share, "set_summary", now, |all| all.with(summary)).await.map(|_| ())
    }

    async fn summary(&self, share: ShareId) -> Result<Option<String>, Code> {
        let (_, answer) = self.inner.operate(share, "summary", self.inner.clock.now(), |all| all).await?;
        Ok(answer.rest.first().and_then(text).map(str::to_owned))
    }

    async fn publish(&self, share: ShareId, notice: Notice) -> Result<(), Code> {
        let Some(bytes) = news::write(&notice) else {
            return Ok(());
        };
        match self.inner.operate(share, "publish", self.inner.clock.now(), |all| all.with(bytes)).await {
            Ok(_) | Err(Code::ShareNotFound) => Ok(()),
            Err(code) => Err(code),
        }
    }

    async fn watch(&self, share: ShareId) -> Result<(), Code> {
        let (confirmed, new) = self.inner.shares().watch(share, self.inner.clock.now());
        self.inner.retime.notify_one();
        let confirmed = async {
            loop {
                let mut confirmed = std::pin::pin!(confirmed.notified());
                confirmed.as_mut().enable();
                if self.inner.shares().is_subscribed(share) {
                    return;
                }
                confirmed.await;
            }
        };
        let subscribed = tokio::time::timeout(link::DEADLINE, async {
            self.inner.subscribe(share).await?;
            confirmed.await;
            Ok(())
        });
        let subscribed = subscribed.await.unwrap_or(Err(Code::StoreUnavailable));
        if subscribed.is_err() && new {
            self.unwatch(share).await;
        }
        subscribed
    }

    async fn unwatch(&self, share: ShareId) {
        if self.inner.shares().unwatch(share) {
            // One that goes on all the same costs little, and ends with the connection.
            let mut unsubscribe = cmd("SUNSUBSCRIBE");
            unsubscribe.arg(channel(share));
            let _ = self.inner.news.ask(&unsubscribe).await;
        }
    }

    async fn allow(&self, key: &str, rate: Rate, now: Duration) -> Result<Option<Duration>, Code> {
        let arguments = self.inner.limit("rate", key, "allow", now);
        let arguments = arguments.with(micros(rate.per)).with(rate.burst.max(1));
        let wait = self.inner.ask_limit(&arguments).await?;
        Ok(Some(Duration::from_micros(wait)).filter(|wait| !wait.is_zero()))
    }

    async fn hold(
        &self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> Result<bool, Code> {
        let arguments = self.inner.limit("held", key, "hold", now);
        let time = micros(until.saturating_sub(now));
        let arguments = arguments.with(&member[..]).with(cap).with(time);
        Ok(self.inner.ask_limit(&arguments).await? == 1)
    }

    async fn release(&self, key: &str, member: [u8; 16]) -> Result<(), Code> {
        let arguments = self.inner.limit("held", key, "release", self.inner.clock.now());
        self.inner.ask_limit(&arguments.with(&member[..])).await.map(|_| ())
    }

    async fn ready(&self) -> Result<(), Code> {
        // Any key: a cluster that has lost a part of its slots answers for none.
        let mut probe = cmd("EXISTS");
        probe.arg("sluice:ready");
        tokio::try_join!(self.inner.commands.ask(&probe), self.inner.news.ask(&probe)).map(|_| ())
    }

    fn common_time(&self, now: Duration) -> Duration {
        Duration::from_micros(micros(now).saturating_add_signed(self.inner.skew.load(Ordering::Relaxed)))
    }

    async fn totals(&self) -> Result<Totals, Code> {
        // What is known here may be old.
        self.ready().await?;
        Ok(self.inner.shares().totals(self.inner.clock.now()))
    }

    async fn run(&self) {
        // Before anybody comes: any answer says what time it is there.
        let _ = self.inner.ask(ShareId([0; 16]), "standings", self.inner.clock.now(), |all| all).await;
        listen::look_after(&self.inner).await;
    }
}

#[cfg(test)]
mod tests;
