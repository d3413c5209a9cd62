//! The one error of the engine: a stable code and what belongs to it.

use crate::disk::DiskError;
use crate::rtc::RtcError;
use sluice_protocol::error::Code;
use sluice_protocol::session::SessionError;

/// Why a share or a download ended. Its text is a sentence for people; programs look at [`EngineError::code`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// One of the codes, with nothing to add.
    #[error("{}", .0.sentence())]
    Code(Code),
    /// The disk, with the path that it is about.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// The server's or the system's own words behind a code.
    #[error("{} ({detail})", .code.sentence())]
    Detailed {
        /// The stable code.
        code: Code,
        /// What the layer below said.
        detail: String,
    },
}

impl EngineError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            EngineError::Code(code) | EngineError::Detailed { code, .. } => *code,
            EngineError::Disk(error) => error.code(),
        }
    }

    pub(crate) fn detailed(code: Code, detail: impl std::fmt::Display) -> Self {
        EngineError::Detailed { code, detail: detail.to_string() }
    }
}

impl From<Code> for EngineError {
    fn from(code: Code) -> Self {
        EngineError::Code(code)
    }
}

impl From<SessionError> for EngineError {
    fn from(error: SessionError) -> Self {
        EngineError::Code(error.code)
    }
}

impl From<RtcError> for EngineError {
    fn from(error: RtcError) -> Self {
        let code = if error == RtcError::RelayRefused { Code::RelayRefused } else { Code::NoConnection };
        EngineError::detailed(code, error)
    }
}
