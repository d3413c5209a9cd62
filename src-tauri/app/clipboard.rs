//! The clipboard. On some systems what was copied is there only for as long as the one who copied it, so it is kept.

use crate::api::Failure;
use arboard::Clipboard as System;
use sluice_protocol::error::Code;
use std::sync::{Arc, Mutex, PoisonError};

/// The system's clipboard, opened when it is needed.
#[derive(Clone, Default)]
pub struct Clipboard {
    system: Arc<Mutex<Option<System>>>,
}

impl Clipboard {
    /// Copies a text. Blocks for a moment.
    ///
    /// # Errors
    /// There is no clipboard.
    pub fn copy(&self, text: String) -> Result<(), Failure> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error| Failure::detailed(Code::RequestInvalid, error);
        let clipboard = match system.as_mut() {
            Some(clipboard) => clipboard,
            None => system.insert(System::new().map_err(failed)?),
        };
        clipboard.set_text(text).map_err(failed)
    }
}
