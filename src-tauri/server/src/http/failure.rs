//! Every error answer: a status, and a stable code with its sentence.

use super::observe::Refused;
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use sluice_protocol::error::Code;
use sluice_protocol::signal::ErrorBody;
use std::time::Duration;

// After which one who was refused for want of room may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An error answer.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    code: Code,
    after: Duration,
}

impl Failure {
    /// An answer with a status that does not follow from its code.
    pub const fn new(status: StatusCode, code: Code) -> Self {
        Failure { status, code, after: RETRY_AFTER }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same, when it is known how long to wait.
    pub fn after(self, after: Duration) -> Self {
        Failure { after, ..self }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        let status = match code {
            Code::ShareNotFound | Code::ShareEnded | Code::SenderGone => StatusCode::NOT_FOUND,
            Code::NotAuthorised | Code::LetGo => StatusCode::FORBIDDEN,
            Code::NotYourTurn => StatusCode::CONFLICT,
            Code::ShareFull | Code::ServerFull | Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::ServerFailed => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Failure::new(status, code)
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
                // Whole seconds, and none too few.
                let seconds = self.after.as_millis().div_ceil(1000).max(1);
                let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response.extensions_mut().insert(Refused(self.code));
        response
    }
}
