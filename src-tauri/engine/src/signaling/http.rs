//! The server's HTTP routes, one call each, with refusals as codes.

use crate::error::EngineError;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::link::ServerUrl;
use sluice_protocol::signal::{
    CreateShare, ErrorBody, IceServers, JoinShare, MAX_MESSAGE_LEN, Place, ShareCreated, ShareJoined, Summary,
};
use std::time::Duration;

/// How long a request may take that the server answers at once.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
// The server answers after 10 s at the latest.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: EngineError,
    /// How long the server wants not to be asked again.
    pub(super) retry_after: Option<Duration>,
}

impl<T: Into<EngineError>> From<T> for Refusal {
    fn from(error: T) -> Self {
        Refusal { error: error.into(), retry_after: None }
    }
}

/// One share's routes on one server. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    pub(super) server: ServerUrl,
    pub(super) share: ShareId,
}

impl Api {
    /// # Errors
    /// [`Code::ServerFailed`] if this machine can't do HTTPS at all.
    pub(super) fn new(server: ServerUrl, share: ShareId) -> Result<Self, EngineError> {
        super::install_tls();
        let http = reqwest::Client::builder()
            .connect_timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| EngineError::detailed(Code::ServerFailed, error.without_url()))?;
        Ok(Api { http, server, share })
    }

    /// Opens the share, or opens it again.
    pub(super) async fn create(&self, create: &CreateShare) -> Result<ShareCreated, Refusal> {
        let request = self.http.post(self.server.http("/api/shares")).json(create);
        read(self.send(request.timeout(REQUEST_TIMEOUT)).await?).await
    }

    /// Takes a place in line.
    pub(super) async fn join(&self, join: &JoinShare) -> Result<ShareJoined, Refusal> {
        let request = self.http.post(self.server.http(&self.path("/receivers"))).json(join);
        read(self.send(request.timeout(REQUEST_TIMEOUT)).await?).await
    }

    /// The place, once it is not `after` any more or ten seconds have passed; without `after` at once.
    pub(super) async fn place(&self, ticket: &str, after: Option<&str>) -> Result<Place, Refusal> {
        let mut url = Url::parse(&self.server.http(&self.path("/place")))
            .map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let request = self.http.get(url).bearer_auth(ticket);
        read(self.send(request.timeout(POLL_TIMEOUT)).await?).await
    }

    /// The event stream, behind the event `last`; without one it begins with the place.
    pub(super) async fn events(&self, ticket: &str, last: Option<&str>) -> Result<Response, Refusal> {
        let mut request = self.request(Method::GET, "/events", ticket).header(ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        // The stream itself has no end; only its beginning is waited for with a limit.
        match tokio::time::timeout(REQUEST_TIMEOUT, self.send(request)).await {
            Ok(response) => response,
            Err(_) => Err(Code::ServerUnreachable.into()),
        }
    }

    /// Gives the place or slot up.
    pub(super) async fn leave(&self, ticket: &str, peer: PeerId) -> Result<(), Refusal> {
        let request = self.request(Method::DELETE, &format!("/receivers/{peer}"), ticket);
        self.send(request.timeout(REQUEST_TIMEOUT)).await.map(|_| ())
    }

    /// What the share holds, sealed, if its sender has said.
    pub(super) async fn summary(&self, token: &str) -> Result<Option<String>, Refusal> {
        let request = self.request(Method::GET, "/summary", token);
        let response = self.send(request.timeout(REQUEST_TIMEOUT)).await?;
        if response.status() == reqwest::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        read::<Summary>(response).await.map(|body| Some(body.summary))
    }

    /// The servers that help to find a path, within `patience`.
    pub(super) async fn ice(&self, token: &str, patience: Duration) -> Result<IceServers, Refusal> {
        read(self.send(self.request(Method::GET, "/ice", token).timeout(patience)).await?).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/shares/{}{rest}", self.share)
    }

    fn request(&self, method: Method, rest: &str, token: &str) -> RequestBuilder {
        self.http.request(method, self.server.http(&self.path(rest))).bearer_auth(token)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Refusal> {
        let mut response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status();
        let error = match serde_json::from_slice::<ErrorBody>(&body(&mut response).await?) {
            Ok(body) => body.code.into(),
            Err(_) => EngineError::detailed(Code::ServerFailed, status),
        };
        Err(Refusal { error, retry_after: retry_after.map(Duration::from_secs) })
    }
}

async fn read<T: DeserializeOwned>(mut response: Response) -> Result<T, Refusal> {
    serde_json::from_slice(&body(&mut response).await?)
        .map_err(|error| EngineError::detailed(Code::ServerFailed, error).into())
}

// No more of it than any answer has: a server can't fill this machine's memory.
async fn body(response: &mut Response) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_MESSAGE_LEN {
            return Err(EngineError::detailed(Code::ServerFailed, "its answer is too long").into());
        }
    }
    Ok(bytes)
}

// Without its address, which names the share.
fn unreachable(error: reqwest::Error) -> Refusal {
    EngineError::detailed(Code::ServerUnreachable, error.without_url()).into()
}
