//! What a download is to take and where to, once its person has said so.

use crate::disk::{Chosen, Conflict, Selection};
use crate::error::EngineError;
use sluice_protocol::error::Code;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// What a person has chosen of an opened share.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The folder below which everything is written.
    pub out: PathBuf,
    /// What happens to files that exist.
    pub conflict: Conflict,
    /// What is received.
    pub selection: Selection,
}

/// What a destination is opened with.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) out: PathBuf,
    pub(super) conflict: Conflict,
    pub(super) chosen: Chosen,
}

impl From<Choice> for Terms {
    fn from(choice: Choice) -> Self {
        Terms { out: choice.out, conflict: choice.conflict, chosen: Chosen::Selected(choice.selection) }
    }
}

/// What is wanted of a share.
pub(super) enum Wish {
    /// To see what it holds, and no more.
    List,
    /// To see what it holds, and then to choose.
    Open {
        /// Brings the choice.
        choice: oneshot::Receiver<Choice>,
        /// How long a slot is kept meanwhile, from the moment at which all is seen.
        hold: Duration,
        /// Until when that is.
        until: Option<Instant>,
    },
    /// This.
    Made(Terms),
}

impl Wish {
    /// The choice that a person is about to make.
    ///
    /// # Errors
    /// [`Code::Interrupted`] if nobody is there to make it.
    pub(super) fn open(mut choice: oneshot::Receiver<Choice>, hold: Duration) -> Result<Self, EngineError> {
        match choice.try_recv() {
            Ok(choice) => Ok(Wish::Made(choice.into())),
            Err(oneshot::error::TryRecvError::Empty) => Ok(Wish::Open { choice, hold, until: None }),
            Err(oneshot::error::TryRecvError::Closed) => Err(Code::Interrupted.into()),
        }
    }

    /// All is seen: how long the slot is kept from now on. `None` if nothing is to be chosen.
    pub(super) fn hold(&mut self) -> Option<Duration> {
        match self {
            Wish::Open { hold, until, .. } => {
                *until = Some(Instant::now() + *hold);
                Some(*hold)
            }
            Wish::List | Wish::Made(_) => None,
        }
    }

    /// Whether all was seen and nothing is chosen yet.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Wish::Open { until: Some(_), .. })
    }

    /// Waits for the choice; `None` when the slot was kept for long enough. May be dropped at any time without losing
    /// one. Never ends where nothing is to be chosen any more.
    ///
    /// # Errors
    /// [`Code::Interrupted`] if nobody is there to make it.
    pub(super) async fn choice(&mut self) -> Result<Option<Choice>, EngineError> {
        let Wish::Open { choice, until, .. } = self else {
            return pending().await;
        };
        let until = *until;
        tokio::select! {
            biased;
            made = choice => made.map(Some).map_err(|_| Code::Interrupted.into()),
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Ok(None),
        }
    }

    /// The slot is given up: the choice is waited for without one.
    pub(super) fn release(&mut self) {
        if let Wish::Open { until, .. } = self {
            *until = None;
        }
    }
}
