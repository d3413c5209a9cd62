//! Shares: what a person does with them. `run` keeps one alive.

mod run;

use crate::api::{AppEvent, Failure, HistoryItem, Place, Reach, ShareTerms};
use crate::kept::{KeptPath, KeptShare};
use crate::model::share::{ShareModel, ShareStart};
use crate::state::{Desk, News, Shell, new_id};
use run::Order;
use sluice_engine::share::ShareControl;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The server's name in the key of an identity, for the one in this app.
const EMBEDDED: &str = "embedded";

/// A share, with what keeps it alive.
pub struct Share {
    /// What is kept of it.
    pub kept: KeptShare,
    /// What is seen of it.
    pub model: ShareModel,
    run: Option<Run>,
    // Whether nobody has its link yet, so that it goes on the clipboard.
    fresh: bool,
}

struct Run {
    orders: mpsc::UnboundedSender<Order>,
    // Once it is open.
    control: Option<ShareControl>,
    task: JoinHandle<()>,
}

impl Share {
    fn new(kept: KeptShare, desk: &Desk, fresh: bool) -> Self {
        let first = kept.paths.first().map(KeptPath::to_path).unwrap_or_default();
        let file_name = || first.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut model = ShareModel::new(ShareStart {
            id: kept.id.clone(),
            name: kept.terms.name.clone().or_else(file_name).unwrap_or_default(),
            terms: kept.terms.clone(),
            slots: kept.terms.slots.unwrap_or(desk.settings.slots),
            paused: kept.paused,
            done: kept.done,
            sent: kept.sent,
            begun_at: kept.begun_at,
            reach: if kept.server.is_some() { Reach::Server } else { Reach::Network },
        });
        if kept.ended {
            model.handle_end();
        }
        Share { kept, model, run: None, fresh }
    }

    /// What is kept of it, as it is now.
    pub fn to_keep(&self) -> KeptShare {
        KeptShare { done: self.model.done(), sent: self.model.sent(), ..self.kept.clone() }
    }

    /// Stops it without ending it; what is to be waited for.
    pub fn leave(&mut self) -> Option<JoinHandle<()>> {
        let run = self.run.take()?;
        // One that is just ending needs no order.
        let _ = run.orders.send(Order::Leave);
        Some(run.task)
    }

    fn order(&self, order: Order) {
        if let Some(run) = &self.run {
            let _ = run.orders.send(order);
        }
    }

    fn control(&self) -> Option<&ShareControl> {
        self.run.as_ref()?.control.as_ref()
    }
}

impl Desk {
    fn share(&mut self, id: &str) -> Result<&mut Share, Failure> {
        self.outbox.touch_share(id);
        self.shares.iter_mut().find(|share| share.kept.id == id).ok_or(Code::ShareNotFound.into())
    }

    /// Brings what the settings say of slots and limits to the running shares.
    pub fn apply_terms(&mut self) {
        let Desk { shares, settings, outbox, .. } = self;
        for share in shares {
            let slots = share.kept.terms.slots.unwrap_or(settings.slots);
            share.model.set_slots(slots);
            if let Some(control) = share.control() {
                control.set_slots(slots);
                control.set_limit(share.kept.terms.limit.or(settings.limit));
            }
            outbox.touch_share(&share.kept.id);
        }
    }

    // Takes a share that is over from view.
    fn take_out(&mut self, id: &str, now: u64) -> Option<Share> {
        let at = self.shares.iter().position(|share| share.kept.id == id)?;
        if !self.shares[at].kept.ended {
            self.remember_share(id, now);
        }
        self.outbox.say(AppEvent::ShareGone { id: id.to_owned() });
        self.unkept.shares = true;
        Some(self.shares.remove(at))
    }

    fn remember_share(&mut self, id: &str, ended_at: u64) {
        let Some(share) = self.shares.iter().find(|share| share.kept.id == id) else { return };
        let (entries, bytes) = share.model.totals();
        let item = HistoryItem {
            id: new_id().unwrap_or_else(|_| id.to_owned()),
            shared: true,
            name: share.model.name().to_owned(),
            entries,
            bytes,
            done: share.model.done(),
            code: share.model.failure().map(|code| code.as_str().to_owned()),
            folder: None,
            begun_at: share.kept.begun_at,
            ended_at,
        };
        self.remember(item);
    }
}

impl Shell {
    /// Shares these files and folders; the new share's id, or that of the one that shares just these already.
    ///
    /// # Errors
    /// [`Code::SourceMissing`] if there is nothing at a path.
    pub fn share(&self, paths: &[PathBuf], terms: ShareTerms) -> Result<String, Failure> {
        let paths: Vec<PathBuf> =
            paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect();
        if paths.is_empty() {
            return Err(Code::SourceMissing.into());
        }
        if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_err()) {
            return Err(Failure::detailed(Code::SourceMissing, path.display()));
        }
        let terms = tidied(terms);
        let same = same_paths(&paths);
        let earlier = {
            let desk = self.lock();
            let found = desk.shares.iter().find(|share| same(&share.kept.paths()));
            found.map(|share| (share.kept.id.clone(), share.model.is_over()))
        };
        if let Some((id, false)) = earlier {
            if terms != ShareTerms::default() {
                self.set_terms(&id, terms)?;
            }
            return Ok(id);
        }
        let (id, now) = (new_id()?, self.now());
        let before = self.change(|desk| {
            // Who shares anew what was ended means a new link.
            let earlier = earlier.and_then(|(id, _)| desk.take_out(&id, now.wall));
            let kept = KeptShare {
                id: id.clone(),
                paths: paths.iter().map(|path| KeptPath::from(path.as_path())).collect(),
                server: desk.settings.server.clone(),
                terms,
                paused: false,
                ended: false,
                renew: earlier.is_some(),
                done: 0,
                sent: 0,
                begun_at: now.wall,
            };
            let share = Share::new(kept, desk, true);
            desk.shares.push(share);
            desk.unkept.shares = true;
            desk.outbox.touch_share(&id);
            earlier.and_then(|mut share| share.leave())
        });
        self.run_share(&id, before);
        Ok(id)
    }

    /// Shares what was handed over from outside, and shows it.
    pub fn share_and_show(&self, paths: &[PathBuf]) {
        match self.share(paths, ShareTerms::default()) {
            Ok(id) => self.say(AppEvent::Show { place: Place::Share, id: Some(id) }),
            Err(failure) => self.complain(failure),
        }
    }

    /// Brings back the shares of an earlier run.
    pub(crate) fn restore_shares(&self, kept: Vec<KeptShare>) {
        let live: Vec<String> = self.change(|desk| {
            let shares: Vec<Share> = kept.into_iter().map(|kept| Share::new(kept, desk, false)).collect();
            desk.shares = shares;
            let live = desk.shares.iter().filter(|share| !share.kept.ended);
            live.map(|share| share.kept.id.clone()).collect()
        });
        live.iter().for_each(|id| self.run_share(id, None));
    }

    /// Takes new terms. Another name or password begins the share anew, another password under a new link.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn set_terms(&self, id: &str, terms: ShareTerms) -> Result<(), Failure> {
        self.change(|desk| {
            let mut terms = tidied(terms);
            let share = desk.share(id)?;
            if terms.password.as_deref() == Some("") {
                terms.password.clone_from(&share.kept.terms.password);
            }
            let (name, password) =
                (terms.name != share.kept.terms.name, terms.password != share.kept.terms.password);
            share.kept.terms = terms;
            share.kept.renew |= password;
            share.model.set_terms(&share.kept.terms);
            if name || password {
                share.order(Order::Restart);
            }
            desk.apply_terms();
            desk.unkept.shares = true;
            Ok::<_, Failure>(())
        })?;
        self.end_shares_in_time();
        Ok(())
    }

    /// Holds all receivers of a share, or lets them go on.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn pause_share(&self, id: &str, paused: bool) -> Result<(), Failure> {
        self.change(|desk| {
            let share = desk.share(id)?;
            share.kept.paused = paused;
            share.model.set_paused(paused);
            if let Some(control) = share.control() {
                control.pause(paused);
            }
            desk.unkept.shares = true;
            Ok(())
        })
    }

    /// Ends a share: its link leads nowhere from now on.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn end_share(&self, id: &str) -> Result<(), Failure> {
        let now = self.now();
        self.change(|desk| {
            let share = desk.share(id)?;
            if share.kept.ended {
                return Ok(());
            }
            share.order(Order::End);
            share.kept.ended = true;
            share.model.handle_end();
            desk.remember_share(id, now.wall);
            desk.unkept.shares = true;
            Ok(())
        })
    }

    /// Opens a share again that is over, under its link.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn restart_share(&self, id: &str) -> Result<(), Failure> {
        let now = self.now();
        self.change(|desk| {
            let share = desk.share(id)?;
            share.kept.ended = false;
            // Terms by which it would be over at once have done their work.
            let terms = &mut share.kept.terms;
            terms.ends_at = terms.ends_at.filter(|&at| at > now.wall);
            terms.downloads = terms.downloads.filter(|&downloads| downloads > share.model.done());
            share.model.set_terms(&share.kept.terms);
            desk.unkept.shares = true;
            Ok::<_, Failure>(())
        })?;
        self.run_share(id, None);
        Ok(())
    }

    /// Takes a share that is over from view, and forgets its keys.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::RequestInvalid`] while it runs.
    pub fn remove_share(&self, id: &str) -> Result<(), Failure> {
        let now = self.now();
        let share = self.change(|desk| match desk.share(id)?.model.is_over() {
            true => Ok(desk.take_out(id, now.wall)),
            false => Err(Failure::from(Code::RequestInvalid)),
        })?;
        if let Some(mut share) = share {
            let shell = self.clone();
            self.runtime().clone().spawn(async move {
                if let Some(run) = share.leave() {
                    let _ = run.await;
                }
                shell.forget_keys(share.kept).await;
            });
        }
        Ok(())
    }

    /// Holds one receiver, or lets it go on.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`], [`Code::PeerLeft`].
    pub fn pause_receiver(&self, id: &str, receiver: &str, paused: bool) -> Result<(), Failure> {
        self.steer(id, receiver, |share, receiver| {
            share.control().inspect(|control| control.pause_receiver(receiver, paused));
            share.model.pause_receiver(receiver, paused)
        })
    }

    /// Limits what is sent to one receiver.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`], [`Code::PeerLeft`].
    pub fn limit_receiver(&self, id: &str, receiver: &str, limit: Option<u64>) -> Result<(), Failure> {
        let limit = limit.filter(|&limit| limit > 0);
        self.steer(id, receiver, |share, receiver| {
            share.control().inspect(|control| control.limit_receiver(receiver, limit));
            share.model.limit_receiver(receiver, limit)
        })
    }

    /// Sends one receiver away.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`], [`Code::PeerLeft`].
    pub fn let_go(&self, id: &str, receiver: &str) -> Result<(), Failure> {
        self.steer(id, receiver, |share, receiver| {
            share.control().inspect(|control| control.let_go(receiver)).is_some()
        })
    }

    /// The link of a share, or the same as a deep link.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`], also while it has none.
    pub fn link(&self, id: &str, deep: bool) -> Result<String, Failure> {
        let desk = self.lock();
        let share = desk.shares.iter().find(|share| share.kept.id == id);
        let links = share.and_then(|share| share.model.links()).ok_or(Failure::from(Code::ShareNotFound))?;
        Ok(if deep { links.1 } else { links.0 }.to_owned())
    }

    /// Ends the shares whose time is over, or that were downloaded as often as was said.
    pub(crate) fn end_shares_in_time(&self) {
        let wall = self.now().wall;
        let over: Vec<(String, String)> = {
            let desk = self.lock();
            let live = desk.shares.iter().filter(|share| !share.model.is_over());
            let over = live.filter(|share| {
                let terms = &share.kept.terms;
                terms.ends_at.is_some_and(|at| at <= wall)
                    || terms.downloads.is_some_and(|downloads| share.model.done() >= downloads)
            });
            over.map(|share| (share.kept.id.clone(), share.model.name().to_owned())).collect()
        };
        for (id, share) in over {
            if self.end_share(&id).is_ok() {
                self.tell_news(News::ShareOver { share });
            }
        }
    }

    /// Opens the shares of the server in this app again, at another address.
    pub(crate) async fn move_shares(&self) {
        self.host().stop().await;
        // They find that the server is gone, and open it again.
    }

    fn steer(
        &self,
        id: &str,
        receiver: &str,
        order: impl FnOnce(&mut Share, PeerId) -> bool,
    ) -> Result<(), Failure> {
        let receiver: PeerId = receiver.parse().map_err(|_| Failure::from(Code::PeerLeft))?;
        self.change(|desk| match order(desk.share(id)?, receiver) {
            true => Ok(()),
            false => Err(Code::PeerLeft.into()),
        })
    }
}

// Empty names and passwords are none, and zero receivers would be no share.
fn tidied(terms: ShareTerms) -> ShareTerms {
    let name = terms.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    ShareTerms {
        name,
        downloads: terms.downloads.filter(|&downloads| downloads > 0),
        limit: terms.limit.filter(|&limit| limit > 0),
        slots: terms.slots.map(|slots| slots.clamp(1, sluice_protocol::signal::MAX_SLOTS)),
        ..terms
    }
}

// Whether other paths are the same, in whatever order and however they are written.
fn same_paths(paths: &[PathBuf]) -> impl Fn(&[PathBuf]) -> bool + use<> {
    let sorted = |paths: &[PathBuf]| {
        let mut paths: Vec<PathBuf> =
            paths.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    let these = sorted(paths);
    move |others| sorted(others) == these
}
