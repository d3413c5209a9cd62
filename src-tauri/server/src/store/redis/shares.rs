//! What one instance knows of the shares that it watches: whether it hears their news, whether it missed some, and
//! when each is to be looked after.

use super::news::Message;
use super::script::State;
use crate::store::{Notice, Totals};
use sluice_protocol::id::ShareId;
use sluice_protocol::queue::Event;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A share is looked after at least this often by the instance that has its sender...
const KEEPER_PERIOD: Duration = Duration::from_secs(2);
/// ... and by all others, which notice by it what they missed.
const PERIOD: Duration = Duration::from_secs(5);
/// What is due is done by the instance that has the sender, and by others when it was not done so much later.
const OTHERS_LATER: Duration = Duration::from_secs(1);
/// What looked wrong is looked at again after this time, in which news on their way have arrived.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// An instance through which nothing of a share's sender came for this long does not have it.
const KEPT: Duration = Duration::from_secs(120);
/// There may be ten thousand of them, and they are all looked at no more often than this.
const SWEEP: Duration = Duration::from_secs(1);

/// All shares that this instance watches or keeps.
#[derive(Debug, Default)]
pub(super) struct Shares {
    watched: HashMap<ShareId, Watched>,
    timers: BTreeSet<(Duration, ShareId)>,
    kept: HashMap<ShareId, Kept>,
    // When `kept` is gone through for those that are not, the next time.
    sweep: Duration,
}

#[derive(Debug, Default)]
struct Watched {
    subscribed: bool,
    // Was subscribed at some time: when it is again, something may have been missed.
    heard: bool,
    confirmed: Arc<Notify>,
    // The last message that came; without one, the last that was published before it was looked at.
    seq: Option<u64>,
    base: Option<u64>,
    // So much was published when it was last looked at, and had not come.
    behind: Option<u64>,
    presence: Presence,
    timer: Option<Duration>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Presence {
    // Not known, or known to be over.
    #[default]
    Unknown,
    Here,
    // It was there, and is not found.
    Missing,
}

// A share that was opened here, or whose sender came through this instance.
#[derive(Debug)]
struct Kept {
    until: Duration,
    sender_here: bool,
    held: u32,
    waiting: u32,
}

impl Shares {
    /// Watches a share; what to wait for until it is subscribed, and whether it is new.
    pub(super) fn watch(&mut self, share: ShareId, now: Duration) -> (Arc<Notify>, bool) {
        let new = !self.watched.contains_key(&share);
        let confirmed = Arc::clone(&self.watched.entry(share).or_default().confirmed);
        if new {
            self.set_timer(share, now + SECOND_LOOK);
        }
        (confirmed, new)
    }

    /// Watches it no more; whether it did.
    pub(super) fn unwatch(&mut self, share: ShareId) -> bool {
        let Some(watched) = self.watched.remove(&share) else {
            return false;
        };
        if let Some(timer) = watched.timer {
            self.timers.remove(&(timer, share));
        }
        true
    }

    /// Whether its news arrive.
    pub(super) fn is_subscribed(&self, share: ShareId) -> bool {
        self.watched.get(&share).is_some_and(|watched| watched.subscribed)
    }

    /// The watched shares whose news do not arrive.
    pub(super) fn unsubscribed(&self) -> Vec<ShareId> {
        let unsubscribed = self.watched.iter().filter(|(_, watched)| !watched.subscribed);
        unsubscribed.map(|(&share, _)| share).collect()
    }

    /// From now on its news arrive; whether some may have been missed before.
    pub(super) fn handle_subscribed(&mut self, share: ShareId) -> bool {
        let Some(watched) = self.watched.get_mut(&share) else {
            return false;
        };
        let missed = !watched.subscribed && watched.heard;
        (watched.subscribed, watched.heard) = (true, true);
        watched.confirmed.notify_waiters();
        missed
    }

    /// The news of this share, or of all, arrive no more.
    pub(super) fn handle_unsubscribed(&mut self, share: Option<ShareId>) {
        match share {
            Some(share) => {
                if let Some(watched) = self.watched.get_mut(&share) {
                    watched.subscribed = false;
                }
            }
            None => self.watched.values_mut().for_each(|watched| watched.subscribed = false),
        }
    }

    /// What a message has to tell.
    pub(super) fn handle_message(&mut self, share: ShareId, message: Message) -> Vec<Notice> {
        let Message { seq, mut notices } = message;
        let over = notices.iter().any(|notice| matches!(notice, Notice::Queue(Event::Ended { .. })));
        if over {
            self.kept.remove(&share);
        }
        let Some(watched) = self.watched.get_mut(&share) else {
            return Vec::new();
        };
        if watched.seq.is_some_and(|last| seq <= last) {
            // Two nodes of a cluster may both tell it for a while.
            return Vec::new();
        }
        if watched.seq.or(watched.base).is_some_and(|last| seq > last + 1) {
            notices.insert(0, Notice::Missed);
        }
        watched.seq = Some(seq);
        watched.presence = Presence::Here;
        if over {
            watched.forget();
        }
        notices
    }

    /// Whether `share` takes room here.
    pub(super) fn is_kept(&self, share: ShareId) -> bool {
        self.kept.contains_key(&share)
    }

    /// This instance has the sender of `share`, if it is `sender_here`; else it may soon, and takes room until then.
    pub(super) fn keep(&mut self, share: ShareId, sender_here: bool, now: Duration) {
        let new = Kept { until: now, sender_here, held: 0, waiting: 0 };
        let kept = self.kept.entry(share).or_insert(new);
        kept.until = now + KEPT;
        kept.sender_here |= sender_here;
    }

    /// How many shares take room here.
    pub(super) fn count(&mut self, now: Duration) -> usize {
        self.sweep(now);
        self.kept.len()
    }

    /// What a command was answered: the share's state, or `None` when it is not known, and what is due when. Whether
    /// [`Self::poll_timeout`] is another one for it.
    pub(super) fn handle_answer(
        &mut self,
        share: ShareId,
        state: Option<State>,
        due: Option<Duration>,
        now: Duration,
    ) -> bool {
        let keeper = self.kept.contains_key(&share);
        if let (Some(state), Some(_)) = (state, due) {
            if let Some(kept) = self.kept.get_mut(&share) {
                (kept.held, kept.waiting) = (state.held, state.waiting);
            }
        } else {
            self.kept.remove(&share);
        }
        let first = self.poll_timeout();
        let Some(watched) = self.watched.get_mut(&share) else {
            return false;
        };
        let look = match (state, due) {
            (Some(_), Some(due)) => {
                watched.presence = Presence::Here;
                if keeper { due } else { due + OTHERS_LATER }
            }
            // It was lost, or is over and others have not heard of it yet.
            (None, _) if watched.presence != Presence::Unknown => now,
            _ => return false,
        };
        if watched.timer.is_some_and(|timer| look < timer) {
            self.set_timer(share, look);
        }
        self.poll_timeout() != first
    }

    /// What a tick was answered, `None` for a store that could not be reached; what there is to tell of it.
    pub(super) fn handle_tick(
        &mut self,
        share: ShareId,
        answer: Option<(Option<State>, Option<Duration>)>,
        now: Duration,
    ) -> Option<Notice> {
        if let Some((state, due)) = answer {
            self.handle_answer(share, state, due, now);
        }
        let keeper = self.kept.contains_key(&share);
        let watched = self.watched.get_mut(&share)?;
        let mut notice = None;
        let timer = match answer {
            None => now + SECOND_LOOK,
            Some((Some(state), Some(due))) => {
                let (period, later) =
                    if keeper { (KEEPER_PERIOD, Duration::ZERO) } else { (PERIOD, OTHERS_LATER) };
                if watched.is_behind(state.seq) {
                    // They do not arrive, though nobody said so.
                    watched.subscribed = false;
                    notice = Some(Notice::Missed);
                }
                let wait = if watched.behind.is_some() { SECOND_LOOK } else { period };
                // Not at once again for a due moment that two clocks see differently.
                (due + later).clamp(now + Duration::from_millis(10), now + wait)
            }
            Some(_) => match watched.presence {
                Presence::Unknown => now + PERIOD,
                Presence::Here => {
                    // That it ended may be on its way.
                    watched.presence = Presence::Missing;
                    now + SECOND_LOOK
                }
                Presence::Missing => {
                    // It is lost, not over: who asks again learns it, and its peers build it again.
                    watched.forget();
                    notice = Some(Notice::Missed);
                    now + PERIOD
                }
            },
        };
        self.set_timer(share, timer);
        notice
    }

    /// The shares that are to be looked after now, `most` of them, each of which is to come back through
    /// [`Self::handle_tick`].
    pub(super) fn poll_due(&mut self, now: Duration, most: usize) -> Vec<ShareId> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some(&(at, share)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(watched) = self.watched.get_mut(&share) {
                watched.timer = None;
                due.push(share);
            }
        }
        self.sweep(now);
        due
    }

    /// When [`Self::poll_due`] has something.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// What there is of the shares whose senders are at this instance.
    pub(super) fn totals(&mut self, now: Duration) -> Totals {
        self.sweep(now);
        let mut totals = Totals::default();
        for kept in self.kept.values().filter(|kept| kept.sender_here) {
            totals.shares += 1;
            totals.held += u64::from(kept.held);
            totals.waiting += u64::from(kept.waiting);
        }
        totals
    }

    fn sweep(&mut self, now: Duration) {
        if now >= self.sweep {
            self.sweep = now + SWEEP;
            self.kept.retain(|_, kept| kept.until > now);
        }
    }

    fn set_timer(&mut self, share: ShareId, at: Duration) {
        if let Some(watched) = self.watched.get_mut(&share) {
            if let Some(old) = watched.timer.replace(at) {
                self.timers.remove(&(old, share));
            }
            self.timers.insert((at, share));
        }
    }
}

impl Watched {
    // Whether what was published at the last look has still not come.
    fn is_behind(&mut self, published: u64) -> bool {
        let Some(last) = self.seq.or(self.base) else {
            self.base = Some(published);
            return false;
        };
        if let Some(behind) = self.behind.take()
            && last < behind
        {
            (self.seq, self.base) = (Some(behind), None);
            return true;
        }
        if last < published {
            self.behind = Some(published);
        }
        false
    }

    // The share is over or lost: one that is opened again begins anew.
    fn forget(&mut self) {
        (self.seq, self.base, self.behind) = (None, None, None);
        self.presence = Presence::Unknown;
    }
}

#[cfg(test)]
mod tests;
