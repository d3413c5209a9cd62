//! The place in line, as a stream of Server-Sent Events (WHATWG HTML, 9.2).

use super::asking::{Asking, InShare};
use super::openapi::{OfBearer, OfLimits, OfPeer, OfShare, OfStore};
use super::{Context, Failure};
use crate::connection::Takeover;
use crate::hub::{Closing, Listening, Word, differs};
use crate::limits::Client;
use crate::metrics::{Connected, Kind};
use crate::store::Store;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, State};
use axum::http::Version;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::Response;
use hyper::body::Frame;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Standing;
use sluice_protocol::signal::Place;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use tokio::time::Instant;

const BEAT: &[u8] = b":\n\n";
// What a browser waits before it connects again, in milliseconds.
const RETRY: &[u8] = b"retry: 500\n\n";

/// The place in line, now and whenever it changes, as Server-Sent Events.
#[utoipa::path(get, path = "/api/shares/{share}/events", tag = "peers", security(("token" = [])),
    params(("share" = ShareId, Path), ("Last-Event-ID" = Option<String>, Header, description = "The version of the place that the receiver knows.")),
    responses((status = 200, description = "Events: place (data: Place, id: its version) and ended (data: a code).", body = String, content_type = "text/event-stream"),
        OfBearer, OfPeer, OfShare, OfLimits, OfStore))]
pub async fn events<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    Asking(client): Asking,
    Extension(takeover): Extension<Takeover>,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let peer = context.receiver(share, &headers)?;
    context.hold_receiver(client, share, peer).await?;
    let mut listening = context.hub.listen(share, peer, true);
    let standing = match listening.begin().await {
        Ok(standing) => standing,
        Err(code) => {
            listening.finish();
            context.release_refused(client, share, peer, code).await;
            return Err(code.into());
        }
    };
    let place = Place::new(&standing, listening.now());
    let known = headers.get("last-event-id").is_some_and(|id| id.as_bytes() == place.version.as_bytes());
    // Something at once, so that whoever stands between passes the head on.
    let first = if known { Bytes::from_static(BEAT) } else { place_event(&place) };
    let counted = context.metrics.peer(Kind::Far);
    let of = Of { context, client, share, peer };
    let held = Instant::now();
    let stream =
        Stream { of, _counted: counted, listening, last: standing, held, first: Some(first), over: false };
    let body = Body::new(stream);
    // Older versions have no chunks.
    let body = if version == Version::HTTP_11 { takeover.hand_over(body) } else { body };
    let mut response = Response::new(body);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // nginx would keep events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

// Whose stream it is.
struct Of<S> {
    context: Arc<Context<S>>,
    client: Client,
    share: ShareId,
    peer: PeerId,
}

impl<S: Store> Of<S> {
    // The receiver is there still, and counts as one of its address.
    fn hold(&self) {
        let Of { client, share, peer, .. } = *self;
        let context = Arc::clone(&self.context);
        // It is one already, unless the store was lost; then it is let be.
        tokio::spawn(async move { context.hold_receiver(client, share, peer).await });
    }

    // The receiver does not count as one of its address any more.
    fn release(&self) {
        let Of { client, share, peer, .. } = *self;
        let context = Arc::clone(&self.context);
        tokio::spawn(async move { context.release_receiver(client, share, peer).await });
    }
}

// It has no future of its own, so that a receiver that waits costs little.
struct Stream<S: Store> {
    of: Of<S>,
    _counted: Connected,
    listening: Listening<S>,
    last: Standing,
    // When the receiver was last counted as one of its address.
    held: Instant,
    first: Option<Bytes>,
    over: bool,
}

impl<S: Store> HttpBody for Stream<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        Poll::Ready(ready!(this.poll_event(context)).map(|event| Ok(Frame::data(event))))
    }
}

impl<S: Store> Stream<S> {
    fn poll_event(&mut self, context: &mut task::Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        while !self.over {
            let word = ready!(self.listening.listener().poll_next(context));
            if !matches!(word, Word::Close(_)) && self.held.elapsed() >= self.of.context.timings.counted / 3 {
                self.held = Instant::now();
                self.of.hold();
            }
            let event = match word {
                Word::Place(standing) if !differs(&self.last, &standing) => continue,
                Word::Place(standing) => {
                    self.last = standing;
                    place_event(&Place::new(&standing, self.listening.now()))
                }
                Word::Beat => Bytes::from_static(BEAT),
                Word::Close(closing) => {
                    self.over = true;
                    self.listening.finish();
                    match closing {
                        Closing::Over(code) => {
                            self.of.release();
                            ended_event(code)
                        }
                        Closing::Stopping => Bytes::from_static(RETRY),
                        Closing::Replaced => break,
                    }
                }
            };
            return Poll::Ready(Some(event));
        }
        Poll::Ready(None)
    }
}

fn place_event(place: &Place) -> Bytes {
    // Numbers, names and a text of our own: there is nothing that JSON can't say.
    let data = serde_json::to_string(place).unwrap_or_default();
    format!("event: place\nid: {}\ndata: {data}\n\n", place.version).into()
}

fn ended_event(code: Code) -> Bytes {
    format!("event: ended\ndata: {{\"code\":\"{code}\"}}\n\n").into()
}
