//! One share while it runs: its keys, its server, and the engine's share, again and again until it is over.

use super::{EMBEDDED, Share};
use crate::api::{AppEvent, Failure, Notice, Reach};
use crate::hosting::Hosted;
use crate::kept::KeptShare;
use crate::model::share::ShareNews;
use crate::state::{News, Shell};
use sluice_engine::config::ShareOptions;
use sluice_engine::event::ShareEvent;
use sluice_engine::identity::{Identity, OpenIdentity};
use sluice_engine::share::Share as Engine;
use sluice_protocol::error::Code;
use sluice_protocol::link::ServerUrl;
use std::future::pending;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The rest before a server that could not be reached is tried again, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(2);
const LAST_REST: Duration = Duration::from_secs(60);

/// What a running share is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stop, to go on at the next start.
    Leave,
    /// End for everyone.
    End,
    /// Begin anew with other terms.
    Restart,
}

// Why a share runs no more.
enum Over {
    Ordered(Order),
    // The server in this app is gone, or is somewhere else.
    Moved,
    Failed(Failure),
}

type Orders = mpsc::UnboundedReceiver<Order>;

impl Shell {
    /// Keeps a share alive until it is told otherwise.
    ///
    /// `before` is what still uses its keys.
    pub(super) fn run_share(&self, id: &str, before: Option<JoinHandle<()>>) {
        let (orders, told) = mpsc::unbounded_channel();
        let (shell, runtime) = (self.clone(), self.runtime().clone());
        self.change(|desk| {
            if desk.closing {
                return;
            }
            let Ok(share) = desk.share(id) else { return };
            // What still runs of it parts first.
            let before = share.leave().or(before);
            share.model.handle_start(if share.kept.server.is_some() {
                Reach::Server
            } else {
                Reach::Network
            });
            let (running, id) = (shell.clone(), id.to_owned());
            let task = runtime.spawn(async move {
                if let Some(before) = before {
                    let _ = before.await;
                }
                running.keep_alive(&id, told).await;
            });
            share.run = Some(super::Run { orders, control: None, task });
        });
    }

    async fn keep_alive(&self, id: &str, mut orders: Orders) {
        let mut rest = FIRST_REST;
        loop {
            let failure = match self.serve(id, &mut orders).await {
                Over::Ordered(Order::Restart) | Over::Moved => continue,
                Over::Ordered(Order::Leave | Order::End) => return,
                Over::Failed(failure) => failure,
            };
            if !passes(failure.code) {
                self.fail_share(id, failure);
                return;
            }
            tracing::info!(code = %failure.code, detail = failure.detail, "a share can't be opened yet");
            self.change(|desk| desk.share(id).map(|share| share.model.handle_delay(failure.code))).ok();
            tokio::select! {
                () = tokio::time::sleep(rest) => rest = (rest * 2).min(LAST_REST),
                order = orders.recv() => match order {
                    Some(Order::Restart) => {}
                    Some(Order::Leave | Order::End) | None => return,
                },
            }
        }
    }

    // One life of it, from its keys to the reason why it stopped.
    async fn serve(&self, id: &str, orders: &mut Orders) -> Over {
        let Some(kept) = self.kept_share(id) else { return Over::Ordered(Order::Leave) };
        let (server, reach, hosted) = match self.server_of(&kept).await {
            Ok(server) => server,
            Err(failure) => return Over::Failed(failure),
        };
        let identity = match self.identity_of(&kept, hosted.as_ref()).await {
            Ok(identity) => identity,
            Err(failure) => return Over::Failed(failure),
        };
        let rtc = self.rtc(server.is_loopback());
        let begun = self.change(|desk| {
            desk.unkept.shares = true;
            let (slots, limit) = (desk.settings.slots, desk.settings.limit);
            let share = desk.share(id).ok()?;
            share.kept.renew = false;
            share.model.handle_start(reach);
            let options = ShareOptions {
                paths: kept.paths(),
                server,
                slots: kept.terms.slots.unwrap_or(slots),
                limit: kept.terms.limit.or(limit),
                name: kept.terms.name.clone(),
                password: kept.terms.password.clone(),
                rtc,
            };
            Some((options, share.kept.paused))
        });
        let Some((options, paused)) = begun else { return Over::Ordered(Order::Leave) };
        let (tell, mut events) = mpsc::channel(256);
        let started = tokio::select! {
            started = Engine::start(options, identity.identity(), tell) => started,
            order = orders.recv() => return Over::Ordered(order.unwrap_or(Order::Leave)),
        };
        let mut engine = match started {
            Ok(engine) => engine,
            Err(error) => return Over::Failed(error.into()),
        };
        let control = engine.control();
        if paused {
            control.pause(true);
        }
        self.change(|desk| {
            if let Some(run) = desk.share(id).ok().and_then(|share| share.run.as_mut()) {
                run.control = Some(control);
            }
        });
        let gone = async {
            match &hosted {
                Some(hosted) => hosted.gone.cancelled().await,
                None => pending().await,
            }
        };
        tokio::pin!(gone);
        let over = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.handle_share(id, &event),
                order = orders.recv() => break Over::Ordered(order.unwrap_or(Order::Leave)),
                () = &mut gone => break Over::Moved,
                error = engine.ended() => break Over::Failed(error.into()),
            }
        };
        // Who has the link of a password that was changed is told that it is over.
        let ends =
            matches!(over, Over::Ordered(Order::End)) || self.kept_share(id).is_some_and(|kept| kept.renew);
        let parting = async { if ends { engine.end().await } else { engine.leave().await } };
        tokio::pin!(parting);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.handle_share(id, &event),
                () = &mut parting => break,
            }
        }
        self.change(|desk| {
            if let Some(run) = desk.share(id).ok().and_then(|share| share.run.as_mut()) {
                run.control = None;
            }
        });
        over
    }

    fn handle_share(&self, id: &str, event: &ShareEvent) {
        let now = self.now();
        let news = self.change(|desk| {
            let share = desk.share(id).ok()?;
            if share.kept.ended {
                return None;
            }
            let link = match event {
                ShareEvent::Shared { link, .. } if std::mem::take(&mut share.fresh) => Some(link.clone()),
                _ => None,
            };
            let news = share.model.handle_event(event, now);
            let name = share.model.name().to_owned();
            match (news, link) {
                (_, Some(link)) => Some(News::LinkMade { link }),
                (Some(ShareNews::Started(receiver)), _) => Some(News::Started { share: name, receiver }),
                (Some(ShareNews::Finished(receiver)), _) => {
                    desk.unkept.shares = true;
                    Some(News::Finished { share: name, receiver })
                }
                (None, None) => None,
            }
        });
        if let Some(news) = news {
            self.tell_news(news);
        }
        if matches!(event, ShareEvent::ReceiverDone { .. }) {
            self.end_shares_in_time();
        }
    }

    fn fail_share(&self, id: &str, failure: Failure) {
        let share = self.change(|desk| {
            let share = desk.share(id).ok()?;
            share.run = None;
            share.model.handle_failure(failure.code, failure.detail);
            desk.unkept.shares = true;
            desk.shares.iter().find(|share| share.kept.id == id).map(|share| share.model.name().to_owned())
        });
        if let Some(share) = share {
            self.tell_news(News::ShareFailed { share });
        }
    }

    fn kept_share(&self, id: &str) -> Option<KeptShare> {
        let desk = self.lock();
        desk.shares.iter().find(|share| share.kept.id == id).map(Share::to_keep)
    }

    async fn server_of(&self, kept: &KeptShare) -> Result<(ServerUrl, Reach, Option<Hosted>), Failure> {
        if let Some(server) = &kept.server {
            let url = ServerUrl::parse(server).map_err(|error| Failure::detailed(error.code(), error))?;
            let reach = if url.is_loopback() { Reach::Computer } else { Reach::Server };
            return Ok((url, reach, None));
        }
        let hosted = self.open_host().await?;
        Ok((hosted.url.clone(), hosted.reach, Some(hosted)))
    }

    async fn identity_of(&self, kept: &KeptShare, hosted: Option<&Hosted>) -> Result<OpenIdentity, Failure> {
        let _keys = self.keys().lock().await;
        let (dir, paths, renew) = (self.places().identities.clone(), kept.paths(), kept.renew);
        let (server, port) = (kept.server.clone(), hosted.map(|hosted| hosted.port));
        let opened = tokio::task::spawn_blocking(move || {
            let server = server.as_deref().unwrap_or(EMBEDDED);
            let mut identity = Identity::open(&dir, &paths, server)?;
            if renew {
                identity.forget()?;
                identity = Identity::open(&dir, &paths, server)?;
            }
            // Without it the link may be another the next time, and is as good until then.
            if let Some(error) = port.and_then(|port| identity.set_port(port).err()) {
                tracing::warn!(%error, "the server's port can't be kept");
            }
            Ok::<_, sluice_engine::error::EngineError>(identity)
        });
        let identity = opened.await.map_err(|error| Failure::detailed(Code::DiskFailed, error))??;
        if let Some(aside) = identity.set_aside() {
            let notice = Notice::SetAside { what: "shares".to_owned(), path: aside.display().to_string() };
            self.say(AppEvent::Notice { notice });
        }
        Ok(identity)
    }
}

impl Shell {
    /// Removes the keys of a share that is no more.
    pub(super) async fn forget_keys(&self, kept: KeptShare) {
        let _keys = self.keys().lock().await;
        let dir = self.places().identities.clone();
        let forgotten = tokio::task::spawn_blocking(move || {
            let server = kept.server.as_deref().unwrap_or(EMBEDDED);
            Identity::open(&dir, &kept.paths(), server).and_then(OpenIdentity::forget)
        });
        if let Ok(Err(error)) = forgotten.await {
            tracing::warn!(%error, "the keys of a share can't be removed");
        }
    }
}

// Whether a failure may pass by itself.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::ServerUnreachable
            | Code::ServerFailed
            | Code::ServerFull
            | Code::StoreUnavailable
            | Code::RateLimited
    )
}
