//! The place in line, as a long poll.

use super::asking::{Asking, InShare};
use super::openapi::{OfBearer, OfPeer, OfQuery, OfShare, OfStore};
use super::{Context, Failure};
use crate::hub::{Closing, Listening, Word};
use crate::limits::Client;
use crate::metrics::Kind;
use crate::store::Store;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::HeaderMap;
use serde::Deserialize;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Command;
use sluice_protocol::signal::Place;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// What a poll says in its query.
#[derive(Deserialize)]
pub struct Known {
    /// The version of the place that the receiver knows.
    after: Option<String>,
}

/// The place in line. Answers at once if the place is not the one that the receiver knows, else when it changes or time is up.
#[utoipa::path(get, path = "/api/shares/{share}/place", tag = "peers", security(("token" = [])),
    params(("share" = ShareId, Path), ("after" = Option<String>, Query, description = "The version of the place that the receiver knows: waits for another one, 10 seconds at most.")),
    responses((status = 200, description = "The place.", body = Place), OfQuery, OfBearer, OfPeer, OfShare, OfStore))]
pub async fn place<S: Store>(
    State(context): State<Arc<Context<S>>>,
    InShare(share): InShare,
    Asking(client): Asking,
    headers: HeaderMap,
    query: Result<Query<Known>, QueryRejection>,
) -> Result<Json<Place>, Failure> {
    let peer = context.receiver(share, &headers)?;
    let Query(Known { after }) = query.map_err(|_| Code::RequestInvalid)?;
    let place = match after {
        None => look(&context, client, share, peer).await?,
        Some(after) => {
            let _counted = context.metrics.peer(Kind::Near);
            let mut listening = context.hub.listen(share, peer, false);
            // Whoever goes away in the middle has dropped; one that is answered has not.
            let place = wait(&context, &listening, &after, client, share, peer).await;
            listening.finish();
            if let Err(code) = place {
                context.release_refused(client, share, peer, code).await;
            }
            place?
        }
    };
    Ok(Json(place))
}

async fn look<S: Store>(
    context: &Context<S>,
    client: Client,
    share: ShareId,
    peer: PeerId,
) -> Result<Place, Code> {
    let now = context.hub.now();
    let seen = context.hub.store().handle(share, &Command::Seen { peer }, now).await?;
    let standing = seen.ok_or(Code::ServerFailed)?;
    count(context, client, share, peer).await;
    Ok(Place::new(&standing, now))
}

// The receiver counts as one of its address. Since it joined it does, unless it has another one now: then it is let be.
async fn count<S: Store>(context: &Context<S>, client: Client, share: ShareId, peer: PeerId) {
    let _ = context.hold_receiver(client, share, peer).await;
}

async fn wait<S: Store>(
    context: &Context<S>,
    listening: &Listening<S>,
    after: &str,
    client: Client,
    share: ShareId,
    peer: PeerId,
) -> Result<Place, Code> {
    let until = Instant::now() + context.timings.poll;
    let mut place = Place::new(&listening.begin().await?, listening.now());
    count(context, client, share, peer).await;
    while place.version == after {
        match timeout_at(until, listening.listener().next()).await {
            Ok(Word::Place(standing)) => place = Place::new(&standing, listening.now()),
            Ok(Word::Beat) => {}
            Ok(Word::Close(Closing::Over(code))) => return Err(code),
            Ok(Word::Close(Closing::Replaced | Closing::Stopping)) => break,
            Err(_) => {
                let standings = context.hub.store().standings(share, &[peer]).await?;
                let standing = standings.into_iter().next().flatten().ok_or(Code::NotAuthorised)?;
                return Ok(Place::new(&standing, listening.now()));
            }
        }
    }
    Ok(place)
}
