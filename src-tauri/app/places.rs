//! Where the app keeps what it keeps, and where downloads go.

use directories::{ProjectDirs, UserDirs};
use sluice_engine::identity::Identity;
use std::path::{Path, PathBuf};

/// The folders of one person's app.
#[derive(Debug, Clone)]
pub struct Places {
    /// Of the settings.
    pub config: PathBuf,
    /// Of shares, downloads and the history.
    pub state: PathBuf,
    /// Of the keys behind links, which the command line uses too.
    pub identities: PathBuf,
    /// Where downloads go unless the person says otherwise.
    pub downloads: PathBuf,
}

impl Places {
    /// Those of this system, if it has places for such things.
    pub fn of_system() -> Option<Self> {
        let dirs = ProjectDirs::from("", "", "sluice")?;
        let user = UserDirs::new()?;
        let downloads = user.download_dir().map_or_else(|| user.home_dir().join("Downloads"), Path::to_owned);
        Some(Places {
            config: dirs.config_dir().to_owned(),
            state: dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("desktop"),
            identities: Identity::default_dir()?,
            downloads,
        })
    }
}

/// Free bytes where `folder` is or will be, if the system says.
pub fn free_space(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    fs4::available_space(there).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_space_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let free = free_space(&dir.path().join("not/yet")).unwrap();
        assert!(free > 0);
    }
}
