//! Every error answer: a status, and a stable code with its sentence.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;
use sluice_protocol::signal::ErrorBody;

// Seconds after which one who was refused for want of room may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An error answer.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    code: Code,
}

impl Failure {
    /// An answer with a status that does not follow from its code.
    pub const fn new(status: StatusCode, code: Code) -> Self {
        Failure { status, code }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        let status = match code {
            Code::ShareNotFound | Code::ShareEnded | Code::SenderGone => StatusCode::NOT_FOUND,
            Code::NotAuthorised => StatusCode::FORBIDDEN,
            Code::NotYourTurn => StatusCode::CONFLICT,
            Code::ShareFull | Code::ServerFull | Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Failure { status, code }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody::new(self.code))).into_response();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        response
    }
}
