//! What can go wrong on a disk, as types with stable codes.

use sluice_protocol::error::Code;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of the disk, with the path for people and a [`Code`] for programs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiskError {
    /// A path given to share does not exist.
    #[error("{}: there is nothing to share here", .path.display())]
    SourceMissing {
        /// As the person gave it.
        path: PathBuf,
    },
    /// No room, or over a quota.
    #[error("{}: the disk is full{}", .path.display(), room(.needed, .free))]
    Full {
        /// The destination.
        path: PathBuf,
        /// Bytes that are still to be written, where that is known.
        needed: Option<u64>,
        /// Bytes that are free, where that is known.
        free: Option<u64>,
    },
    /// The destination disappeared, or may not be written.
    #[error("{}: the folder is gone or can't be written ({error})", .path.display())]
    Gone {
        /// The destination.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// Another process receives the same share into the same folder.
    #[error("{}: another Sluice is receiving this share into this folder", .path.display())]
    Busy {
        /// The destination.
        path: PathBuf,
    },
    /// Any other failure to read or write.
    #[error("{}: {error}", .path.display())]
    Failed {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// An entry or chunk that was not planned, or is not as long as it must be.
    #[error("{0}")]
    Unplanned(&'static str),
}

fn room(needed: &Option<u64>, free: &Option<u64>) -> String {
    match (needed, free) {
        (Some(needed), Some(free)) => format!(" ({needed} bytes are needed, {free} are free)"),
        _ => String::new(),
    }
}

impl DiskError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        match self {
            DiskError::SourceMissing { .. } => Code::SourceMissing,
            DiskError::Full { .. } => Code::DiskFull,
            DiskError::Gone { .. } => Code::DestinationGone,
            DiskError::Busy { .. } => Code::DestinationBusy,
            DiskError::Failed { .. } => Code::DiskFailed,
            DiskError::Unplanned(_) => Code::FrameInvalid,
        }
    }

    /// A failure at `path` that is neither a full disk nor anything else with a name of its own.
    pub(super) fn failed(path: &Path, error: io::Error) -> Self {
        DiskError::Failed { path: path.to_owned(), error: Arc::new(error) }
    }

    /// Names a failure to write at `path`.
    pub(super) fn writing(path: &Path, error: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let path = path.to_owned();
        match error.kind() {
            StorageFull | QuotaExceeded => DiskError::Full { path, needed: None, free: None },
            PermissionDenied | ReadOnlyFilesystem => DiskError::Gone { path, error: Arc::new(error) },
            _ => DiskError::Failed { path, error: Arc::new(error) },
        }
    }
}
