//! The OpenAPI document (3.1), made of the routes themselves: a route is added together with what is said of it, so
//! the document names each of them and no other.

use super::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, on};
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, JoinKey, OwnerKey, PeerId, ShareId};
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{
    CreateShare, ErrorBody, IceServer, IceServers, JoinShare, Place, ShareCreated, ShareJoined, Summary,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder, schema};
use utoipa::{IntoResponses, Modify, OpenApi};

/// What the server says on refusals is the same for all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sluice",
        description = "Introduces the sender of a share to its receivers, and keeps the share's queue.",
    ),
    components(schemas(
        Code, CreateShare, ErrorBody, IceServer, IceServers, JoinHash, JoinKey, JoinShare, OwnerKey, PeerId, Place,
        ShareCreated, ShareId, ShareJoined, Summary, Tier, crate::metrics::Stats, crate::metrics::Receivers,
    )),
    modifiers(&Schemes),
)]
struct Base;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = |about: &str| {
            let mut bearer = Http::new(HttpAuthScheme::Bearer);
            bearer.description = Some(about.to_owned());
            SecurityScheme::Http(bearer)
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", bearer("The sender's token, or a receiver's ticket."));
        components.add_security_scheme("operator", bearer("The operator's token."));
    }
}

/// Routes with what is said of them.
pub struct Routes<S> {
    router: Router<Arc<Context<S>>>,
    document: utoipa::openapi::OpenApi,
}

/// The document, as it is served.
#[derive(Clone)]
pub struct Document(Bytes);

impl<S: Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub fn new() -> Self {
        Routes { router: Router::new(), document: Base::openapi() }
    }

    /// Adds a route under the path and methods that are said of it.
    pub fn add<P: utoipa::Path, T: 'static, H: Handler<T, Arc<Context<S>>>>(
        mut self,
        _: P,
        handler: H,
    ) -> Self {
        let methods = P::methods();
        let all = methods.iter().map(filter).reduce(MethodFilter::or);
        // Every route is said to have a method.
        self.router = self.router.route(&P::path(), on(all.unwrap_or(MethodFilter::GET), handler));
        self.document.paths.add_path_operation(P::path(), methods, P::operation());
        self
    }

    /// The routes, and the document of them.
    pub fn finish(self) -> (Router<Arc<Context<S>>>, utoipa::openapi::OpenApi) {
        (self.router, self.document)
    }
}

impl Document {
    /// As JSON.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        // Texts and numbers of our own: there is nothing that JSON can't say.
        Document(serde_json::to_vec(document).unwrap_or_default().into())
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)))]
pub async fn openapi(Extension(Document(document)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document)
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident { $($status:literal $about:literal)* })*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), refusal($status, $about))),*])
            }
        }
    )*};
}

refusals! {
    /// To a body.
    OfBody {
        "400" "Not JSON, a field is missing, unknown or out of range (request_invalid), or the version is another one (version_unsupported)."
        "408" "The body did not arrive in time (request_invalid)."
        "413" "The body is too long (request_invalid)."
        "415" "Not JSON by its type (request_invalid)."
    }
    /// To a bearer.
    OfBearer {
        "401" "The token is missing, forged, of another share or role, or expired (not_authorised)."
    }
    /// To one that was let go, or has no place.
    OfPeer {
        "403" "No place here or a wrong proof (not_authorised), or the sender let this receiver go (let_go)."
    }
    /// Of a share.
    OfShare {
        "404" "No such share, not a share id, or the share is over (share_not_found, share_ended, sender_gone)."
    }
    /// Of a share id, where the share is not looked for.
    OfShareId {
        "404" "Not a share id (share_not_found)."
    }
    /// Of the store.
    OfStore {
        "503" "The store can't be reached right now (store_unavailable)."
    }
    /// To one that asks too much.
    OfLimits {
        "429" "Too much from this address (rate_limited), or no more room (share_full, server_full)."
    }
}

fn refusal(status: &str, about: &str) -> RefOr<Response> {
    let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    let mut response = ResponseBuilder::new().description(about).content("application/json", body);
    if matches!(status, "429" | "503") {
        let seconds = schema::ObjectBuilder::new().schema_type(schema::Type::Integer).minimum(Some(1));
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build();
        response = response.header("Retry-After", header);
    }
    response.build().into()
}
