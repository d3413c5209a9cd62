//! A receiver's line: carries out the steps of its course, and tells how they went.

use super::backoff::chance;
use super::course::{Course, Step};
use super::http::{Api, Refusal};
use super::socket::{Closed, SILENCE, Socket};
use super::stream::{EventReader, Item};
use super::{Notes, SignalingEvent};
use crate::error::EngineError;
use sluice_protocol::error::Code;
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::{ClientMessage, JoinShare, Place, ServerMessage};
use sluice_protocol::summary::SummaryKey;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

// A share that is still being walked is looked at again, but not with every place.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(5);
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct ReceiverLine {
    pub(super) api: Api,
    pub(super) join: JoinShare,
    pub(super) key: SummaryKey,
    pub(super) token: watch::Sender<Option<String>>,
    pub(super) to_send: mpsc::Receiver<ClientMessage>,
    pub(super) progress: watch::Receiver<Option<Progress>>,
    pub(super) events: mpsc::Sender<SignalingEvent>,
    pub(super) leaving: CancellationToken,
    pub(super) notes: Notes,
}

/// Why a step ended.
enum End {
    /// It is told in the course; on to the next.
    Next,
    /// It failed.
    Failed(Refusal),
    /// Nobody listens any more.
    Deaf,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        End::Failed(refusal)
    }
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        End::Failed(error.into())
    }
}

/// What the server sends on a stream when the receiver's part in the share is over.
#[derive(serde::Deserialize)]
struct Over {
    code: Code,
}

impl ReceiverLine {
    /// Runs until nothing helps, the receiver leaves, or nobody listens any more.
    pub(super) async fn run(mut self) {
        let leaving = self.leaving.clone();
        let mut course = Course::new();
        let epoch = Instant::now();
        loop {
            let step = course.poll_step(epoch.elapsed());
            let end = match &step {
                Step::Over(code) => {
                    let _ = self.events.send(SignalingEvent::Refused((*code).into())).await;
                    return;
                }
                Step::Pause { until } => tokio::select! {
                    () = sleep_until(epoch + *until) => End::Next,
                    () = leaving.cancelled() => return self.leave(None).await,
                },
                Step::Claim => match self.claim(&mut course, epoch).await {
                    Ok(end) => end,
                    Err(socket) => return self.leave(socket).await,
                },
                step => tokio::select! {
                    end = self.wait(step, &mut course, epoch) => end,
                    () = leaving.cancelled() => return self.leave(None).await,
                },
            };
            match end {
                End::Next => {}
                End::Deaf => return,
                End::Failed(Refusal { error, retry_after }) => {
                    let now = epoch.elapsed();
                    if course.handle_failed(&step, error.code(), retry_after, now, chance()) {
                        // Whatever comes next is news again.
                        self.notes.place = None;
                        if self.events.send(SignalingEvent::Down(error)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    // Joins, polls or listens, once.
    async fn wait(&mut self, step: &Step, course: &mut Course, epoch: Instant) -> End {
        let result = match step {
            Step::Join => self.join(course, epoch).await,
            Step::Poll { after } => self.poll(after.as_deref(), course, epoch).await,
            Step::Listen { last } => self.listen(last.as_deref(), course, epoch).await,
            Step::Claim | Step::Pause { .. } | Step::Over(_) => Ok(()),
        };
        result.err().unwrap_or(End::Next)
    }

    async fn join(&mut self, course: &mut Course, epoch: Instant) -> Result<(), End> {
        let joined = self.api.join(&self.join).await?;
        // Shown the next time, so that a server that lost the line knows when this one came.
        self.join.ticket = Some(joined.ticket.clone());
        self.token.send_replace(Some(joined.ticket));
        if let Some(sealed) = joined.summary {
            self.tell_summary(&sealed).await?;
        }
        self.tell_place(&joined.place).await?;
        course.handle_place(joined.place, epoch.elapsed(), chance());
        Ok(())
    }

    async fn poll(&mut self, after: Option<&str>, course: &mut Course, epoch: Instant) -> Result<(), End> {
        let place = self.api.place(&self.ticket(), after).await?;
        self.tell_place(&place).await?;
        let has_turn = place.lease_ms.is_some();
        course.handle_place(place, epoch.elapsed(), chance());
        if !has_turn {
            self.look_again().await?;
        }
        Ok(())
    }

    async fn listen(&mut self, last: Option<&str>, course: &mut Course, epoch: Instant) -> Result<(), End> {
        let mut response = self.api.events(&self.ticket(), last).await?;
        let mut reader = EventReader::default();
        let mut retry = None;
        loop {
            let bytes = match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                // A server that restarts says when to come back before it goes.
                Ok(_) if retry.is_some() => {
                    course.handle_restart(retry, epoch.elapsed(), chance());
                    return Ok(());
                }
                Ok(Ok(None)) | Err(_) => return Err(EngineError::from(Code::ServerUnreachable).into()),
                Ok(Err(error)) => {
                    return Err(EngineError::detailed(Code::ServerUnreachable, error.without_url()).into());
                }
            };
            let items = reader
                .handle_bytes(&bytes)
                .map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
            for item in items {
                match item {
                    Item::Event { name, data, .. } if name == "place" => {
                        let place: Place = serde_json::from_str(&data)
                            .map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
                        self.tell_place(&place).await?;
                        course.handle_place(place, epoch.elapsed(), chance());
                        // Another tier has another way to hear news.
                        if !matches!(course.poll_step(epoch.elapsed()), Step::Listen { .. }) {
                            return Ok(());
                        }
                    }
                    Item::Event { name, data, .. } if name == "ended" => {
                        let over: Over = serde_json::from_str(&data)
                            .map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
                        return Err(EngineError::from(over.code).into());
                    }
                    Item::Retry(time) => retry = Some(time),
                    Item::Event { .. } | Item::Comment => {}
                }
            }
            self.look_again().await?;
        }
    }

    // Takes the slot and serves its socket. An error is that the receiver leaves, with the socket if it is open.
    async fn claim(&mut self, course: &mut Course, epoch: Instant) -> Result<End, Option<Socket>> {
        let leaving = self.leaving.clone();
        let ticket = self.ticket();
        let opened = tokio::select! {
            opened = Socket::open(&self.api, ticket) => opened,
            () = leaving.cancelled() => return Err(None),
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(error) => return Ok(error.into()),
        };
        let mut admitted = false;
        loop {
            let step = tokio::select! {
                message = socket.next() => match message {
                    Ok(message) => {
                        if matches!(message, ServerMessage::Admitted) {
                            admitted = true;
                            course.handle_admitted(epoch.elapsed());
                            self.progress.mark_changed();
                        }
                        self.hear(message, course, epoch).await
                    }
                    Err(Closed::Restart) => {
                        course.handle_restart(None, epoch.elapsed(), chance());
                        self.tell(SignalingEvent::Restarts).await.map(|()| true)
                    }
                    Err(Closed::Lost(error)) => Err(error.into()),
                },
                message = self.to_send.recv(), if admitted => match message {
                    Some(message) => socket.send(&message).await.map(|()| false).map_err(End::from),
                    None => Err(End::Deaf),
                },
                Ok(()) = self.progress.changed(), if admitted => self.send_progress(&mut socket).await.map(|()| false),
                () = leaving.cancelled() => return Err(Some(socket)),
            };
            match step {
                Ok(false) => {}
                Ok(true) => return Ok(End::Next),
                Err(end) => return Ok(end),
            }
        }
    }

    // Whether the socket has served its purpose.
    async fn hear(
        &mut self,
        message: ServerMessage,
        course: &mut Course,
        epoch: Instant,
    ) -> Result<bool, End> {
        if let ServerMessage::Ended { code } = message {
            self.ended(code, course, epoch).await?;
            return Ok(true);
        }
        self.tell(SignalingEvent::Message(message)).await?;
        Ok(false)
    }

    async fn ended(&mut self, code: Code, course: &mut Course, epoch: Instant) -> Result<(), End> {
        course.handle_ended(code, epoch.elapsed(), chance());
        if code == Code::SenderGone {
            self.notes.place = None;
            self.tell(SignalingEvent::Down(code.into())).await?;
        }
        Ok(())
    }

    async fn send_progress(&mut self, socket: &mut Socket) -> Result<(), End> {
        let progress = *self.progress.borrow_and_update();
        match progress {
            Some(progress) => Ok(socket.send(&ClientMessage::Progress { progress }).await?),
            None => Ok(()),
        }
    }

    // Frees the slot or the place, so that the next in line need not wait for the grace period.
    async fn leave(&mut self, socket: Option<Socket>) {
        let farewell = async {
            if let Some(mut socket) = socket {
                let said = self.progress.has_changed().unwrap_or(false);
                if said && self.send_progress(&mut socket).await.is_err() {
                    return;
                }
                if socket.send(&ClientMessage::Leave).await.is_ok() {
                    while socket.next().await.is_ok() {}
                    return;
                }
            }
            if let Some(ticket) = &self.join.ticket
                && let Err(refusal) = self.api.leave(ticket, self.join.peer).await
            {
                tracing::debug!(error = %refusal.error, "the place could not be given up");
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    // Steps that need it come behind joining.
    fn ticket(&self) -> String {
        self.join.ticket.clone().unwrap_or_default()
    }

    async fn tell(&self, event: SignalingEvent) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::Deaf)
    }

    async fn tell_place(&mut self, place: &Place) -> Result<(), End> {
        if self.notes.place.as_ref() == Some(&place.version) {
            return Ok(());
        }
        self.notes.place = Some(place.version.clone());
        self.tell(SignalingEvent::Place(place.clone())).await
    }

    async fn tell_summary(&mut self, sealed: &str) -> Result<(), End> {
        self.notes.summary_at = Instant::now();
        match self.key.open(sealed) {
            Ok(summary) if self.notes.summary.as_ref() != Some(&summary) => {
                self.notes.summary = Some(summary.clone());
                self.tell(SignalingEvent::Summary(summary)).await
            }
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "a summary was not taken");
                Ok(())
            }
        }
    }

    // Until the sender has walked all of it, there is more to be seen each time.
    async fn look_again(&mut self) -> Result<(), End> {
        let complete = self.notes.summary.as_ref().is_some_and(|summary| summary.complete);
        if complete || self.notes.summary_at.elapsed() < SUMMARY_INTERVAL {
            return Ok(());
        }
        self.notes.summary_at = Instant::now();
        match self.api.summary(&self.ticket()).await {
            Ok(Some(sealed)) => self.tell_summary(&sealed).await,
            Ok(None) => Ok(()),
            Err(refusal) => {
                // The place is what matters; if it is lost, that is told there.
                tracing::debug!(error = %refusal.error, "no summary was told");
                Ok(())
            }
        }
    }
}
