//! The failures of the layers below, in the words of the engine.

use sluice_engine::error::EngineError;
use sluice_protocol::link::LinkError;
use sluice_server::ServerError;
use sluice_server::embedded::EmbeddedError;

/// A server's failure to start.
// Taken whole, as the others are, so that it can be handed to `map_err`.
#[allow(clippy::needless_pass_by_value)]
pub fn server_failed(error: ServerError) -> EngineError {
    EngineError::Detailed { code: error.code(), detail: error.to_string() }
}

/// An embedded server's failure.
#[allow(clippy::needless_pass_by_value)]
pub fn embedded_failed(error: EmbeddedError) -> EngineError {
    EngineError::Detailed { code: error.code(), detail: error.to_string() }
}

/// A link's or an address' failure.
pub fn link_failed(error: LinkError) -> EngineError {
    EngineError::Detailed { code: error.code(), detail: error.to_string() }
}
