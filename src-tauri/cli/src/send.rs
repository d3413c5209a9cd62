//! `sluice send`: a share until interrupted, or until enough receivers are done.

use crate::args::{DEFAULT_PORT, SendArgs};
use crate::failures::{embedded_failed, link_failed};
use crate::print::send::View;
use crate::print::{self, Style};
use crate::{password, signals};
use sluice_engine::config::ShareOptions;
use sluice_engine::disk::DiskError;
use sluice_engine::error::EngineError;
use sluice_engine::event::ShareEvent;
use sluice_engine::identity::{Identity, OpenIdentity};
use sluice_engine::rtc::{RtcConfig, default_bind};
use sluice_engine::share::Share;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::link::ServerUrl;
use sluice_server::embedded::{Embedded, Narrowed, candidates};
use std::collections::HashSet;
use std::future::pending;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A checked `sluice send`.
pub struct Send {
    args: SendArgs,
    server: Option<ServerUrl>,
    password: Option<String>,
    style: Style,
}

/// Why a share stops.
enum Stop {
    Interrupted,
    Enough,
    NotStarted(EngineError),
    Failed(EngineError),
}

impl Send {
    /// Looks at the paths and the server's address, and asks for the password if it is to be asked for.
    ///
    /// # Errors
    /// [`Code::SourceMissing`], the address', or [`Code::PasswordNeeded`].
    pub fn new(args: SendArgs, verbose: bool) -> Result<Self, EngineError> {
        if let Some(path) = args.paths.iter().find(|path| path.symlink_metadata().is_err()) {
            return Err(DiskError::SourceMissing { path: path.clone() }.into());
        }
        let server = args.server.as_deref().map(ServerUrl::parse).transpose().map_err(link_failed)?;
        let password = match password::given(args.password_file.as_deref())? {
            None if args.password => Some(password::ask("Password that receivers must know: ")?),
            given => given,
        };
        let style = Style::choose(args.json, verbose);
        Ok(Send { args, server, password, style })
    }

    /// Shares until interrupted or done.
    ///
    /// # Errors
    /// Why it could not start or go on; [`Code::Interrupted`] before enough receivers were done.
    pub async fn run(self) -> Result<(), EngineError> {
        let cancel = signals::listen();
        let wanted = self.args.downloads.map_or(usize::from(self.args.once), |number| number.get());
        let mut view = View::new(self.style, self.args.slots);
        let mut identity = self.open_identity(&view)?;
        let mut embedded = match &self.server {
            Some(_) => None,
            None => match self.start_server(&mut identity, &view).await {
                Ok(embedded) => Some(embedded),
                Err(error) => {
                    if identity.is_new() {
                        forget(identity);
                    }
                    return Err(error);
                }
            },
        };
        let (sender, mut events) = mpsc::channel(256);
        let options = self.options(embedded.as_ref())?;
        let started = tokio::select! {
            started = Share::start(options, identity.identity(), sender) => started,
            () = cancel.cancelled() => Err(Code::Interrupted.into()),
        };
        let stop = match started {
            Ok(mut share) => {
                let stop =
                    follow(&mut view, &mut share, embedded.as_mut(), &mut events, &cancel, wanted).await;
                part(&mut view, share, &stop, &mut events).await;
                stop
            }
            Err(error) => Stop::NotStarted(error),
        };
        view.close();
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
        match stop {
            Stop::Enough => {
                forget(identity);
                Ok(())
            }
            // Nobody has this link, so nothing is worth keeping.
            Stop::NotStarted(error) => {
                if identity.is_new() {
                    forget(identity);
                }
                Err(error)
            }
            Stop::Interrupted if wanted > 0 => Err(Code::Interrupted.into()),
            Stop::Interrupted => {
                if identity.is_stored() && self.style != Style::Json {
                    print::note(
                        "The share has stopped. The same command shares it again, under the same link.",
                    );
                }
                Ok(())
            }
            Stop::Failed(error) => Err(error),
        }
    }

    // Without a place for it the share is as good, only its link is not the same the next time.
    fn open_identity(&self, view: &View) -> Result<OpenIdentity, EngineError> {
        let server = self.server.as_ref().map_or_else(|| "embedded".to_owned(), ToString::to_string);
        let opened = match Identity::default_dir() {
            Some(dir) => Identity::open(&dir, &self.args.paths, &server),
            None => Identity::random().map(OpenIdentity::unstored),
        };
        let opened = opened.or_else(|error| {
            view.say(&format!("The share's keys can't be kept ({error})."));
            Identity::random().map(OpenIdentity::unstored)
        })?;
        if let Some(aside) = opened.set_aside() {
            view.say(&format!(
                "The keys of this share's earlier link could not be read and are kept as {}; the link is a new one.",
                aside.display()
            ));
        } else if !opened.is_stored() {
            view.say("This share's link holds until the command ends; the next start makes a new one.");
        }
        Ok(opened)
    }

    async fn start_server(&self, identity: &mut OpenIdentity, view: &View) -> Result<Embedded, EngineError> {
        let last_port = identity.identity().port;
        let places = match self.args.listen {
            Some(listen) => vec![listen],
            None => candidates(DEFAULT_PORT, last_port),
        };
        let embedded = Embedded::start(&places).await.map_err(embedded_failed)?;
        let port = embedded.address.port();
        if let Some(narrowed) = embedded.narrowed {
            view.say(&words_of(narrowed));
        }
        if self.args.listen.is_none() {
            if let Some(last) = last_port.filter(|&last| last != port) {
                view.say(&format!("Port {last} is taken by another program, so the link has changed."));
            }
            if let Err(error) = identity.set_port(port) {
                view.say(&format!("The port can't be kept, so the link may change the next time ({error})."));
            }
        }
        Ok(embedded)
    }

    fn options(&self, embedded: Option<&Embedded>) -> Result<ShareOptions, EngineError> {
        let url = self.server.as_ref().or(embedded.map(|embedded| &embedded.url));
        let server = url.cloned().ok_or(Code::ServerUnreachable)?;
        let bind = match self.args.bind.is_empty() {
            true => default_bind(server.is_loopback()),
            false => self.args.bind.iter().map(ToString::to_string).collect(),
        };
        Ok(ShareOptions {
            paths: self.args.paths.clone(),
            server,
            slots: self.args.slots,
            limit: self.args.limit.map(|rate| rate.0),
            name: self.args.name.clone(),
            password: self.password.clone(),
            rtc: RtcConfig { bind, relay_only: self.args.relay_only, ..RtcConfig::default() },
        })
    }
}

fn words_of(narrowed: Narrowed) -> String {
    match narrowed {
        Narrowed::NoNetwork => {
            "This computer is in no network: the link works on this computer only.".to_owned()
        }
        Narrowed::PublicAddress(address) => format!(
            "This computer's address, {address}, is public, where plain HTTP is refused: the link works on this \
             computer only. For others, name a server with --server."
        ),
    }
}

fn forget(identity: OpenIdentity) {
    if let Err(error) = identity.forget() {
        print::note(&format!("The share's keys could not be removed ({error})."));
    }
}

/// Tells what happens until there is a reason to stop; `wanted` receivers done are one, unless it is 0.
async fn follow(
    view: &mut View,
    share: &mut Share,
    mut embedded: Option<&mut Embedded>,
    events: &mut mpsc::Receiver<ShareEvent>,
    cancel: &CancellationToken,
    wanted: usize,
) -> Stop {
    let mut done: HashSet<PeerId> = HashSet::new();
    let mut tick = tokio::time::interval(print::TICK);
    loop {
        let server_failed = async {
            match &mut embedded {
                Some(embedded) => embedded_failed(embedded.failed().await),
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Stop::Interrupted,
            Some(event) = events.recv() => {
                view.show(&event, Instant::now());
                if let ShareEvent::ReceiverDone { receiver, .. } = event {
                    done.insert(receiver);
                    if wanted > 0 && done.len() >= wanted {
                        return Stop::Enough;
                    }
                }
            }
            error = share.ended() => return Stop::Failed(error),
            error = server_failed => return Stop::Failed(error),
            _ = tick.tick() => view.tick(Instant::now()),
        }
    }
}

/// Stops the share in the way that the reason asks for, and tells what still comes of it.
async fn part(view: &mut View, share: Share, stop: &Stop, events: &mut mpsc::Receiver<ShareEvent>) {
    let parting = async {
        match stop {
            Stop::Enough => share.end().await,
            Stop::Interrupted => share.leave().await,
            Stop::NotStarted(_) | Stop::Failed(_) => drop(share),
        }
    };
    tokio::pin!(parting);
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => view.show(&event, Instant::now()),
            () = &mut parting => break,
        }
    }
    while let Ok(event) = events.try_recv() {
        view.show(&event, Instant::now());
    }
}
