//! Any store, with a watch on it: how long it takes, and what becomes of commands.

use super::{Notice, Rate, Store, Terms, Totals};
use crate::metrics::Metrics;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::{Command, Standing};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A store whose answers are counted.
pub struct Measured<S> {
    store: S,
    metrics: Arc<Metrics>,
}

impl<S: Store> Measured<S> {
    /// Watches `store`.
    pub fn new(store: S, metrics: Arc<Metrics>) -> Self {
        Measured { store, metrics }
    }

    async fn time<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, Code>> + Send,
    ) -> Result<T, Code> {
        let start = Instant::now();
        let answer = answer.await;
        self.metrics.observe_store(operation, start.elapsed());
        if matches!(answer, Err(Code::StoreUnavailable)) {
            self.metrics.set_totals(None);
        }
        answer
    }
}

// What is asked of the queue that is worth a count: signs of life are not.
fn name(command: &Command) -> Option<&'static str> {
    match command {
        Command::Open { .. } => Some("open"),
        Command::Join { .. } => Some("join"),
        Command::Progress { .. } => Some("progress"),
        Command::Leave { .. } => Some("leave"),
        Command::Dismiss { .. } => Some("dismiss"),
        Command::Drop { .. } => Some("drop"),
        Command::SenderDrop => Some("sender_drop"),
        Command::End => Some("end"),
        // In a slot, a claim is a sign of life too.
        Command::Claim { .. } | Command::Seen { .. } | Command::SenderSeen | Command::Tick => None,
    }
}

impl<S: Store> Store for Measured<S> {
    async fn open(&self, share: ShareId, terms: Terms, now: Duration) -> Result<(), Code> {
        let answer = self.time("open", self.store.open(share, terms, now)).await;
        self.metrics.count_command("open", answer);
        answer
    }

    async fn handle(
        &self,
        share: ShareId,
        command: &Command,
        now: Duration,
    ) -> Result<Option<Standing>, Code> {
        let answer = self.time("handle", self.store.handle(share, command, now)).await;
        if let Some(name) = name(command) {
            self.metrics.count_command(name, answer.map(|_| ()));
        }
        answer
    }

    async fn seen(
        &self,
        share: ShareId,
        peers: &[PeerId],
        now: Duration,
    ) -> Result<Vec<Result<Standing, Code>>, Code> {
        self.time("seen", self.store.seen(share, peers, now)).await
    }

    async fn standings(&self, share: ShareId, peers: &[PeerId]) -> Result<Vec<Option<Standing>>, Code> {
        self.time("standings", self.store.standings(share, peers)).await
    }

    async fn opened(&self, share: ShareId) -> Result<(Vec<PeerId>, u32), Code> {
        self.time("opened", self.store.opened(share)).await
    }

    async fn set_summary(&self, share: ShareId, summary: String) -> Result<(), Code> {
        self.time("set_summary", self.store.set_summary(share, summary)).await
    }

    async fn summary(&self, share: ShareId) -> Result<Option<String>, Code> {
        self.time("summary", self.store.summary(share)).await
    }

    async fn publish(&self, share: ShareId, notice: Notice) -> Result<(), Code> {
        self.time("publish", self.store.publish(share, notice)).await
    }

    async fn watch(&self, share: ShareId) -> Result<(), Code> {
        self.time("watch", self.store.watch(share)).await
    }

    async fn unwatch(&self, share: ShareId) {
        self.store.unwatch(share).await;
    }

    async fn allow(&self, key: &str, rate: Rate, now: Duration) -> Result<Option<Duration>, Code> {
        self.time("allow", self.store.allow(key, rate, now)).await
    }

    async fn hold(
        &self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> Result<bool, Code> {
        self.time("hold", self.store.hold(key, member, cap, until, now)).await
    }

    async fn release(&self, key: &str, member: [u8; 16]) -> Result<(), Code> {
        self.time("release", self.store.release(key, member)).await
    }

    async fn ready(&self) -> Result<(), Code> {
        self.time("ready", self.store.ready()).await
    }

    fn common_time(&self, now: Duration) -> Duration {
        self.store.common_time(now)
    }

    async fn totals(&self) -> Result<Totals, Code> {
        let answer = self.time("totals", self.store.totals()).await;
        let told = answer.ok().map(|Totals { shares, held, waiting }| (shares, held, waiting));
        self.metrics.set_totals(told);
        answer
    }

    async fn run(&self) {
        self.store.run().await;
    }
}
