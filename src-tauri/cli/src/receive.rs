//! `sluice receive`: a download, or a look at what is offered.

use crate::args::ReceiveArgs;
use crate::failures::link_failed;
use crate::print::receive::View;
use crate::print::{self, Style};
use crate::{password, signals};
use sluice_engine::config::ReceiveOptions;
use sluice_engine::disk::{Outcome, Report, Skip, Summary};
use sluice_engine::error::EngineError;
use sluice_engine::event::ReceiveEvent;
use sluice_engine::receive;
use sluice_engine::rtc::{RtcConfig, default_bind};
use sluice_protocol::error::Code;
use sluice_protocol::link::Link;
use sluice_protocol::manifest::Unreadable;
use sluice_server::host;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A checked `sluice receive`.
pub struct Receive {
    options: ReceiveOptions,
    list: bool,
    style: Style,
}

impl Receive {
    /// Reads the link, and asks for the password if the link needs one.
    ///
    /// # Errors
    /// The link's, or [`Code::PasswordNeeded`].
    pub fn new(args: ReceiveArgs, verbose: bool) -> Result<Self, EngineError> {
        let link = Link::parse(&args.link).map_err(link_failed)?;
        let password = match password::given(args.password_file.as_deref())? {
            None if link.password => Some(password::ask("Password: ")?),
            given => given,
        };
        let bind = match args.bind.is_empty() {
            true => default_bind(link.server.is_loopback()),
            false => args.bind.iter().map(ToString::to_string).collect(),
        };
        let options = ReceiveOptions {
            link,
            out: args.out,
            only: args.only,
            conflict: args.conflict.into(),
            name: host::name(),
            password,
            patience: Duration::from_secs(args.wait),
            rtc: RtcConfig { bind, relay_only: args.relay_only, ..RtcConfig::default() },
        };
        Ok(Receive { options, list: args.list, style: Style::choose(args.json, verbose) })
    }

    /// Receives, and tells of it, until it is done or interrupted.
    ///
    /// # Errors
    /// Why it ended; also when some entries could not be received.
    pub async fn run(self) -> Result<(), EngineError> {
        let cancel = signals::listen();
        let (sender, events) = mpsc::channel(256);
        let (options, list, stop) = (self.options, self.list, cancel.clone());
        let work = tokio::spawn(async move {
            match list {
                true => receive::list(options, sender, stop).await.map(|()| None),
                false => receive::receive(options, sender, stop).await.map(Some),
            }
        });
        let mut view = View::new(self.style);
        let mut toll = Toll::default();
        let result = follow(&mut view, &mut toll, events, work, &cancel, list).await;
        if let Ok(Some(summary)) = &result {
            summary.reports.iter().for_each(|report| toll.count(report));
            view.show(&ReceiveEvent::Done(summary.clone()), Instant::now());
        }
        view.close();
        result?;
        toll.verdict().map_or(Ok(()), |code| Err(code.into()))
    }
}

type Outcomes = Result<Option<Summary>, EngineError>;

async fn follow(
    view: &mut View,
    toll: &mut Toll,
    mut events: mpsc::Receiver<ReceiveEvent>,
    mut work: JoinHandle<Outcomes>,
    cancel: &CancellationToken,
    list: bool,
) -> Outcomes {
    let mut tick = tokio::time::interval(print::TICK);
    let show = |event: &ReceiveEvent, toll: &mut Toll, view: &mut View| {
        if let ReceiveEvent::Report(report) = event {
            toll.count(report);
        }
        // A list that nobody reads needs no end; a download is wanted on disk.
        if !view.show(event, Instant::now()) && list {
            cancel.cancel();
        }
    };
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => show(&event, toll, view),
            result = &mut work => break result,
            _ = tick.tick() => view.tick(Instant::now()),
        }
    };
    while let Ok(event) = events.try_recv() {
        show(&event, toll, view);
    }
    match result {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What the entries that did not arrive amount to.
#[derive(Debug, Default)]
struct Toll {
    source: Option<Code>,
    other: Option<Code>,
}

impl Toll {
    fn count(&mut self, report: &Report) {
        let code = match &report.outcome {
            Outcome::Failed { code } => *code,
            // A socket or a device has no content that anybody misses.
            Outcome::Skipped { reason: Skip::Unreadable(why) } if *why != Unreadable::Special => {
                Code::SourceUnreadable
            }
            _ => return,
        };
        match code {
            Code::SourceChanged | Code::SourceUnreadable | Code::SourceMissing => {
                self.source.get_or_insert(code);
            }
            _ => {
                self.other.get_or_insert(code);
            }
        }
    }

    /// The code that the whole ends with: what went wrong here weighs more than what changed at the source.
    fn verdict(&self) -> Option<Code> {
        self.other.or(self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcomes: impl IntoIterator<Item = Outcome>) -> Option<Code> {
        let mut toll = Toll::default();
        for outcome in outcomes {
            toll.count(&Report { path: "a".into(), outcome });
        }
        toll.verdict()
    }

    #[test]
    fn what_did_not_arrive_decides_how_it_ends() {
        let failed = |code| Outcome::Failed { code };
        let skipped = |reason| Outcome::Skipped { reason };
        assert_eq!(verdict([]), None);
        assert_eq!(verdict([skipped(Skip::Identical), Outcome::Renamed { to: "b".into() }]), None);
        assert_eq!(verdict([skipped(Skip::Unreadable(Unreadable::Special))]), None);
        assert_eq!(verdict([skipped(Skip::Unreadable(Unreadable::Denied))]), Some(Code::SourceUnreadable));
        assert_eq!(verdict([failed(Code::SourceChanged)]), Some(Code::SourceChanged));
        assert_eq!(verdict([failed(Code::SourceChanged), failed(Code::DiskFailed)]), Some(Code::DiskFailed));
    }
}
